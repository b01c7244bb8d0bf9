-- The audit trail: who did what, also what was refused; a table that only grows, for everybody. Changes of what people and
-- operators may write leave their row by triggers, in the transaction that makes them; requests leave theirs by the API.
-- What is traded, and every trading state, has trading_transitions. Needs 0043_tier_limits.sql.
create table if not exists public.audit_events (
  event_id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  actor text not null check (length(actor) <= 128), -- empty: nobody who is known
  actor_kind text not null check (actor_kind in ('person', 'machine', 'agent', 'sql')),
  action text not null check (length(action) between 1 and 200),
  target text not null default '' check (length(target) <= 300),
  outcome text not null check (outcome in ('ok', 'refused', 'failed')),
  status integer check (status between 100 and 599), -- HTTP's
  request_id text check (length(request_id) <= 128),
  correlation_id text check (length(correlation_id) <= 128),
  address text check (length(address) <= 64),
  details jsonb not null default '{}' check (jsonb_typeof(details) = 'object')
);
create index if not exists audit_events_of on public.audit_events (actor, event_id desc);
create unique index if not exists audit_events_requested on public.audit_events (request_id, action);

-- Nothing of it changes or goes: not for the service, which may add, nor for the table's owner.
create or replace function desk.refuse_change() returns trigger
language plpgsql set search_path = ''
as $$
begin
  raise exception '% only grows: % is refused', tg_table_name, lower(tg_op) using errcode = '42501';
end
$$;
create or replace trigger only_grows before update or delete or truncate on public.audit_events
  for each statement execute function desk.refuse_change();

alter table public.audit_events enable row level security;
revoke all on public.audit_events from public, anon, authenticated, service_role;
grant select on public.audit_events to authenticated, service_role;
grant insert on public.audit_events to service_role;
drop policy if exists "people read what they did, operators all" on public.audit_events;
create policy "people read what they did, operators all" on public.audit_events for select to authenticated
  using (
    (actor_kind = 'person' and actor = (select auth.uid())::text)
    or (select exists (
      select from public.profiles as p where p.user_id = auth.uid() and p.role in ('operator', 'admin')
    ))
  );

-- Add what the API saw. What is in the trail of a request already is not added again. Texts are cut to fit, and details
-- too large to keep are left out: a request nobody can read of is worse than one without its details.
create or replace function public.record_audit(p_events jsonb) returns void
language sql set search_path = ''
as $$
  insert into public.audit_events (at, actor, actor_kind, action, target, outcome, status, request_id, correlation_id,
    address, details)
  select to_timestamp(e.at_ms / 1000.0), left(e.actor, 128), e.actor_kind, left(e.action, 200), left(e.target, 300),
    e.outcome, e.status, left(e.request_id, 128), left(e.correlation_id, 128), left(e.address, 64),
    case when length(e.details::text) <= 8000 then e.details else jsonb_build_object('left_out', length(e.details::text)) end
  from jsonb_to_recordset(p_events) as e (
    at_ms bigint, actor text, actor_kind text, action text, target text, outcome text, status integer, request_id text,
    correlation_id text, address text, details jsonb
  )
  on conflict (request_id, action) do nothing
$$;
revoke all on function public.record_audit(jsonb) from public, anon, authenticated;
grant execute on function public.record_audit(jsonb) to service_role;

-- Append a change of a row. Arguments: the column that names the row, then those that are told; of one after a `!` only that
-- it changed: it is a secret, somebody's own business, or kept elsewhere. Any other is the desk's bookkeeping. Runs as its
-- owner: who changes a row need not be able to write the trail.
create or replace function desk.audit_change() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  before jsonb := case when tg_op = 'INSERT' then '{}' else jsonb_strip_nulls(to_jsonb(old)) end;
  after jsonb := case when tg_op = 'DELETE' then '{}' else jsonb_strip_nulls(to_jsonb(new)) end;
  named text := nullif(current_setting('desk.actor', true), '');
  acting uuid := desk.acting_person();
  is_service boolean := coalesce(current_setting('role', true) = 'service_role', false);
  told jsonb;
begin
  select jsonb_build_object(
    'changed', jsonb_agg(c.name order by c.name),
    'before', coalesce(jsonb_object_agg(c.name, before -> c.name) filter (where c.is_told and before ? c.name), '{}'),
    'after', coalesce(jsonb_object_agg(c.name, after -> c.name) filter (where c.is_told and after ? c.name), '{}')
  )
  into told
  from (
    select ltrim(a.name, '!') as name, a.name not like '!%' as is_told
    from unnest(tg_argv) with ordinality as a (name, place) where a.place > 1
  ) as c
  where before -> c.name is distinct from after -> c.name
  having count(*) > 0;
  if told is null then
    return null;
  end if;
  insert into public.audit_events (actor, actor_kind, action, target, outcome, details)
  values (
    left(coalesce(acting::text, named, case when is_service then 'service_role' end, session_user), 128),
    case when acting is not null then 'person' when named like '%-agent' then 'agent'
      when named is not null or is_service then 'machine' else 'sql' end,
    tg_table_name || ' ' || lower(tg_op), left(coalesce(after ->> tg_argv[0], before ->> tg_argv[0], ''), 300), 'ok', told
  );
  return null;
end
$$;
revoke all on function desk.audit_change() from public, anon, authenticated;

-- The rule of a trader is its owner's business, and its versions keep it. What the desk itself keeps of books changes with
-- every decision and every trade, and is in trading_transitions.
create or replace trigger audit after insert or update or delete on public.traders for each row
  execute function desk.audit_change('trader_id', 'owner_id', 'name', 'venue', 'timeframe', 'side', 'edge',
    'cooldown_bars', 'enabled', 'visibility', 'mode', 'book_id', 'deleted_at', '!description', '!rule', '!quote',
    '!min_quote_volume_24h', '!include', '!exclude', '!trade');
create or replace trigger audit after insert or delete on public.books for each row
  execute function desk.audit_change('book_id', 'owner_id', 'name', 'mode', 'quote', 'capital', 'venues', 'limits',
    'breakers');
create or replace trigger audit_change after update on public.books for each row
  when ((new.name, new.mode, new.venues, new.limits, new.breakers)
    is distinct from (old.name, old.mode, old.venues, old.limits, old.breakers))
  execute function desk.audit_change('book_id', 'name', 'mode', 'venues', 'limits', 'breakers');
create or replace trigger audit after insert or update or delete on public.profiles for each row
  execute function desk.audit_change('user_id', 'display_name', 'role', 'tier');
create or replace trigger audit after insert or update or delete on public.tiers for each row
  execute function desk.audit_change('tier', 'tier', 'max_traders', 'timeframes', 'max_books', 'max_channels',
    'notifications_per_day', 'requests_per_minute', 'paper', 'live');
create or replace trigger audit after insert or update or delete on public.notification_channels for each row
  execute function desk.audit_change('channel_id', 'owner_id', 'name', 'kind', 'min_severity', 'kinds', 'quiet_from',
    'quiet_to', 'time_zone', 'digest_ms', 'enabled', '!target', '!secret');
