-- Trading states: what may be traded, of the desk and of each venue, symbol and trader (books: 0014). A state that is
-- missing counts as halted. Also what every later file of trading shares: which state may follow which, and the history
-- of all of them. Needs 0001, 0002 and 0004.
create table if not exists public.trading_transitions (
  step_no bigint generated always as identity primary key,
  subject text not null check (subject in ('desk', 'book', 'venue', 'symbol', 'trader', 'intent', 'order')),
  subject_id text not null,
  before text,
  after text not null,
  actor text not null check (length(actor) <= 128),
  reason text not null check (length(reason) <= 2000),
  version integer,
  correlation_id text,
  at timestamptz not null default clock_timestamp()
);
create index if not exists trading_transitions_of on public.trading_transitions (subject, subject_id, step_no);
create index if not exists trading_transitions_correlated on public.trading_transitions (correlation_id, step_no);

-- Append-only, also for the service: rows come by triggers alone.
alter table public.trading_transitions enable row level security;
revoke all on public.trading_transitions from public, anon, authenticated, service_role;
grant select on public.trading_transitions to service_role;

-- Which state may follow which; shared/domain/trading/states.py has the same table.
create or replace view desk.trading_steps with (security_invoker = true) as
  select s.subject, s.before, a.after
  from (values
    ('intent', 'pending', 'approved modified denied expired'),
    ('intent', 'approved', 'executing expired'),
    ('intent', 'modified', 'executing expired'),
    ('intent', 'executing', 'executed failed'),
    ('order', 'new', 'submitting cancelled'),
    ('order', 'submitting', 'open partially_filled filled cancelled rejected unknown'),
    ('order', 'open', 'partially_filled filled cancel_pending cancelled rejected unknown'),
    ('order', 'partially_filled', 'filled cancel_pending cancelled unknown'),
    ('order', 'cancel_pending', 'open partially_filled filled cancelled unknown'),
    ('order', 'unknown', 'open partially_filled filled cancelled rejected')
  ) as s (subject, before, after_states)
  cross join lateral unnest(string_to_array(s.after_states, ' ')) as a (after);
revoke all on desk.trading_steps from public, anon, authenticated;
grant select on desk.trading_steps to service_role;

-- Refuse (ND002) a state that may not follow another.
create or replace function desk.require_step(p_subject text, p_id text, p_before text, p_after text) returns void
language plpgsql set search_path = ''
as $$
begin
  if not exists (
    select from desk.trading_steps as s where s.subject = p_subject and s.before = p_before and s.after = p_after
  ) then
    raise exception '% %: % cannot become %', p_subject, p_id, p_before, p_after using errcode = 'ND002';
  end if;
end
$$;

-- Refuse (ND003) a write that was made on another version than the stored one.
create or replace function desk.require_version(p_subject text, p_id text, p_stored integer, p_expected integer)
returns void
language plpgsql set search_path = ''
as $$
begin
  if p_stored is distinct from p_expected then
    raise exception '% % is at version %, not %', p_subject, p_id, p_stored, p_expected using errcode = 'ND003';
  end if;
end
$$;

-- Append a change of a trading state. Arguments: the subject, then the columns of its id. Who and why are the settings
-- desk.actor and desk.reason of the transaction. Runs as its owner: nobody else appends.
create or replace function desk.record_trading_state() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  columns jsonb := to_jsonb(new);
  id text;
begin
  select coalesce(string_agg(columns ->> tg_argv[n], ':' order by n), tg_argv[0]) into id
  from generate_series(1, tg_nargs - 1) as n;
  insert into public.trading_transitions (subject, subject_id, before, after, actor, reason, version)
  values (
    tg_argv[0], id, case when tg_op = 'UPDATE' then to_jsonb(old) ->> 'trading_state' end, new.trading_state,
    coalesce(nullif(current_setting('desk.actor', true), ''), session_user),
    left(coalesce(current_setting('desk.reason', true), ''), 2000), (columns ->> 'version')::integer
  );
  return null;
end
$$;
revoke all on function desk.record_trading_state() from public, anon, authenticated;

create table if not exists public.desk_state (
  singleton boolean primary key default true check (singleton),
  trading_state text not null check (trading_state in ('active', 'reducing', 'halted')),
  actor text not null default 'sql' check (length(actor) <= 128),
  reason text not null default '' check (length(reason) <= 2000),
  version integer not null default 1 check (version > 0),
  created_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  updated_at timestamptz not null default date_trunc('milliseconds', clock_timestamp())
);
insert into public.desk_state (singleton, trading_state) values (true, 'active') on conflict (singleton) do nothing;

create or replace trigger touch before update on public.desk_state for each row execute function desk.touch();
create or replace trigger record_state after update on public.desk_state for each row
  when (old.trading_state is distinct from new.trading_state) execute function desk.record_trading_state('desk');
create or replace trigger record_first_state after insert on public.desk_state for each row
  execute function desk.record_trading_state('desk');

alter table public.desk_state enable row level security;
revoke all on public.desk_state from public, anon, authenticated;
grant select on public.desk_state to authenticated;
grant all on public.desk_state to service_role;
drop policy if exists "people read the state of the desk" on public.desk_state;
create policy "people read the state of the desk" on public.desk_state for select to authenticated using (true);

alter table public.venues add column if not exists trading_state text not null default 'active'
  constraint venues_trading_state_check check (trading_state in ('active', 'reducing', 'halted'));
alter table public.instruments add column if not exists trading_state text not null default 'active'
  constraint instruments_trading_state_check check (trading_state in ('active', 'reducing', 'halted'));
alter table public.traders add column if not exists trading_state text not null default 'active'
  constraint traders_trading_state_check check (trading_state in ('active', 'reducing', 'halted'));

create or replace trigger record_state after update on public.venues for each row
  when (old.trading_state is distinct from new.trading_state)
  execute function desk.record_trading_state('venue', 'venue');
create or replace trigger record_state after update on public.instruments for each row
  when (old.trading_state is distinct from new.trading_state)
  execute function desk.record_trading_state('symbol', 'venue', 'symbol');
create or replace trigger record_state after update on public.traders for each row
  when (old.trading_state is distinct from new.trading_state)
  execute function desk.record_trading_state('trader', 'trader_id');

create or replace trigger privileged before update on public.traders for each row
  when (
    current_user in ('anon', 'authenticated')
    and (new.trader_id, new.owner_id, new.created_at, new.trading_state)
      is distinct from (old.trader_id, old.owner_id, old.created_at, old.trading_state)
  )
  execute function desk.refuse();

-- A person's new trader starts active; only the desk says otherwise.
create or replace trigger privileged_state before insert on public.traders for each row
  when (current_user in ('anon', 'authenticated') and new.trading_state <> 'active')
  execute function desk.refuse();

-- What trading needs to know of an instrument. A row that trading wrote may lack the collector's name for it.
alter table public.instruments alter column venue_symbol drop not null;
alter table public.instruments add column if not exists kind text not null default 'spot'
  constraint instruments_kind_check check (kind in ('spot', 'swap'));
alter table public.instruments add column if not exists settle text
  constraint instruments_settle_check check (length(settle) between 1 and 32);
alter table public.instruments add column if not exists contract_size numeric not null default 1
  constraint instruments_contract_size_check check (contract_size > 0 and contract_size < 'Infinity');
alter table public.instruments add column if not exists maker_fee_rate numeric not null default 0
  constraint instruments_maker_fee_rate_check check (maker_fee_rate > -1 and maker_fee_rate < 1);
alter table public.instruments add column if not exists taker_fee_rate numeric not null default 0
  constraint instruments_taker_fee_rate_check check (taker_fee_rate > -1 and taker_fee_rate < 1);

-- The desk's own state, null when there is none.
create or replace function public.trading_state() returns text
language sql stable set search_path = ''
as $$
  select d.trading_state from public.desk_state as d
$$;

-- Set a state and return what is read back, null when there is no such thing. A symbol's key is venue:symbol.
create or replace function public.set_trading_state(
  p_scope text, p_key text, p_state text, p_actor text, p_reason text
) returns text
language plpgsql set search_path = ''
as $$
declare
  stored text;
begin
  perform set_config('desk.actor', p_actor, true), set_config('desk.reason', p_reason, true);
  if p_scope = 'desk' then
    insert into public.desk_state as d (singleton, trading_state, actor, reason) values (true, p_state, p_actor, p_reason)
    on conflict (singleton) do update set
      trading_state = excluded.trading_state, actor = excluded.actor, reason = excluded.reason, version = d.version + 1;
    select d.trading_state into stored from public.desk_state as d;
  elsif p_scope = 'book' then
    update public.books as b set trading_state = p_state where b.book_id = p_key;
    select b.trading_state into stored from public.books as b where b.book_id = p_key;
  elsif p_scope = 'venue' then
    update public.venues as v set trading_state = p_state where v.venue = p_key;
    select v.trading_state into stored from public.venues as v where v.venue = p_key;
  elsif p_scope = 'symbol' then
    update public.instruments as i set trading_state = p_state
    where i.venue = split_part(p_key, ':', 1) and i.symbol = substr(p_key, position(':' in p_key) + 1);
    select i.trading_state into stored from public.instruments as i
    where i.venue = split_part(p_key, ':', 1) and i.symbol = substr(p_key, position(':' in p_key) + 1);
  elsif p_scope = 'trader' then
    update public.traders as t set trading_state = p_state where t.trader_id = p_key;
    select t.trading_state into stored from public.traders as t where t.trader_id = p_key;
  else
    raise exception 'column "scope": expected desk, book, venue, symbol or trader, got %', p_scope
      using errcode = '22023';
  end if;
  return stored;
end
$$;

-- Store what venues list and are trading, one row each; states and what a collector wrote stay.
create or replace function public.record_instruments(p_instruments jsonb) returns void
language sql set search_path = ''
as $$
  insert into public.instruments as i (venue, symbol, kind, base, quote, settle, tick_size, step_size, min_qty,
    min_notional, contract_size, maker_fee_rate, taker_fee_rate)
  select n.venue, n.symbol, n.kind, n.base, n.quote, nullif(split_part(n.symbol, ':', 2), ''), n.tick_size, n.step_size,
    n.min_qty, n.min_notional, n.contract_size, n.maker_fee_rate, n.taker_fee_rate
  from jsonb_populate_recordset(null::public.instruments, p_instruments) as n
  order by n.venue, n.symbol -- one order for everybody: no deadlock
  on conflict (venue, symbol) do update set
    kind = excluded.kind, base = excluded.base, quote = excluded.quote, settle = excluded.settle,
    tick_size = excluded.tick_size, step_size = excluded.step_size, min_qty = excluded.min_qty,
    min_notional = excluded.min_notional, contract_size = excluded.contract_size,
    maker_fee_rate = excluded.maker_fee_rate, taker_fee_rate = excluded.taker_fee_rate, enabled = true
$$;

-- The instruments of a symbol, or all of a venue, that are traded; decimals as text.
create or replace function public.get_instruments(p_venue text, p_symbol text) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'venue', i.venue, 'symbol', i.symbol, 'kind', i.kind, 'base', i.base, 'quote', i.quote,
    'tick_size', i.tick_size::text, 'step_size', i.step_size::text, 'min_qty', i.min_qty::text,
    'min_notional', i.min_notional::text, 'contract_size', i.contract_size::text,
    'maker_fee_rate', i.maker_fee_rate::text, 'taker_fee_rate', i.taker_fee_rate::text
  ) order by i.venue, i.symbol), '[]')
  from public.instruments as i
  where i.enabled and (p_venue is null or i.venue = p_venue) and (p_symbol is null or i.symbol = p_symbol)
$$;

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'trading_state()', 'set_trading_state(text, text, text, text, text)', 'record_instruments(jsonb)',
    'get_instruments(text, text)'
  ] loop
    execute format('revoke all on function public.%s from public, anon, authenticated', signature);
    execute format('grant execute on function public.%s to service_role', signature);
  end loop;
end
$$;
