-- Orders their venue has had and no longer knows. Needs 0029_measures.sql.
alter table public.orders add column if not exists missed_at_ms bigint -- since when (epoch ms); null while it is known
  constraint orders_missed_at_ms_check check (missed_at_ms > 0);

-- As 0018, with what is posted of an order, and since when it is missed.
create or replace function desk.order_json(o public.orders) returns jsonb
language sql immutable set search_path = ''
as $$
  select jsonb_build_object(
    'order_id', o.order_id, 'intent_id', o.intent_id, 'book_id', o.book_id, 'mode', o.mode, 'account', o.account,
    'venue', o.venue, 'symbol', o.symbol, 'role', o.role, 'slice_no', o.slice_no, 'attempt', o.attempt,
    'client_order_id', o.client_order_id, 'side', o.side, 'kind', o.kind, 'time_in_force', o.time_in_force,
    'qty', o.qty::text, 'limit_price', o.limit_price::text, 'trigger_price', o.trigger_price::text,
    'reduce_only', o.reduce_only, 'due_at_ms', o.due_at_ms, 'state', o.state, 'version', o.version,
    'venue_order_id', o.venue_order_id, 'filled_qty', o.filled_qty::text, 'posted_qty', o.posted_qty::text,
    'average_price', o.average_price::text, 'reason', o.reason, 'submitted_at_ms', o.submitted_at_ms,
    'missed_at_ms', o.missed_at_ms, 'correlation_id', o.correlation_id
  )
$$;

-- As 0029; a report that does not say that the order is missed says that it is not.
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
  given.missed_at_ms := (p_report ->> 'missed_at_ms')::bigint;
  if (given.state, given.venue_order_id, given.filled_qty, given.average_price, given.reason, given.missed_at_ms)
    is not distinct from (o.state, o.venue_order_id, o.filled_qty, o.average_price, o.reason, o.missed_at_ms)
  then
    return desk.order_json(o);
  end if;
  perform desk.require_version('order', p_order_id, o.version, p_version);
  update public.orders as s
  set state = given.state, venue_order_id = given.venue_order_id, filled_qty = given.filled_qty,
    average_price = given.average_price, reason = given.reason, answer_ms = given.answer_ms,
    missed_at_ms = given.missed_at_ms, actor = p_actor,
    lease_holder = case when given.state = 'submitting' then s.lease_holder end,
    lease_until = case when given.state = 'submitting' then s.lease_until end
  where s.order_id = p_order_id
  returning * into o;
  return desk.order_json(o);
end
$$;
