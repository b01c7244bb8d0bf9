-- Heartbeats of the desk's agents. Only the desk reads and writes them; the API tells people what they may know.
create table if not exists public.agents (
  agent text primary key check (agent ~ '^[a-z0-9-]{1,64}$'),
  version text not null check (length(version) <= 64),
  last_beat_at timestamptz not null default clock_timestamp(),
  last_error text check (length(last_error) <= 2000),
  last_error_at timestamptz,
  created_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  updated_at timestamptz not null default date_trunc('milliseconds', clock_timestamp())
);

create or replace trigger touch before update on public.agents for each row execute function desk.touch();

alter table public.agents enable row level security;
revoke all on public.agents from public, anon, authenticated;
grant all on public.agents to service_role;

-- Record that an agent ran just now; an error is kept, with its time, until the next one.
create or replace function public.beat_agent(p_agent text, p_version text, p_error text default null) returns void
language sql set search_path = ''
as $$
  insert into public.agents (agent, version, last_error, last_error_at)
  values (p_agent, p_version, left(p_error, 2000), case when p_error is not null then clock_timestamp() end)
  on conflict (agent) do update set
    version = excluded.version,
    last_beat_at = excluded.last_beat_at,
    last_error = coalesce(excluded.last_error, agents.last_error),
    last_error_at = coalesce(excluded.last_error_at, agents.last_error_at)
$$;
revoke all on function public.beat_agent(text, text, text) from public, anon, authenticated;
grant execute on function public.beat_agent(text, text, text) to service_role;
