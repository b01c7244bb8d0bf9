-- Signals of intelligence: what sources outside the market think of an instrument. The unique key is the identity, so a
-- redelivery stores nothing. And what all sources, traders included, think now. Times are epoch ms of the market. Needs
-- 0013_trading_states.sql.
create table if not exists public.intelligence_signals (
  signal_id uuid primary key default gen_random_uuid(),
  source text collate "C" not null check (source ~ '^[a-z][a-z0-9_.-]{0,63}$'), -- the provider of the data
  kind text collate "C" not null check (kind ~ '^[a-z][a-z0-9_]{0,31}$' and kind <> 'trader'),
  instrument text not null check (instrument ~ '^[^/[:space:]]{1,32}/[^/[:space:]]{1,32}$'),
  direction text not null check (direction in ('long', 'short', 'neutral')),
  confidence double precision not null check (confidence between 0 and 1),
  observed_at_ms bigint not null check (observed_at_ms > 0),
  expires_at_ms bigint not null,
  provenance text not null check (provenance in ('measured', 'model', 'simulated')),
  data_quality double precision not null check (data_quality between 0 and 1),
  details jsonb not null default '{}' check (jsonb_typeof(details) = 'object'),
  correlation_id text not null check (length(correlation_id) between 1 and 128),
  recorded_at timestamptz not null default clock_timestamp(),
  constraint intelligence_signals_expires_at_ms_check check (expires_at_ms > observed_at_ms),
  unique (source, kind, instrument, observed_at_ms)
);
create index if not exists intelligence_signals_newest on public.intelligence_signals (observed_at_ms desc);

alter table public.intelligence_signals enable row level security;
revoke all on public.intelligence_signals from public, anon, authenticated, service_role;
grant select on public.intelligence_signals to authenticated;
grant select, insert, delete on public.intelligence_signals to service_role; -- none is ever changed
drop policy if exists "everybody signed in reads intelligence" on public.intelligence_signals;
create policy "everybody signed in reads intelligence" on public.intelligence_signals for select to authenticated
  using (true);

-- Store the signals that are new; returns {"new": n, "duplicate": n}.
create or replace function public.record_intelligence(p_signals jsonb) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  stored integer;
begin
  insert into public.intelligence_signals (source, kind, instrument, direction, confidence, observed_at_ms,
    expires_at_ms, provenance, data_quality, details, correlation_id)
  select s.source, s.kind, s.instrument, s.direction, s.confidence, s.observed_at_ms, s.expires_at_ms, s.provenance,
    s.data_quality, s.details, s.correlation_id
  from jsonb_populate_recordset(null::public.intelligence_signals, p_signals) as s
  order by s.source, s.kind, s.instrument, s.observed_at_ms -- one order for everybody: no deadlock
  on conflict (source, kind, instrument, observed_at_ms) do nothing;
  get diagnostics stored = row_count;
  return jsonb_build_object('new', stored, 'duplicate', jsonb_array_length(p_signals) - stored, 'intents', '[]'::jsonb);
end
$$;
revoke all on function public.record_intelligence(jsonb) from public, anon, authenticated;
grant execute on function public.record_intelligence(jsonb) to service_role;

-- What every source thinks of instruments (empty: of all), by its newest views within a time: of what may vote and of
-- what may not apart, so that made-up data never hides what was measured. Of several at the same instant all: they may
-- contradict each other. Traders of one rule are one source: the built-in ones, and those of p_person. Runs with the
-- rights of its caller, so row security decides what is seen.
create or replace function public.current_views(
  p_now_ms bigint, p_since_ms bigint, p_person uuid, p_instruments text[], p_min_data_quality double precision
) returns jsonb
language sql stable set search_path = ''
as $$
  with said as (
    select i.source, i.kind, i.instrument, i.direction, i.confidence, i.observed_at_ms, i.expires_at_ms, i.provenance,
      i.data_quality, i.source as label,
      rank() over (
        partition by i.instrument, i.source, i.provenance = 'simulated', i.data_quality < p_min_data_quality
        order by i.observed_at_ms desc
      ) as place
    from public.intelligence_signals as i
    where i.observed_at_ms between p_since_ms and p_now_ms
      and (cardinality(p_instruments) = 0 or i.instrument = any (p_instruments))
  ), fired as (
    select s.symbol, s.rule_hash, s.side, s.close_time, t.name,
      rank() over (partition by s.symbol, s.rule_hash order by s.close_time desc) as place
    from public.signals as s join public.traders as t on t.trader_id = s.trader_id
    where s.close_time between p_since_ms and p_now_ms
      and (cardinality(p_instruments) = 0 or s.symbol = any (p_instruments))
      and (t.owner_id is null or t.owner_id = p_person)
      and t.enabled and t.deleted_at is null and t.trading_state = 'active'
  )
  select coalesce(jsonb_agg(to_jsonb(v) order by v.instrument, v.source, v.kind, v.direction), '[]')
  from (
    select source, kind, instrument, direction, confidence, observed_at_ms, expires_at_ms, provenance, data_quality,
      label
    from said where place = 1
    union all
    select 'trader:' || f.rule_hash, 'trader', f.symbol, f.side, null, f.close_time, null, 'measured', 1, min(f.name)
    from fired as f where f.place = 1
    group by f.symbol, f.rule_hash, f.side, f.close_time
  ) as v
$$;
revoke all on function public.current_views(bigint, bigint, uuid, text[], double precision)
  from public, anon, authenticated;
grant execute on function public.current_views(bigint, bigint, uuid, text[], double precision)
  to authenticated, service_role;
