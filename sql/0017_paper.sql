-- The paper exchange: accounts, orders and fills that exist nowhere else. It is a venue, so the desk alone reads and
-- writes it; what people see of their books are the desk's own orders and fills. Needs 0001.
create table if not exists public.paper_accounts (
  venue text not null check (length(venue) between 1 and 64),
  account text not null check (length(account) between 1 and 64),
  balances jsonb not null check (jsonb_typeof(balances) = 'object'), -- asset to exact decimal text
  version bigint not null default 0 check (version >= 0),
  save_id uuid, -- of the last change, so that one whose answer was lost is known again
  created_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  updated_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  primary key (venue, account)
);

create table if not exists public.paper_orders (
  venue text not null,
  account text not null,
  symbol text not null,
  client_order_id text not null check (length(client_order_id) between 1 and 64),
  side text not null check (side in ('buy', 'sell')),
  kind text not null check (kind in ('market', 'limit', 'stop_market')),
  time_in_force text not null check (time_in_force in ('gtc', 'ioc', 'fok', 'post_only')),
  qty numeric not null check (qty > 0),
  limit_price numeric check (limit_price > 0),
  trigger_price numeric check (trigger_price > 0),
  reduce_only boolean not null,
  linked_id text,
  state text not null check (state in ('open', 'partially_filled', 'filled', 'cancelled')),
  filled_qty numeric not null check (filled_qty between 0 and qty),
  filled_notional numeric not null check (filled_notional >= 0),
  fills integer not null check (fills >= 0),
  is_triggered boolean not null,
  placed_at_ms bigint not null,
  updated_at_ms bigint not null,
  bars_until_ms bigint not null,
  book_until_ms bigint not null,
  seq bigint generated always as identity, -- the order of arrival
  primary key (venue, account, symbol, client_order_id),
  foreign key (venue, account) references public.paper_accounts (venue, account) on delete cascade,
  check ((state = 'filled') = (filled_qty = qty))
);
create index if not exists paper_orders_working on public.paper_orders (venue, account, seq)
  where state in ('open', 'partially_filled');

create table if not exists public.paper_trades (
  venue text not null,
  account text not null,
  symbol text not null,
  trade_id text not null check (length(trade_id) between 1 and 96),
  client_order_id text not null,
  venue_order_id text not null,
  side text not null check (side in ('buy', 'sell')),
  qty numeric not null check (qty > 0),
  price numeric not null check (price > 0),
  fee_qty numeric not null,
  fee_asset text not null,
  fee_notional numeric not null,
  is_maker boolean not null,
  event_time bigint not null, -- epoch ms
  seq bigint generated always as identity,
  primary key (venue, account, symbol, trade_id),
  foreign key (venue, account, symbol, client_order_id)
    references public.paper_orders (venue, account, symbol, client_order_id) on delete cascade
);
create index if not exists paper_trades_by_time on public.paper_trades (venue, account, symbol, event_time, seq);

create or replace trigger touch before update on public.paper_accounts for each row execute function desk.touch();

do $$
declare
  name text;
begin
  foreach name in array array['paper_accounts', 'paper_orders', 'paper_trades'] loop
    execute format('alter table public.%I enable row level security', name);
    execute format('revoke all on public.%I from public, anon, authenticated', name);
    execute format('grant all on public.%I to service_role', name);
  end loop;
end
$$;

-- An order as the adapter reads it: numbers as text, because JSON readers make floats of them.
create or replace function desk.paper_order(o public.paper_orders) returns jsonb
language sql immutable set search_path = ''
as $$
  select to_jsonb(o) || jsonb_build_object(
    'qty', o.qty::text, 'limit_price', o.limit_price::text, 'trigger_price', o.trigger_price::text,
    'filled_qty', o.filled_qty::text, 'filled_notional', o.filled_notional::text
  )
$$;

-- Return an account with its working orders; one that is new holds the opening balances.
create or replace function public.paper_open(p_venue text, p_account text, p_opening jsonb) returns jsonb
language plpgsql set search_path = ''
as $$
begin
  insert into public.paper_accounts (venue, account, balances) values (p_venue, p_account, p_opening)
  on conflict (venue, account) do nothing;
  return ( -- one statement: the account and its orders are of one instant
    select jsonb_build_object(
      'version', a.version, 'balances', a.balances, 'orders', (
        select coalesce(jsonb_agg(desk.paper_order(o) order by o.seq), '[]')
        from public.paper_orders as o
        where o.venue = a.venue and o.account = a.account and o.state in ('open', 'partially_filled')
      )
    )
    from public.paper_accounts as a where a.venue = p_venue and a.account = p_account
  );
end
$$;

-- Store a change of an account that is at a version; false when it is not, or when it has one of the fills.
create or replace function public.paper_save(
  p_venue text, p_account text, p_version bigint, p_save_id uuid, p_balances jsonb, p_orders jsonb, p_fills jsonb
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
  update public.paper_accounts set version = p_version + 1, save_id = p_save_id, balances = p_balances
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

-- An order by its id, null when there never was one.
create or replace function public.paper_order(p_venue text, p_account text, p_symbol text, p_client_order_id text)
returns jsonb
language sql stable set search_path = ''
as $$
  select desk.paper_order(o) from public.paper_orders as o
  where o.venue = p_venue and o.account = p_account and o.symbol = p_symbol
    and o.client_order_id = p_client_order_id
$$;

-- A page of an account's fills of a symbol, oldest first: from a time on, after the last one of the page before.
create or replace function public.paper_fills(
  p_venue text, p_account text, p_symbol text, p_since_ms bigint, p_after_time bigint, p_after_seq bigint,
  p_limit integer
) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(page.fill order by page.event_time, page.seq), '[]')
  from (
    select t.event_time, t.seq, to_jsonb(t) || jsonb_build_object(
      'qty', t.qty::text, 'price', t.price::text, 'fee_qty', t.fee_qty::text, 'fee_notional', t.fee_notional::text
    ) as fill
    from public.paper_trades as t
    where t.venue = p_venue and t.account = p_account and t.symbol = p_symbol and t.event_time >= p_since_ms
      and (t.event_time, t.seq) > (p_after_time, p_after_seq)
    order by t.event_time, t.seq
    limit p_limit
  ) as page
$$;

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'paper_open(text, text, jsonb)',
    'paper_save(text, text, bigint, uuid, jsonb, jsonb, jsonb)',
    'paper_order(text, text, text, text)',
    'paper_fills(text, text, text, bigint, bigint, bigint, integer)'
  ] loop
    execute format('revoke all on function public.%s from public, anon, authenticated', signature);
    execute format('grant execute on function public.%s to service_role', signature);
  end loop;
end
$$;
