-- Retention: what is kept of tables that only grow, and for how long; asked for a table at a time, a batch a call. What is
-- not named here is kept for ever: the ledger, the steps of trading, the audit trail. Needs 0033.
create index if not exists equity_points_between_hours on public.equity_points (at_ms) where at_ms % 3600000 <> 0;
create index if not exists paper_orders_ended on public.paper_orders (updated_at_ms)
  where state in ('filled', 'cancelled', 'rejected');

-- Remove up to p_limit rows of a table that are older than p_keep_ms, and return how many. Columns in epoch ms are of the
-- market's time, p_now_ms; the others of the database's.
create or replace function public.forget_rows(p_table text, p_keep_ms bigint, p_now_ms bigint, p_limit integer)
returns integer
language plpgsql set search_path = ''
as $$
declare
  is_old text := case p_table
    when 'monitor_runs' then 't.started_at < $2'
    when 'execution_runs' then 't.close_time < $1'
    -- What was traded on stays as long as the intent that traded on it.
    when 'signals' then 't.close_time < $1 and not exists (
      select from public.trade_intents as i where i.signal_id = t.signal_id)'
    when 'intelligence_signals' then 't.observed_at_ms < $1'
    when 'alerts' then 't.state = ''resolved'' and t.resolved_at_ms < $1'
    -- One point an hour stays: those on the hour.
    when 'equity_points' then 't.at_ms < $1 and t.at_ms % 3600000 <> 0'
    when 'paper_orders' then 't.state in (''filled'', ''cancelled'', ''rejected'') and t.updated_at_ms < $1'
    when 'agent_memory' then 't.at < $2'
    when 'notification_deliveries' then 't.created_at < $2'
    when 'outbox' then 't.created_at < $2'
  end;
  forgotten integer;
begin
  if is_old is null then
    raise exception 'column "table": nothing of % is ever forgotten', p_table using errcode = '22023';
  end if;
  execute format(
    'delete from public.%1$I as d where d.ctid = any (array(
       select t.ctid from public.%1$I as t where %2$s limit $3))', p_table, is_old
  ) using p_now_ms - p_keep_ms, clock_timestamp() - p_keep_ms * interval '1 millisecond', p_limit;
  get diagnostics forgotten = row_count;
  return forgotten;
end
$$;
revoke all on function public.forget_rows(text, bigint, bigint, integer) from public, anon, authenticated;
grant execute on function public.forget_rows(text, bigint, bigint, integer) to service_role;
