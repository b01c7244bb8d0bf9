-- Digests: what every trader of a run decided, in eight characters each, so that a decision explained later can be
-- compared with the one that was made. Kept for as many closes as the candle log keeps candles.
create table if not exists public.run_digests (
  venue text not null,
  timeframe text not null,
  close_time bigint not null, -- epoch ms
  shard integer not null,
  digests text not null check (length(digests) % 8 = 0),
  primary key (venue, timeframe, close_time, shard),
  foreign key (venue, timeframe, close_time, shard)
    references public.execution_runs (venue, timeframe, close_time, shard) on delete cascade
);

alter table public.run_digests enable row level security;
revoke all on public.run_digests from public, anon, authenticated;
grant all on public.run_digests to service_role;

-- Finish a run as 0006 does, and keep its digests; those the candle log has outlived go.
create or replace function public.finish_run(
  p_venue text, p_timeframe text, p_close_time bigint, p_shard integer, p_result jsonb, p_signals jsonb, p_digests text
) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  recorded jsonb;
begin
  recorded := public.finish_run(p_venue, p_timeframe, p_close_time, p_shard, p_result, p_signals);
  if recorded is null then
    return null;
  end if;
  insert into public.run_digests (venue, timeframe, close_time, shard, digests)
  values (p_venue, p_timeframe, p_close_time, p_shard, p_digests)
  on conflict (venue, timeframe, close_time, shard) do nothing;
  delete from public.run_digests as d
  using public.venues as v
  where v.venue = p_venue and d.venue = p_venue and d.timeframe = p_timeframe
    and d.close_time < p_close_time - v.log_depth * desk.timeframe_ms(p_timeframe);
  return recorded;
end
$$;

-- The digests of all shards of a boundary, joined; null when no finished run of it is on record.
create or replace function public.run_digests_at(p_venue text, p_timeframe text, p_close_time bigint) returns text
language sql stable set search_path = ''
as $$
  select string_agg(d.digests, '') from public.run_digests as d
  where d.venue = p_venue and d.timeframe = p_timeframe and d.close_time = p_close_time
$$;

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'finish_run(text, text, bigint, integer, jsonb, jsonb, text)',
    'run_digests_at(text, text, bigint)'
  ] loop
    execute format('revoke all on function public.%s from public, anon, authenticated', signature);
    execute format('grant execute on function public.%s to service_role', signature);
  end loop;
end
$$;
