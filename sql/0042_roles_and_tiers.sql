-- What people may do (roles) and how much of it (tiers). A viewer reads only, which the database holds whatever way a write
-- comes; limits are rows of one table, held by 0043. Only admins change either, and one admin always stays.
-- Needs 0015_trade_intents.sql and 0025_withdrawals_and_reservations.sql.
alter table public.profiles drop constraint if exists profiles_role_check;
alter table public.profiles add constraint profiles_role_check check (role in ('viewer', 'trader', 'operator', 'admin'));

-- A limit that is null is none.
create table if not exists public.tiers (
  tier text primary key check (tier ~ '^[a-z_]{1,32}$'),
  max_traders integer check (max_traders >= 0), -- enabled ones
  timeframes text[] not null check (array_position(timeframes, null) is null),
  max_books integer check (max_books >= 0),
  max_channels integer check (max_channels >= 0),
  notifications_per_day integer check (notifications_per_day >= 0), -- UTC days
  requests_per_minute integer check (requests_per_minute > 0),
  paper boolean not null,
  live boolean not null,
  created_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  updated_at timestamptz not null default date_trunc('milliseconds', clock_timestamp())
);
create or replace trigger touch before update on public.tiers for each row execute function desk.touch();

alter table public.tiers enable row level security;
revoke all on public.tiers from public, anon, authenticated;
grant select on public.tiers to authenticated;
grant all on public.tiers to service_role;
drop policy if exists "people read the tiers" on public.tiers;
create policy "people read the tiers" on public.tiers for select to authenticated using (true);

-- Those of shared/domain/people.py. One that was edited stays as it is when this file runs again.
insert into public.tiers (tier, max_traders, timeframes, max_books, max_channels, notifications_per_day,
    requests_per_minute, paper, live) values
  ('anonymous', 0, '{}', 0, 0, 0, 30, false, false),
  ('free', 10, '{5m,15m,30m,1h,2h,4h,6h,12h,1d}', 2, 2, 50, 120, true, false),
  ('pro', 100, '{1m,3m,5m,15m,30m,1h,2h,4h,6h,12h,1d}', 10, 10, 1000, 600, true, true),
  ('elite', null, '{1m,3m,5m,15m,30m,1h,2h,4h,6h,12h,1d}', null, null, null, 3000, true, true)
on conflict (tier) do nothing;

update public.profiles as p set tier = 'free' where not exists (select from public.tiers as t where t.tier = p.tier);
do $$
begin
  if not exists (select from pg_constraint where conname = 'profiles_tier_fkey') then
    alter table public.profiles add constraint profiles_tier_fkey foreign key (tier) references public.tiers (tier);
  end if;
end
$$;

-- A text as a person's id, null when it is none.
create or replace function desk.as_person(name text) returns uuid
language sql immutable parallel safe set search_path = ''
as $$
  select case when name ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' then name::uuid end
$$;

-- The person who acts: whose token it is, or else whom the desk says it acts for; null when nobody does.
create or replace function desk.acting_person() returns uuid
language sql stable set search_path = ''
as $$
  select coalesce(auth.uid(), desk.as_person(current_setting('desk.actor', true)))
$$;

-- Refuse (ND004) what a viewer does, by their token or through the desk. Arguments: columns of the row that name a person
-- who alone may do this.
create or replace function desk.refuse_viewers() returns trigger
language plpgsql set search_path = ''
as $$
declare
  written jsonb := case when tg_op = 'DELETE' then to_jsonb(old) else to_jsonb(new) end;
begin
  if exists (
    select from public.profiles as p
    where p.role = 'viewer' and p.user_id = any (
      desk.acting_person() || array(select desk.as_person(written ->> named) from unnest(tg_argv) as named)
    )
  ) then
    raise exception 'a viewer reads only: % is not theirs to write', tg_table_name using errcode = 'ND004';
  end if;
  if tg_op = 'DELETE' then
    return old;
  end if;
  return new;
end
$$;

-- People write traders by their token. What of books and channels only their owner may change is refused by whose it is,
-- since the desk writes it for them; the desk's own work on a viewer's book, a halt above all, goes on.
create or replace trigger allowed before insert or update or delete on public.traders for each row
  execute function desk.refuse_viewers();
create or replace trigger allowed before insert on public.books for each row
  execute function desk.refuse_viewers('owner_id');
create or replace trigger allowed_change before update on public.books for each row
  when ((new.name, new.mode, new.venues, new.limits, new.breakers)
    is distinct from (old.name, old.mode, old.venues, old.limits, old.breakers))
  execute function desk.refuse_viewers('owner_id');
create or replace trigger allowed_state before update on public.books for each row
  when (old.trading_state is distinct from new.trading_state) execute function desk.refuse_viewers();
create or replace trigger allowed_removal before delete on public.books for each row
  execute function desk.refuse_viewers();
create or replace trigger allowed before insert on public.trade_intents for each row
  when (new.source = 'person') execute function desk.refuse_viewers('actor');
create or replace trigger allowed_withdrawal before update on public.trade_intents for each row
  when (old.withdrawn is distinct from new.withdrawn) execute function desk.refuse_viewers('actor');
create or replace trigger allowed before update on public.profiles for each row
  execute function desk.refuse_viewers();

-- How a channel fares is the desk's to note. What people decide of proposals and alerts names them.
create or replace trigger allowed before insert or delete on public.notification_channels for each row
  execute function desk.refuse_viewers('owner_id');
create or replace trigger allowed_change before update on public.notification_channels for each row
  when (
    to_jsonb(new) - '{failures,failing_since,last_error,last_sent_at,version,updated_at}'::text[]
    is distinct from to_jsonb(old) - '{failures,failing_since,last_error,last_sent_at,version,updated_at}'::text[]
  )
  execute function desk.refuse_viewers('owner_id');
create or replace trigger allowed before update on public.proposals for each row
  when (old.state is distinct from new.state) execute function desk.refuse_viewers('actor');
create or replace trigger allowed before update on public.alerts for each row
  when (old.acknowledged_by is distinct from new.acknowledged_by)
  execute function desk.refuse_viewers('acknowledged_by');

-- Refuse (ND002) that nobody is left who may change roles. The lock lets one of two at once see what the other has done.
create or replace function desk.keep_an_admin() returns trigger
language plpgsql set search_path = ''
as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('nightdesk admins', 0));
  if not exists (select from public.profiles as p where p.role = 'admin' and p.user_id <> old.user_id) then
    raise exception 'person % is the last admin, and stays one', old.user_id using errcode = 'ND002';
  end if;
  return new;
end
$$;
create or replace trigger keep_an_admin before update on public.profiles for each row
  when (old.role = 'admin' and new.role <> 'admin') execute function desk.keep_an_admin();

create or replace function desk.person_json(p public.profiles) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'user_id', p.user_id, 'display_name', p.display_name, 'role', p.role, 'tier', p.tier,
    'created_at_ms', floor(extract(epoch from p.created_at) * 1000)::bigint,
    'updated_at_ms', floor(extract(epoch from p.updated_at) * 1000)::bigint
  )
$$;

-- People by id, those after one.
create or replace function public.list_people(p_limit integer, p_after uuid default null) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(desk.person_json(p) order by p.user_id), '[]')
  from (
    select * from public.profiles where p_after is null or user_id > p_after order by user_id limit p_limit
  ) as p
$$;

-- Give somebody a role, a tier or both (null leaves it), and return them; null when there is nobody. An actor who is a
-- person must be an admin (else ND004).
create or replace function public.set_person(p_user uuid, p_role text, p_tier text, p_actor text) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  stored public.profiles;
begin
  perform set_config('desk.actor', p_actor, true);
  if desk.as_person(p_actor) is not null and not exists (
    select from public.profiles as p where p.user_id = desk.as_person(p_actor) and p.role = 'admin'
  ) then
    raise exception 'only admins change roles and tiers' using errcode = 'ND004';
  end if;
  if p_tier is not null and not exists (select from public.tiers as t where t.tier = p_tier) then
    raise exception 'column "tier": expected one of %, got %', (select string_agg(t.tier, ', ' order by t.tier)
      from public.tiers as t), p_tier using errcode = '22023';
  end if;
  update public.profiles as p set role = coalesce(p_role, p.role), tier = coalesce(p_tier, p.tier)
  where p.user_id = p_user
  returning * into stored;
  return case when stored.user_id is not null then desk.person_json(stored) end;
end
$$;

do $$
declare
  signature text;
begin
  foreach signature in array array['list_people(integer, uuid)', 'set_person(uuid, text, text, text)'] loop
    execute format('revoke all on function public.%s from public, anon, authenticated', signature);
    execute format('grant execute on function public.%s to service_role', signature);
  end loop;
end
$$;
