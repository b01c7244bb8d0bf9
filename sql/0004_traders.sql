-- Traders: a rule, a timeframe and a universe. `owner_id` null is a built-in: everybody signed in reads it, the desk
-- writes it. Rows are never removed by people: `deleted_at` keeps the signals and tells caches to forget the trader.
create table if not exists public.traders (
  trader_id text collate "C" primary key check (trader_id ~ '^[A-Za-z0-9_-]{1,64}$'),
  owner_id uuid,
  name text not null check (length(name) between 1 and 100),
  description text not null default '' check (length(description) <= 2000),
  rule text not null check (length(rule) between 1 and 2000),
  venue text not null default 'binance' references public.venues (venue),
  timeframe text not null check (desk.timeframe_ms(timeframe) is not null),
  quote text not null default 'USDT' check (length(quote) between 1 and 32),
  min_quote_volume_24h double precision not null default 0
    check (min_quote_volume_24h >= 0 and min_quote_volume_24h < 'Infinity'),
  include text[] not null default '{}' check (cardinality(include) <= 1000 and array_position(include, null) is null),
  exclude text[] not null default '{}' check (cardinality(exclude) <= 1000 and array_position(exclude, null) is null),
  side text not null default 'long' check (side in ('long', 'short')),
  edge text not null default 'rising' check (edge in ('rising', 'level')),
  cooldown_bars integer not null default 0 check (cooldown_bars between 0 and 1000),
  enabled boolean not null default true,
  created_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  updated_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  deleted_at timestamptz
);

create index if not exists traders_changes on public.traders (updated_at, trader_id);
create index if not exists traders_owner on public.traders (owner_id);
create index if not exists traders_waiting on public.traders (venue, timeframe) where enabled and deleted_at is null;

-- A deletion is a change like any other, stamped by the database.
create or replace function desk.touch_trader() returns trigger
language plpgsql set search_path = ''
as $$
begin
  new.updated_at := greatest(date_trunc('milliseconds', clock_timestamp()), old.updated_at + interval '1 millisecond');
  if new.deleted_at is not null then
    new.deleted_at := coalesce(old.deleted_at, new.updated_at);
  end if;
  return new;
end
$$;
create or replace trigger touch before update on public.traders for each row execute function desk.touch_trader();

create or replace trigger privileged before update on public.traders for each row
  when (
    current_user in ('anon', 'authenticated')
    and (new.trader_id, new.owner_id, new.created_at) is distinct from (old.trader_id, old.owner_id, old.created_at)
  )
  execute function desk.refuse();

alter table public.traders enable row level security;
revoke all on public.traders from public, anon, authenticated;
grant select on public.traders to authenticated;
grant insert (trader_id, owner_id, name, description, rule, venue, timeframe, quote, min_quote_volume_24h, include,
  exclude, side, edge, cooldown_bars, enabled) on public.traders to authenticated;
grant update (name, description, rule, venue, timeframe, quote, min_quote_volume_24h, include, exclude, side, edge,
  cooldown_bars, enabled, deleted_at) on public.traders to authenticated;
grant all on public.traders to service_role;

drop policy if exists "people read their traders and the built-ins" on public.traders;
create policy "people read their traders and the built-ins" on public.traders for select to authenticated
  using (owner_id is null or owner_id = (select auth.uid()));
drop policy if exists "people add traders of their own" on public.traders;
create policy "people add traders of their own" on public.traders for insert to authenticated
  with check (owner_id = (select auth.uid()) and deleted_at is null);
drop policy if exists "people edit their traders until they delete them" on public.traders;
create policy "people edit their traders until they delete them" on public.traders for update to authenticated
  using (owner_id = (select auth.uid()) and deleted_at is null) with check (owner_id = (select auth.uid()));

-- Traders stop with the account of their owner.
create or replace function desk.retire_traders() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  update public.traders set deleted_at = clock_timestamp() where owner_id = old.user_id and deleted_at is null;
  return old;
end
$$;
revoke all on function desk.retire_traders() from public, anon, authenticated;
create or replace trigger retire_traders after delete on public.profiles
  for each row execute function desk.retire_traders();
