-- Trade intents: the wish to enter or leave a position, from `pending` to its end, and the gate no row of trading passes
-- while its desk, book, venue, symbol or trader is halted. Times are the market's (epoch ms), leases the database's.
-- Needs 0005_signals.sql and 0014_books.sql.
create table if not exists public.trade_intents (
  intent_id text collate "C" primary key check (intent_id ~ '^[A-Za-z0-9_-]{1,64}$'),
  book_id text collate "C" not null references public.books (book_id),
  mode text not null check (mode in ('paper', 'live')),
  source text not null check (source in ('signal', 'person', 'agent', 'protection', 'breaker')),
  trader_id text collate "C" references public.traders (trader_id),
  signal_id uuid unique references public.signals (signal_id),
  venue text references public.venues (venue), -- null leaves it to the router
  symbol text not null check (symbol ~ '^[^/[:space:]]{1,32}/[^/[:space:]]{1,32}$'),
  purpose text not null check (purpose in ('enter', 'exit')),
  direction text not null check (direction in ('long', 'short')),
  side text not null generated always as (
    case when (purpose = 'enter') = (direction = 'long') then 'buy' else 'sell' end
  ) stored,
  sizing jsonb not null check (
    coalesce((sizing ->> 'value')::numeric > 0 and (sizing ->> 'value')::numeric < 'Infinity', false)
  ),
  guard jsonb not null default '{}' check (jsonb_typeof(guard) = 'object'),
  algorithm jsonb not null default '{}' check (jsonb_typeof(algorithm) = 'object'),
  reference_price numeric check (reference_price > 0 and reference_price < 'Infinity'), -- quote units
  confidence numeric check (confidence between 0 and 1),
  edge_rate numeric check (edge_rate between -1 and 1),
  raised_at_ms bigint not null check (raised_at_ms > 0),
  expires_at_ms bigint not null,
  state text not null default 'pending' check (
    state in ('pending', 'approved', 'modified', 'denied', 'executing', 'executed', 'failed', 'expired')
  ),
  version integer not null default 1 check (version > 0),
  qty numeric check (qty > 0 and qty < 'Infinity'), -- what risk approved, base units
  decision jsonb,
  plan jsonb,
  actor text not null check (length(actor) between 1 and 128),
  reason text not null default '' check (length(reason) <= 2000),
  correlation_id text not null check (length(correlation_id) <= 128),
  lease_holder uuid,
  lease_until timestamptz,
  looked_at timestamptz not null default clock_timestamp(),
  created_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  updated_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  constraint trade_intents_expires_at_ms_check check (expires_at_ms > raised_at_ms),
  constraint trade_intents_qty_known_check
    check (state in ('pending', 'denied', 'expired') or (qty is not null and reference_price is not null))
);
create index if not exists trade_intents_pending on public.trade_intents (raised_at_ms, intent_id) where state = 'pending';
create index if not exists trade_intents_unfinished on public.trade_intents (looked_at)
  where state in ('approved', 'modified', 'executing');
create index if not exists trade_intents_of_book on public.trade_intents (book_id, symbol, raised_at_ms desc);
create index if not exists trade_intents_correlated on public.trade_intents (correlation_id);

alter table public.trade_intents enable row level security;
revoke all on public.trade_intents from public, anon, authenticated;
grant select on public.trade_intents to authenticated;
grant all on public.trade_intents to service_role;
drop policy if exists "people read the intents of their books" on public.trade_intents;
create policy "people read the intents of their books" on public.trade_intents for select to authenticated
  using (exists (select from public.books where books.book_id = trade_intents.book_id));

-- The trading states by scope, null where one is missing; venue, symbol and trader only where they are given. A trader
-- that was deleted only reduces.
create or replace function desk.trading_states(p_book_id text, p_venue text, p_symbol text, p_trader_id text)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
      'desk', (select d.trading_state from public.desk_state as d),
      'book', (select b.trading_state from public.books as b where b.book_id = p_book_id)
    )
    || case when p_venue is null then '{}' else jsonb_build_object(
      'venue', (select v.trading_state from public.venues as v where v.venue = p_venue)
    ) end
    || case when p_venue is null or p_symbol is null then '{}' else jsonb_build_object(
      'symbol', (select i.trading_state from public.instruments as i where i.venue = p_venue and i.symbol = p_symbol)
    ) end
    || case when p_trader_id is null then '{}' else jsonb_build_object(
      'trader', (
        select case when t.deleted_at is null or t.trading_state = 'halted' then t.trading_state else 'reducing' end
        from public.traders as t where t.trader_id = p_trader_id
      )
    ) end
$$;

-- Whether a quantity only takes away from what the book holds: it is of the other side, and no more than is left of the
-- position after the other orders that take from it. An order a venue itself keeps from opening anything
-- (p_reduce_only), and an intent, need not wait for the protective orders to go. Locks the position: two such orders
-- take turns.
create or replace function desk.reduces(
  p_book_id text, p_venue text, p_symbol text, p_side text, p_qty numeric, p_role text, p_reduce_only boolean
) returns boolean
language plpgsql set search_path = ''
as $$
declare
  held numeric;
  slices numeric;
  stops numeric;
  takes numeric;
begin
  perform from public.positions as p
  where p.book_id = p_book_id and p.symbol = p_symbol and (p_venue is null or p.venue = p_venue)
  order by p.venue
  for no key update;
  select coalesce(sum(p.qty), 0) into held from public.positions as p
  where p.book_id = p_book_id and p.symbol = p_symbol and (p_venue is null or p.venue = p_venue);
  if held = 0 or p_side is distinct from (case when held > 0 then 'sell' else 'buy' end) then
    return false;
  end if;
  -- What may still fill, and what has filled but is not in the position yet.
  select coalesce(sum(o.left_qty) filter (where o.role = 'slice'), 0),
    coalesce(sum(o.left_qty) filter (where o.role = 'stop'), 0),
    coalesce(sum(o.left_qty) filter (where o.role = 'take_profit'), 0)
  into slices, stops, takes
  from (
    select role, case when at_risk then qty else filled_qty end - posted_qty as left_qty
    from public.orders
    where book_id = p_book_id and symbol = p_symbol and (p_venue is null or venue = p_venue) and side = p_side
      and (at_risk or filled_qty > posted_qty)
  ) as o;
  return coalesce(p_qty, 'NaN') <= abs(held) - slices - case
    when p_role = 'stop' then stops when p_role = 'take_profit' then takes -- of the two, one cancels the other
    when p_reduce_only then 0 else greatest(stops, takes)
  end;
end
$$;

-- Refuse (ND001) what the strictest of the states forbids. The shared locks make a halt wait for whoever has passed, and
-- whoever comes later see it: once a halt has been set, nothing more gets through.
create or replace function desk.require_trading(
  p_book_id text, p_venue text, p_symbol text, p_trader_id text, p_side text, p_qty numeric, p_role text,
  p_reduce_only boolean
) returns void
language plpgsql set search_path = ''
as $$
declare
  forbidding text;
  worst text;
begin
  perform from public.desk_state for share;
  perform from public.books as b where b.book_id = p_book_id for share;
  perform from public.venues as v where v.venue = p_venue for share;
  perform from public.instruments as i where i.venue = p_venue and i.symbol = p_symbol for share;
  perform from public.traders as t where t.trader_id = p_trader_id for share;
  select string_agg(s.key, ', ' order by s.key), min(coalesce(s.value, 'halted')) into forbidding, worst
  from jsonb_each_text(desk.trading_states(p_book_id, p_venue, p_symbol, p_trader_id)) as s
  where s.value is distinct from 'active';
  if worst is null or (
    worst = 'reducing' and desk.reduces(p_book_id, p_venue, p_symbol, p_side, p_qty, p_role, p_reduce_only)
  ) then
    return;
  end if;
  raise exception '%: %', worst, forbidding using errcode = 'ND001';
end
$$;

-- What every intent keeps to, whoever writes it.
create or replace function desk.check_intent() returns trigger
language plpgsql set search_path = ''
as $$
begin
  if tg_op = 'INSERT' then
    if new.state <> 'pending' then
      raise exception 'intent %: it begins as pending, not %', new.intent_id, new.state using errcode = 'ND002';
    end if;
    if not exists (select from public.books as b where b.book_id = new.book_id and b.mode = new.mode) then
      raise exception 'column "mode": book % is not a % book', new.book_id, new.mode using errcode = '22023';
    end if;
    new.version := 1;
    return new;
  end if;
  new.updated_at := greatest(date_trunc('milliseconds', clock_timestamp()), old.updated_at + interval '1 millisecond');
  new.version := old.version;
  if new.state = old.state then
    if (new.qty, new.plan, new.decision) is distinct from (old.qty, old.plan, old.decision) then
      raise exception 'intent %: what was decided stays', new.intent_id using errcode = 'ND002';
    end if;
    return new;
  end if;
  perform desk.require_step('intent', new.intent_id, old.state, new.state);
  new.version := old.version + 1;
  if new.state in ('approved', 'modified') then
    perform desk.require_trading(
      new.book_id, new.venue, new.symbol, new.trader_id, old.side, new.qty, 'slice', true -- generated: not in new yet
    );
  elsif old.state <> 'pending' and new.qty is distinct from old.qty then
    raise exception 'intent %: what was approved stays', new.intent_id using errcode = 'ND002';
  end if;
  return new;
end
$$;
create or replace trigger check_intent before insert or update on public.trade_intents
  for each row execute function desk.check_intent();
create or replace trigger keep_identity before update on public.trade_intents for each row
  when (
    (new.intent_id, new.book_id, new.mode, new.source, new.trader_id, new.signal_id, new.venue, new.symbol, new.purpose,
      new.direction, new.sizing, new.guard, new.algorithm, new.raised_at_ms, new.expires_at_ms, new.correlation_id)
    is distinct from
    (old.intent_id, old.book_id, old.mode, old.source, old.trader_id, old.signal_id, old.venue, old.symbol, old.purpose,
      old.direction, old.sizing, old.guard, old.algorithm, old.raised_at_ms, old.expires_at_ms, old.correlation_id)
  )
  execute function desk.refuse();

-- Append a step of an intent or an order (tg_argv[0]). Runs as its owner: nobody else appends.
create or replace function desk.record_step() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  insert into public.trading_transitions
    (subject, subject_id, before, after, actor, reason, version, correlation_id)
  values (
    tg_argv[0], to_jsonb(new) ->> (tg_argv[0] || '_id'), case when tg_op = 'UPDATE' then old.state end, new.state,
    new.actor, coalesce(new.reason, ''), new.version, new.correlation_id
  );
  return null;
end
$$;
revoke all on function desk.record_step() from public, anon, authenticated;
create or replace trigger record_first_step after insert on public.trade_intents for each row
  execute function desk.record_step('intent');
create or replace trigger record_step after update on public.trade_intents for each row
  when (old.state is distinct from new.state) execute function desk.record_step('intent');
