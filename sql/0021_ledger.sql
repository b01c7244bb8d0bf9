-- The ledger: fills and the positions they make, posted together; what protects positions; what accounts should hold; the
-- equity curve. Needs 0018_book_views.sql.

-- A position with what protects it, null when nothing was ever traded.
create or replace function public.position_of(p_book_id text, p_venue text, p_symbol text) returns jsonb
language sql stable set search_path = ''
as $$
  select desk.position_json(p) from public.positions as p
  where p.book_id = p_book_id and p.venue = p_venue and p.symbol = p_symbol
$$;

create or replace function public.open_positions(p_venue text) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(desk.position_json(p) order by p.book_id, p.venue, p.symbol), '[]')
  from public.positions as p where p.qty <> 0 and (p_venue is null or p.venue = p_venue)
$$;

-- All fills of a position, oldest first.
create or replace function public.fills_of(p_book_id text, p_venue text, p_symbol text) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(desk.fill_json(f) order by f.event_time, f.posted_at, f.trade_id), '[]')
  from public.fills as f where f.book_id = p_book_id and f.venue = p_venue and f.symbol = p_symbol
$$;

-- Those of the trade ids that are posted.
create or replace function public.known_fills(p_venue text, p_account text, p_symbol text, p_trade_ids text[])
returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(f.trade_id), '[]') from public.fills as f
  where f.venue = p_venue and f.account = p_account and f.symbol = p_symbol and f.trade_id = any (p_trade_ids)
$$;

-- Refuse a position whose quantity or fees moved by anything but its new fills. A fee in the base asset of a spot pair
-- is taken from what is held.
create or replace function desk.check_posting(p_before public.positions, p_after public.positions, p_fills jsonb)
returns void
language plpgsql set search_path = ''
as $$
declare
  is_spot boolean := position(':' in p_after.symbol) = 0;
  base text := split_part(p_after.symbol, '/', 1);
  quote text := split_part(split_part(p_after.symbol, '/', 2), ':', 1);
  moved numeric;
  paid numeric;
begin
  select sum(case f.side when 'buy' then f.qty else -f.qty end
      - case when is_spot and f.fee_asset = base then f.fee_qty else 0 end),
    sum(case when f.fee_asset = quote then f.fee_qty when is_spot and f.fee_asset = base then f.fee_qty * f.price
      else f.fee_notional end)
  into moved, paid
  from jsonb_populate_recordset(null::public.fills, p_fills) as f;
  if p_after.qty - p_before.qty <> moved then
    raise exception 'column "qty": the fills move it by %, not %', moved, p_after.qty - p_before.qty
      using errcode = '22023';
  end if;
  if p_after.fees - p_before.fees <> paid then
    raise exception 'column "fees": the fills cost %, not %', paid, p_after.fees - p_before.fees using errcode = '22023';
  end if;
  if exists (select from jsonb_populate_recordset(null::public.fills, p_fills) as f where f.symbol <> p_after.symbol) then
    raise exception 'column "symbol": one of the fills is not of %', p_after.symbol using errcode = '22023';
  end if;
end
$$;

-- Store fills, all of them new, and the position they lead to, made from the version it names. ND003 when that has moved,
-- 23505 when a fill is known; the same posting again answers as the first did. A position that closes or turns loses its
-- guard, and counts for the book's losses in a row. p_realised has what each fill realised by trade id: a fill that came
-- late restates those after it. A fill that names only the venue's order is its order's all the same.
create or replace function public.post_fills(p_account text, p_position jsonb, p_fills jsonb, p_realised jsonb)
returns jsonb
language plpgsql set search_path = ''
as $$
declare
  after public.positions := jsonb_populate_record(null::public.positions, p_position);
  before public.positions;
  profit numeric;
  is_over boolean;
begin
  if coalesce(jsonb_array_length(p_fills), 0) = 0 then
    raise exception 'column "fills": expected at least one' using errcode = '22023';
  end if;
  insert into public.positions (book_id, venue, symbol) values (after.book_id, after.venue, after.symbol)
  on conflict (book_id, venue, symbol) do nothing;
  select * into before from public.positions as p
  where p.book_id = after.book_id and p.venue = after.venue and p.symbol = after.symbol
  for update;
  if before.version = after.version + 1 and before.qty = after.qty and before.fees = after.fees
    and jsonb_array_length(p_fills) = (
      select count(*) from public.fills as f
      join jsonb_populate_recordset(null::public.fills, p_fills) as g on g.trade_id = f.trade_id
      where f.book_id = after.book_id and f.venue = after.venue and f.account = p_account and f.symbol = after.symbol
    )
  then
    return desk.position_json(before) -> 'position';
  end if;
  perform desk.require_version('position', after.symbol, before.version, after.version);
  if not exists (
    select from public.books as b
    where b.book_id = after.book_id and p_account = case b.mode when 'live' then 'live' else b.book_id end
  ) then
    raise exception 'column "account": % is not the account of book %', p_account, after.book_id using errcode = '22023';
  end if;
  insert into public.fills (venue, account, symbol, trade_id, book_id, order_id, client_order_id, venue_order_id, side,
    qty, price, fee_qty, fee_asset, fee_notional, is_maker, event_time, realised)
  select after.venue, p_account, f.symbol, f.trade_id, after.book_id, o.order_id,
    coalesce(o.client_order_id, f.client_order_id), f.venue_order_id, f.side, f.qty, f.price, f.fee_qty, f.fee_asset,
    f.fee_notional, f.is_maker, f.event_time, (p_realised ->> f.trade_id)::numeric
  from jsonb_populate_recordset(null::public.fills, p_fills) as f
  left join public.orders as o on o.book_id = after.book_id and (
    o.client_order_id = f.client_order_id
    or (f.client_order_id = '' and o.venue = after.venue and o.symbol = f.symbol and o.venue_order_id = f.venue_order_id)
  );
  update public.fills as f set realised = r.value::numeric
  from jsonb_each_text(p_realised) as r
  where f.venue = after.venue and f.account = p_account and f.symbol = after.symbol and f.trade_id = r.key
    and f.realised <> r.value::numeric;
  perform desk.check_posting(before, after, p_fills);
  update public.orders as o set posted_qty = o.posted_qty + f.qty
  from (
    select k.order_id, sum(k.qty) as qty
    from jsonb_populate_recordset(null::public.fills, p_fills) as g
    join public.fills as k
      on (k.venue, k.account, k.symbol, k.trade_id) = (after.venue, p_account, after.symbol, g.trade_id)
    group by k.order_id
  ) as f
  where o.order_id = f.order_id;

  is_over := after.qty = 0 or before.qty * after.qty < 0;
  profit := after.realised - after.fees - before.opened_profit;
  update public.positions as p
  set qty = after.qty, cost = after.cost, realised = after.realised, fees = after.fees,
    opened_at_ms = after.opened_at_ms, version = p.version + 1,
    opened_profit = case when is_over then after.realised - after.fees else p.opened_profit end,
    guard = case when is_over then '{}' else p.guard end,
    best_price = case when not is_over then p.best_price end,
    last_fill_ms = greatest(p.last_fill_ms, (
      select max(f.event_time) from jsonb_populate_recordset(null::public.fills, p_fills) as f
    ))
  where p.book_id = after.book_id and p.venue = after.venue and p.symbol = after.symbol
  returning * into before;
  if is_over and profit <> 0 then
    update public.books as b
    set losses_in_a_row = case when profit < 0 then b.losses_in_a_row + 1 else 0 end
    where b.book_id = after.book_id;
  end if;
  return desk.position_json(before) -> 'position';
end
$$;

-- Set what protects a position, as of the version it was seen at; false when there is none.
create or replace function public.guard_position(
  p_book_id text, p_venue text, p_symbol text, p_version integer, p_guard jsonb, p_best_price numeric
) returns boolean
language plpgsql set search_path = ''
as $$
declare
  stored integer;
begin
  select p.version into stored from public.positions as p
  where p.book_id = p_book_id and p.venue = p_venue and p.symbol = p_symbol
  for update;
  if not found then
    return false;
  end if;
  perform desk.require_version('position', p_symbol, stored, p_version);
  update public.positions as p set guard = p_guard, best_price = p_best_price
  where p.book_id = p_book_id and p.venue = p_venue and p.symbol = p_symbol;
  return true;
end
$$;

-- Record what an account held before the desk used it; the first record stays. Returns it.
create or replace function public.open_account(p_venue text, p_account text, p_opening jsonb) returns jsonb
language plpgsql set search_path = ''
as $$
begin
  if exists (
    select from jsonb_each_text(p_opening) as a
    where coalesce(a.value::numeric, 'NaN') not between '-1e30' and '1e30'
  ) then
    raise exception 'column "opening": expected a quantity of each asset' using errcode = '22023';
  end if;
  insert into public.accounts (venue, account, opening) values (p_venue, p_account, p_opening)
  on conflict (venue, account) do nothing;
  return (select a.opening from public.accounts as a where a.venue = p_venue and a.account = p_account);
end
$$;

-- What an account should hold of every asset: what it opened with, and what fills moved. A future moves no assets but
-- fees and what its position realised, in what it settles in. Null when the account was never opened.
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
  )
  select (
    select coalesce(jsonb_object_agg(s.asset, s.qty::text), '{}')
    from (select m.asset, sum(m.qty) as qty from moves as m group by m.asset) as s
  )
  from public.accounts as c where c.venue = p_venue and c.account = p_account
$$;

-- Record a point of a book's equity curve, one a minute: the last one said stays.
create or replace function public.mark_equity(
  p_book_id text, p_at_ms bigint, p_equity numeric, p_realised numeric, p_fees numeric
) returns void
language sql set search_path = ''
as $$
  insert into public.equity_points as e (book_id, at_ms, equity, realised, fees)
  values (p_book_id, p_at_ms - p_at_ms % 60000, p_equity, p_realised, p_fees)
  on conflict (book_id, at_ms) do update set
    equity = excluded.equity, realised = excluded.realised, fees = excluded.fees
$$;

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'position_of(text, text, text)', 'open_positions(text)', 'fills_of(text, text, text)',
    'known_fills(text, text, text, text[])', 'post_fills(text, jsonb, jsonb, jsonb)',
    'guard_position(text, text, text, integer, jsonb, numeric)', 'open_account(text, text, jsonb)',
    'holdings(text, text)', 'mark_equity(text, bigint, numeric, numeric, numeric)'
  ] loop
    execute format('revoke all on function public.%s from public, anon, authenticated', signature);
    execute format('grant execute on function public.%s to service_role', signature);
  end loop;
end
$$;
