-- The life of an order: added with its plan, submitted under a lease, advanced by what the venue says. Every function is
-- one transaction and may be called again: the same call answers as it did the first time. Needs 0018_book_views.sql.

-- Add orders of an intent; those of the same (intent, role, slice, attempt) are there once. Returns them as stored.
create or replace function desk.add_orders(p_intent_id text, p_orders jsonb, p_actor text) returns jsonb
language plpgsql set search_path = ''
as $$
begin
  insert into public.orders (order_id, intent_id, book_id, mode, account, venue, symbol, role, slice_no, attempt,
    client_order_id, side, kind, time_in_force, qty, limit_price, trigger_price, reduce_only, due_at_ms, state,
    correlation_id, actor)
  select o.order_id, o.intent_id, o.book_id, o.mode, o.account, o.venue, o.symbol, o.role, o.slice_no, o.attempt,
    o.client_order_id, o.side, o.kind, o.time_in_force, o.qty, o.limit_price, o.trigger_price, o.reduce_only,
    o.due_at_ms, o.state, o.correlation_id, p_actor
  from jsonb_populate_recordset(null::public.orders, p_orders) as o
  on conflict (intent_id, role, slice_no, attempt) do nothing;
  return (
    select coalesce(jsonb_agg(desk.order_json(s) order by s.slice_no, s.attempt, s.order_id), '[]')
    from jsonb_populate_recordset(null::public.orders, p_orders) as o
    join public.orders as s on (s.intent_id, s.role, s.slice_no, s.attempt) = (p_intent_id, o.role, o.slice_no, o.attempt)
  );
end
$$;

-- Make an approved intent executing, with its plan and first orders. Null when there is no such intent.
create or replace function public.start_execution(
  p_intent_id text, p_version integer, p_plan jsonb, p_orders jsonb, p_actor text
) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  intent public.trade_intents;
begin
  select * into intent from public.trade_intents as i where i.intent_id = p_intent_id for update;
  if not found then
    return null;
  end if;
  if intent.version <> p_version + 1 or intent.state <> 'executing' or intent.plan is distinct from p_plan then
    perform desk.require_version('intent', p_intent_id, intent.version, p_version);
    update public.trade_intents as i set state = 'executing', plan = p_plan, actor = p_actor, reason = ''
    where i.intent_id = p_intent_id;
  end if;
  return desk.add_orders(p_intent_id, p_orders, p_actor);
end
$$;

-- Add orders to an intent that is executing, or protective ones to one that was executed. Null when there is none.
create or replace function public.add_orders(p_intent_id text, p_orders jsonb, p_actor text) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  found_state text;
begin
  select i.state into found_state from public.trade_intents as i where i.intent_id = p_intent_id for update;
  if not found then
    return null;
  end if;
  if found_state not in ('executing', 'executed', 'failed') or (found_state <> 'executing' and exists (
    select from jsonb_to_recordset(p_orders) as o (role text) where o.role = 'slice'
  )) then
    raise exception 'intent %: % takes no such orders', p_intent_id, found_state using errcode = 'ND002';
  end if;
  return desk.add_orders(p_intent_id, p_orders, p_actor);
end
$$;

-- An intent with its orders and fills, null when there is none.
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
    'states', desk.trading_states(i.book_id, i.venue, i.symbol, i.trader_id)
  )
  from public.trade_intents as i where i.intent_id = p_intent_id
$$;

-- Make a new order `submitting`, leased to a holder; null when it is not new, unless the holder asks again.
create or replace function public.submit_order(
  p_order_id text, p_now_ms bigint, p_lease_ms bigint, p_actor text, p_holder uuid
) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  o public.orders;
begin
  update public.orders as n
  set state = 'submitting', submitted_at_ms = p_now_ms, actor = p_actor, lease_holder = p_holder,
    lease_until = clock_timestamp() + p_lease_ms * interval '1 millisecond'
  where n.order_id = p_order_id and n.state = 'new'
  returning * into o;
  if not found then
    select * into o from public.orders as s
    where s.order_id = p_order_id and s.state = 'submitting' and s.lease_holder = p_holder;
  end if;
  return case when o.order_id is not null then desk.order_json(o) end;
end
$$;

-- Store what a venue says of an order, or what the desk itself knows (p_report has `state` and `reason` alone). What is
-- stored already changes nothing, whatever the version. Null when there is no such order.
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
    average_price = given.average_price, reason = given.reason, actor = p_actor,
    lease_holder = case when given.state = 'submitting' then s.lease_holder end,
    lease_until = case when given.state = 'submitting' then s.lease_until end
  where s.order_id = p_order_id
  returning * into o;
  return desk.order_json(o);
end
$$;

-- New orders of executing intents whose time has come, oldest first; protective ones whatever became of the intent.
create or replace function public.due_orders(p_limit integer, p_now_ms bigint) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(d.seen order by d.due_at_ms, d.order_id), '[]')
  from (
    select desk.order_json(n) as seen, n.due_at_ms, n.order_id
    from public.orders as n
    join public.trade_intents as i on i.intent_id = n.intent_id
    where n.state = 'new' and n.due_at_ms <= p_now_ms and (i.state = 'executing' or n.role <> 'slice')
    order by n.due_at_ms, n.order_id
    limit p_limit
  ) as d
$$;

-- Orders of an account that may be at the venue, or have filled more than is posted, those leased to somebody left out.
create or replace function public.unsettled_orders(p_venue text, p_account text) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(desk.order_json(o) order by o.submitted_at_ms, o.order_id), '[]')
  from public.orders as o
  where o.venue = p_venue and o.account = p_account and (o.at_risk or o.filled_qty > o.posted_qty)
    and (o.lease_until is null or o.lease_until <= clock_timestamp())
$$;

-- Protective orders of a position that are new or may fill, oldest first.
create or replace function public.standing_orders(p_book_id text, p_venue text, p_symbol text) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(desk.order_json(o) order by o.due_at_ms, o.order_id), '[]')
  from public.orders as o
  where o.book_id = p_book_id and o.venue = p_venue and o.symbol = p_symbol and o.role <> 'slice'
    and (o.at_risk or o.state = 'new')
$$;

-- Every order that may fill, with the purpose of its intent, oldest first.
create or replace function public.resting_orders() returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_array(desk.order_json(o), i.purpose) order by o.submitted_at_ms, o.order_id), '[]')
  from public.orders as o
  join public.trade_intents as i on i.intent_id = o.intent_id
  where o.at_risk
$$;

-- Orders of an account that may fill, or were sent at or after an instant (market time), oldest first.
create or replace function public.recent_orders(p_venue text, p_account text, p_since_ms bigint) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(desk.order_json(o) order by o.submitted_at_ms, o.order_id), '[]')
  from public.orders as o
  where o.venue = p_venue and o.account = p_account
    and (o.at_risk or o.filled_qty > o.posted_qty or o.submitted_at_ms >= p_since_ms)
$$;

-- Every [venue, account] that was ever traded on or opened.
create or replace function public.traded_accounts() returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_array(a.venue, a.account) order by a.venue, a.account), '[]')
  from (select o.venue, o.account from public.orders as o union select c.venue, c.account from public.accounts as c) as a
$$;

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'start_execution(text, integer, jsonb, jsonb, text)', 'add_orders(text, jsonb, text)', 'execution_of(text)',
    'submit_order(text, bigint, bigint, text, uuid)', 'advance_order(text, integer, jsonb, text)',
    'due_orders(integer, bigint)', 'unsettled_orders(text, text)', 'traded_accounts()',
    'standing_orders(text, text, text)', 'resting_orders()', 'recent_orders(text, text, bigint)'
  ] loop
    execute format('revoke all on function public.%s from public, anon, authenticated', signature);
    execute format('grant execute on function public.%s to service_role', signature);
  end loop;
end
$$;
