-- Alerts: one open row per thing that is wrong, counted while it stays so, resolved when it no longer is. And what a
-- book's orders have been like lately. Needs 0016_orders.sql.
create table if not exists public.alerts (
  alert_id uuid primary key default gen_random_uuid(),
  dedupe_key text not null check (length(dedupe_key) between 1 and 300),
  kind text not null check (kind ~ '^[a-z_]{1,64}$'),
  severity text not null check (severity in ('info', 'warning', 'critical')),
  sentence text not null check (length(sentence) between 1 and 2000),
  book_id text collate "C" references public.books (book_id) on delete cascade,
  details jsonb not null default '{}' check (jsonb_typeof(details) = 'object'),
  state text not null default 'open' check (state in ('open', 'acknowledged', 'resolved')),
  seen integer not null default 1 check (seen > 0), -- how often it was found
  first_at_ms bigint not null check (first_at_ms > 0), -- market time
  last_at_ms bigint not null,
  resolved_at_ms bigint,
  check ((state = 'resolved') = (resolved_at_ms is not null)),
  check (last_at_ms >= first_at_ms)
);
create unique index if not exists alerts_open on public.alerts (dedupe_key) where state <> 'resolved';
create index if not exists alerts_newest on public.alerts (last_at_ms desc, alert_id);

alter table public.alerts enable row level security;
revoke all on public.alerts from public, anon, authenticated;
grant select on public.alerts to authenticated;
grant all on public.alerts to service_role;
drop policy if exists "people read alerts of their books" on public.alerts;
create policy "people read alerts of their books" on public.alerts for select to authenticated
  using (exists (select from public.books where books.book_id = alerts.book_id));

-- Say what is wrong now of everything whose key begins with p_prefix: what is new opens, what is known is counted, what is
-- no longer wrong resolves. The same call at the same instant counts once. Returns how many are open.
create or replace function public.settle_alerts(p_prefix text, p_alerts jsonb, p_at_ms bigint) returns integer
language plpgsql set search_path = ''
as $$
declare
  still integer;
begin
  insert into public.alerts as a (dedupe_key, kind, severity, sentence, book_id, details, first_at_ms, last_at_ms)
  select w.dedupe_key, w.kind, w.severity, w.sentence, w.book_id, coalesce(w.details, '{}'), p_at_ms, p_at_ms
  from jsonb_to_recordset(p_alerts) as w (
    dedupe_key text, kind text, severity text, sentence text, book_id text, details jsonb
  )
  where starts_with(w.dedupe_key, p_prefix)
  order by w.dedupe_key -- one order for everybody: no deadlock
  on conflict (dedupe_key) where state <> 'resolved' do update set
    seen = a.seen + (a.last_at_ms < excluded.last_at_ms)::integer, sentence = excluded.sentence,
    severity = excluded.severity, details = excluded.details, last_at_ms = greatest(a.last_at_ms, excluded.last_at_ms);
  update public.alerts as a
  set state = 'resolved', resolved_at_ms = greatest(p_at_ms, a.last_at_ms)
  where starts_with(a.dedupe_key, p_prefix) and a.state <> 'resolved' and not exists (
    select from jsonb_to_recordset(p_alerts) as w (dedupe_key text) where w.dedupe_key = a.dedupe_key
  );
  select count(*) into still from public.alerts as a where starts_with(a.dedupe_key, p_prefix) and a.state <> 'resolved';
  return still;
end
$$;

-- What a book's orders were like since an instant (market time): how many were sent and rejected, how much worse than
-- the price they were decided at they filled (basis points of what filled, a cost is positive), and for how many of its
-- open alerts of a kind.
create or replace function public.observe_book(p_book_id text, p_since_ms bigint) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'orders', count(*),
    'rejected', count(*) filter (where o.state = 'rejected'),
    'slippage_bps', (
      sum(o.filled_qty * (o.average_price - i.reference_price) * case o.side when 'buy' then 1 else -1 end)
      / nullif(sum(o.filled_qty * i.reference_price), 0) * 10000
    )::numeric(20, 6)::text,
    'mismatches', (
      select count(*) from public.alerts as a join public.books as b on b.book_id = p_book_id
      where a.kind = 'reconciliation' and a.state <> 'resolved'
        and (a.book_id = b.book_id or (a.book_id is null and b.mode = 'live')) -- live books share an account
    ),
    'last_fill_ms', (select max(p.last_fill_ms) from public.positions as p where p.book_id = p_book_id)
  )
  from public.orders as o
  join public.trade_intents as i on i.intent_id = o.intent_id
  where o.book_id = p_book_id and o.role = 'slice' and o.submitted_at_ms >= p_since_ms
$$;

do $$
declare
  signature text;
begin
  foreach signature in array array['settle_alerts(text, jsonb, bigint)', 'observe_book(text, bigint)'] loop
    execute format('revoke all on function public.%s from public, anon, authenticated', signature);
    execute format('grant execute on function public.%s to service_role', signature);
  end loop;
end
$$;
