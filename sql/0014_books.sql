-- Books: an owner's capital, the mode it is traded in, and the limits it is traded within; `owner_id` null is the desk's.
-- What happened to them: breakers that tripped, limits that denied, the equity curve. And which book a trader trades.
-- Decimals inside jsonb are texts. Needs 0013_trading_states.sql.
create table if not exists public.books (
  book_id text collate "C" primary key check (book_id ~ '^[A-Za-z0-9_-]{1,64}$'),
  owner_id uuid,
  name text not null check (length(name) between 1 and 100),
  mode text not null check (mode in ('paper', 'live')),
  quote text not null check (length(quote) between 1 and 32),
  capital numeric not null check (capital > 0 and capital < 'Infinity'), -- quote units
  trading_state text not null default 'active' check (trading_state in ('active', 'reducing', 'halted')),
  venues text[] not null check (cardinality(venues) between 1 and 32 and array_position(venues, null) is null),
  limits jsonb not null default '{}' check (jsonb_typeof(limits) = 'object'),
  breakers jsonb not null default '{}' check (jsonb_typeof(breakers) = 'object'),
  risk_version integer not null default 0 check (risk_version >= 0),
  losses_in_a_row integer not null default 0 check (losses_in_a_row >= 0),
  version integer not null default 1 check (version > 0),
  created_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  updated_at timestamptz not null default date_trunc('milliseconds', clock_timestamp())
);
create index if not exists books_owner on public.books (owner_id);

create table if not exists public.circuit_breaker_events (
  book_id text collate "C" not null references public.books (book_id) on delete cascade,
  breaker text not null check (length(breaker) between 1 and 64),
  at_ms bigint not null check (at_ms > 0), -- market time
  trading_state text not null check (trading_state in ('reducing', 'halted')),
  reason text not null check (length(reason) <= 2000),
  details jsonb not null default '{}' check (jsonb_typeof(details) = 'object'),
  recorded_at timestamptz not null default clock_timestamp(),
  primary key (book_id, breaker, at_ms, trading_state)
);

create table if not exists public.risk_breaches (
  book_id text collate "C" not null references public.books (book_id) on delete cascade,
  intent_id text collate "C" not null,
  breach_no integer not null check (breach_no > 0),
  details jsonb not null,
  recorded_at timestamptz not null default clock_timestamp(),
  primary key (book_id, intent_id, breach_no)
);

create table if not exists public.equity_points (
  book_id text collate "C" not null references public.books (book_id) on delete cascade,
  at_ms bigint not null check (at_ms > 0 and at_ms % 60000 = 0), -- market time
  equity numeric not null check (equity > '-Infinity' and equity < 'Infinity'), -- quote units, as the other two
  realised numeric not null check (realised > '-Infinity' and realised < 'Infinity'),
  fees numeric not null check (fees > '-Infinity' and fees < 'Infinity'),
  primary key (book_id, at_ms)
);

-- A book that was traded, or is about to be, keeps its mode: paper and live never mix in one ledger.
create or replace function desk.keep_book_mode() returns trigger
language plpgsql set search_path = ''
as $$
begin
  if exists (select from public.trade_intents as i where i.book_id = old.book_id)
    or exists (select from public.traders as t where t.book_id = old.book_id and t.mode <> 'signals')
  then
    raise exception 'book %: traders or intents refer to it, so its mode stays %', old.book_id, old.mode
      using errcode = 'ND002';
  end if;
  return new;
end
$$;
create or replace trigger keep_mode before update on public.books for each row
  when (old.mode is distinct from new.mode) execute function desk.keep_book_mode();
create or replace trigger keep_identity before update on public.books for each row
  when ((new.book_id, new.owner_id, new.quote, new.capital, new.created_at)
    is distinct from (old.book_id, old.owner_id, old.quote, old.capital, old.created_at))
  execute function desk.refuse();
create or replace trigger touch before update on public.books for each row execute function desk.touch();
create or replace trigger record_state after update on public.books for each row
  when (old.trading_state is distinct from new.trading_state)
  execute function desk.record_trading_state('book', 'book_id');

do $$
declare
  name text;
begin
  foreach name in array array['books', 'circuit_breaker_events', 'risk_breaches', 'equity_points'] loop
    execute format('alter table public.%I enable row level security', name);
    execute format('revoke all on public.%I from public, anon, authenticated', name);
    execute format('grant select on public.%I to authenticated', name);
    execute format('grant all on public.%I to service_role', name);
  end loop;
  -- Row security of the books applies inside: whoever sees a book sees what happened to it.
  foreach name in array array['circuit_breaker_events', 'risk_breaches', 'equity_points'] loop
    execute format('drop policy if exists "people read what happened to their books" on public.%I', name);
    execute format(
      'create policy "people read what happened to their books" on public.%I for select to authenticated'
      ' using (exists (select from public.books where books.book_id = %I.book_id))', name, name
    );
  end loop;
end
$$;
drop policy if exists "people read their books and the desk's" on public.books;
create policy "people read their books and the desk's" on public.books for select to authenticated
  using (owner_id is null or owner_id = (select auth.uid()));

-- Whether text is a decimal number above one and up to another; what is not given is one.
create or replace function desk.is_within(number text, above numeric, upto numeric) returns boolean
language sql immutable parallel safe set search_path = ''
as $$
  select case
    when number is null then true
    when number !~ '^-?[0-9]{1,20}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?$' then false
    else number::numeric > above and number::numeric <= upto
  end
$$;

-- Whether a trader's `trade` says how to trade: how much, what protects it, how it is worked, how long it is of use. Every
-- field, because people write it past the API, and the desk reads everybody's traders at once.
create or replace function desk.is_trade(trade jsonb) returns boolean
language sql immutable parallel safe set search_path = ''
as $$
  select coalesce(
    jsonb_typeof(trade) = 'object' and jsonb_typeof(s) = 'object' and jsonb_typeof(g) = 'object'
    and jsonb_typeof(a) = 'object'
    and s ->> 'method' in ('notional', 'risk', 'volatility', 'kelly', 'qty')
    and s ->> 'value' is not null and desk.is_within(s ->> 'value', 0, 1e18)
    and desk.is_within(s ->> 'win_rate', 0, 1) and desk.is_within(s ->> 'payoff', 0, 1e6)
    and desk.is_within(g ->> 'stop_rate', 0, 0.99) and desk.is_within(g ->> 'take_profit_rate', 0, 0.99)
    and desk.is_within(g ->> 'trailing_rate', 0, 0.99) and desk.is_within(g ->> 'hold_bars', 0, 100000)
    and coalesce(g ->> 'hold_bars', '1') ~ '^[0-9]+$'
    and coalesce(a ->> 'name', 'market') in ('market', 'limit', 'twap', 'vwap', 'iceberg', 'pov')
    and coalesce(a ->> 'duration_ms', '0') ~ '^[0-9]{1,9}$' and coalesce(a ->> 'slices', '1') ~ '^[1-9][0-9]{0,3}$'
    and desk.is_within(a ->> 'limit_price', 0, 1e18) and desk.is_within(a ->> 'participation_rate', 0, 1)
    and desk.is_within(a ->> 'shown_rate', 0, 1)
    and coalesce(a ->> 'time_in_force', 'gtc') in ('gtc', 'ioc', 'fok', 'post_only')
    and coalesce(a ->> 'completion', 'cancel') in ('cancel', 'take')
    and trade ->> 'horizon_ms' ~ '^[0-9]{4,9}$' and desk.is_within(trade ->> 'horizon_ms', 999, 604800000)
    and desk.is_within(trade ->> 'edge_rate', -1, 1), false
  )
  from (select trade -> 'sizing', trade -> 'guard', trade -> 'algorithm') as t (s, g, a)
$$;

alter table public.traders add column if not exists mode text not null default 'signals'
  constraint traders_mode_check check (mode in ('signals', 'paper', 'live'));
alter table public.traders add column if not exists book_id text collate "C"
  constraint traders_book_id_fkey references public.books (book_id);
alter table public.traders add column if not exists trade jsonb
  constraint traders_trade_check check (trade is null or desk.is_trade(trade));
create index if not exists traders_of_book on public.traders (book_id) where book_id is not null;
grant insert (mode, book_id, trade), update (mode, book_id, trade) on public.traders to authenticated;

-- A trader that trades says how, in a book of its owner's (the desk's for a built-in one) of its mode.
create or replace function desk.check_trader_book() returns trigger
language plpgsql set search_path = ''
as $$
declare
  book public.books;
begin
  if new.mode <> 'signals' and new.trade is null then
    raise exception 'column "trade": expected how to trade in mode %', new.mode using errcode = '22023';
  end if;
  if new.book_id is null then
    if new.mode <> 'signals' then
      raise exception 'column "book_id": expected a book to trade in mode %', new.mode using errcode = '22023';
    end if;
    return new;
  end if;
  select * into book from public.books as b where b.book_id = new.book_id;
  if not found or book.owner_id is distinct from new.owner_id then
    raise exception 'column "book_id": no book % of the owner of this trader', new.book_id using errcode = '22023';
  end if;
  if new.mode <> 'signals' and book.mode <> new.mode then
    raise exception 'column "mode": book % is a % book', new.book_id, book.mode using errcode = '22023';
  end if;
  return new;
end
$$;
create or replace trigger check_book before insert or update of mode, book_id, trade, owner_id on public.traders
  for each row execute function desk.check_trader_book();

-- What people may write of a trader, by column; as 0010, with what trading added.
create or replace function desk.trader_definition(trader public.traders) returns jsonb
language sql immutable set search_path = ''
as $$
  select jsonb_build_object(
    'name', trader.name, 'description', trader.description, 'rule', trader.rule, 'venue', trader.venue,
    'timeframe', trader.timeframe, 'quote', trader.quote, 'min_quote_volume_24h', trader.min_quote_volume_24h,
    'include', to_jsonb(trader.include), 'exclude', to_jsonb(trader.exclude), 'side', trader.side, 'edge', trader.edge,
    'cooldown_bars', trader.cooldown_bars, 'enabled', trader.enabled, 'visibility', trader.visibility,
    'mode', trader.mode, 'book_id', trader.book_id, 'trade', trader.trade
  )
$$;
