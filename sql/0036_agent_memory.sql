-- What agents remember, written with their heartbeats; and the ways an agent is paused, resumed and configured, which it
-- remembers too. Needs 0035_agents.sql.
create table if not exists public.agent_memory (
  memory_id bigint generated always as identity primary key,
  agent text not null check (agent ~ '^[a-z0-9-]{1,64}$'),
  event_type text not null check (event_type ~ '^[a-z][a-z0-9_]{0,63}$'),
  data jsonb not null check (jsonb_typeof(data) = 'object' and length(data::text) <= 8192),
  at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  beat_id uuid, -- with n: a heartbeat that is sent again stores nothing twice
  n integer,
  unique (beat_id, n)
);
create index if not exists agent_memory_newest on public.agent_memory (agent, memory_id desc);
create index if not exists agent_memory_kinds on public.agent_memory (agent, event_type, memory_id desc);
create index if not exists agent_memory_ages on public.agent_memory (at);

alter table public.agent_memory enable row level security;
revoke all on public.agent_memory from public, anon, authenticated, service_role;
grant select, insert, delete on public.agent_memory to service_role; -- appended to; retention deletes what is old

-- Record that an agent ran just now: its last error if it failed, the figures of the run, and what it remembers of it.
-- A run that went well is online, one that failed degraded; a paused agent stays paused. A memory equal to the agent's
-- last of its kind is not stored again: what stays as it is, is remembered once. The same p_beat_id again stores nothing
-- twice. Returns the state.
drop function if exists public.beat_agent(text, text, text);
create or replace function public.beat_agent(
  p_agent text, p_version text, p_error text default null, p_run jsonb default null, p_memories jsonb default '[]',
  p_capabilities text[] default null, p_beat_id uuid default null
) returns text
language plpgsql set search_path = ''
as $$
declare
  now_is text;
begin
  insert into public.agents as a (agent, version, state, last_error, last_error_at, last_run, capabilities)
  values (
    p_agent, p_version, case when p_error is null then 'online' else 'degraded' end, left(p_error, 2000),
    case when p_error is not null then clock_timestamp() end, coalesce(p_run, '{}'), coalesce(p_capabilities, '{}')
  )
  on conflict (agent) do update set
    version = excluded.version,
    state = case when a.state = 'paused' then a.state else excluded.state end,
    last_beat_at = excluded.last_beat_at,
    last_error = coalesce(excluded.last_error, a.last_error),
    last_error_at = coalesce(excluded.last_error_at, a.last_error_at),
    last_run = coalesce(p_run, a.last_run),
    capabilities = coalesce(p_capabilities, a.capabilities)
  returning a.state into now_is;

  insert into public.agent_memory (agent, event_type, data, beat_id, n)
  select p_agent, e.memory ->> 'event_type', e.memory -> 'data', p_beat_id, e.n
  from jsonb_array_elements(p_memories) with ordinality as e (memory, n)
  left join lateral (
    select m.data from public.agent_memory as m
    where m.agent = p_agent and m.event_type = e.memory ->> 'event_type'
    order by m.memory_id desc
    limit 1
  ) as last on true
  where last.data is distinct from e.memory -> 'data'
  order by e.n
  on conflict (beat_id, n) do nothing;
  return now_is;
end
$$;

-- What an agent remembers, the newest first, of one kind or all, before one of them. One json value, because rows are cut
-- at max_rows.
create or replace function public.recall_memories(
  p_agent text, p_limit integer, p_event_type text default null, p_before bigint default null
) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(to_jsonb(r) order by r.memory_id desc), '[]')
  from (
    select m.memory_id, m.agent, m.event_type, m.data, floor(extract(epoch from m.at) * 1000)::bigint as at_ms
    from public.agent_memory as m
    where m.agent = p_agent and (p_event_type is null or m.event_type = p_event_type)
      and (p_before is null or m.memory_id < p_before)
    order by m.memory_id desc
    limit p_limit
  ) as r
$$;

-- Have an agent do nothing, also one that has not run yet; the first reason stays.
create or replace function public.pause_agent(p_agent text, p_actor text, p_reason text) returns jsonb
language plpgsql set search_path = ''
as $$
begin
  insert into public.agents as a (agent, version, state, last_beat_at, paused_by, paused_reason, paused_at)
  values (p_agent, '', 'paused', 'epoch', p_actor, p_reason, clock_timestamp())
  on conflict (agent) do update set
    state = 'paused', paused_by = excluded.paused_by, paused_reason = excluded.paused_reason,
    paused_at = excluded.paused_at
  where a.state <> 'paused';
  if found then
    insert into public.agent_memory (agent, event_type, data)
    values (p_agent, 'paused', jsonb_build_object('by', p_actor, 'reason', p_reason));
  end if;
  return public.agent_gate(p_agent);
end
$$;

-- Let an agent run again; null when there is none. Until its next heartbeat nobody knows how it is: offline.
create or replace function public.resume_agent(p_agent text, p_actor text) returns jsonb
language plpgsql set search_path = ''
as $$
begin
  update public.agents as a
  set state = 'offline', paused_by = null, paused_reason = null, paused_at = null
  where a.agent = p_agent and a.state = 'paused';
  if found then
    insert into public.agent_memory (agent, event_type, data)
    values (p_agent, 'resumed', jsonb_build_object('by', p_actor));
  end if;
  return public.agent_gate(p_agent);
end
$$;

-- Merge settings into those operators have set, also of an agent that has not run yet; null takes one back.
create or replace function public.configure_agent(p_agent text, p_actor text, p_settings jsonb) returns jsonb
language plpgsql set search_path = ''
as $$
begin
  insert into public.agents as a (agent, version, state, last_beat_at, settings)
  values (p_agent, '', 'offline', 'epoch', desk.merge_patch('{}', p_settings))
  on conflict (agent) do update set settings = desk.merge_patch(a.settings, p_settings);
  insert into public.agent_memory (agent, event_type, data)
  values (p_agent, 'configured', jsonb_build_object('by', p_actor, 'settings', p_settings));
  return public.agent_gate(p_agent);
end
$$;

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'beat_agent(text, text, text, jsonb, jsonb, text[], uuid)',
    'recall_memories(text, integer, text, bigint)',
    'pause_agent(text, text, text)',
    'resume_agent(text, text)',
    'configure_agent(text, text, jsonb)'
  ] loop
    execute format('revoke all on function public.%s from public, anon, authenticated', signature);
    execute format('grant execute on function public.%s to service_role', signature);
  end loop;
end
$$;
