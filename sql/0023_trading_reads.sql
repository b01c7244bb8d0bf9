-- What people read of trading: intents with their decisions, orders, fills, positions, equity, breakers, and the steps of
-- all of it. Every function runs with the rights of its caller, so row security decides what is seen. Needs
-- 0021_ledger.sql.
create index if not exists trade_intents_newest on public.trade_intents (raised_at_ms desc, intent_id desc);
create index if not exists orders_newest on public.orders (due_at_ms desc, order_id desc);
create index if not exists orders_of_intent on public.orders (intent_id);
create index if not exists fills_newest on public.fills (event_time desc);

-- Whoever sees an intent, an order or a book sees its steps.
grant select on public.trading_transitions to authenticated;
drop policy if exists "people read the steps of what they see" on public.trading_transitions;
create policy "people read the steps of what they see" on public.trading_transitions for select to authenticated
  using (case subject
    when 'intent' then exists (select from public.trade_intents as i where i.intent_id = subject_id)
    when 'order' then exists (select from public.orders as o where o.order_id = subject_id)
    when 'book' then exists (select from public.books as b where b.book_id = subject_id)
    else false
  end);

-- An intent with what was decided of it, and the last words said of it.
create or replace function desk.told_json(i public.trade_intents) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'intent', desk.intent_json(i), 'decision', i.decision, 'actor', i.actor, 'reason', i.reason,
    'updated_at_ms', floor(extract(epoch from i.updated_at) * 1000)::bigint
  )
$$;

-- A fill with where it was posted, known by one text: trade ids are unique within a symbol of an account at a venue.
create or replace function desk.posted_json(f public.fills) returns jsonb
language sql immutable set search_path = ''
as $$
  select jsonb_build_object(
    'fill_id', concat_ws(' ', f.venue, f.account, f.symbol, f.trade_id), 'book_id', f.book_id, 'venue', f.venue,
    'account', f.account, 'order_id', f.order_id, 'realised', f.realised::text, 'fill', desk.fill_json(f)
  )
$$;

-- Intents, newest first, from before a place in that order.
create or replace function public.list_intents(
  p_limit integer, p_before_ms bigint, p_before_id text, p_state text, p_book_id text, p_trader_id text
) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(l.told order by l.raised_at_ms desc, l.intent_id desc), '[]')
  from (
    select desk.told_json(i) as told, i.raised_at_ms, i.intent_id
    from public.trade_intents as i
    where (p_before_ms is null or (i.raised_at_ms, i.intent_id) < (p_before_ms, p_before_id))
      and (p_state is null or i.state = p_state) and (p_book_id is null or i.book_id = p_book_id)
      and (p_trader_id is null or i.trader_id = p_trader_id)
    order by i.raised_at_ms desc, i.intent_id desc
    limit p_limit
  ) as l
$$;

-- One intent with its plan, its orders and their fills; null when there is none to be seen.
create or replace function public.tell_intent(p_intent_id text) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'told', desk.told_json(i), 'plan', i.plan,
    'orders', coalesce((
      select jsonb_agg(desk.order_json(o) order by o.due_at_ms, o.slice_no, o.attempt, o.order_id)
      from public.orders as o where o.intent_id = i.intent_id
    ), '[]'),
    'fills', coalesce((
      select jsonb_agg(desk.posted_json(f) order by f.event_time, f.trade_id)
      from public.fills as f join public.orders as o on o.order_id = f.order_id
      where o.intent_id = i.intent_id
    ), '[]')
  )
  from public.trade_intents as i where i.intent_id = p_intent_id
$$;

-- Orders, the last due first.
create or replace function public.list_orders(
  p_limit integer, p_before_ms bigint, p_before_id text, p_state text, p_book_id text, p_intent_id text
) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(l.told order by l.due_at_ms desc, l.order_id desc), '[]')
  from (
    select desk.order_json(o) as told, o.due_at_ms, o.order_id
    from public.orders as o
    where (p_before_ms is null or (o.due_at_ms, o.order_id) < (p_before_ms, p_before_id))
      and (p_state is null or o.state = p_state) and (p_book_id is null or o.book_id = p_book_id)
      and (p_intent_id is null or o.intent_id = p_intent_id)
    order by o.due_at_ms desc, o.order_id desc
    limit p_limit
  ) as l
$$;

-- Fills, newest first.
create or replace function public.list_fills(
  p_limit integer, p_before_ms bigint, p_before_id text, p_book_id text, p_symbol text
) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(l.told order by l.event_time desc, l.fill_id desc), '[]')
  from (
    select desk.posted_json(f) as told, f.event_time, k.fill_id
    from public.fills as f
    cross join lateral (
      select concat_ws(' ', f.venue, f.account, f.symbol, f.trade_id) collate "C" as fill_id
    ) as k
    where (p_before_ms is null or (f.event_time, k.fill_id) < (p_before_ms, p_before_id collate "C"))
      and (p_book_id is null or f.book_id = p_book_id) and (p_symbol is null or f.symbol = p_symbol)
    order by f.event_time desc, k.fill_id desc
    limit p_limit
  ) as l
$$;

-- Positions with what protects them, those that are flat only when asked for.
create or replace function public.list_positions(p_book_id text, p_flat_too boolean) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(desk.position_json(p) order by p.book_id, p.venue, p.symbol), '[]')
  from public.positions as p
  where (p_book_id is null or p.book_id = p_book_id) and (p_flat_too or p.qty <> 0)
$$;

-- The newest points of a book's equity curve from a time on, oldest first.
create or replace function public.equity_curve(p_book_id text, p_since_ms bigint, p_limit integer) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'at_ms', l.at_ms, 'equity', l.equity::text, 'realised', l.realised::text, 'fees', l.fees::text
  ) order by l.at_ms), '[]')
  from (
    select e.at_ms, e.equity, e.realised, e.fees
    from public.equity_points as e where e.book_id = p_book_id and e.at_ms >= p_since_ms
    order by e.at_ms desc
    limit p_limit
  ) as l
$$;

-- The newest event of each breaker of a book, newest first.
create or replace function public.last_trips(p_book_id text) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'breaker', l.breaker, 'at_ms', l.at_ms, 'state', l.trading_state, 'reason', l.reason
  ) order by l.at_ms desc, l.breaker), '[]')
  from (
    select distinct on (e.breaker) e.breaker, e.at_ms, e.trading_state, e.reason
    from public.circuit_breaker_events as e where e.book_id = p_book_id
    order by e.breaker, e.at_ms desc, e.trading_state -- halted before reducing
  ) as l
$$;

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'list_intents(integer, bigint, text, text, text, text)', 'tell_intent(text)',
    'list_orders(integer, bigint, text, text, text, text)', 'list_fills(integer, bigint, text, text, text)',
    'list_positions(text, boolean)', 'equity_curve(text, bigint, integer)', 'last_trips(text)', 'trace(text)',
    'view_book(text, bigint)'
  ] loop
    execute format('revoke all on function public.%s from public, anon, authenticated', signature);
    execute format('grant execute on function public.%s to authenticated, service_role', signature);
  end loop;
end
$$;
