-- What is measured of venues, watched of books, and said of trading states. Needs 0026_many_at_once.sql.

-- How long the venue took to answer the call that placed an order (real milliseconds); null where it was not answered, or
-- where its answer speaks of the order alone.
alter table public.orders add column if not exists answer_ms integer
  constraint orders_answer_ms_check check (answer_ms >= 0);

-- As 0020, with how long the answer took.
create or replace function public.advance_order(p_order_id text, p_version integer, p_report jsonb, p_actor text)
returns jsonb
language plpgsql set search_path = ''
as $$
declare
  o public.orders;
  given public.orders;
begin
  select * into o from public.orders as s where s.order_id = p_order_id for update;
  if not found then
    return null;
  end if;
  given := jsonb_populate_record(o, jsonb_strip_nulls(p_report));
  given.venue_order_id := coalesce(nullif(given.venue_order_id, ''), o.venue_order_id);
  if (given.state, given.venue_order_id, given.filled_qty, given.average_price, given.reason)
    is not distinct from (o.state, o.venue_order_id, o.filled_qty, o.average_price, o.reason)
  then
    return desk.order_json(o);
  end if;
  perform desk.require_version('order', p_order_id, o.version, p_version);
  update public.orders as s
  set state = given.state, venue_order_id = given.venue_order_id, filled_qty = given.filled_qty,
    average_price = given.average_price, reason = given.reason, answer_ms = given.answer_ms, actor = p_actor,
    lease_holder = case when given.state = 'submitting' then s.lease_holder end,
    lease_until = case when given.state = 'submitting' then s.lease_until end
  where s.order_id = p_order_id
  returning * into o;
  return desk.order_json(o);
end
$$;

-- How venues have answered slices sent since an instant (market time), by venue and mode: how many were answered, how
-- many of these refused, and the median time of the others.
create or replace function public.venue_measures(p_since_ms bigint) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'venue', m.venue, 'mode', m.mode, 'answered', m.answered, 'refused', m.refused, 'median_ms', m.median_ms
  ) order by m.venue, m.mode), '[]')
  from (
    select o.venue, o.mode, count(*) as answered, count(*) filter (where o.state = 'rejected') as refused,
      round(percentile_cont(0.5) within group (order by o.answer_ms) filter (where o.state <> 'rejected'))::integer
        as median_ms
    from public.orders as o
    where o.role = 'slice' and o.answer_ms is not null and o.submitted_at_ms >= p_since_ms
    group by o.venue, o.mode
  ) as m
$$;

-- Who set a state, when and why. A state that is set again as it is, is an act too: recorded, unless it is the same again.

-- The trading state of something, null when there is no such thing. A symbol's key is venue:symbol, the desk's is desk.
create or replace function desk.state_of(p_scope text, p_key text) returns text
language sql stable set search_path = ''
as $$
  select case p_scope
    when 'desk' then (select d.trading_state from public.desk_state as d)
    when 'book' then (select b.trading_state from public.books as b where b.book_id = p_key)
    when 'venue' then (select v.trading_state from public.venues as v where v.venue = p_key)
    when 'symbol' then (
      select i.trading_state from public.instruments as i
      where i.venue = split_part(p_key, ':', 1) and i.symbol = substr(p_key, position(':' in p_key) + 1)
    )
    when 'trader' then (select t.trading_state from public.traders as t where t.trader_id = p_key)
  end
$$;

-- Append that a state was set to what it was. Runs as its owner: nobody else appends, and nothing but what is so.
create or replace function desk.record_act(p_scope text, p_key text, p_actor text, p_reason text) returns void
language plpgsql security definer set search_path = ''
as $$
declare
  state text := desk.state_of(p_scope, p_key);
  last public.trading_transitions;
begin
  select * into last from public.trading_transitions as t
  where t.subject = p_scope and t.subject_id = p_key
  order by t.step_no desc
  limit 1;
  if state is null or (last.after, last.actor, last.reason) is not distinct from (state, p_actor, left(p_reason, 2000)) then
    return;
  end if;
  insert into public.trading_transitions (subject, subject_id, before, after, actor, reason)
  values (p_scope, p_key, state, state, p_actor, left(p_reason, 2000));
end
$$;

-- As 0013, and an act that changes nothing is recorded all the same.
create or replace function public.set_trading_state(
  p_scope text, p_key text, p_state text, p_actor text, p_reason text
) returns text
language plpgsql set search_path = ''
as $$
declare
  before text := desk.state_of(p_scope, p_key);
  stored text;
begin
  perform set_config('desk.actor', p_actor, true), set_config('desk.reason', p_reason, true);
  if p_scope = 'desk' then
    insert into public.desk_state as d (singleton, trading_state, actor, reason) values (true, p_state, p_actor, p_reason)
    on conflict (singleton) do update set
      trading_state = excluded.trading_state, actor = excluded.actor, reason = excluded.reason, version = d.version + 1;
  elsif p_scope = 'book' then
    update public.books as b set trading_state = p_state where b.book_id = p_key;
  elsif p_scope = 'venue' then
    update public.venues as v set trading_state = p_state where v.venue = p_key;
  elsif p_scope = 'symbol' then
    update public.instruments as i set trading_state = p_state
    where i.venue = split_part(p_key, ':', 1) and i.symbol = substr(p_key, position(':' in p_key) + 1);
  elsif p_scope = 'trader' then
    update public.traders as t set trading_state = p_state where t.trader_id = p_key;
  else
    raise exception 'column "scope": expected desk, book, venue, symbol or trader, got %', p_scope
      using errcode = '22023';
  end if;
  stored := desk.state_of(p_scope, p_key);
  if stored = before then
    perform desk.record_act(p_scope, case p_scope when 'desk' then 'desk' else p_key end, p_actor, p_reason);
  end if;
  return stored;
end
$$;

-- A state with since when it has been so (epoch ms), and who said so last and why; null where nobody ever has.
create or replace function desk.state_entry(p_scope text, p_key text, p_state text) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'scope', p_scope, 'key', p_key, 'state', p_state,
    'since_ms', (
      select floor(extract(epoch from t.at) * 1000)::bigint from public.trading_transitions as t
      where t.subject = p_scope and t.subject_id = p_key and t.before is distinct from t.after
      order by t.step_no desc
      limit 1
    ),
    'actor', l.actor, 'reason', l.reason
  )
  from (select true) as one
  left join lateral (
    select t.actor, t.reason from public.trading_transitions as t
    where t.subject = p_scope and t.subject_id = p_key
    order by t.step_no desc
    limit 1
  ) as l on true
$$;

create or replace function public.state_entry(p_scope text, p_key text) returns jsonb
language sql stable set search_path = ''
as $$
  select desk.state_entry(p_scope, p_key, s.state) from (select desk.state_of(p_scope, p_key) as state) as s
  where s.state is not null
$$;

-- Every book, venue, symbol and living trader that is not active.
create or replace function public.restrained() returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(desk.state_entry(r.scope, r.key, r.state) order by r.scope, r.key collate "C"), '[]')
  from (
    select 'venue' as scope, v.venue as key, v.trading_state as state from public.venues as v
    where v.trading_state <> 'active'
    union all
    select 'symbol', concat(i.venue, ':', i.symbol), i.trading_state from public.instruments as i
    where i.trading_state <> 'active'
    union all
    select 'book', b.book_id, b.trading_state from public.books as b where b.trading_state <> 'active'
    union all
    select 'trader', t.trader_id, t.trading_state from public.traders as t
    where t.trading_state <> 'active' and t.deleted_at is null
  ) as r
$$;
create index if not exists books_restrained on public.books (book_id) where trading_state <> 'active';
create index if not exists instruments_restrained on public.instruments (venue, symbol) where trading_state <> 'active';
create index if not exists traders_restrained on public.traders (trader_id) where trading_state <> 'active';

-- Every order of a trader's intents that may fill, with the purpose of its intent, oldest first.
create or replace function public.resting_orders_of_trader(p_trader_id text) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_array(desk.order_json(o), i.purpose) order by o.submitted_at_ms, o.order_id), '[]')
  from public.orders as o
  join public.trade_intents as i on i.intent_id = o.intent_id
  where o.at_risk and i.trader_id = p_trader_id
$$;

-- As 0020; an intent that may go to several venues has the states of each, with its symbol's there.
create or replace function public.execution_of(p_intent_id text) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'intent', desk.intent_json(i),
    'plan', i.plan,
    'orders', coalesce((
      select jsonb_agg(desk.order_json(o) order by o.due_at_ms, o.slice_no, o.attempt, o.order_id)
      from public.orders as o where o.intent_id = i.intent_id
    ), '[]'),
    'fills', coalesce((
      select jsonb_agg(desk.fill_json(f) order by f.event_time, f.trade_id)
      from public.fills as f join public.orders as o on o.order_id = f.order_id
      where o.intent_id = i.intent_id
    ), '[]'),
    'states', desk.trading_states(i.book_id, i.venue, i.symbol, i.trader_id),
    'venue_states', coalesce((
      select jsonb_object_agg(v.venue, desk.trading_states(b.book_id, v.venue, i.symbol, null) - 'desk' - 'book')
      from public.books as b cross join lateral unnest(b.venues) as v (venue)
      where b.book_id = i.book_id and i.venue is null
    ), '{}')
  )
  from public.trade_intents as i where i.intent_id = p_intent_id
$$;

-- The books to watch as of p_now_ms, by id from after one on: each as view_book tells it, and as observe_book does within
-- the window of its breakers. A book that holds nothing, has nothing under way, has neither sent nor filled an order for a
-- day, is active and agrees with its venues is what it was: a day of looks has found all there is to find.
create or replace function public.watched_books(p_now_ms bigint, p_after text, p_limit integer) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'view', desk.book_view(w.book_id, null, p_now_ms),
    'observed', public.observe_book(w.book_id, p_now_ms - coalesce((w.breakers ->> 'window_ms')::bigint, 3600000))
  ) order by w.book_id), '[]')
  from (
    select b.book_id, b.breakers
    from public.books as b
    where (p_after is null or b.book_id > p_after) and (
      b.trading_state <> 'active'
      or b.book_id in (
        select p.book_id from public.positions as p where p.qty <> 0 or p.last_fill_ms > p_now_ms - 86400000
        union
        select o.book_id from public.orders as o where o.at_risk or o.submitted_at_ms > p_now_ms - 86400000
        union
        select i.book_id from public.trade_intents as i where i.state in ('approved', 'modified', 'executing')
        union
        select a.book_id from public.alerts as a where a.kind = 'reconciliation' and a.state <> 'resolved'
      )
      or (b.mode = 'live' and exists (
        select from public.alerts as a
        where a.kind = 'reconciliation' and a.state <> 'resolved' and a.book_id is null -- live books share an account
      ))
    )
    order by b.book_id
    limit p_limit
  ) as w
$$;
create index if not exists positions_filled on public.positions (last_fill_ms);

-- Record a point of the equity curve of each book, one a minute: the last one said stays. A book that is gone has none.
create or replace function public.mark_equities(p_points jsonb) returns void
language sql set search_path = ''
as $$
  insert into public.equity_points as e (book_id, at_ms, equity, realised, fees)
  select b.book_id, p.at_ms - p.at_ms % 60000, p.equity, p.realised, p.fees
  from jsonb_to_recordset(p_points) as p (book_id text, at_ms bigint, equity numeric, realised numeric, fees numeric)
  join public.books as b on b.book_id = p.book_id
  order by b.book_id -- one order for everybody: no deadlock
  on conflict (book_id, at_ms) do update set
    equity = excluded.equity, realised = excluded.realised, fees = excluded.fees
$$;
drop function if exists public.mark_equity(text, bigint, numeric, numeric, numeric); -- it marked one book at a time

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'venue_measures(bigint)', 'state_entry(text, text)', 'restrained()', 'resting_orders_of_trader(text)',
    'watched_books(bigint, text, integer)', 'mark_equities(jsonb)'
  ] loop
    execute format('revoke all on function public.%s from public, anon, authenticated', signature);
    execute format('grant execute on function public.%s to service_role', signature);
  end loop;
  revoke all on function desk.record_act(text, text, text, text) from public, anon, authenticated;
  grant execute on function desk.record_act(text, text, text, text) to service_role;
end
$$;
