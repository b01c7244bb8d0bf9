-- How rows of trading look as json (decimals are texts, so that no digit is lost), and everything the desk knows of a
-- book at one instant. Needs 0016_orders.sql.
create or replace function desk.book_json(b public.books) returns jsonb
language sql immutable set search_path = ''
as $$
  select jsonb_build_object(
    'book_id', b.book_id, 'owner_id', b.owner_id, 'name', b.name, 'mode', b.mode, 'quote', b.quote,
    'capital', b.capital::text, 'state', b.trading_state, 'venues', to_jsonb(b.venues), 'limits', b.limits,
    'breakers', b.breakers, 'risk_version', b.risk_version, 'version', b.version
  )
$$;

create or replace function desk.intent_json(i public.trade_intents) returns jsonb
language sql immutable set search_path = ''
as $$
  select jsonb_build_object(
    'intent_id', i.intent_id, 'book_id', i.book_id, 'mode', i.mode, 'source', i.source, 'trader_id', i.trader_id,
    'signal_id', i.signal_id, 'venue', i.venue, 'symbol', i.symbol, 'purpose', i.purpose, 'direction', i.direction,
    'sizing', i.sizing, 'guard', i.guard, 'algorithm', i.algorithm, 'reference_price', i.reference_price::text,
    'confidence', i.confidence::text, 'edge_rate', i.edge_rate::text, 'raised_at_ms', i.raised_at_ms,
    'expires_at_ms', i.expires_at_ms, 'state', i.state, 'version', i.version, 'qty', i.qty::text,
    'correlation_id', i.correlation_id
  )
$$;

create or replace function desk.order_json(o public.orders) returns jsonb
language sql immutable set search_path = ''
as $$
  select jsonb_build_object(
    'order_id', o.order_id, 'intent_id', o.intent_id, 'book_id', o.book_id, 'mode', o.mode, 'account', o.account,
    'venue', o.venue, 'symbol', o.symbol, 'role', o.role, 'slice_no', o.slice_no, 'attempt', o.attempt,
    'client_order_id', o.client_order_id, 'side', o.side, 'kind', o.kind, 'time_in_force', o.time_in_force,
    'qty', o.qty::text, 'limit_price', o.limit_price::text, 'trigger_price', o.trigger_price::text,
    'reduce_only', o.reduce_only, 'due_at_ms', o.due_at_ms, 'state', o.state, 'version', o.version,
    'venue_order_id', o.venue_order_id, 'filled_qty', o.filled_qty::text, 'average_price', o.average_price::text,
    'reason', o.reason, 'submitted_at_ms', o.submitted_at_ms, 'correlation_id', o.correlation_id
  )
$$;

create or replace function desk.fill_json(f public.fills) returns jsonb
language sql immutable set search_path = ''
as $$
  select jsonb_build_object(
    'trade_id', f.trade_id, 'client_order_id', f.client_order_id, 'venue_order_id', f.venue_order_id,
    'symbol', f.symbol, 'side', f.side, 'qty', f.qty::text, 'price', f.price::text, 'fee_qty', f.fee_qty::text,
    'fee_asset', f.fee_asset, 'fee_notional', f.fee_notional::text, 'is_maker', f.is_maker, 'event_time', f.event_time
  )
$$;

create or replace function desk.position_json(p public.positions) returns jsonb
language sql immutable set search_path = ''
as $$
  select jsonb_build_object(
    'position', jsonb_build_object(
      'book_id', p.book_id, 'venue', p.venue, 'symbol', p.symbol, 'qty', p.qty::text, 'cost', p.cost::text,
      'realised', p.realised::text, 'fees', p.fees::text, 'opened_at_ms', p.opened_at_ms, 'version', p.version
    ),
    'guard', p.guard, 'best_price', p.best_price::text, 'last_fill_ms', p.last_fill_ms
  )
$$;

-- Everything of a book, as of p_now_ms: of one of its intents with the states and the earlier intents that matter to it.
-- Called by people too: row security decides. `recent` is the newest decided intent of each side and trader.
create or replace function desk.book_view(p_book_id text, p_intent public.trade_intents, p_now_ms bigint)
returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'book', desk.book_json(b),
    'states', desk.trading_states(b.book_id, p_intent.venue, p_intent.symbol, p_intent.trader_id),
    'positions', coalesce((
      select jsonb_agg(desk.position_json(p) order by p.venue, p.symbol)
      from public.positions as p where p.book_id = b.book_id
    ), '[]'),
    'reservations', coalesce((
      select jsonb_agg(jsonb_build_object(
        'intent_id', i.intent_id, 'venue', i.venue, 'symbol', i.symbol, 'side', i.side,
        'qty', (i.qty - coalesce(d.qty, 0))::text, 'reference_price', i.reference_price::text,
        'is_exit', i.purpose = 'exit'
      ) order by i.intent_id)
      from public.trade_intents as i
      left join lateral (
        select sum(o.posted_qty) as qty from public.orders as o where o.intent_id = i.intent_id and o.role = 'slice'
      ) as d on true
      where i.book_id = b.book_id and i.state in ('approved', 'modified', 'executing')
        and i.qty > coalesce(d.qty, 0)
    ), '[]'),
    'recent', coalesce((
      select jsonb_agg(to_jsonb(r) order by r.raised_at_ms, r.intent_id)
      from (
        select distinct on (i.side, i.trader_id) i.intent_id, i.side, i.trader_id, i.raised_at_ms
        from public.trade_intents as i
        where i.book_id = b.book_id and i.symbol = p_intent.symbol and i.intent_id <> p_intent.intent_id
          and i.state in ('approved', 'modified', 'executing', 'executed', 'failed')
        order by i.side, i.trader_id, i.raised_at_ms desc, i.intent_id desc
      ) as r
    ), '[]'),
    'day_start_equity', coalesce((
      select e.equity from public.equity_points as e
      where e.book_id = b.book_id and e.at_ms <= p_now_ms - p_now_ms % 86400000
      order by e.at_ms desc
      limit 1
    ), b.capital)::text,
    'losses_in_a_row', b.losses_in_a_row,
    'intent', case when p_intent.intent_id is not null then desk.intent_json(p_intent) end
  )
  from public.books as b where b.book_id = p_book_id
$$;

-- The books one may see, by name; only one of them with an id.
create or replace function public.get_books(p_book_id text default null) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(desk.book_json(b) order by b.name, b.book_id), '[]')
  from public.books as b where p_book_id is null or b.book_id = p_book_id
$$;

create or replace function public.view_book(p_book_id text, p_now_ms bigint) returns jsonb
language sql stable set search_path = ''
as $$
  select desk.book_view(p_book_id, null, p_now_ms)
$$;

-- Store a new book; the same one again answers as the first time did.
create or replace function public.create_book(p_book jsonb) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  given public.books := jsonb_populate_record(null::public.books, p_book);
  stored public.books;
begin
  insert into public.books as b
    (book_id, owner_id, name, mode, quote, capital, trading_state, venues, limits, breakers)
  values (given.book_id, given.owner_id, given.name, given.mode, given.quote, given.capital, p_book ->> 'state',
    given.venues, given.limits, given.breakers)
  on conflict (book_id) do nothing;
  select * into stored from public.books as b where b.book_id = given.book_id;
  if desk.book_json(stored) - 'capital' - 'risk_version' <> p_book - 'capital' - 'risk_version'
    or stored.capital <> given.capital
  then
    raise exception 'book % exists', given.book_id using errcode = '23505';
  end if;
  return desk.book_json(stored);
end
$$;

-- Replace what may change of a book, its limits on a new risk_version; null when there is none.
create or replace function public.update_book(p_book jsonb, p_expected_version integer) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  given public.books := jsonb_populate_record(null::public.books, p_book);
  stored public.books;
begin
  select * into stored from public.books as b where b.book_id = given.book_id for update;
  if not found then
    return null;
  end if;
  if stored.version = p_expected_version + 1
    and (stored.name, stored.mode, stored.venues, stored.limits, stored.breakers)
      is not distinct from (given.name, given.mode, given.venues, given.limits, given.breakers)
  then
    return desk.book_json(stored);
  end if;
  perform desk.require_version('book', given.book_id, stored.version, p_expected_version);
  update public.books as b
  set name = given.name, mode = given.mode, venues = given.venues, limits = given.limits, breakers = given.breakers,
    version = b.version + 1, risk_version = b.risk_version + 1
  where b.book_id = given.book_id
  returning * into stored;
  return desk.book_json(stored);
end
$$;

-- Store that a breaker tripped, and make its book at least as strict; returns the book's state, null when there is none.
-- The same event again changes nothing, so what a person has released stays released.
create or replace function public.trip_breaker(
  p_book_id text, p_breaker text, p_state text, p_at_ms bigint, p_details jsonb, p_reason text
) returns text
language plpgsql set search_path = ''
as $$
declare
  stored text;
begin
  select b.trading_state into stored from public.books as b where b.book_id = p_book_id for update;
  if not found then
    return null;
  end if;
  insert into public.circuit_breaker_events (book_id, breaker, at_ms, trading_state, reason, details)
  values (p_book_id, p_breaker, p_at_ms, p_state, p_reason, p_details)
  on conflict (book_id, breaker, at_ms, trading_state) do nothing;
  if not found or stored = 'halted' or stored = p_state then
    return stored;
  end if;
  return public.set_trading_state('book', p_book_id, p_state, 'breaker ' || p_breaker, p_reason);
end
$$;

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'get_books(text)', 'view_book(text, bigint)', 'create_book(jsonb)', 'update_book(jsonb, integer)',
    'trip_breaker(text, text, text, bigint, jsonb, text)'
  ] loop
    execute format('revoke all on function public.%s from public, anon, authenticated', signature);
    execute format('grant execute on function public.%s to service_role', signature);
  end loop;
  grant execute on function public.get_books(text) to authenticated;
end
$$;
