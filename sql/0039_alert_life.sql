-- The life of an alert: open, acknowledged, resolved, and open again when it comes back within its cool-down. Needs
-- 0032_alerts_of_many.sql.
alter table public.alerts add column if not exists person_id uuid; -- whose it is, beside its book's owner
alter table public.alerts add column if not exists opened_at_ms bigint; -- market time it opened last
alter table public.alerts add column if not exists reopened integer not null default 0 check (reopened >= 0);
-- It came back within its cool-down, and nobody was told.
alter table public.alerts add column if not exists is_quiet boolean not null default false;
alter table public.alerts add column if not exists told_severity text
  check (told_severity in ('info', 'warning', 'critical')); -- the highest anybody was told of
alter table public.alerts add column if not exists acknowledged_by text check (length(acknowledged_by) between 1 and 128);
alter table public.alerts add column if not exists acknowledged_at_ms bigint;
update public.alerts set opened_at_ms = first_at_ms, told_severity = severity where opened_at_ms is null;
create index if not exists alerts_resolved on public.alerts (dedupe_key, resolved_at_ms desc) where state = 'resolved';

drop policy if exists "people read alerts of their books" on public.alerts;
create policy "people read alerts of their books" on public.alerts for select to authenticated
  using (person_id = (select auth.uid()) or exists (select from public.books where books.book_id = alerts.book_id));

-- How severe a severity is.
create or replace function desk.severity_rank(p_severity text) returns integer
language sql immutable parallel safe set search_path = ''
as $$
  select case p_severity when 'info' then 1 when 'warning' then 2 when 'critical' then 3 end
$$;

create or replace function desk.alert_json(a public.alerts) returns jsonb
language sql immutable set search_path = ''
as $$
  select jsonb_build_object(
    'alert_id', a.alert_id, 'dedupe_key', a.dedupe_key, 'kind', a.kind, 'severity', a.severity, 'sentence', a.sentence,
    'book_id', a.book_id, 'person_id', a.person_id, 'details', a.details, 'state', a.state, 'seen', a.seen,
    'reopened', a.reopened, 'first_at_ms', a.first_at_ms, 'opened_at_ms', coalesce(a.opened_at_ms, a.first_at_ms),
    'last_at_ms', a.last_at_ms, 'resolved_at_ms', a.resolved_at_ms, 'acknowledged_by', a.acknowledged_by,
    'acknowledged_at_ms', a.acknowledged_at_ms
  )
$$;

-- Alerts somebody may see, by (last_at_ms, alert_id) descending, those before a cursor; null filters nothing.
create or replace function public.list_alerts(
  p_limit integer, p_states text[], p_min_severity text, p_book_id text, p_before_ms bigint, p_before_id uuid
) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(desk.alert_json(f.a) order by (f.a).last_at_ms desc, (f.a).alert_id desc), '[]')
  from (
    select a from public.alerts as a
    where (p_states is null or a.state = any (p_states))
      and (p_min_severity is null or desk.severity_rank(a.severity) >= desk.severity_rank(p_min_severity))
      and (p_book_id is null or a.book_id = p_book_id)
      and (p_before_ms is null or (a.last_at_ms, a.alert_id) < (p_before_ms, p_before_id))
    order by a.last_at_ms desc, a.alert_id desc
    limit p_limit
  ) as f
$$;

-- One alert that the caller may see, or null.
create or replace function public.get_alert(p_alert_id uuid) returns jsonb
language sql stable set search_path = ''
as $$
  select desk.alert_json(a) from public.alerts as a where a.alert_id = p_alert_id
$$;

-- Say that somebody looks after an open alert; who said so first stays. Null when there is no such alert.
create or replace function public.acknowledge_alert(p_alert_id uuid, p_actor text, p_at_ms bigint) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  a public.alerts;
begin
  select * into a from public.alerts as t where t.alert_id = p_alert_id for update;
  if not found then
    return null;
  end if;
  if a.state = 'resolved' then
    raise exception 'the alert is resolved: there is nothing to look after' using errcode = 'ND002';
  end if;
  if a.state = 'open' then
    update public.alerts as t set state = 'acknowledged', acknowledged_by = p_actor, acknowledged_at_ms = p_at_ms
    where t.alert_id = p_alert_id
    returning * into a;
  end if;
  return desk.alert_json(a);
end
$$;

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'public.list_alerts(integer, text[], text, text, bigint, uuid)', 'public.get_alert(uuid)',
    'desk.alert_json(public.alerts)', 'desk.severity_rank(text)'
  ] loop
    execute format('revoke all on function %s from public, anon, authenticated, service_role', signature);
    execute format('grant execute on function %s to authenticated, service_role', signature);
  end loop;
  revoke all on function public.acknowledge_alert(uuid, text, bigint) from public, anon, authenticated;
  grant execute on function public.acknowledge_alert(uuid, text, bigint) to service_role;
end
$$;
