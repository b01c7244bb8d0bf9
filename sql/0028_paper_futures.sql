-- Futures at the paper exchange: an account has positions beside its balances, and numbers its own trades. Needs 0017.
alter table public.paper_accounts add column if not exists positions jsonb not null default '{}'
  constraint paper_accounts_positions_check check (jsonb_typeof(positions) = 'object'); -- symbol to {qty, cost} as text
alter table public.paper_accounts add column if not exists trades bigint not null default 0
  constraint paper_accounts_trades_check check (trades >= 0); -- how many there were: the id of the newest
alter table public.paper_accounts add column if not exists last_fill_ms bigint not null default 0; -- epoch ms

-- Return an account with its working orders; one that is new holds the opening balances.
create or replace function public.paper_open(p_venue text, p_account text, p_opening jsonb) returns jsonb
language plpgsql set search_path = ''
as $$
begin
  insert into public.paper_accounts (venue, account, balances) values (p_venue, p_account, p_opening)
  on conflict (venue, account) do nothing;
  return ( -- one statement: the account and its orders are of one instant
    select jsonb_build_object(
      'version', a.version, 'balances', a.balances, 'positions', a.positions, 'trades', a.trades,
      'last_fill_ms', a.last_fill_ms, 'orders', (
        select coalesce(jsonb_agg(desk.paper_order(o) order by o.seq), '[]')
        from public.paper_orders as o
        where o.venue = a.venue and o.account = a.account and o.state in ('open', 'partially_filled')
      )
    )
    from public.paper_accounts as a where a.venue = p_venue and a.account = p_account
  );
end
$$;

-- The change of before knew no positions: whoever still calls it would lose them.
drop function if exists public.paper_save(text, text, bigint, uuid, jsonb, jsonb, jsonb);

-- Store a change of an account that is at a version; false when it is not, or when it has one of the fills.
create or replace function public.paper_save(
  p_venue text, p_account text, p_version bigint, p_save_id uuid, p_balances jsonb, p_positions jsonb, p_trades bigint,
  p_last_fill_ms bigint, p_orders jsonb, p_fills jsonb
) returns boolean
language plpgsql set search_path = ''
as $$
declare
  found_version bigint;
  found_save_id uuid;
begin
  select version, save_id into found_version, found_save_id from public.paper_accounts
  where venue = p_venue and account = p_account
  for update;
  if found_version = p_version + 1 and found_save_id = p_save_id then
    return true;
  end if;
  if found_version is distinct from p_version or exists (
    select from jsonb_to_recordset(p_fills) as f (symbol text, trade_id text)
    join public.paper_trades as t
      on t.venue = p_venue and t.account = p_account and t.symbol = f.symbol and t.trade_id = f.trade_id
  ) then
    return false;
  end if;
  update public.paper_accounts
  set version = p_version + 1, save_id = p_save_id, balances = p_balances, positions = p_positions, trades = p_trades,
    last_fill_ms = p_last_fill_ms
  where venue = p_venue and account = p_account;
  insert into public.paper_orders (
    venue, account, symbol, client_order_id, side, kind, time_in_force, qty, limit_price, trigger_price, reduce_only,
    linked_id, state, filled_qty, filled_notional, fills, is_triggered, placed_at_ms, updated_at_ms, bars_until_ms,
    book_until_ms
  )
  select
    p_venue, p_account, o.symbol, o.client_order_id, o.side, o.kind, o.time_in_force, o.qty, o.limit_price,
    o.trigger_price, o.reduce_only, o.linked_id, o.state, o.filled_qty, o.filled_notional, o.fills, o.is_triggered,
    o.placed_at_ms, o.updated_at_ms, o.bars_until_ms, o.book_until_ms
  from rows from (jsonb_to_recordset(p_orders) as (
    symbol text, client_order_id text, side text, kind text, time_in_force text, qty numeric, limit_price numeric,
    trigger_price numeric, reduce_only boolean, linked_id text, state text, filled_qty numeric,
    filled_notional numeric, fills integer, is_triggered boolean, placed_at_ms bigint, updated_at_ms bigint,
    bars_until_ms bigint, book_until_ms bigint
  )) with ordinality as o
  order by o.ordinality
  on conflict (venue, account, symbol, client_order_id) do update set
    state = excluded.state, filled_qty = excluded.filled_qty, filled_notional = excluded.filled_notional,
    fills = excluded.fills, is_triggered = excluded.is_triggered, updated_at_ms = excluded.updated_at_ms,
    bars_until_ms = excluded.bars_until_ms, book_until_ms = excluded.book_until_ms;
  insert into public.paper_trades (
    venue, account, symbol, trade_id, client_order_id, venue_order_id, side, qty, price, fee_qty, fee_asset,
    fee_notional, is_maker, event_time
  )
  select
    p_venue, p_account, f.symbol, f.trade_id, f.client_order_id, f.venue_order_id, f.side, f.qty, f.price, f.fee_qty,
    f.fee_asset, f.fee_notional, f.is_maker, f.event_time
  from rows from (jsonb_to_recordset(p_fills) as (
    symbol text, trade_id text, client_order_id text, venue_order_id text, side text, qty numeric, price numeric,
    fee_qty numeric, fee_asset text, fee_notional numeric, is_maker boolean, event_time bigint
  )) with ordinality as f
  order by f.ordinality;
  return true;
end
$$;

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'paper_open(text, text, jsonb)',
    'paper_save(text, text, bigint, uuid, jsonb, jsonb, bigint, bigint, jsonb, jsonb)'
  ] loop
    execute format('revoke all on function public.%s from public, anon, authenticated', signature);
    execute format('grant execute on function public.%s to service_role', signature);
  end loop;
end
$$;
