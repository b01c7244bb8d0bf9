-- Only in the database of a drill: let its clock, which nobody can move, be further on for everything that waits by it. What
-- happened is that much longer ago, what is due is due that much sooner.
create or replace function public.let_time_pass(p_ms bigint) returns void
language plpgsql set search_path = ''
as $$
declare
  span constant interval := p_ms * interval '1 millisecond';
begin
  update public.agents set last_beat_at = last_beat_at - span where last_beat_at > 'epoch';
  update public.venue_health set asked_at = asked_at - span;
  update public.monitor_lease set lease_until = lease_until - span where singleton;
  update public.monitor_runs set started_at = started_at - span, finished_at = finished_at - span
  where finished_at > clock_timestamp() - interval '30 minutes'; -- longer than a run may be missing
  update public.execution_runs set created_at = created_at - span, dispatched_at = dispatched_at - span,
    lease_until = lease_until - span
  where status <> 'finished';
  update public.notification_deliveries set next_at = next_at - span, lease_until = lease_until - span
  where state in ('pending', 'sending');
end
$$;
revoke all on function public.let_time_pass(bigint) from public, anon, authenticated;
grant execute on function public.let_time_pass(bigint) to service_role;
