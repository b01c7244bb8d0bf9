-- The limits of tiers, held where people write and where the work is done: a write that asks for more is refused and names
-- the field and the limit; what is more than a tier has after a downgrade stays stored and is not worked on. Built-in
-- traders and the desk's own books have no limits. Needs 0042_roles_and_tiers.sql.

-- The tier of a person; somebody without a profile, whose account is gone, is anonymous.
create or replace function desk.tier_of(p_person uuid) returns text
language sql stable set search_path = ''
as $$
  select coalesce((select p.tier from public.profiles as p where p.user_id = p_person), 'anonymous')
$$;

create or replace function desk.limits_of(p_person uuid) returns public.tiers
language sql stable set search_path = ''
as $$
  select t from public.tiers as t where t.tier = desk.tier_of(p_person)
$$;

-- Whether the desk enters positions for an owner in a mode. Not for a viewer, who could not stop it.
create or replace function desk.may_trade(p_owner uuid, p_mode text) returns boolean
language sql stable set search_path = ''
as $$
  select p_owner is null or (
    coalesce((to_jsonb(desk.limits_of(p_owner)) ->> p_mode)::boolean, false)
    and not exists (select from public.profiles as p where p.user_id = p_owner and p.role = 'viewer')
  )
$$;

-- Refuse (22023, naming the field) a mode the owner's tier does not trade.
create or replace function desk.require_mode(p_owner uuid, p_mode text) returns void
language plpgsql set search_path = ''
as $$
begin
  if not desk.may_trade(p_owner, p_mode) then
    raise exception 'column "mode": your tier `%` does not trade %', desk.tier_of(p_owner), p_mode
      using errcode = '22023';
  end if;
end
$$;

-- Whether a trader is enabled and more than its owner's tier has: it is kept, and not evaluated. Derived by the triggers
-- below; of the traders on timeframes of the tier, the oldest stay.
alter table public.traders add column if not exists beyond_tier boolean not null default false;
create index if not exists traders_beyond_tier on public.traders (owner_id) where beyond_tier;

create or replace trigger privileged before update on public.traders for each row
  when (
    current_user in ('anon', 'authenticated')
    and (new.trader_id, new.owner_id, new.created_at, new.trading_state, new.beyond_tier)
      is distinct from (old.trader_id, old.owner_id, old.created_at, old.trading_state, old.beyond_tier)
  )
  execute function desk.refuse();

-- Hold a trader to its owner's tier. The lock of the profile makes an owner's writes, and a change of their tier, take
-- turns, so that the count is of all there are. What was stored before and is not asked for again is not refused.
create or replace function desk.fit_trader() returns trigger
language plpgsql set search_path = ''
as $$
declare
  had public.traders := case when tg_op = 'UPDATE' then old end;
  limits public.tiers;
  others integer;
  older integer;
begin
  new.beyond_tier := false;
  if new.owner_id is null
    or (current_user in ('anon', 'authenticated') and new.owner_id is distinct from auth.uid()) -- row security refuses it
  then
    return new;
  end if;
  perform from public.profiles as p where p.user_id = new.owner_id for no key update;
  if new.deleted_at is not null then
    return new;
  end if;
  limits := desk.limits_of(new.owner_id);
  if (had.trader_id is null or had.timeframe <> new.timeframe or (new.enabled and not had.enabled))
    and new.timeframe <> all (limits.timeframes)
  then
    raise exception 'column "timeframe": your tier `%` has %', limits.tier,
      coalesce(nullif(array_to_string(limits.timeframes, ', '), ''), 'none') using errcode = '22023';
  end if;
  if new.mode <> 'signals' and new.mode is distinct from had.mode then
    perform desk.require_mode(new.owner_id, new.mode);
  end if;
  if not new.enabled or limits.max_traders is null then
    new.beyond_tier := new.enabled and new.timeframe <> all (limits.timeframes);
    return new;
  end if;
  select count(*),
    count(*) filter (
      where t.timeframe = any (limits.timeframes) and (t.created_at, t.trader_id) < (new.created_at, new.trader_id)
    )
  into others, older
  from public.traders as t
  where t.owner_id = new.owner_id and t.trader_id <> new.trader_id and t.enabled and t.deleted_at is null;
  if others >= limits.max_traders
    and not coalesce(had.enabled and had.deleted_at is null and had.owner_id = new.owner_id, false)
  then
    raise exception 'column "enabled": your tier `%` has % enabled traders', limits.tier, limits.max_traders
      using errcode = '22023';
  end if;
  new.beyond_tier := new.timeframe <> all (limits.timeframes) or older >= limits.max_traders;
  return new;
end
$$;
create or replace trigger within_tier
  before insert or update of enabled, timeframe, mode, owner_id, deleted_at on public.traders
  for each row execute function desk.fit_trader();

-- Say of every enabled trader of some people whether it is beyond their tier. A change is stamped like any other, so a warm
-- function hears of it. Runs as its owner: people do not write this column.
create or replace function desk.fit_traders(p_owners uuid[]) returns void
language sql security definer set search_path = ''
as $$
  update public.traders as t set beyond_tier = f.is_beyond
  from (
    select w.trader_id, not w.is_allowed or coalesce(w.place > w.max_traders, false) as is_beyond
    from (
      select e.trader_id, e.timeframe = any ((o.limits).timeframes) as is_allowed, (o.limits).max_traders,
        row_number() over (
          partition by e.owner_id, e.timeframe = any ((o.limits).timeframes) order by e.created_at, e.trader_id
        ) as place
      from (select p as owner_id, desk.limits_of(p) as limits from unnest(p_owners) as p) as o
      join public.traders as e on e.owner_id = o.owner_id and e.enabled and e.deleted_at is null
    ) as w
  ) as f
  where f.trader_id = t.trader_id and t.beyond_tier <> f.is_beyond
$$;
revoke all on function desk.fit_traders(uuid[]) from public, anon, authenticated;

-- A trader that is beyond no longer, or gone, may leave its place to another of its owner's.
create or replace function desk.fit_other_traders() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  if old.beyond_tier or exists (
    select from public.traders as t where t.owner_id = old.owner_id and t.beyond_tier
  ) then
    perform desk.fit_traders(array[old.owner_id]);
  end if;
  return null;
end
$$;
revoke all on function desk.fit_other_traders() from public, anon, authenticated;
create or replace trigger fit_others after update of enabled, timeframe, owner_id, deleted_at on public.traders
  for each row
  when ((old.enabled, old.timeframe, old.owner_id, old.deleted_at)
    is distinct from (new.enabled, new.timeframe, new.owner_id, new.deleted_at))
  execute function desk.fit_other_traders();
create or replace trigger fit_others_left after delete on public.traders
  for each row execute function desk.fit_other_traders();

-- The traders of a person, or of everybody of a tier, when the tier or what it has changes.
create or replace function desk.fit_to_tier() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  if tg_table_name = 'tiers' then
    perform desk.fit_traders(array(select p.user_id from public.profiles as p where p.tier = new.tier));
  else
    perform desk.fit_traders(array[new.user_id]);
  end if;
  return null;
end
$$;
revoke all on function desk.fit_to_tier() from public, anon, authenticated;
create or replace trigger fit_traders after insert or update of tier on public.profiles
  for each row execute function desk.fit_to_tier();
create or replace trigger fit_traders after update of max_traders, timeframes on public.tiers
  for each row execute function desk.fit_to_tier();

-- Traders from before this file.
select desk.fit_traders(array(select distinct t.owner_id from public.traders as t where t.owner_id is not null));

-- Hold a new book, and a book's mode, to its owner's tier. A call that is repeated finds its own book and passes.
create or replace function desk.fit_book() returns trigger
language plpgsql set search_path = ''
as $$
declare
  most integer;
begin
  if new.owner_id is null
    or (current_user in ('anon', 'authenticated') and new.owner_id is distinct from auth.uid()) -- row security refuses it
  then
    return new;
  end if;
  perform from public.profiles as p where p.user_id = new.owner_id for no key update;
  most := (desk.limits_of(new.owner_id)).max_books;
  if tg_op = 'INSERT' and most <= (
    select count(*) from public.books as b where b.owner_id = new.owner_id and b.book_id <> new.book_id
  ) then
    raise exception 'column "books": your tier `%` has %', desk.tier_of(new.owner_id), most using errcode = '22023';
  end if;
  perform desk.require_mode(new.owner_id, new.mode);
  return new;
end
$$;
create or replace trigger within_tier before insert on public.books for each row execute function desk.fit_book();
create or replace trigger within_tier_mode before update on public.books for each row
  when (old.mode is distinct from new.mode) execute function desk.fit_book();

-- Nobody enters a position in a mode the book's owner may not trade; what is held may always be left.
create or replace function desk.fit_intent() returns trigger
language plpgsql set search_path = ''
as $$
begin
  perform desk.require_mode((select b.owner_id from public.books as b where b.book_id = new.book_id), new.mode);
  return new;
end
$$;
create or replace trigger within_tier before insert on public.trade_intents for each row
  when (new.purpose = 'enter') execute function desk.fit_intent();

-- Raise the intents of signals just stored, as 0022 does, of traders within their owner's tier whose mode it trades.
create or replace function desk.raise_signal_intents(p_signal_ids uuid[]) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  raised jsonb;
begin
  with stored as (
    insert into public.trade_intents (intent_id, book_id, mode, source, trader_id, signal_id, venue, symbol, purpose,
      direction, sizing, guard, algorithm, reference_price, edge_rate, raised_at_ms, expires_at_ms, correlation_id, actor)
    select desk.intent_id_of(s.trader_id, s.symbol, s.timeframe, s.close_time), b.book_id, t.mode, 'signal', t.trader_id,
      s.signal_id, case when cardinality(b.venues) = 1 then b.venues[1] end, s.symbol, 'enter', s.side,
      t.trade -> 'sizing',
      jsonb_build_object(
        'stop_price', (s.price * (1 - k.sign * (k.guard ->> 'stop_rate')::numeric))::text,
        'take_profit_price', (s.price * (1 + k.sign * (k.guard ->> 'take_profit_rate')::numeric))::text,
        'trailing_rate', k.guard ->> 'trailing_rate',
        'hold_ms', (k.guard ->> 'hold_bars')::bigint * desk.timeframe_ms(s.timeframe)
      ),
      t.trade -> 'algorithm', s.price, (t.trade ->> 'edge_rate')::numeric, s.close_time,
      s.close_time + (t.trade ->> 'horizon_ms')::bigint, s.correlation_id, 'signal'
    from public.signals as s
    join public.traders as t on t.trader_id = s.trader_id
    join public.books as b on b.book_id = t.book_id and b.mode = t.mode
    cross join lateral (
      select case s.side when 'long' then 1 else -1 end as sign, t.trade -> 'guard' as guard
    ) as k
    where s.signal_id = any (p_signal_ids) and t.enabled and t.deleted_at is null and not t.beyond_tier
      and desk.may_trade(t.owner_id, t.mode)
    order by s.trader_id, s.symbol, s.timeframe, s.close_time
    on conflict (intent_id) do nothing
    returning intent_id
  )
  select coalesce(jsonb_agg(r.intent_id order by r.intent_id), '[]') into raised from stored as r;
  return raised;
end
$$;

-- Hold a person's channels to their tier.
create or replace function desk.fit_channel() returns trigger
language plpgsql set search_path = ''
as $$
declare
  most integer;
begin
  if current_user in ('anon', 'authenticated') and new.owner_id is distinct from auth.uid() then -- row security refuses it
    return new;
  end if;
  perform from public.profiles as p where p.user_id = new.owner_id for no key update;
  most := (desk.limits_of(new.owner_id)).max_channels;
  if most <= (
    select count(*) from public.notification_channels as c
    where c.owner_id = new.owner_id and c.channel_id <> new.channel_id
  ) then
    raise exception 'column "channels": your tier `%` has %', desk.tier_of(new.owner_id), most using errcode = '22023';
  end if;
  return new;
end
$$;
create or replace trigger within_tier before insert on public.notification_channels for each row
  when (new.owner_id is not null) execute function desk.fit_channel();

-- Mute what a person is told beyond the day's number (UTC), and tell them so once. What is critical, and what the desk hears
-- too, is told all the same. Without a lock, since a shard tells many people at once: what is told in the same moment may be
-- one or two more.
create or replace function desk.fit_notification() returns trigger
language plpgsql set search_path = ''
as $$
declare
  midnight timestamptz := date_trunc('day', clock_timestamp(), 'UTC');
  most integer := (desk.limits_of(new.person_id)).notifications_per_day;
begin
  if most > (
    select count(*) from public.outbox as o
    where o.person_id = new.person_id and o.created_at >= midnight and o.muted is null and o.kind <> 'limit_reached'
  ) is not false then
    return new;
  end if;
  new.muted := format('the tier `%s` has %s notifications a day', desk.tier_of(new.person_id), most);
  new.routed_at := clock_timestamp(); -- to nobody: what comes after midnight is not gathered into it
  insert into public.outbox (kind, severity, person_id, to_desk, subject, title, body, data)
  select 'limit_reached', 'info', new.person_id, false, 'limit:notifications', 'No more notifications today',
    format('Your tier `%s` has %s notifications a day. What is critical is told all the same; everything else is in the '
      'desk, and you are told again after midnight UTC.', desk.tier_of(new.person_id), most),
    jsonb_build_object('limit', 'notifications_per_day', 'most', most)
  where most > 0 and not exists (
    select from public.outbox as o
    where o.person_id = new.person_id and o.created_at >= midnight and o.kind = 'limit_reached'
  );
  return new;
end
$$;

create or replace trigger within_tier before insert on public.outbox for each row
  when (new.person_id is not null and not new.to_desk and new.severity <> 'critical' and new.muted is null
    and new.kind <> 'limit_reached')
  execute function desk.fit_notification();

-- The tier of a person with its limits.
create or replace function public.person_tier(p_person uuid) returns jsonb
language sql stable set search_path = ''
as $$
  select to_jsonb(desk.limits_of(p_person)) - 'created_at' - 'updated_at'
$$;

-- What a person may do and has, beside what they have of it; times are UTC days. Somebody without a profile is anonymous.
create or replace function public.standing_of(p_person uuid) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'role', coalesce((select p.role from public.profiles as p where p.user_id = p_person), 'trader'),
    'tier', public.person_tier(p_person),
    'used', jsonb_build_object(
      'traders', (
        select count(*) from public.traders as t where t.owner_id = p_person and t.enabled and t.deleted_at is null
      ),
      'traders_beyond', (select count(*) from public.traders as t where t.owner_id = p_person and t.beyond_tier),
      'books', (select count(*) from public.books as b where b.owner_id = p_person),
      'channels', (select count(*) from public.notification_channels as c where c.owner_id = p_person),
      'notifications', (
        select count(*) from public.outbox as o
        where o.person_id = p_person and o.created_at >= date_trunc('day', clock_timestamp(), 'UTC')
          and o.muted is null and o.kind <> 'limit_reached'
      )
    )
  )
$$;

do $$
declare
  signature text;
begin
  foreach signature in array array['person_tier(uuid)', 'standing_of(uuid)'] loop
    execute format('revoke all on function public.%s from public, anon, authenticated', signature);
    execute format('grant execute on function public.%s to service_role', signature);
  end loop;
end
$$;
