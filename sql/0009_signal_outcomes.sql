-- Outcomes: what became of a signal after 1, 5, 20 and 60 bars, each recorded once. `outcome_bars` of a signal is the
-- last of them that is known, so that the next one due is found by an index over the youngest signals alone.
alter table public.signals add column if not exists outcome_bars integer not null default 0;
alter table public.signals drop constraint if exists signals_outcome_bars_check;
alter table public.signals add constraint signals_outcome_bars_check check (outcome_bars in (0, 1, 5, 20, 60));
create index if not exists signals_awaiting on public.signals (venue, timeframe, close_time) where outcome_bars < 60;

create table if not exists public.signal_outcomes (
  signal_id uuid not null references public.signals (signal_id) on delete cascade,
  bars integer not null check (bars in (1, 5, 20, 60)),
  forward_return double precision check (forward_return > '-Infinity' and forward_return < 'Infinity'),
  favourable double precision check (favourable >= 0 and favourable < 'Infinity'),
  adverse double precision check (adverse <= 0 and adverse > '-Infinity'),
  recorded_at timestamptz not null default clock_timestamp(),
  primary key (signal_id, bars),
  check (num_nulls(forward_return, favourable, adverse) in (0, 3)) -- unknown is all or nothing
);

alter table public.signal_outcomes enable row level security;
revoke all on public.signal_outcomes from public, anon, authenticated;
grant select on public.signal_outcomes to authenticated;
grant all on public.signal_outcomes to service_role;

-- Row security of the signals applies inside: whoever sees a signal sees what became of it.
drop policy if exists "people read outcomes of the signals they see" on public.signal_outcomes;
create policy "people read outcomes of the signals they see" on public.signal_outcomes for select to authenticated
  using (exists (select from public.signals where signals.signal_id = signal_outcomes.signal_id));

-- How many bars after a signal the next outcome is due, null after the last.
create or replace function desk.next_outcome(outcome_bars integer) returns integer
language sql immutable parallel safe set search_path = ''
as $$
  select case outcome_bars when 0 then 1 when 1 then 5 when 5 then 20 when 20 then 60 end
$$;

-- Signals whose next outcome can be told at a boundary, oldest first.
create or replace function public.due_outcomes(p_venue text, p_timeframe text, p_close_time bigint, p_limit integer)
returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(to_jsonb(d)), '[]')
  from (
    select s.signal_id, s.symbol, s.close_time, s.side, s.price, desk.next_outcome(s.outcome_bars) as bars
    from public.signals as s
    where s.venue = p_venue and s.timeframe = p_timeframe and s.outcome_bars < 60
      and s.close_time <= p_close_time - desk.next_outcome(s.outcome_bars) * desk.timeframe_ms(p_timeframe)
    order by s.close_time, s.signal_id
    limit p_limit
  ) as d
$$;

-- Store outcomes that are new; returns how many.
create or replace function public.record_outcomes(p_outcomes jsonb) returns integer
language plpgsql set search_path = ''
as $$
declare
  stored integer;
begin
  perform from public.signals as s -- one order for everybody: no deadlock
  where s.signal_id in (select o.signal_id from jsonb_to_recordset(p_outcomes) as o (signal_id uuid))
  order by s.signal_id
  for update;
  insert into public.signal_outcomes (signal_id, bars, forward_return, favourable, adverse)
  select o.signal_id, o.bars, o.forward_return, o.favourable, o.adverse
  from jsonb_to_recordset(p_outcomes) as o (
    signal_id uuid, bars integer, forward_return double precision, favourable double precision, adverse double precision
  )
  on conflict (signal_id, bars) do nothing;
  get diagnostics stored = row_count;
  update public.signals as s
  set outcome_bars = o.bars
  from (
    select r.signal_id, max(r.bars) as bars
    from jsonb_to_recordset(p_outcomes) as r (signal_id uuid, bars integer) group by r.signal_id
  ) as o
  where s.signal_id = o.signal_id and s.outcome_bars < o.bars;
  return stored;
end
$$;

-- Sums over a trader's signals and their outcomes after p_bars: of all, by symbol, by hour of the day (UTC).
-- Called by people: row security decides what counts.
create or replace function public.outcome_tallies(p_trader_id text, p_bars integer, p_rule_hash text default null)
returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(to_jsonb(t)), '[]')
  from (
    select
      s.symbol,
      h.hour,
      count(*) as signals,
      count(o.forward_return) as measured,
      count(*) filter (where o.forward_return > 0) as hits,
      coalesce(sum(o.forward_return), 0) as total_return,
      coalesce(sum(o.favourable), 0) as total_favourable,
      coalesce(sum(o.adverse), 0) as total_adverse,
      min(s.close_time) as first_close_time,
      max(s.close_time) as last_close_time
    from public.signals as s
    cross join lateral (select (s.close_time / 3600000 % 24)::integer as hour) as h
    left join public.signal_outcomes as o on o.signal_id = s.signal_id and o.bars = p_bars
    where s.trader_id = p_trader_id and (p_rule_hash is null or s.rule_hash = p_rule_hash)
    group by grouping sets ((), (s.symbol), (h.hour))
    having count(*) > 0
  ) as t
$$;

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'due_outcomes(text, text, bigint, integer)', 'record_outcomes(jsonb)', 'outcome_tallies(text, integer, text)'
  ] loop
    execute format('revoke all on function public.%s from public, anon, authenticated', signature);
    execute format('grant execute on function public.%s to service_role', signature);
  end loop;
  grant execute on function public.outcome_tallies(text, integer, text) to authenticated;
end
$$;
