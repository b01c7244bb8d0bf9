-- The life of an intent: raised, viewed under a lease, decided, ended. Every function is one transaction and may be called
-- again: the same call answers as it did the first time. Needs 0018_book_views.sql.

-- Store an intent, or return the stored one of its id; with a person, only into a book of theirs (else ND004).
create or replace function public.raise_intent(p_intent jsonb, p_actor text, p_person uuid) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  given public.trade_intents := jsonb_populate_record(null::public.trade_intents, p_intent);
  stored public.trade_intents;
begin
  insert into public.trade_intents (intent_id, book_id, mode, source, trader_id, signal_id, venue, symbol, purpose,
    direction, sizing, guard, algorithm, reference_price, confidence, edge_rate, raised_at_ms, expires_at_ms, state,
    correlation_id, actor)
  select given.intent_id, given.book_id, given.mode, given.source, given.trader_id, given.signal_id, given.venue,
    given.symbol, given.purpose, given.direction, given.sizing, given.guard, given.algorithm, given.reference_price,
    given.confidence, given.edge_rate, given.raised_at_ms, given.expires_at_ms, given.state, given.correlation_id,
    p_actor
  where p_person is null
    or exists (select from public.books as b where b.book_id = given.book_id and b.owner_id = p_person)
  on conflict (intent_id) do nothing;
  select * into stored from public.trade_intents as i where i.intent_id = given.intent_id;
  if stored.intent_id is null or (p_person is not null and not exists (
    select from public.books as b where b.book_id = stored.book_id and b.owner_id = p_person
  )) then
    raise exception 'book % is not yours', given.book_id using errcode = 'ND004';
  end if;
  return desk.intent_json(stored);
end
$$;

-- Lease a pending intent to a holder and return it with its book; null when it is not pending, or somebody else's.
create or replace function public.view_intent(p_intent_id text, p_now_ms bigint, p_lease_ms bigint, p_holder uuid)
returns jsonb
language plpgsql set search_path = ''
as $$
declare
  intent public.trade_intents;
begin
  update public.trade_intents as i
  set lease_holder = p_holder, lease_until = clock_timestamp() + p_lease_ms * interval '1 millisecond'
  where i.intent_id = p_intent_id and i.state = 'pending'
    and (i.lease_until is null or i.lease_until <= clock_timestamp() or i.lease_holder = p_holder)
  returning * into intent;
  if not found then
    return null;
  end if;
  return desk.book_view(intent.book_id, intent, p_now_ms);
end
$$;

-- Store a decision. Approving needs the risk_version it was made on and adds one to it, so that two decisions made on
-- the same book cannot both count. Every reason of a denial is kept as a breach. Null when there is no such intent.
create or replace function public.decide_intent(
  p_intent_id text, p_version integer, p_state text, p_risk_version integer, p_qty numeric, p_reference_price numeric,
  p_decision jsonb, p_actor text, p_reason text
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
  if intent.version = p_version + 1 and intent.state = p_state
    and (intent.qty, intent.decision) is not distinct from (p_qty, p_decision)
  then
    return desk.intent_json(intent);
  end if;
  perform desk.require_version('intent', p_intent_id, intent.version, p_version);
  if p_state not in ('approved', 'modified', 'denied') then
    raise exception 'intent %: % is no decision', p_intent_id, p_state using errcode = 'ND002';
  end if;
  if p_state <> 'denied' then
    if coalesce(intent.reference_price, p_reference_price) is null then
      raise exception 'column "reference_price": expected the price it was decided at' using errcode = '22023';
    end if;
    update public.books as b set risk_version = b.risk_version + 1
    where b.book_id = intent.book_id and b.risk_version = p_risk_version;
    if not found then
      raise exception 'book % is no longer at risk version %', intent.book_id, p_risk_version using errcode = 'ND003';
    end if;
  end if;
  update public.trade_intents as i
  set state = p_state, qty = p_qty, decision = p_decision, actor = p_actor, reason = p_reason,
    reference_price = coalesce(i.reference_price, p_reference_price), lease_holder = null, lease_until = null
  where i.intent_id = p_intent_id
  returning * into intent;
  if p_state = 'denied' and jsonb_typeof(p_decision -> 'reasons') = 'array' then
    insert into public.risk_breaches (book_id, intent_id, breach_no, details)
    select intent.book_id, p_intent_id, r.n, r.details
    from jsonb_array_elements(p_decision -> 'reasons') with ordinality as r (details, n);
  end if;
  return desk.intent_json(intent);
end
$$;

-- Ids of pending intents nobody has leased, oldest first, after expiring those past their time; json, because rows are
-- cut at max_rows.
create or replace function public.pending_intents(p_limit integer, p_now_ms bigint) returns jsonb
language plpgsql set search_path = ''
as $$
begin
  update public.trade_intents as i
  set state = 'expired', actor = 'sweep', reason = 'not decided in time', lease_holder = null, lease_until = null
  where i.intent_id in (
    select e.intent_id from public.trade_intents as e
    where e.state = 'pending' and e.expires_at_ms <= p_now_ms
      and (e.lease_until is null or e.lease_until <= clock_timestamp())
    order by e.intent_id
    for update skip locked
  );
  return (
    select coalesce(jsonb_agg(p.intent_id order by p.raised_at_ms, p.intent_id), '[]')
    from (
      select i.intent_id, i.raised_at_ms from public.trade_intents as i
      where i.state = 'pending' and (i.lease_until is null or i.lease_until <= clock_timestamp())
      order by i.raised_at_ms, i.intent_id
      limit p_limit
    ) as p
  );
end
$$;

-- Ids of approved, modified and executing intents, those looked at longest ago first: each call looks at its answer.
create or replace function public.unfinished_intents(p_limit integer) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  found_ids jsonb;
begin
  with picked as (
    select i.intent_id, i.looked_at from public.trade_intents as i
    where i.state in ('approved', 'modified', 'executing')
    order by i.looked_at, i.intent_id
    limit p_limit
    for update skip locked
  ), looked as (
    update public.trade_intents as i set looked_at = clock_timestamp()
    from picked as p where i.intent_id = p.intent_id
    returning i.intent_id, p.looked_at
  )
  select coalesce(jsonb_agg(l.intent_id order by l.looked_at, l.intent_id), '[]') into found_ids from looked as l;
  return found_ids;
end
$$;

-- End an intent: executed or failed once nothing of it may fill any more and all its fills are posted, expired when it
-- never began. Null when there is none.
create or replace function public.finish_intent(
  p_intent_id text, p_version integer, p_state text, p_actor text, p_reason text
) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  intent public.trade_intents;
  open_order text;
begin
  select * into intent from public.trade_intents as i where i.intent_id = p_intent_id for update;
  if not found then
    return null;
  end if;
  if intent.version = p_version + 1 and intent.state = p_state then
    return desk.intent_json(intent);
  end if;
  perform desk.require_version('intent', p_intent_id, intent.version, p_version);
  if p_state not in ('executed', 'failed', 'expired') then
    raise exception 'intent %: % is no end', p_intent_id, p_state using errcode = 'ND002';
  end if;
  select min(o.order_id) into open_order from public.orders as o
  where o.intent_id = p_intent_id and o.role = 'slice' and (o.at_risk or o.state = 'new' or o.filled_qty > o.posted_qty);
  if open_order is not null then
    raise exception 'intent %: order % has not ended, or its fills are not posted', p_intent_id, open_order
      using errcode = 'ND002';
  end if;
  update public.trade_intents as i
  set state = p_state, actor = p_actor, reason = p_reason, lease_holder = null, lease_until = null
  where i.intent_id = p_intent_id
  returning * into intent;
  return desk.intent_json(intent);
end
$$;

-- Every step of everything with a correlation id, oldest first: signals, steps of intents and orders, fills.
create or replace function public.trace(p_correlation_id text) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(
    jsonb_build_object('at', s.at, 'subject', s.subject, 'id', s.id, 'intent_id', s.intent_id, 'before', s.before,
      'after', s.after, 'actor', s.actor, 'reason', s.reason, 'details', s.details)
    order by s.at, s.step_no, s.id
  ), '[]')
  from (
    select g.recorded_at as at, 0 as step_no, 'signal' as subject, g.signal_id::text as id, null as intent_id,
      null as before, 'recorded' as after, g.trader_id as actor, '' as reason,
      jsonb_build_object('symbol', g.symbol, 'side', g.side, 'price', g.price::text, 'close_time', g.close_time) as details
    from public.signals as g where g.correlation_id = p_correlation_id
    union all
    select t.at, t.step_no, t.subject, t.subject_id, coalesce(i.intent_id, o.intent_id), t.before, t.after, t.actor,
      t.reason, case
        when t.after in ('approved', 'modified', 'denied') then i.decision
        when t.after = 'executing' then i.plan
        when t.before is null and t.subject = 'intent' then desk.intent_json(i)
        when t.before is null then desk.order_json(o)
      end
    from public.trading_transitions as t
    left join public.trade_intents as i on t.subject = 'intent' and i.intent_id = t.subject_id
    left join public.orders as o on t.subject = 'order' and o.order_id = t.subject_id
    where t.correlation_id = p_correlation_id
    union all
    select f.posted_at, 0, 'fill', f.trade_id, o.intent_id, null, 'posted', f.venue, '', desk.fill_json(f)
    from public.fills as f join public.orders as o on o.order_id = f.order_id
    where o.correlation_id = p_correlation_id
  ) as s
$$;

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'raise_intent(jsonb, text, uuid)', 'view_intent(text, bigint, bigint, uuid)',
    'decide_intent(text, integer, text, integer, numeric, numeric, jsonb, text, text)',
    'pending_intents(integer, bigint)', 'unfinished_intents(integer)',
    'finish_intent(text, integer, text, text, text)', 'trace(text)'
  ] loop
    execute format('revoke all on function public.%s from public, anon, authenticated', signature);
    execute format('grant execute on function public.%s to service_role', signature);
  end loop;
end
$$;
