-- Money that moves on an account without a fill: funding payments of futures, and differences an operator has adopted.
-- Needs 0029_measures.sql.

-- A payment that several books share is a row for each of them; nobody's has no book. Rows stay as they are.
create table if not exists public.account_flows (
  venue text not null,
  account text collate "C" not null,
  flow_id text collate "C" not null check (length(flow_id) between 1 and 200), -- the venue's, or one the desk derived
  part_no integer not null default 1 check (part_no > 0),
  kind text not null check (kind in ('funding', 'adjustment')),
  symbol text,
  asset text not null check (length(asset) between 1 and 32),
  qty numeric not null check (qty > '-Infinity' and qty < 'Infinity'), -- into the account; what it pays is negative
  event_time bigint not null check (event_time > 0),
  book_id text collate "C" references public.books (book_id),
  actor text not null check (length(actor) between 1 and 200),
  reason text not null check (length(reason) <= 2000),
  posted_at timestamptz not null default clock_timestamp(),
  primary key (venue, account, flow_id, part_no),
  foreign key (venue, account) references public.accounts (venue, account),
  check ((kind = 'funding') = (symbol is not null)),
  check (kind = 'funding' or book_id is null) -- what is adopted is nobody's profit
);
create index if not exists account_flows_newest on public.account_flows (venue, account, event_time desc);
create index if not exists account_flows_of_book on public.account_flows (book_id);
alter table public.account_flows enable row level security;
revoke all on public.account_flows from public, anon, authenticated, service_role;
grant select, insert, delete on public.account_flows to service_role; -- none is ever changed
grant select on public.account_flows to authenticated;
drop policy if exists "people read what their books were paid" on public.account_flows;
create policy "people read what their books were paid" on public.account_flows for select to authenticated
  using (exists (select from public.books where books.book_id = account_flows.book_id));

-- Funding received less funding paid, in what the future settles in. It moves with account_flows, not with the fills that
-- make the rest of a position, so the position's version stays.
alter table public.positions add column if not exists funding numeric not null default 0
  constraint positions_funding_check check (funding > '-Infinity' and funding < 'Infinity');

-- Where a future was first filled on an account: nothing before that can be the desk's.
create index if not exists fills_of_futures on public.fills (venue, account, event_time) where position(':' in symbol) > 0;

-- As 0018, with funding.
create or replace function desk.position_json(p public.positions) returns jsonb
language sql immutable set search_path = ''
as $$
  select jsonb_build_object(
    'position', jsonb_build_object(
      'book_id', p.book_id, 'venue', p.venue, 'symbol', p.symbol, 'qty', p.qty::text, 'cost', p.cost::text,
      'realised', p.realised::text, 'fees', p.fees::text, 'funding', p.funding::text, 'opened_at_ms', p.opened_at_ms,
      'version', p.version
    ),
    'guard', p.guard, 'best_price', p.best_price::text, 'last_fill_ms', p.last_fill_ms
  )
$$;

-- As 0021, and what came or went without a fill.
create or replace function public.holdings(p_venue text, p_account text) returns jsonb
language sql stable set search_path = ''
as $$
  with moves as (
    select a.key as asset, a.value::numeric as qty
    from public.accounts as c cross join lateral jsonb_each_text(c.opening) as a
    where c.venue = p_venue and c.account = p_account
    union all
    select m.asset, m.qty
    from public.fills as f
    cross join lateral (
      select case f.side when 'buy' then 1 else -1 end as sign, position(':' in f.symbol) = 0 as is_spot
    ) as k
    cross join lateral (
      values (split_part(f.symbol, '/', 1), case when k.is_spot then k.sign * f.qty end),
        (split_part(f.symbol, '/', 2), case when k.is_spot then -k.sign * f.qty * f.price end),
        (f.fee_asset, -f.fee_qty)
    ) as m (asset, qty)
    where f.venue = p_venue and f.account = p_account and m.qty is not null
    union all
    select split_part(p.symbol, ':', 2), p.realised
    from public.positions as p
    join public.books as b on b.book_id = p.book_id
    where p.venue = p_venue and position(':' in p.symbol) > 0
      and p_account = case b.mode when 'live' then 'live' else b.book_id end
    union all
    select w.asset, w.qty from public.account_flows as w where w.venue = p_venue and w.account = p_account
  )
  select (
    select coalesce(jsonb_object_agg(s.asset, s.qty::text), '{}')
    from (select m.asset, sum(m.qty) as qty from moves as m group by m.asset) as s
  )
  from public.accounts as c where c.venue = p_venue and c.account = p_account
$$;

-- Store flows; one that is known is left as it is, however it would be shared now. Answers how many rows are new. ND003
-- where the account no longer holds what p_expected says of an asset: somebody else has adopted the same difference.
-- One posting of an account waits for the other: a payment must not be shared in two ways at once.
create or replace function public.post_flows(p_venue text, p_account text, p_flows jsonb, p_expected jsonb)
returns integer
language plpgsql set search_path = ''
as $$
declare
  held jsonb;
  posted integer;
begin
  perform pg_advisory_xact_lock(hashtextextended(concat_ws(' ', 'account_flows', p_venue, p_account), 0));
  if not exists (
    select from jsonb_populate_recordset(null::public.account_flows, p_flows) as f
    where not exists (
      select from public.account_flows as k
      where (k.venue, k.account, k.flow_id) = (p_venue, p_account, f.flow_id)
    )
  ) then
    return 0;
  end if;
  held := public.holdings(p_venue, p_account);
  if exists (
    select from jsonb_each_text(p_expected) as e
    where e.value::numeric <> coalesce((held ->> e.key)::numeric, 0)
  ) then
    raise exception 'account % at %: it holds something else by now', p_account, p_venue using errcode = 'ND003';
  end if;
  if exists (
    select from jsonb_populate_recordset(null::public.account_flows, p_flows) as f
    where f.book_id is not null and not exists (
      select from public.positions as p
      join public.books as b on b.book_id = p.book_id
      where p.book_id = f.book_id and p.venue = p_venue and p.symbol = f.symbol
        and p_account = case b.mode when 'live' then 'live' else b.book_id end
    )
  ) then
    raise exception 'column "book_id": the book has never held this on account %', p_account using errcode = '22023';
  end if;
  with new as (
    insert into public.account_flows
      (venue, account, flow_id, part_no, kind, symbol, asset, qty, event_time, book_id, actor, reason)
    select p_venue, p_account, f.flow_id, row_number() over (partition by f.flow_id order by f.book_id), f.kind, f.symbol,
      f.asset, f.qty, f.event_time, f.book_id, f.actor, f.reason
    from jsonb_populate_recordset(null::public.account_flows, p_flows) as f
    where not exists (
      select from public.account_flows as k
      where (k.venue, k.account, k.flow_id) = (p_venue, p_account, f.flow_id)
    )
    returning book_id, symbol, qty
  ), paid as (
    update public.positions as p set funding = p.funding + s.qty
    from (select n.book_id, n.symbol, sum(n.qty) as qty from new as n group by n.book_id, n.symbol) as s
    where p.book_id = s.book_id and p.venue = p_venue and p.symbol = s.symbol
  )
  select count(*) into posted from new;
  return posted;
end
$$;

-- The newest flows of an account, newest first.
create or replace function public.flows_of(p_venue text, p_account text, p_limit integer) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'flow_id', f.flow_id, 'kind', f.kind, 'symbol', f.symbol, 'asset', f.asset, 'qty', f.qty::text,
    'event_time', f.event_time, 'book_id', f.book_id, 'actor', f.actor, 'reason', f.reason
  ) order by f.event_time desc, f.flow_id desc, f.part_no), '[]')
  from (
    select * from public.account_flows as w
    where w.venue = p_venue and w.account = p_account
    order by w.event_time desc, w.flow_id desc, w.part_no
    limit p_limit
  ) as f
$$;

-- From when on (epoch ms) funding may be missing from the ledger, by the asset it is paid in: of futures held now, or
-- filled since an instant. Not before the account's first fill of a future, nor before the last adjustment of the asset,
-- which has it in it; and an hour before the last payment that is posted, because venues list payments late.
create or replace function public.funding_since(p_venue text, p_account text, p_filled_since_ms bigint) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_object_agg(a.asset, greatest(
    (
      select min(f.event_time) from public.fills as f
      where f.venue = p_venue and f.account = p_account and position(':' in f.symbol) > 0
    ),
    (
      select max(w.event_time) + 1 from public.account_flows as w
      where w.venue = p_venue and w.account = p_account and w.kind = 'adjustment' and w.asset = a.asset
    ),
    (
      select max(w.event_time) - 3600000 from public.account_flows as w
      where w.venue = p_venue and w.account = p_account and w.kind = 'funding' and w.asset = a.asset
    )
  )), '{}')
  from (
    select distinct split_part(p.symbol, ':', 2) as asset
    from public.positions as p
    join public.books as b on b.book_id = p.book_id
    where p.venue = p_venue and position(':' in p.symbol) > 0 and (p.qty <> 0 or p.last_fill_ms >= p_filled_since_ms)
      and p_account = case b.mode when 'live' then 'live' else b.book_id end
  ) as a
$$;

-- What each book of an account held at moments, each [symbol, epoch ms]: as [symbol, epoch ms, quantity by book].
create or replace function public.held_at(p_venue text, p_account text, p_moments jsonb) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_array(m ->> 0, (m ->> 1)::bigint, (
    select coalesce(jsonb_object_agg(h.book_id, h.qty::text), '{}')
    from (
      select f.book_id, sum(case f.side when 'buy' then f.qty else -f.qty end) as qty
      from public.fills as f
      where f.venue = p_venue and f.account = p_account and f.symbol = m ->> 0 and f.event_time <= (m ->> 1)::bigint
      group by f.book_id
    ) as h
    where h.qty <> 0
  ))), '[]')
  from jsonb_array_elements(p_moments) as m
$$;

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'post_flows(text, text, jsonb, jsonb)', 'flows_of(text, text, integer)', 'funding_since(text, text, bigint)',
    'held_at(text, text, jsonb)'
  ] loop
    execute format('revoke all on function public.%s from public, anon, authenticated', signature);
    execute format('grant execute on function public.%s to service_role', signature);
  end loop;
end
$$;
