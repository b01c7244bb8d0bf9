-- What the desk tells of itself: its pulse (for /health, read often), its status (for operators), and which of sql/ is
-- applied. Needs 0035_agents.sql and 0041_channels.sql.

-- An agent as anybody who looks after the desk sees it.
create or replace function desk.agent_told(a public.agents) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'agent', a.agent, 'version', a.version, 'last_beat_ms', desk.epoch_ms(a.last_beat_at),
    'state', a.state, 'paused_reason', a.paused_reason,
    'last_error', a.last_error, 'last_error_ms', desk.epoch_ms(a.last_error_at)
  )
$$;

-- The newest boundary of each timeframe of the enabled venues all of whose shards are finished, with when the last was.
create or replace function desk.last_boundaries() returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'venue', v.venue, 'timeframe', t.timeframe, 'close_time', b.close_time, 'shards', s.shards,
    'finished_at_ms', s.finished_at_ms, 'traders', s.traders, 'signals', s.signals, 'errors', s.errors
  ) order by v.venue, t.place), '[]')
  from public.venues as v
  cross join lateral unnest(v.timeframes) with ordinality as t (timeframe, place)
  left join lateral (
    select r.close_time
    from public.execution_runs as r
    where r.venue = v.venue and r.timeframe = t.timeframe and r.shard = 0 and r.status = 'finished' and not exists (
      select from public.execution_runs as u
      where u.venue = r.venue and u.timeframe = r.timeframe and u.close_time = r.close_time and u.status <> 'finished'
    )
    order by r.close_time desc
    limit 1
  ) as b on true
  left join lateral (
    select count(*) as shards, max(desk.epoch_ms(r.finished_at)) as finished_at_ms, sum(r.traders) as traders,
      sum(r.signals_new) as signals, sum(r.errors) as errors
    from public.execution_runs as r
    where r.venue = v.venue and r.timeframe = t.timeframe and r.close_time = b.close_time
  ) as s on b.close_time is not null
  where v.enabled
$$;

-- What /health looks at, in one answer.
create or replace function public.read_pulse() returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'now_ms', desk.epoch_ms(clock_timestamp()),
    'venues', coalesce((
      select jsonb_agg(jsonb_build_object(
        'venue', v.venue, 'timeframes', v.timeframes, 'log_depth', v.log_depth
      ) order by v.venue)
      from public.venues as v where v.enabled
    ), '[]'),
    'agents', coalesce((select jsonb_agg(desk.agent_told(a) order by a.agent) from public.agents as a where a.last_beat_at > 'epoch'), '[]'),
    'last_finished_ms', (
      select max((b ->> 'finished_at_ms')::bigint) from jsonb_array_elements(desk.last_boundaries()) as b
    )
  )
$$;

-- What operators look at: agents, boundaries, runs that are not finished, open alerts (the p_limit worst), books with
-- something in them (p_limit), their positions (the p_limit touched last), venues, and the size of the database.
create or replace function public.read_status(p_limit integer) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'now_ms', desk.epoch_ms(clock_timestamp()),
    'database_bytes', pg_catalog.pg_database_size(pg_catalog.current_database()),
    'trading_state', (select d.trading_state from public.desk_state as d),
    'agents', coalesce((select jsonb_agg(desk.agent_told(a) order by a.agent) from public.agents as a where a.last_beat_at > 'epoch'), '[]'),
    'boundaries', desk.last_boundaries(),
    'unfinished_runs', (select count(*) from public.execution_runs as r where r.status <> 'finished'),
    'alerts', coalesce((
      select jsonb_object_agg(c.severity, c.open)
      from (
        select a.severity, count(*) as open from public.alerts as a where a.state <> 'resolved' group by a.severity
      ) as c
    ), '{}'),
    'worst_alerts', coalesce((
      select jsonb_agg(w.told order by w.place)
      from (
        select jsonb_build_object(
            'dedupe_key', a.dedupe_key, 'kind', a.kind, 'severity', a.severity, 'sentence', a.sentence,
            'state', a.state, 'seen', a.seen, 'first_at_ms', a.first_at_ms, 'last_at_ms', a.last_at_ms
          ) as told,
          row_number() over (
            order by array_position(array['critical', 'warning', 'info'], a.severity), a.first_at_ms desc, a.alert_id
          ) as place
        from public.alerts as a where a.state <> 'resolved'
      ) as w
      where w.place <= p_limit
    ), '[]'),
    'books', coalesce((
      select jsonb_agg(l.told order by l.positions desc, l.name, l.book_id)
      from (
        select b.name, b.book_id, p.positions, jsonb_build_object(
            'book_id', b.book_id, 'name', b.name, 'mode', b.mode, 'quote', b.quote, 'capital', b.capital::text,
            'state', b.trading_state, 'positions', p.positions, 'equity', e.equity::text, 'equity_at_ms', e.at_ms
          ) as told
        from public.books as b
        cross join lateral (
          select count(*) as positions from public.positions as h where h.book_id = b.book_id and h.qty <> 0
        ) as p
        left join lateral (
          select q.equity, q.at_ms from public.equity_points as q where q.book_id = b.book_id
          order by q.at_ms desc limit 1
        ) as e on true
        where p.positions > 0 or e.at_ms is not null
        order by p.positions desc, b.name, b.book_id
        limit p_limit
      ) as l
    ), '[]'),
    'open_positions', (select count(*) from public.positions as h where h.qty <> 0),
    'positions', coalesce((
      select jsonb_agg(l.told order by l.last_fill_ms desc nulls last, l.book_id, l.venue, l.symbol)
      from (
        select desk.position_json(h) as told, h.last_fill_ms, h.book_id, h.venue, h.symbol
        from public.positions as h where h.qty <> 0
        order by h.last_fill_ms desc nulls last, h.book_id, h.venue, h.symbol
        limit p_limit
      ) as l
    ), '[]'),
    'venues', coalesce((
      select jsonb_agg(jsonb_build_object(
        'venue', v.venue, 'enabled', v.enabled, 'state', v.trading_state, 'timeframes', v.timeframes,
        'log_depth', v.log_depth
      ) order by v.venue)
      from public.venues as v
    ), '[]')
  )
$$;

-- Which of sql/ is there: the files `desk migrate` has recorded (null where it never ran), every function of the desk by
-- a digest of its body, and every column of its tables.
create or replace function public.read_schema() returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  history jsonb;
begin
  if to_regclass('desk.schema_migrations') is not null then
    execute 'select jsonb_object_agg(name, sha256) from desk.schema_migrations' into history;
  end if;
  return jsonb_build_object(
    'now_ms', desk.epoch_ms(clock_timestamp()),
    'version', current_setting('server_version'),
    'files', history,
    'functions', coalesce((
      select jsonb_agg(jsonb_build_array(n.nspname || '.' || p.proname, md5(p.prosrc)))
      from pg_catalog.pg_proc as p join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
      where n.nspname in ('public', 'desk')
    ), '[]'),
    'columns', coalesce((
      select jsonb_agg(c.relname || '.' || a.attname)
      from pg_catalog.pg_class as c
      join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
      join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where n.nspname = 'public' and c.relkind in ('r', 'p', 'v')
    ), '[]')
  );
end
$$;

do $$
declare
  signature text;
begin
  if to_regclass('desk.schema_migrations') is not null then
    grant select on desk.schema_migrations to service_role;
  end if;
  foreach signature in array array[
    'public.read_pulse()', 'public.read_status(integer)', 'public.read_schema()',
    'desk.agent_told(public.agents)', 'desk.last_boundaries()'
  ] loop
    execute format('revoke all on function %s from public, anon, authenticated', signature);
    execute format('grant execute on function %s to service_role', signature);
  end loop;
end
$$;
