-- Execution runs: one shard of the traders at one boundary, from claim to finish. Leases and waits are measured by the
-- database's clock, so that no machine's clock matters. Every function is one transaction and may be called again:
-- a caller that lost the answer repeats its call under the same claim or holder id and gets the same answer.
create table if not exists public.execution_runs (
  venue text not null references public.venues (venue),
  timeframe text not null,
  close_time bigint not null, -- epoch ms
  shard integer not null check (shard >= 0),
  shards integer not null check (shards between 1 and 100000),
  status text not null default 'pending' check (status in ('pending', 'running', 'finished', 'failed')),
  source text not null check (length(source) between 1 and 64),
  correlation_id text not null check (length(correlation_id) <= 128),
  claim_id uuid not null,
  attempts integer not null default 0 check (attempts >= 0),
  lease_holder uuid,
  lease_until timestamptz,
  dispatched_at timestamptz not null default clock_timestamp(),
  started_at timestamptz,
  finished_at timestamptz,
  traders integer check (traders >= 0),
  evaluations integer check (evaluations >= 0),
  insufficient integer check (insufficient >= 0),
  errors integer check (errors >= 0),
  signals_new integer check (signals_new >= 0),
  signals_duplicate integer check (signals_duplicate >= 0),
  duration_ms double precision check (duration_ms >= 0),
  error text check (length(error) <= 2000),
  created_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  updated_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  primary key (venue, timeframe, close_time, shard),
  check (shard < shards),
  check (desk.is_boundary(timeframe, close_time)),
  check ((status = 'finished') = (finished_at is not null)),
  check (status <> 'running' or lease_until is not null)
);

create index if not exists execution_runs_open on public.execution_runs (close_time) where status <> 'finished';
create index if not exists execution_runs_newest on public.execution_runs (close_time desc);

create or replace trigger touch before update on public.execution_runs for each row execute function desk.touch();

alter table public.execution_runs enable row level security;
revoke all on public.execution_runs from public, anon, authenticated;
grant all on public.execution_runs to service_role;

-- Claim a boundary: true for exactly one claim id. Shard 0 is the lock: whoever inserts it creates the other shards,
-- so two callers that count different numbers of shards cannot mix their runs.
create or replace function public.claim_boundary(
  p_venue text, p_timeframe text, p_close_time bigint, p_shards integer, p_source text, p_correlation_id text,
  p_claim_id uuid
) returns boolean
language plpgsql set search_path = ''
as $$
begin
  insert into public.execution_runs (venue, timeframe, close_time, shard, shards, source, correlation_id, claim_id)
  values (p_venue, p_timeframe, p_close_time, 0, p_shards, p_source, p_correlation_id, p_claim_id)
  on conflict (venue, timeframe, close_time, shard) do nothing;
  if not found then
    return exists (
      select from public.execution_runs
      where venue = p_venue and timeframe = p_timeframe and close_time = p_close_time and shard = 0
        and claim_id = p_claim_id
    );
  end if;
  insert into public.execution_runs (venue, timeframe, close_time, shard, shards, source, correlation_id, claim_id)
  select p_venue, p_timeframe, p_close_time, n, p_shards, p_source, p_correlation_id, p_claim_id
  from generate_series(1, p_shards - 1) as n;
  return true;
end
$$;

-- Those of the boundaries that have been claimed. One json value, because rows are cut at max_rows.
create or replace function public.claimed_boundaries(p_boundaries jsonb) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(to_jsonb(b)), '[]')
  from jsonb_to_recordset(p_boundaries) as b (venue text, timeframe text, close_time bigint)
  where exists (
    select from public.execution_runs as r
    where r.venue = b.venue and r.timeframe = b.timeframe and r.close_time = b.close_time and r.shard = 0
  )
$$;

-- Take runs for a new dispatch, oldest first: pending ones dispatched more than p_older_than_ms ago, running ones whose
-- lease has expired, and failed ones, while they have attempts left. One json value for the same reason as above: a
-- run taken but cut from the answer would wait for the next round.
create or replace function public.take_overdue_runs(
  p_older_than_ms bigint, p_limit integer, p_max_attempts integer default 5
) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  taken jsonb;
begin
  with exhausted as (
    select e.venue, e.timeframe, e.close_time, e.shard
    from public.execution_runs as e
    where e.status = 'running' and e.lease_until <= clock_timestamp() and e.attempts >= p_max_attempts
    for update skip locked
  )
  update public.execution_runs as r
  set status = 'failed', error = coalesce(r.error, 'lease expired'), lease_until = null, lease_holder = null
  from exhausted as e
  where r.venue = e.venue and r.timeframe = e.timeframe and r.close_time = e.close_time and r.shard = e.shard;

  with overdue as (
    select o.venue, o.timeframe, o.close_time, o.shard
    from public.execution_runs as o
    where o.attempts < p_max_attempts
      and (
        o.status = 'failed'
        or (o.status = 'running' and o.lease_until <= clock_timestamp())
        or (o.status = 'pending' and o.dispatched_at <= clock_timestamp() - p_older_than_ms * interval '1 millisecond')
      )
    order by o.close_time, o.venue, o.timeframe, o.shard
    limit p_limit
    for update skip locked
  ), dispatched as (
    update public.execution_runs as r
    set status = 'pending', dispatched_at = clock_timestamp(), lease_until = null, lease_holder = null
    from overdue as o
    where r.venue = o.venue and r.timeframe = o.timeframe and r.close_time = o.close_time and r.shard = o.shard
    returning r.venue, r.timeframe, r.close_time, r.shard, r.shards, r.correlation_id
  )
  select coalesce(jsonb_agg(to_jsonb(d) order by d.close_time, d.venue, d.timeframe, d.shard), '[]')
  into taken
  from dispatched as d;
  return taken;
end
$$;

-- Lease a run to a holder: true unless it is finished, unknown, or leased to another holder.
create or replace function public.start_run(
  p_venue text, p_timeframe text, p_close_time bigint, p_shard integer, p_lease_ms bigint, p_holder uuid
) returns boolean
language plpgsql set search_path = ''
as $$
begin
  update public.execution_runs as r
  set status = 'running',
    attempts = r.attempts + 1,
    lease_holder = p_holder,
    lease_until = clock_timestamp() + p_lease_ms * interval '1 millisecond',
    started_at = clock_timestamp(),
    error = null
  where r.venue = p_venue and r.timeframe = p_timeframe and r.close_time = p_close_time and r.shard = p_shard
    and (r.status in ('pending', 'failed') or (r.status = 'running' and r.lease_until <= clock_timestamp()));
  return found or exists (
    select from public.execution_runs as r
    where r.venue = p_venue and r.timeframe = p_timeframe and r.close_time = p_close_time and r.shard = p_shard
      and r.status = 'running' and r.lease_holder = p_holder
  );
end
$$;

-- Store the signals that are new and mark the run finished, in one transaction; returns {"new": n, "duplicate": n}.
-- A finished run stays as it is and its counts are returned; null when there is no such run.
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
    return jsonb_build_object('new', run.signals_new, 'duplicate', run.signals_duplicate);
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
    signals_duplicate = (recorded ->> 'duplicate')::integer
  where r.venue = p_venue and r.timeframe = p_timeframe and r.close_time = p_close_time and r.shard = p_shard;
  return recorded;
end
$$;

-- Give a run back with the reason, for the next dispatch; a finished run stays finished. False when there is none.
create or replace function public.fail_run(
  p_venue text, p_timeframe text, p_close_time bigint, p_shard integer, p_error text
) returns boolean
language plpgsql set search_path = ''
as $$
begin
  update public.execution_runs as r
  set status = case when r.status = 'finished' then r.status else 'failed' end,
    error = case when r.status = 'finished' then r.error else left(p_error, 2000) end,
    lease_until = null,
    lease_holder = null
  where r.venue = p_venue and r.timeframe = p_timeframe and r.close_time = p_close_time and r.shard = p_shard;
  return found;
end
$$;

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'claim_boundary(text, text, bigint, integer, text, text, uuid)',
    'claimed_boundaries(jsonb)',
    'take_overdue_runs(bigint, integer, integer)',
    'start_run(text, text, bigint, integer, bigint, uuid)',
    'finish_run(text, text, bigint, integer, jsonb, jsonb)',
    'fail_run(text, text, bigint, integer, text)'
  ] loop
    execute format('revoke all on function public.%s from public, anon, authenticated', signature);
    execute format('grant execute on function public.%s to service_role', signature);
  end loop;
end
$$;
