-- Orders, written before a venue is called; the fills that come of them; the positions these make; and what accounts held
-- before the desk used them. Needs 0015_trade_intents.sql.
create table if not exists public.orders (
  order_id text collate "C" primary key check (order_id ~ '^[A-Za-z0-9_-]{1,64}$'),
  intent_id text collate "C" not null references public.trade_intents (intent_id),
  book_id text collate "C" not null references public.books (book_id),
  mode text not null check (mode in ('paper', 'live')),
  account text collate "C" not null,
  venue text not null references public.venues (venue),
  symbol text not null,
  role text not null check (role in ('slice', 'stop', 'take_profit')),
  slice_no integer not null check (slice_no >= 0),
  attempt integer not null check (attempt > 0),
  client_order_id text collate "C" not null unique check (length(client_order_id) between 1 and 36),
  side text not null check (side in ('buy', 'sell')),
  kind text not null check (kind in ('market', 'limit', 'stop_market')),
  time_in_force text not null check (time_in_force in ('gtc', 'ioc', 'fok', 'post_only')),
  qty numeric not null check (qty > 0 and qty < 'Infinity'), -- base units
  limit_price numeric check (limit_price > 0 and limit_price < 'Infinity'),
  trigger_price numeric check (trigger_price > 0 and trigger_price < 'Infinity'),
  reduce_only boolean not null,
  due_at_ms bigint not null check (due_at_ms > 0),
  state text not null default 'new' check (state in (
    'new', 'submitting', 'open', 'partially_filled', 'cancel_pending', 'unknown', 'filled', 'cancelled', 'rejected'
  )),
  at_risk boolean not null generated always as (
    state in ('submitting', 'open', 'partially_filled', 'cancel_pending', 'unknown')
  ) stored,
  version integer not null default 1 check (version > 0),
  venue_order_id text check (length(venue_order_id) between 1 and 128),
  filled_qty numeric not null default 0 check (filled_qty >= 0), -- as the venue reports it
  posted_qty numeric not null default 0 check (posted_qty >= 0), -- the sum of its fills
  average_price numeric check (average_price > 0 and average_price < 'Infinity'),
  submitted_at_ms bigint,
  actor text not null check (length(actor) between 1 and 128),
  reason text check (length(reason) <= 2000),
  correlation_id text not null check (length(correlation_id) <= 128),
  lease_holder uuid,
  lease_until timestamptz,
  created_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  updated_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  unique (intent_id, role, slice_no, attempt),
  constraint orders_account_check check (account = case mode when 'live' then 'live' else book_id end),
  constraint orders_limit_price_given_check check ((kind = 'limit') = (limit_price is not null)),
  constraint orders_trigger_price_given_check check ((kind = 'stop_market') = (trigger_price is not null)),
  constraint orders_filled_qty_whole_check check (filled_qty <= qty and (state <> 'filled' or filled_qty = qty))
);
create index if not exists orders_due on public.orders (due_at_ms, order_id) where state = 'new';
create index if not exists orders_unsettled on public.orders (venue, account) where at_risk or filled_qty > posted_qty;
create index if not exists orders_taking on public.orders (book_id, symbol) where at_risk or filled_qty > posted_qty;
create index if not exists orders_correlated on public.orders (correlation_id);

create table if not exists public.positions (
  book_id text collate "C" not null references public.books (book_id),
  venue text not null references public.venues (venue),
  symbol text not null,
  qty numeric not null default 0 check (qty > '-Infinity' and qty < 'Infinity'), -- base units, short is negative
  cost numeric not null default 0 check (cost > '-Infinity' and cost < 'Infinity'), -- quote units, as the next two
  realised numeric not null default 0 check (realised > '-Infinity' and realised < 'Infinity'),
  fees numeric not null default 0 check (fees > '-Infinity' and fees < 'Infinity'),
  opened_at_ms bigint,
  opened_profit numeric not null default 0, -- realised less fees when it last left zero
  version integer not null default 0 check (version >= 0),
  guard jsonb not null default '{}' check (jsonb_typeof(guard) = 'object'),
  best_price numeric check (best_price > 0 and best_price < 'Infinity'),
  last_fill_ms bigint,
  updated_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  primary key (book_id, venue, symbol),
  check ((qty = 0) = (opened_at_ms is null))
);
create index if not exists positions_open on public.positions (venue, symbol) where qty <> 0;

create table if not exists public.fills (
  venue text not null references public.venues (venue),
  account text collate "C" not null,
  symbol text not null,
  trade_id text collate "C" not null check (length(trade_id) between 1 and 128),
  book_id text collate "C" not null references public.books (book_id),
  order_id text collate "C" references public.orders (order_id),
  client_order_id text not null,
  venue_order_id text not null,
  side text not null check (side in ('buy', 'sell')),
  qty numeric not null check (qty > 0 and qty < 'Infinity'),
  price numeric not null check (price > 0 and price < 'Infinity'),
  fee_qty numeric not null check (fee_qty > '-Infinity' and fee_qty < 'Infinity'),
  fee_asset text not null check (length(fee_asset) between 1 and 32),
  fee_notional numeric not null check (fee_notional > '-Infinity' and fee_notional < 'Infinity'),
  is_maker boolean not null,
  event_time bigint not null check (event_time > 0),
  realised numeric not null, -- before fees; restated when an earlier fill comes late
  posted_at timestamptz not null default clock_timestamp(),
  primary key (venue, account, symbol, trade_id)
);
create index if not exists fills_of_position on public.fills (book_id, venue, symbol, event_time);
create index if not exists fills_of_order on public.fills (order_id);

create table if not exists public.accounts (
  venue text not null references public.venues (venue),
  account text collate "C" not null check (length(account) between 1 and 64),
  opening jsonb not null check (jsonb_typeof(opening) = 'object'), -- quantity by asset, as text
  opened_at timestamptz not null default clock_timestamp(),
  primary key (venue, account)
);

do $$
declare
  name text;
begin
  foreach name in array array['orders', 'positions', 'fills', 'accounts'] loop
    execute format('alter table public.%I enable row level security', name);
    execute format('revoke all on public.%I from public, anon, authenticated, service_role', name);
    execute format('grant select, insert, delete on public.%I to service_role', name);
  end loop;
  grant update on public.orders, public.positions to service_role; -- a fill, and what an account opened with, stay
  grant update (realised) on public.fills to service_role;
  foreach name in array array['orders', 'positions', 'fills'] loop
    execute format('grant select on public.%I to authenticated', name);
    execute format('drop policy if exists "people read what their books traded" on public.%I', name);
    execute format(
      'create policy "people read what their books traded" on public.%I for select to authenticated'
      ' using (exists (select from public.books where books.book_id = %I.book_id))', name, name
    );
  end loop;
end
$$;

-- What an order must match before it exists: its intent.
create or replace function desk.check_new_order() returns trigger
language plpgsql set search_path = ''
as $$
begin
  if new.state <> 'new' then
    raise exception 'order %: it begins as new, not %', new.order_id, new.state using errcode = 'ND002';
  end if;
  if not exists (
    select from public.trade_intents as i
    where i.intent_id = new.intent_id and i.book_id = new.book_id and i.mode = new.mode and i.symbol = new.symbol
      and (new.role <> 'slice' or (i.side = new.side and (i.venue is null or i.venue = new.venue)))
  ) then
    raise exception 'column "intent_id": order % is not of intent %', new.order_id, new.intent_id
      using errcode = '22023';
  end if;
  new.version := 1;
  return new;
end
$$;
create or replace trigger check_new_order before insert on public.orders
  for each row execute function desk.check_new_order();

-- What an order must keep to before it may be at a venue. The lock on the intent makes its slices take turns.
create or replace function desk.require_submittable(o public.orders) returns void
language plpgsql set search_path = ''
as $$
declare
  intent public.trade_intents;
  taken numeric;
begin
  select * into intent from public.trade_intents as i where i.intent_id = o.intent_id for no key update;
  if o.role = 'slice' then
    if intent.state <> 'executing' then
      raise exception 'order %: intent % is %', o.order_id, o.intent_id, intent.state using errcode = 'ND002';
    end if;
    select coalesce(sum(case when s.at_risk then s.qty else s.filled_qty end), 0) into taken
    from public.orders as s where s.intent_id = o.intent_id and s.role = 'slice';
    if taken + o.qty > intent.qty then
      raise exception 'order %: % of % are taken, % more were not approved', o.order_id, taken, intent.qty, o.qty
        using errcode = 'ND002';
    end if;
  elsif not desk.reduces(o.book_id, o.venue, o.symbol, o.side, o.qty, o.role, o.reduce_only) then
    -- Two processes that protect the same position at once: the later one finds it protected.
    raise exception 'order %: nothing of that size is left to protect', o.order_id using errcode = 'ND002';
  end if;
  if not exists (select from public.books as b where b.book_id = o.book_id and b.mode = o.mode) then
    raise exception 'halted: book % does not trade %', o.book_id, o.mode using errcode = 'ND001';
  end if;
  perform desk.require_trading(
    o.book_id, o.venue, o.symbol, intent.trader_id, o.side, o.qty, o.role, o.reduce_only
  );
end
$$;

create or replace function desk.check_order() returns trigger
language plpgsql set search_path = ''
as $$
begin
  new.updated_at := greatest(date_trunc('milliseconds', clock_timestamp()), old.updated_at + interval '1 millisecond');
  new.version := old.version;
  if new.filled_qty < old.filled_qty or new.posted_qty < old.posted_qty then
    raise exception 'order %: what has filled stays filled', new.order_id using errcode = 'ND002';
  end if;
  if new.state <> old.state then
    perform desk.require_step('order', new.order_id, old.state, new.state);
    if new.state = 'submitting' then
      perform desk.require_submittable(new);
    end if;
  end if;
  if (new.state, new.venue_order_id, new.filled_qty, new.average_price, new.reason)
    is distinct from (old.state, old.venue_order_id, old.filled_qty, old.average_price, old.reason)
  then
    new.version := old.version + 1;
  end if;
  return new;
end
$$;
create or replace trigger check_order before update on public.orders for each row execute function desk.check_order();
create or replace trigger keep_identity before update on public.orders for each row
  when (
    (new.order_id, new.intent_id, new.book_id, new.mode, new.account, new.venue, new.symbol, new.role, new.slice_no,
      new.attempt, new.client_order_id, new.side, new.kind, new.time_in_force, new.qty, new.limit_price,
      new.trigger_price, new.reduce_only, new.due_at_ms, new.correlation_id)
    is distinct from
    (old.order_id, old.intent_id, old.book_id, old.mode, old.account, old.venue, old.symbol, old.role, old.slice_no,
      old.attempt, old.client_order_id, old.side, old.kind, old.time_in_force, old.qty, old.limit_price,
      old.trigger_price, old.reduce_only, old.due_at_ms, old.correlation_id)
  )
  execute function desk.refuse();
create or replace trigger record_first_step after insert on public.orders for each row
  execute function desk.record_step('order');
create or replace trigger record_step after update on public.orders for each row
  when (old.state is distinct from new.state) execute function desk.record_step('order');

create or replace trigger touch before update on public.positions for each row execute function desk.touch();
