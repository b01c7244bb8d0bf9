-- For a desk that pg_cron wakes instead of (or beside) EventBridge. Optional, and run by hand: `desk migrate` leaves it alone.
-- Run it in the database of pg_cron, as the role that is to own the jobs (on Supabase: the SQL editor). Then:
--
--   select vault.create_secret('https://abc123.execute-api.eu-central-1.amazonaws.com', 'nightdesk_url');
--   select vault.create_secret('the value of SERVICE_SECRET', 'nightdesk_service_secret');
--   select * from desk_cron.schedule_functions();   -- as often as one likes: what is there already stays one job
--   select * from desk_cron.status;                 -- what was called, when, and what it answered
--   select * from desk_cron.unschedule_functions(); -- and everything is as it was
--
-- Both secrets are read from the Vault at every call, so a rotated one is used from the next minute on. Being woken twice,
-- by EventBridge too, changes nothing but the bill: every function claims what it works on.
begin;

do $$
begin
  if not exists (select from pg_catalog.pg_extension where extname = 'pg_cron') then
    raise exception 'pg_cron is not enabled in database %: enable it (on Supabase: Integrations, Cron), or let EventBridge'
      ' wake the functions, which needs nothing here; nothing was changed', pg_catalog.current_database();
  end if;
  if to_regprocedure('net.http_post(text, jsonb, jsonb, jsonb, integer)') is null then
    raise exception 'pg_net is not enabled in database %: enable it (on Supabase: Database, Extensions); nothing was changed',
      pg_catalog.current_database();
  end if;
  if to_regclass('vault.decrypted_secrets') is null then
    raise exception 'there is no Supabase Vault in database %: the secret has no place to be kept; nothing was changed',
      pg_catalog.current_database();
  end if;
end
$$;

-- Beside the schema `desk`, not in it: a backup of the desk can be restored where there is no pg_cron.
create schema if not exists desk_cron;
revoke all on schema desk_cron from public;

-- The functions that are woken, and when: what serverless.yml says by `schedule`, in cron's words.
create or replace function desk_cron.functions() returns table (function_name text, schedule text)
language sql immutable set search_path = ''
as $$
  values
    ('execution-agent', '* * * * *'),
    ('notify', '* * * * *'),
    ('risk-agent', '* * * * *'),
    ('scheduled-monitor', '* * * * *'),
    ('signal-agent', '* * * * *'),
    ('trigger-executions', '* * * * *')
$$;

-- What was called of late: which of pg_net's requests was for which function.
create table if not exists desk_cron.wakes (
  request_id bigint primary key,
  function_name text not null,
  woken_at timestamptz not null default clock_timestamp()
);
create index if not exists wakes_newest on desk_cron.wakes (function_name, woken_at desc);
alter table desk_cron.wakes enable row level security;

-- A secret of the Vault; raises when it is not there or empty.
create or replace function desk_cron.secret(p_name text) returns text
language plpgsql stable set search_path = ''
as $$
declare
  found_secret text;
begin
  select decrypted_secret into found_secret from vault.decrypted_secrets where name = p_name;
  if coalesce(found_secret, '') = '' then
    raise exception 'the Vault has no secret %: select vault.create_secret(''…'', ''%'')', p_name, p_name;
  end if;
  return found_secret;
end
$$;

-- Where the API is, without a slash at its end; raises unless it is https, because the secret goes there.
create or replace function desk_cron.base_url() returns text
language plpgsql stable set search_path = ''
as $$
declare
  address text := rtrim(desk_cron.secret('nightdesk_url'), '/');
begin
  if address !~ '^https://[^/\s]+(/[^\s]*)?$' then
    raise exception 'the secret nightdesk_url of the Vault is no address that begins with https://';
  end if;
  return address;
end
$$;

-- Wake a function now; returns pg_net's request. It is sent when the transaction commits, and pg_net waits for an answer for
-- 30 s, after which an HTTP API has given up: no function of the desk takes that long.
create or replace function desk_cron.wake(p_function text) returns bigint
language plpgsql set search_path = ''
as $$
declare
  request bigint;
begin
  if not exists (select from desk_cron.functions() as f where f.function_name = p_function) then
    raise exception 'no function % is woken by the clock', p_function;
  end if;
  request := net.http_post(
    url := desk_cron.base_url() || '/functions/v1/' || p_function,
    body := '{"trigger": "cron"}'::jsonb,
    headers := jsonb_build_object(
      'content-type', 'application/json', 'authorization', 'Bearer ' || desk_cron.secret('nightdesk_service_secret')
    ),
    timeout_milliseconds := 30000
  );
  insert into desk_cron.wakes (request_id, function_name) values (request, p_function)
  on conflict (request_id) do update set function_name = excluded.function_name, woken_at = excluded.woken_at;
  return request;
end
$$;

-- Forget calls, and pg_cron's own notes of the desk's jobs, after a week: six jobs a minute are 60,000 rows by then.
create or replace function desk_cron.forget() returns void
language sql set search_path = ''
as $$
  delete from desk_cron.wakes where woken_at < clock_timestamp() - interval '7 days';
  delete from cron.job_run_details as r using cron.job as j
  where j.jobid = r.jobid and starts_with(j.jobname::text, 'nightdesk:') and r.end_time < clock_timestamp() - interval '7 days';
$$;

-- The jobs of the desk: one for each function, and one that forgets.
create or replace function desk_cron.jobs() returns table (job_name text, schedule text, command text)
language sql immutable set search_path = ''
as $$
  select 'nightdesk:' || f.function_name, f.schedule, format('select desk_cron.wake(%L)', f.function_name)
  from desk_cron.functions() as f
  union all select 'nightdesk:forget', '17 3 * * *', 'select desk_cron.forget()'
$$;

-- End every job of the desk; returns their names.
create or replace function desk_cron.unschedule_functions() returns table (job_name text)
language plpgsql set search_path = ''
as $$
begin
  for job_name in
    select j.jobname::text from cron.job as j
    where starts_with(j.jobname::text, 'nightdesk:') and j.username = current_user order by 1
  loop
    perform cron.unschedule(job_name);
    return next;
  end loop;
end
$$;

-- Have pg_cron wake every function of the list, and none that is no longer in it; returns the jobs there are. Raises before
-- anything is changed when the Vault lacks what a call needs.
create or replace function desk_cron.schedule_functions() returns table (job_name text, schedule text)
language plpgsql set search_path = ''
as $$
declare
  stale text;
begin
  perform desk_cron.base_url(), desk_cron.secret('nightdesk_service_secret');
  for stale in
    select j.jobname::text from cron.job as j
    where starts_with(j.jobname::text, 'nightdesk:') and j.username = current_user
      and not exists (select from desk_cron.jobs() as d where d.job_name = j.jobname::text)
  loop
    perform cron.unschedule(stale);
  end loop;
  perform cron.schedule(d.job_name, d.schedule, d.command) from desk_cron.jobs() as d;
  return query select d.job_name, d.schedule from desk_cron.jobs() as d order by 1;
end
$$;

-- Calls of the last hours with what they were answered, newest first; pg_net keeps answers for six hours.
create or replace view desk_cron.responses with (security_invoker = true) as
select w.function_name, w.woken_at, w.request_id, a.status_code, a.timed_out, a.error_msg, left(a.content, 500) as content,
  a.created as answered_at
from desk_cron.wakes as w
left join net._http_response as a on a.id = w.request_id
order by w.woken_at desc, w.request_id desc;

-- Each job: whether it is there, how its last run ended for pg_cron, and what the function last answered.
create or replace view desk_cron.status with (security_invoker = true) as
select d.job_name, d.schedule, coalesce(j.active, false) as is_scheduled, r.start_time as last_run_at,
  r.status as last_run_status, r.return_message as last_run_message, a.answered_at, a.status_code, a.timed_out, a.error_msg
from desk_cron.jobs() as d
left join cron.job as j on j.jobname::text = d.job_name and j.username = current_user
left join lateral (
  select * from cron.job_run_details as run where run.jobid = j.jobid order by run.runid desc limit 1
) as r on true
left join lateral (
  select * from desk_cron.responses as seen
  where 'nightdesk:' || seen.function_name = d.job_name and seen.answered_at is not null
  order by seen.woken_at desc limit 1
) as a on true
order by d.job_name;

revoke all on all tables in schema desk_cron from public, anon, authenticated, service_role;
revoke all on all functions in schema desk_cron from public, anon, authenticated, service_role;

commit;
