-- Agents: their state, who paused them and why, what operators have set for them, figures of their last run. What changes
-- them is in 0036_agent_memory.sql. Needs 0007_agents.sql.
alter table public.agents
  add column if not exists state text not null default 'online'
    constraint agents_state_check check (state in ('online', 'degraded', 'offline', 'paused')),
  add column if not exists paused_by text constraint agents_paused_by_check check (length(paused_by) between 1 and 128),
  add column if not exists paused_reason text
    constraint agents_paused_reason_check check (length(paused_reason) <= 500),
  add column if not exists paused_at timestamptz,
  add column if not exists capabilities text[] not null default '{}',
  add column if not exists settings jsonb not null default '{}' -- an operator's; they win over the deployment's
    constraint agents_settings_check check (jsonb_typeof(settings) = 'object' and length(settings::text) <= 16384),
  add column if not exists last_run jsonb not null default '{}'
    constraint agents_last_run_check check (jsonb_typeof(last_run) = 'object');

do $$
begin
  if not exists (select from pg_constraint where conname = 'agents_pause_check') then
    alter table public.agents add constraint agents_pause_check check (
      (state = 'paused') = (paused_by is not null) and (state = 'paused') = (paused_at is not null)
    );
  end if;
end
$$;

-- An agent as the desk reads it. One that was paused or configured before it ever ran has a last beat of 0.
create or replace function desk.agent_json(p_agent public.agents) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'agent', p_agent.agent,
    'version', p_agent.version,
    'state', p_agent.state,
    'last_beat_ms', floor(extract(epoch from p_agent.last_beat_at) * 1000)::bigint,
    'last_error', p_agent.last_error,
    'last_error_at_ms', floor(extract(epoch from p_agent.last_error_at) * 1000)::bigint,
    'paused_by', p_agent.paused_by,
    'paused_reason', p_agent.paused_reason,
    'capabilities', to_jsonb(p_agent.capabilities),
    'settings', p_agent.settings,
    'last_run', p_agent.last_run
  )
$$;

-- A JSON merge patch (RFC 7396): objects are merged, null takes a name away, anything else replaces.
create or replace function desk.merge_patch(p_target jsonb, p_patch jsonb) returns jsonb
language plpgsql immutable set search_path = ''
as $$
declare
  merged jsonb := case when jsonb_typeof(p_target) = 'object' then p_target else '{}' end;
  name text;
  given jsonb;
begin
  if jsonb_typeof(p_patch) is distinct from 'object' then
    return p_patch;
  end if;
  for name, given in select e.key, e.value from jsonb_each(p_patch) as e loop
    if jsonb_typeof(given) = 'null' then
      merged := merged - name;
    else
      merged := merged || jsonb_build_object(name, desk.merge_patch(merged -> name, given));
    end if;
  end loop;
  return merged;
end
$$;

-- The one read before an agent runs: whether it is paused, and what is set for it; null when it never ran.
create or replace function public.agent_gate(p_agent text) returns jsonb
language sql stable set search_path = ''
as $$
  select desk.agent_json(a) from public.agents as a where a.agent = p_agent
$$;

create or replace function public.list_agents() returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(desk.agent_json(a) order by a.agent), '[]') from public.agents as a
$$;

-- Mark agents offline that have been silent for longer; all that are offline, of those that ever ran. Those of p_longer, by
-- name, may be for as many milliseconds more. A paused one stays paused, and its heartbeat brings an offline one back.
create or replace function public.silence_agents(p_older_than_ms bigint, p_longer jsonb default '{}') returns jsonb
language plpgsql set search_path = ''
as $$
begin
  update public.agents as a set state = 'offline'
  where a.state in ('online', 'degraded')
    and a.last_beat_at < clock_timestamp()
      - (p_older_than_ms + coalesce((p_longer ->> a.agent)::bigint, 0)) * interval '1 millisecond';
  return (
    select coalesce(jsonb_agg(desk.agent_json(a) order by a.agent), '[]') from public.agents as a
    where a.state = 'offline' and a.last_beat_at > 'epoch'
  );
end
$$;

do $$
declare
  signature text;
begin
  foreach signature in array array['agent_gate(text)', 'list_agents()', 'silence_agents(bigint, jsonb)'] loop
    execute format('revoke all on function public.%s from public, anon, authenticated', signature);
    execute format('grant execute on function public.%s to service_role', signature);
  end loop;
end
$$;
