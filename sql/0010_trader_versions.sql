-- Visibility and history of traders. A public trader is read by everybody signed in, with its signals, until it is made
-- private or deleted; only its owner writes it. Every definition a trader ever had is kept, numbered from 1.
-- Needs 0004_traders.sql and 0005_signals.sql.
alter table public.traders add column if not exists visibility text not null default 'private'
  constraint traders_visibility_check check (visibility in ('private', 'public'));

create index if not exists traders_public on public.traders (trader_id) where visibility = 'public' and deleted_at is null;

grant insert (visibility), update (visibility) on public.traders to authenticated;

drop policy if exists "people read their traders and the built-ins" on public.traders;
create policy "people read their traders and the built-ins" on public.traders for select to authenticated
  using (
    owner_id is null or owner_id = (select auth.uid()) or (visibility = 'public' and deleted_at is null)
  );

drop policy if exists "people read signals of their traders and the built-ins" on public.signals;
create policy "people read signals of their traders and the built-ins" on public.signals for select to authenticated
  using (exists (
    select from public.traders
    where traders.trader_id = signals.trader_id
      and (
        traders.owner_id is null or traders.owner_id = (select auth.uid())
        or (traders.visibility = 'public' and traders.deleted_at is null)
      )
  ));

create table if not exists public.trader_versions (
  trader_id text collate "C" not null references public.traders (trader_id) on delete cascade,
  version integer not null check (version > 0),
  definition jsonb not null check (jsonb_typeof(definition) = 'object'),
  recorded_at timestamptz not null, -- the trader's updated_at
  primary key (trader_id, version)
);

-- What people may write of a trader, by column.
create or replace function desk.trader_definition(trader public.traders) returns jsonb
language sql immutable set search_path = ''
as $$
  select jsonb_build_object(
    'name', trader.name, 'description', trader.description, 'rule', trader.rule, 'venue', trader.venue,
    'timeframe', trader.timeframe, 'quote', trader.quote, 'min_quote_volume_24h', trader.min_quote_volume_24h,
    'include', to_jsonb(trader.include), 'exclude', to_jsonb(trader.exclude), 'side', trader.side, 'edge', trader.edge,
    'cooldown_bars', trader.cooldown_bars, 'enabled', trader.enabled, 'visibility', trader.visibility
  )
$$;
revoke all on function desk.trader_definition(public.traders) from public, anon, authenticated;

-- Runs as its owner: nobody else writes versions. The row lock of an update makes two of them take turns, and the
-- second one counts what the first has committed.
create or replace function desk.record_trader_version() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  last_version integer;
begin
  if tg_op = 'UPDATE' and desk.trader_definition(new) = desk.trader_definition(old) then
    return null;
  end if;
  select max(version) into last_version from public.trader_versions where trader_id = new.trader_id;
  insert into public.trader_versions (trader_id, version, definition, recorded_at)
    values (new.trader_id, coalesce(last_version, 0) + 1, desk.trader_definition(new), new.updated_at);
  return null;
end
$$;
revoke all on function desk.record_trader_version() from public, anon, authenticated;
create or replace trigger record_version after insert or update on public.traders
  for each row execute function desk.record_trader_version();

-- Traders from before this file begin with what they are now.
insert into public.trader_versions (trader_id, version, definition, recorded_at)
  select traders.trader_id, 1, desk.trader_definition(traders), traders.updated_at
  from public.traders
  where not exists (select from public.trader_versions where trader_versions.trader_id = traders.trader_id);

-- Append-only, also for the service: rows come by the trigger and go only with a trader whose row is removed.
alter table public.trader_versions enable row level security;
revoke all on public.trader_versions from public, anon, authenticated, service_role;
grant select on public.trader_versions to authenticated, service_role;

drop policy if exists "people read the history of their traders and the built-ins" on public.trader_versions;
create policy "people read the history of their traders and the built-ins" on public.trader_versions
  for select to authenticated
  using (exists (
    select from public.traders
    where traders.trader_id = trader_versions.trader_id
      and (traders.owner_id is null or traders.owner_id = (select auth.uid()))
  ));
