-- A signal that is new raises the intent of its trader in the same transaction. Needs 0019_intent_life.sql.
alter table public.execution_runs add column if not exists intents jsonb not null default '[]';

-- The id of the intent a signal raises, the same whoever derives it.
create or replace function desk.intent_id_of(p_trader_id text, p_symbol text, p_timeframe text, p_close_time bigint)
returns text
language sql immutable set search_path = ''
as $$
  select left(encode(sha256(convert_to(
    format('%s %s %s %s', p_trader_id, p_symbol, p_timeframe, p_close_time), 'UTF8'
  )), 'hex'), 32)::uuid::text
$$;

-- Raise the intents of signals just stored: of traders that are on, trade, and whose book is of their mode. Prices of the
-- guard are the trader's rates at the signal's price. A book of one venue trades there, in another the router chooses.
create or replace function desk.raise_signal_intents(p_signal_ids uuid[]) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  raised jsonb;
begin
  with stored as (
    insert into public.trade_intents (intent_id, book_id, mode, source, trader_id, signal_id, venue, symbol, purpose,
      direction, sizing, guard, algorithm, reference_price, edge_rate, raised_at_ms, expires_at_ms, correlation_id, actor)
    select desk.intent_id_of(s.trader_id, s.symbol, s.timeframe, s.close_time), b.book_id, t.mode, 'signal', t.trader_id,
      s.signal_id, case when cardinality(b.venues) = 1 then b.venues[1] end, s.symbol, 'enter', s.side,
      t.trade -> 'sizing',
      jsonb_build_object(
        'stop_price', (s.price * (1 - k.sign * (k.guard ->> 'stop_rate')::numeric))::text,
        'take_profit_price', (s.price * (1 + k.sign * (k.guard ->> 'take_profit_rate')::numeric))::text,
        'trailing_rate', k.guard ->> 'trailing_rate',
        'hold_ms', (k.guard ->> 'hold_bars')::bigint * desk.timeframe_ms(s.timeframe)
      ),
      t.trade -> 'algorithm', s.price, (t.trade ->> 'edge_rate')::numeric, s.close_time,
      s.close_time + (t.trade ->> 'horizon_ms')::bigint, s.correlation_id, 'signal'
    from public.signals as s
    join public.traders as t on t.trader_id = s.trader_id
    join public.books as b on b.book_id = t.book_id and b.mode = t.mode
    cross join lateral (
      select case s.side when 'long' then 1 else -1 end as sign, t.trade -> 'guard' as guard
    ) as k
    where s.signal_id = any (p_signal_ids) and t.enabled and t.deleted_at is null
    order by s.trader_id, s.symbol, s.timeframe, s.close_time
    on conflict (intent_id) do nothing
    returning intent_id
  )
  select coalesce(jsonb_agg(r.intent_id order by r.intent_id), '[]') into raised from stored as r;
  return raised;
end
$$;

-- Store the signals that are new and raise their intents; returns {"new": n, "duplicate": n, "intents": [id, …]}.
create or replace function public.record_signals(p_venue text, p_correlation_id text, p_signals jsonb) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  stored uuid[];
begin
  with inserted as (
    insert into public.signals
      (trader_id, venue, symbol, timeframe, close_time, side, price, rule_hash, "values", correlation_id)
    select s.trader_id, p_venue, s.symbol, s.timeframe, s.close_time, s.side, s.price, s.rule_hash, s."values",
      p_correlation_id
    from jsonb_to_recordset(p_signals) as s (
      trader_id text, symbol text, timeframe text, close_time bigint, side text, price numeric, rule_hash text,
      "values" jsonb
    )
    order by s.trader_id, s.symbol, s.timeframe, s.close_time -- one order for everybody: no deadlock
    on conflict (trader_id, symbol, timeframe, close_time) do nothing
    returning signal_id
  )
  select coalesce(array_agg(i.signal_id), '{}') into stored from inserted as i;
  return jsonb_build_object(
    'new', cardinality(stored),
    'duplicate', jsonb_array_length(p_signals) - cardinality(stored),
    'intents', desk.raise_signal_intents(stored)
  );
end
$$;

-- Store the signals that are new and mark the run finished, as 0006 does, and keep which intents it raised: a finished
-- run stays as it is, and its counts and intents are returned again. Null when there is no such run.
create or replace function public.finish_run(
  p_venue text, p_timeframe text, p_close_time bigint, p_shard integer, p_result jsonb, p_signals jsonb
) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  run public.execution_runs;
  recorded jsonb;
begin
  select * into run from public.execution_runs as r
  where r.venue = p_venue and r.timeframe = p_timeframe and r.close_time = p_close_time and r.shard = p_shard
  for update;
  if not found then
    return null;
  end if;
  if run.status = 'finished' then
    return jsonb_build_object('new', run.signals_new, 'duplicate', run.signals_duplicate, 'intents', run.intents);
  end if;
  if exists (
    select from jsonb_to_recordset(p_signals) as s (timeframe text, close_time bigint)
    where s.timeframe is distinct from p_timeframe or s.close_time is distinct from p_close_time
  ) then
    raise exception 'signals: one is not of the boundary % %', p_timeframe, p_close_time using errcode = '22023';
  end if;
  recorded := public.record_signals(p_venue, run.correlation_id, p_signals);
  update public.execution_runs as r
  set status = 'finished',
    finished_at = clock_timestamp(),
    lease_until = null,
    lease_holder = null,
    error = null,
    traders = (p_result ->> 'traders')::integer,
    evaluations = (p_result ->> 'evaluations')::integer,
    insufficient = (p_result ->> 'insufficient')::integer,
    errors = (p_result ->> 'errors')::integer,
    duration_ms = (p_result ->> 'duration_ms')::double precision,
    signals_new = (recorded ->> 'new')::integer,
    signals_duplicate = (recorded ->> 'duplicate')::integer,
    intents = recorded -> 'intents'
  where r.venue = p_venue and r.timeframe = p_timeframe and r.close_time = p_close_time and r.shard = p_shard;
  return recorded;
end
$$;
