-- Much in one call: a halt has hundreds of orders to take back while a person waits for it, and every account's fills are
-- looked for every minute. Needs 0020_order_life.sql and 0021_ledger.sql.

-- Store what is said of each order as advance_order does; one that has moved meanwhile, or may not take the step, stays as
-- it is and is answered so. p_changes has order_id, version and report of each. Rows are taken in one order by everybody,
-- so that two callers never wait for each other.
create or replace function public.advance_orders(p_changes jsonb, p_actor text) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  change record;
  answer jsonb;
  answers jsonb := '[]';
begin
  for change in
    select c.* from jsonb_to_recordset(p_changes) as c (order_id text, version integer, report jsonb) order by c.order_id
  loop
    begin
      answer := public.advance_order(change.order_id, change.version, change.report, p_actor);
    exception when sqlstate 'ND002' or sqlstate 'ND003' then
      select desk.order_json(o) into answer from public.orders as o where o.order_id = change.order_id;
    end;
    answers := answers || jsonb_build_array(answer);
  end loop;
  return answers;
end
$$;

-- Those of an account's trades, each [symbol, trade id], that are posted.
create or replace function public.known_trades(p_venue text, p_account text, p_trades jsonb) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_array(f.symbol, f.trade_id)), '[]')
  from jsonb_array_elements(p_trades) as t
  join public.fills as f
    on (f.venue, f.account, f.symbol, f.trade_id) = (p_venue, p_account, t ->> 0, t ->> 1)
$$;
drop function if exists public.known_fills(text, text, text, text[]); -- it knew one symbol at a time

-- Every [venue, account] with orders that may fill, have filled more than is posted, or were sent at or after an instant
-- (market time): what there is to reconcile.
create or replace function public.stirring_accounts(p_since_ms bigint) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_array(a.venue, a.account) order by a.venue, a.account), '[]')
  from (
    select distinct o.venue, o.account from public.orders as o
    where o.at_risk or o.filled_qty > o.posted_qty or o.submitted_at_ms >= p_since_ms
  ) as a
$$;
create index if not exists orders_by_time on public.orders (submitted_at_ms);
drop function if exists public.due_orders(integer, bigint); -- intents are looked at, and their orders with them

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'advance_orders(jsonb, text)', 'known_trades(text, text, jsonb)', 'stirring_accounts(bigint)'
  ] loop
    execute format('revoke all on function public.%s from public, anon, authenticated', signature);
    execute format('grant execute on function public.%s to service_role', signature);
  end loop;
end
$$;
