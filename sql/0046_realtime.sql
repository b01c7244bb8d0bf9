-- What Supabase Realtime streams to people: new and changed signals, alerts and orders. Row security decides who hears of
-- which row, as it does for who reads it. Of a deleted row everybody who listens is told the key, and nothing else.
-- Needs 0005_signals.sql, 0016_orders.sql and 0024_alerts.sql. May be applied again; other tables of the publication stay.
do $$
declare
  name text;
begin
  if not exists (select from pg_catalog.pg_publication where pubname = 'supabase_realtime') then
    create publication supabase_realtime; -- Supabase makes it with the project, a plain Postgres has none
  end if;
  if exists (select from pg_catalog.pg_publication where pubname = 'supabase_realtime' and puballtables) then
    raise exception 'the publication supabase_realtime has every table: drop it, and apply this file again'
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  foreach name in array array['alerts', 'orders', 'signals'] loop
    if not (select relrowsecurity from pg_catalog.pg_class where oid = format('public.%I', name)::regclass) then
      raise exception 'public.% has no row security: apply the file that makes it again', name
        using errcode = 'object_not_in_prerequisite_state';
    end if;
    if not exists (
      select from pg_catalog.pg_publication_tables
      where pubname = 'supabase_realtime' and schemaname = 'public' and tablename = name
    ) then
      execute format('alter publication supabase_realtime add table public.%I', name);
    end if;
  end loop;
end
$$;
