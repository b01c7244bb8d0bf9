-- Signals: a trader fired on a symbol at a boundary. The unique key is the identity, so a redelivery stores nothing.
create table if not exists public.signals (
  signal_id uuid primary key default gen_random_uuid(),
  trader_id text collate "C" not null references public.traders (trader_id),
  venue text not null references public.venues (venue),
  symbol text not null check (length(symbol) between 3 and 64),
  timeframe text not null,
  close_time bigint not null, -- epoch ms
  side text not null check (side in ('long', 'short')),
  price numeric not null check (price > 0 and price < 'Infinity'), -- quote units
  rule_hash text not null check (length(rule_hash) between 1 and 128),
  "values" jsonb not null default '{}' check (jsonb_typeof("values") = 'object'),
  correlation_id text not null check (length(correlation_id) <= 128),
  recorded_at timestamptz not null default clock_timestamp(),
  check (desk.is_boundary(timeframe, close_time)),
  unique (trader_id, symbol, timeframe, close_time)
);

create index if not exists signals_newest on public.signals (close_time desc, signal_id desc);
create index if not exists signals_of_trader on public.signals (trader_id, close_time desc, signal_id desc);

alter table public.signals enable row level security;
revoke all on public.signals from public, anon, authenticated;
grant select on public.signals to authenticated;
grant all on public.signals to service_role;

drop policy if exists "people read signals of their traders and the built-ins" on public.signals;
create policy "people read signals of their traders and the built-ins" on public.signals for select to authenticated
  using (exists (
    select from public.traders
    where traders.trader_id = signals.trader_id
      and (traders.owner_id is null or traders.owner_id = (select auth.uid()))
  ));

-- Store the signals that are new; returns {"new": n, "duplicate": n}.
create or replace function public.record_signals(p_venue text, p_correlation_id text, p_signals jsonb) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  stored integer;
begin
  insert into public.signals
    (trader_id, venue, symbol, timeframe, close_time, side, price, rule_hash, "values", correlation_id)
  select s.trader_id, p_venue, s.symbol, s.timeframe, s.close_time, s.side, s.price, s.rule_hash, s."values",
    p_correlation_id
  from jsonb_to_recordset(p_signals) as s (
    trader_id text, symbol text, timeframe text, close_time bigint, side text, price numeric, rule_hash text,
    "values" jsonb
  )
  order by s.trader_id, s.symbol, s.timeframe, s.close_time -- one order for everybody: no deadlock
  on conflict (trader_id, symbol, timeframe, close_time) do nothing;
  get diagnostics stored = row_count;
  return jsonb_build_object('new', stored, 'duplicate', jsonb_array_length(p_signals) - stored);
end
$$;
revoke all on function public.record_signals(text, text, jsonb) from public, anon, authenticated;
grant execute on function public.record_signals(text, text, jsonb) to service_role;
