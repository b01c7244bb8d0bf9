-- People. A profile appears with the account and goes with it; tier and role are the desk's to give.
create table if not exists public.profiles (
  user_id uuid primary key,
  display_name text not null default '' check (length(display_name) <= 100),
  tier text not null default 'free' check (tier ~ '^[a-z_]{1,32}$'),
  role text not null default 'trader' check (role in ('trader', 'operator', 'admin')),
  created_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  updated_at timestamptz not null default date_trunc('milliseconds', clock_timestamp())
);

create or replace trigger touch before update on public.profiles for each row execute function desk.touch();

create or replace trigger privileged before update on public.profiles for each row
  when (
    current_user in ('anon', 'authenticated')
    and (new.user_id, new.tier, new.role, new.created_at) is distinct from (old.user_id, old.tier, old.role, old.created_at)
  )
  execute function desk.refuse();

alter table public.profiles enable row level security;
revoke all on public.profiles from public, anon, authenticated;
grant select, update (display_name) on public.profiles to authenticated;
grant all on public.profiles to service_role;

drop policy if exists "people read their profile" on public.profiles;
create policy "people read their profile" on public.profiles for select to authenticated
  using (user_id = (select auth.uid()));
drop policy if exists "people edit their profile" on public.profiles;
create policy "people edit their profile" on public.profiles for update to authenticated
  using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));

-- Runs as its owner: the account service may write auth.users but not this table.
create or replace function desk.welcome() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  insert into public.profiles (user_id) values (new.id) on conflict (user_id) do nothing;
  return new;
end
$$;
revoke all on function desk.welcome() from public, anon, authenticated;

-- A plain Postgres has no account service; then profiles are the service's to write.
do $$
begin
  if to_regclass('auth.users') is null then
    return;
  end if;
  create or replace trigger nightdesk_welcome after insert on auth.users
    for each row execute function desk.welcome();
  insert into public.profiles (user_id) select id from auth.users on conflict (user_id) do nothing;
  if not exists (select from pg_constraint where conname = 'profiles_user_id_fkey') then
    alter table public.profiles add constraint profiles_user_id_fkey
      foreign key (user_id) references auth.users (id) on delete cascade;
  end if;
end
$$;
