-- The venues the desk collects, and the instruments they list. Everybody signed in reads; the desk writes.
create table if not exists public.venues (
  venue text primary key check (venue ~ '^[a-z0-9_]{1,32}$'),
  timeframes text[] not null
    check (timeframes <@ array['1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '12h', '1d']),
  log_depth integer not null default 1000 check (log_depth between 1 and 100000),
  enabled boolean not null default true,
  created_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  updated_at timestamptz not null default date_trunc('milliseconds', clock_timestamp())
);

create table if not exists public.instruments (
  venue text not null references public.venues (venue),
  symbol text not null check (symbol ~ '^[^/[:space:]]{1,32}/[^/[:space:]]{1,32}$'), -- ccxt unified: BTC/USDT
  venue_symbol text not null check (length(venue_symbol) between 1 and 64),
  base text not null check (length(base) between 1 and 32),
  quote text not null check (length(quote) between 1 and 32),
  tick_size numeric not null check (tick_size > 0 and tick_size < 'Infinity'),
  step_size numeric not null check (step_size > 0 and step_size < 'Infinity'),
  min_qty numeric not null default 0 check (min_qty >= 0 and min_qty < 'Infinity'),
  min_notional numeric not null default 0 check (min_notional >= 0 and min_notional < 'Infinity'),
  enabled boolean not null default true,
  created_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  updated_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  primary key (venue, symbol)
);

create or replace trigger touch before update on public.venues for each row execute function desk.touch();
create or replace trigger touch before update on public.instruments for each row execute function desk.touch();

alter table public.venues enable row level security;
alter table public.instruments enable row level security;
revoke all on public.venues, public.instruments from public, anon, authenticated;
grant select on public.venues, public.instruments to authenticated;
grant all on public.venues, public.instruments to service_role;

drop policy if exists "people read venues" on public.venues;
create policy "people read venues" on public.venues for select to authenticated using (true);
drop policy if exists "people read instruments" on public.instruments;
create policy "people read instruments" on public.instruments for select to authenticated using (true);

insert into public.venues (venue, timeframes)
values ('binance', array['1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '12h', '1d'])
on conflict (venue) do nothing;
