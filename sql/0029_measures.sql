-- What is measured of venues, looked at of books, and said of trading states. Needs 0024_alerts.sql.

-- How long the venue took to answer the call that placed an order (real milliseconds); null where it was not answered, or
-- where its answer speaks of the order alone.
alter table public.orders add column if not exists answer_ms integer
  constraint orders_answer_ms_check check (answer_ms >= 0);
create index if not exists orders_answered on public.orders (submitted_at_ms) include (venue, mode, state, answer_ms)
  where answer_ms is not null and role = 'slice';

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

do $$
declare
  signature text;
begin
  foreach signature in array array['venue_measures(bigint)'] loop
    execute format('revoke all on function public.%s from public, anon, authenticated', signature);
    execute format('grant execute on function public.%s to service_role', signature);
  end loop;
end
$$;
