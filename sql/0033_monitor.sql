-- The monitor: its runs and the lease they take turns by, how venues answer, and what each of its checks reads. Leases and
-- ages are measured by the database's clock. Every function may be called again. Needs 0006, 0013 and 0024.
create table if not exists public.monitor_runs (
  run_id uuid primary key,
  task text not null check (task ~ '^[a-z_]{1,64}$'), -- 'all', or the one that was asked for
  at_ms bigint not null check (at_ms > 0), -- market time
  started_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  success boolean,
  duration_ms double precision check (duration_ms >= 0),
  causes text[] not null default '{}', -- the dedupe keys of what was wrong
  results jsonb not null default '[]' check (jsonb_typeof(results) = 'array'),
  kept_unread boolean not null default false, -- alerts kept elsewhere while there was no database could not all be read
  restored_ms bigint not null default 0, -- alerts kept elsewhere until this (market time) are in `alerts`
  check ((finished_at is null) = (success is null))
);
create index if not exists monitor_runs_finished on public.monitor_runs (finished_at desc)
  where finished_at is not null and task = 'all';
create index if not exists monitor_runs_started on public.monitor_runs (started_at);

create table if not exists public.monitor_lease (
  singleton boolean primary key default true check (singleton),
  holder uuid not null,
  lease_until timestamptz not null
);

create table if not exists public.venue_health (
  venue text primary key references public.venues (venue) on delete cascade,
  state text not null check (state in ('online', 'degraded', 'offline')),
  latency_ms integer check (latency_ms >= 0), -- null where it did not answer
  failures integer not null default 0 check (failures >= 0), -- how often in a row it did not answer
  error text check (length(error) <= 2000),
  asked_at timestamptz not null default clock_timestamp(),
  answered_at timestamptz
);

do $$
declare
  name text;
begin
  foreach name in array array['monitor_runs', 'monitor_lease', 'venue_health'] loop
    execute format('alter table public.%I enable row level security', name);
    execute format('revoke all on public.%I from public, anon, authenticated', name);
    execute format('grant all on public.%I to service_role', name);
  end loop;
end
$$;
grant select on public.venue_health to authenticated;
drop policy if exists "people read how venues answer" on public.venue_health;
create policy "people read how venues answer" on public.venue_health for select to authenticated using (true);

create index if not exists execution_runs_worked on public.execution_runs (finished_at) where finished_at is not null;
create index if not exists alerts_resolved_by_time on public.alerts (resolved_at_ms) where state = 'resolved';

-- How many milliseconds ago an instant was.
create or replace function desk.age_ms(at timestamptz) returns bigint
language sql volatile set search_path = ''
as $$
  select floor(extract(epoch from clock_timestamp() - at) * 1000)::bigint
$$;

-- The newest finished run of all tasks, null when there is none.
create or replace function public.last_monitor_run() returns jsonb
language sql volatile set search_path = ''
as $$
  select jsonb_build_object(
    'run_id', r.run_id, 'at_ms', r.at_ms, 'finished_ms', floor(extract(epoch from r.finished_at) * 1000)::bigint,
    'age_ms', desk.age_ms(r.finished_at), 'success', r.success, 'duration_ms', r.duration_ms,
    'causes', to_jsonb(r.causes), 'results', r.results, 'kept_unread', r.kept_unread, 'restored_ms', r.restored_ms
  )
  from public.monitor_runs as r
  where r.finished_at is not null and r.task = 'all'
  order by r.finished_at desc
  limit 1
$$;

-- Take the lease for a run, and record that it began: {"is_held": …, "last": …}. The lease is one run's until it finishes or
-- the lease ends; asked again, the same run has it still.
create or replace function public.begin_monitor_run(p_run_id uuid, p_task text, p_at_ms bigint, p_lease_ms bigint)
returns jsonb
language plpgsql set search_path = ''
as $$
begin
  insert into public.monitor_lease as l (singleton, holder, lease_until)
  values (true, p_run_id, clock_timestamp() + p_lease_ms * interval '1 millisecond')
  on conflict (singleton) do update set holder = excluded.holder, lease_until = excluded.lease_until
  where l.lease_until <= clock_timestamp() or l.holder = p_run_id;
  if not found then
    return jsonb_build_object('is_held', false, 'last', null);
  end if;
  insert into public.monitor_runs (run_id, task, at_ms) values (p_run_id, p_task, p_at_ms)
  on conflict (run_id) do nothing;
  return jsonb_build_object('is_held', true, 'last', public.last_monitor_run());
end
$$;

-- Record what a run found, and give the lease back if it is still its own. A run that never began is recorded too.
create or replace function public.finish_monitor_run(p_run_id uuid, p_task text, p_at_ms bigint, p_result jsonb)
returns void
language sql set search_path = ''
as $$
  insert into public.monitor_runs as r (run_id, task, at_ms, finished_at, success, duration_ms, causes, results,
    kept_unread, restored_ms)
  select p_run_id, p_task, p_at_ms, clock_timestamp(), g.success, g.duration_ms, g.causes, g.results, g.kept_unread,
    g.restored_ms
  from jsonb_populate_record(null::public.monitor_runs, p_result) as g
  on conflict (run_id) do update set
    finished_at = coalesce(r.finished_at, excluded.finished_at), success = excluded.success,
    duration_ms = excluded.duration_ms, causes = excluded.causes, results = excluded.results,
    kept_unread = excluded.kept_unread, restored_ms = excluded.restored_ms;
  update public.monitor_lease as l set lease_until = clock_timestamp() where l.holder = p_run_id;
$$;

-- Every venue: what is collected there, its newest claimed close by timeframe (epoch ms), and how it has answered.
create or replace function public.watch_venues() returns jsonb
language sql volatile set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'venue', v.venue, 'is_enabled', v.enabled, 'timeframes', to_jsonb(v.timeframes),
    'claimed', case when v.enabled then (
      select coalesce(jsonb_object_agg(t.timeframe, c.close_time), '{}')
      from unnest(v.timeframes) as t (timeframe)
      cross join lateral (
        select r.close_time from public.execution_runs as r
        where r.venue = v.venue and r.timeframe = t.timeframe
        order by r.close_time desc
        limit 1
      ) as c
    ) else '{}' end,
    'health', case when h.venue is not null then jsonb_build_object(
      'state', h.state, 'latency_ms', h.latency_ms, 'failures', h.failures, 'error', h.error,
      'age_ms', desk.age_ms(h.asked_at)
    ) end
  ) order by v.venue), '[]')
  from public.venues as v
  left join public.venue_health as h on h.venue = v.venue
$$;

-- Store how venues answered just now: of each its state, and how long it took or what was wrong.
create or replace function public.record_venue_health(p_answers jsonb) returns void
language sql set search_path = ''
as $$
  insert into public.venue_health as h (venue, state, latency_ms, failures, error, answered_at)
  select v.venue, a.state, a.latency_ms, (a.latency_ms is null)::integer, left(a.error, 2000),
    case when a.latency_ms is not null then clock_timestamp() end
  from jsonb_to_recordset(p_answers) as a (venue text, state text, latency_ms integer, error text)
  join public.venues as v on v.venue = a.venue
  order by v.venue -- one order for everybody: no deadlock
  on conflict (venue) do update set
    state = excluded.state, latency_ms = excluded.latency_ms, error = excluded.error, asked_at = excluded.asked_at,
    failures = case when excluded.latency_ms is null then h.failures + 1 else 0 end,
    answered_at = coalesce(excluded.answered_at, h.answered_at)
$$;

-- Those of the books whose equity was marked since an instant (market time).
create or replace function public.marked_books(p_book_ids jsonb, p_since_ms bigint) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(b.book_id order by b.book_id), '[]')
  from jsonb_array_elements_text(p_book_ids) as b (book_id)
  where exists (
    select from public.equity_points as e where e.book_id = b.book_id and e.at_ms >= p_since_ms
  )
$$;

-- What runs did that finished within a window, by venue and timeframe: how many, what they stored, how many of their
-- traders failed, and of a hundred the slowest but one (of fewer too: a single slow run is no percentile): after the
-- boundary closed, and after it was claimed.
create or replace function public.watch_signals(p_window_ms bigint) returns jsonb
language sql volatile set search_path = ''
as $$
  select coalesce(jsonb_agg(to_jsonb(f) order by f.venue, f.timeframe), '[]')
  from (
    select r.venue, r.timeframe, count(*) as runs, coalesce(sum(r.traders), 0) as traders,
      coalesce(sum(r.errors), 0) as errors, coalesce(sum(r.signals_new), 0) as signals,
      (array_agg(r.lag_ms order by r.lag_ms desc))[least(greatest(2, 1 + count(*) / 100), count(*))] as lag_p99_ms,
      (array_agg(r.work_ms order by r.work_ms desc))[least(greatest(2, 1 + count(*) / 100), count(*))] as work_p99_ms
    from (
      select e.venue, e.timeframe, e.traders, e.errors, e.signals_new,
        floor(extract(epoch from e.finished_at) * 1000)::bigint - e.close_time as lag_ms,
        floor(extract(epoch from e.finished_at - e.created_at) * 1000)::bigint as work_ms
      from public.execution_runs as e
      where e.finished_at > clock_timestamp() - p_window_ms * interval '1 millisecond'
    ) as r
    group by r.venue, r.timeframe
  ) as f
$$;

-- Intents that wait for a decision, and those that should have ended p_grace_ms before p_now_ms (market time): at their
-- horizon, or once the last slice of their plan was five minutes late.
create or replace function public.watch_intents(p_now_ms bigint, p_grace_ms bigint) returns jsonb
language sql stable set search_path = ''
as $$
  with working as (
    select i.intent_id,
      greatest(i.expires_at_ms, coalesce((i.plan ->> 'deadline_ms')::bigint + 300000, 0)) as until_ms
    from public.trade_intents as i where i.state in ('approved', 'modified', 'executing')
  ), late as (
    select w.intent_id, w.until_ms from working as w where w.until_ms < p_now_ms - p_grace_ms
  )
  select jsonb_build_object(
    'pending', (select count(*) from public.trade_intents as i where i.state = 'pending'),
    'oldest_pending_ms', (
      select p_now_ms - min(i.raised_at_ms) from public.trade_intents as i where i.state = 'pending'
    ),
    'working', (select count(*) from working),
    'late', (select count(*) from late),
    'latest', (
      select coalesce(jsonb_agg(l.intent_id order by l.until_ms, l.intent_id), '[]')
      from (select late.intent_id, late.until_ms from late order by late.until_ms, late.intent_id limit 10) as l
    )
  )
$$;

-- Runs that are not finished: how many of each state, how long the oldest of those that may still be worked has waited, and
-- how many of a window have been given up, because five attempts have failed.
create or replace function public.watch_runs(p_window_ms bigint) returns jsonb
language sql volatile set search_path = ''
as $$
  select jsonb_build_object(
    'pending', count(*) filter (where r.status = 'pending'),
    'running', count(*) filter (where r.status = 'running'),
    'failed', count(*) filter (where r.status = 'failed' and r.attempts < 5),
    'given_up', count(*) filter (
      where r.status = 'failed' and r.attempts >= 5
        and r.updated_at > clock_timestamp() - p_window_ms * interval '1 millisecond'
    ),
    'oldest_ms', desk.age_ms(min(r.created_at) filter (where r.status <> 'failed' or r.attempts < 5))
  )
  from public.execution_runs as r where r.status <> 'finished'
$$;

-- What reconciliation has yet to settle: accounts, their open differences, and orders nobody knows the end of, or whose
-- fills are not posted, for longer than p_doubt_ms.
create or replace function public.watch_orders(p_doubt_ms bigint) returns jsonb
language sql volatile set search_path = ''
as $$
  with doubtful as (
    select o.order_id, o.venue, o.updated_at from public.orders as o
    where (o.state in ('submitting', 'unknown', 'cancel_pending') or o.filled_qty > o.posted_qty)
      and (o.at_risk or o.filled_qty > o.posted_qty)
      and o.updated_at < clock_timestamp() - p_doubt_ms * interval '1 millisecond'
  )
  select jsonb_build_object(
    'accounts', (select count(*) from public.accounts),
    'differences', (
      select count(*) from public.alerts as a where a.kind = 'reconciliation' and a.state <> 'resolved'
    ),
    'in_doubt', (select count(*) from doubtful),
    'oldest_ms', (select desk.age_ms(min(d.updated_at)) from doubtful as d),
    'orders', (
      select coalesce(jsonb_agg(d.order_id order by d.updated_at, d.order_id), '[]')
      from (select * from doubtful order by doubtful.updated_at, doubtful.order_id limit 10) as d
    )
  )
$$;

-- How many bytes the database takes, and its ten largest tables.
create or replace function public.watch_sizes() returns jsonb
language sql volatile set search_path = ''
as $$
  select jsonb_build_object(
    'database_bytes', pg_database_size(current_database()),
    'tables', (
      select jsonb_object_agg(t.name, t.bytes)
      from (
        select c.relname as name, pg_total_relation_size(c.oid) as bytes
        from pg_catalog.pg_class as c
        where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
        order by 2 desc, 1
        limit 10
      ) as t
    )
  )
$$;

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'last_monitor_run()', 'begin_monitor_run(uuid, text, bigint, bigint)',
    'finish_monitor_run(uuid, text, bigint, jsonb)', 'watch_venues()', 'record_venue_health(jsonb)',
    'marked_books(jsonb, bigint)', 'watch_signals(bigint)', 'watch_intents(bigint, bigint)', 'watch_runs(bigint)',
    'watch_orders(bigint)', 'watch_sizes()'
  ] loop
    execute format('revoke all on function public.%s from public, anon, authenticated', signature);
    execute format('grant execute on function public.%s to service_role', signature);
  end loop;
end
$$;
