-- Intents that are withdrawn: one that has not begun expires, one that is executing is marked, and no further slice of it
-- is submitted. Needs 0019_intent_life.sql.
alter table public.trade_intents add column if not exists withdrawn text -- why; null where it was not
  constraint trade_intents_withdrawn_check check (length(withdrawn) between 1 and 2000);

create or replace function desk.intent_json(i public.trade_intents) returns jsonb
language sql immutable set search_path = ''
as $$
  select jsonb_build_object(
    'intent_id', i.intent_id, 'book_id', i.book_id, 'mode', i.mode, 'source', i.source, 'trader_id', i.trader_id,
    'signal_id', i.signal_id, 'venue', i.venue, 'symbol', i.symbol, 'purpose', i.purpose, 'direction', i.direction,
    'sizing', i.sizing, 'guard', i.guard, 'algorithm', i.algorithm, 'reference_price', i.reference_price::text,
    'confidence', i.confidence::text, 'edge_rate', i.edge_rate::text, 'raised_at_ms', i.raised_at_ms,
    'expires_at_ms', i.expires_at_ms, 'state', i.state, 'version', i.version, 'qty', i.qty::text,
    'withdrawn', i.withdrawn, 'correlation_id', i.correlation_id
  )
$$;

-- Withdrawn once and for good, and only before the end. Runs after check_intent, which knows of states alone.
create or replace function desk.check_withdrawal() returns trigger
language plpgsql set search_path = ''
as $$
begin
  if old.withdrawn is not null or old.state in ('denied', 'executed', 'failed', 'expired') then
    raise exception 'intent %: it is % and cannot be withdrawn', new.intent_id,
      case when old.withdrawn is null then old.state else 'withdrawn' end using errcode = 'ND002';
  end if;
  if new.state = old.state then
    new.version := old.version + 1;
  end if;
  return new;
end
$$;
create or replace trigger check_withdrawal before update on public.trade_intents for each row
  when (old.withdrawn is distinct from new.withdrawn) execute function desk.check_withdrawal();

-- Append that an executing intent was withdrawn; one that expires by it has its step. Runs as its owner, as
-- desk.record_step does.
create or replace function desk.record_withdrawal() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  insert into public.trading_transitions
    (subject, subject_id, before, after, actor, reason, version, correlation_id)
  values ('intent', new.intent_id, old.state, 'withdrawn', new.actor, new.withdrawn, new.version, new.correlation_id);
  return null;
end
$$;
revoke all on function desk.record_withdrawal() from public, anon, authenticated;
create or replace trigger record_withdrawal after update on public.trade_intents for each row
  when (old.withdrawn is distinct from new.withdrawn and old.state = new.state)
  execute function desk.record_withdrawal();

-- The gate: a slice of a withdrawn intent is not submitted. The lock makes a withdrawal wait for a slice that has passed,
-- and a slice that comes later see it.
create or replace function desk.refuse_withdrawn() returns trigger
language plpgsql set search_path = ''
as $$
declare
  why text;
begin
  select i.withdrawn into why from public.trade_intents as i where i.intent_id = new.intent_id for no key update;
  if why is not null then
    raise exception 'order %: intent % is withdrawn: %', new.order_id, new.intent_id, why using errcode = 'ND002';
  end if;
  return new;
end
$$;
create or replace trigger refuse_withdrawn before update on public.orders for each row
  when (new.role = 'slice' and new.state = 'submitting' and old.state <> 'submitting')
  execute function desk.refuse_withdrawn();

-- Withdraw an intent: expired when it has not begun, marked when it is executing. One that has ended, or was withdrawn
-- before, is returned as it is, whatever the version. Null when there is none.
create or replace function public.withdraw_intent(p_intent_id text, p_version integer, p_actor text, p_reason text)
returns jsonb
language plpgsql set search_path = ''
as $$
declare
  intent public.trade_intents;
begin
  select * into intent from public.trade_intents as i where i.intent_id = p_intent_id for update;
  if not found then
    return null;
  end if;
  if intent.withdrawn is not null or intent.state in ('denied', 'executed', 'failed', 'expired') then
    return desk.intent_json(intent);
  end if;
  perform desk.require_version('intent', p_intent_id, intent.version, p_version);
  update public.trade_intents as i
  set state = case when i.state = 'executing' then i.state else 'expired' end, withdrawn = p_reason, actor = p_actor,
    reason = p_reason, lease_holder = null, lease_until = null
  where i.intent_id = p_intent_id
  returning * into intent;
  return desk.intent_json(intent);
end
$$;
-- Exits of a position that are approved or executing, oldest first, each with what it may still take: its quantity less
-- what is posted.
create or replace function public.leaving_intents(p_book_id text, p_venue text, p_symbol text) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'intent', desk.intent_json(i), 'qty', (i.qty - coalesce(d.qty, 0))::text
  ) order by i.raised_at_ms, i.intent_id), '[]')
  from public.trade_intents as i
  left join lateral (
    select sum(o.posted_qty) as qty from public.orders as o where o.intent_id = i.intent_id and o.role = 'slice'
  ) as d on true
  where i.book_id = p_book_id and i.symbol = p_symbol and i.purpose = 'exit' and (i.venue is null or i.venue = p_venue)
    and i.state in ('approved', 'modified', 'executing')
$$;

-- Everything of a book, as of p_now_ms: of one of its intents with the states and the earlier intents that matter to it.
-- Called by people too: row security decides. `recent` is the newest decided intent of each side and trader. What is
-- reserved counts at its limit where that is above the price it was decided at: it may be paid.
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
        'qty', (i.qty - coalesce(d.qty, 0))::text,
        'price', greatest(i.reference_price, (i.algorithm ->> 'limit_price')::numeric)::text,
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

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'withdraw_intent(text, integer, text, text)', 'leaving_intents(text, text, text)'
  ] loop
    execute format('revoke all on function public.%s from public, anon, authenticated', signature);
    execute format('grant execute on function public.%s to service_role', signature);
  end loop;
end
$$;
