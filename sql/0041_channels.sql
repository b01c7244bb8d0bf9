-- Where people are told: channels, what is delivered to each, and what signals tell. Needs 0040_outbox.sql.
create table if not exists public.notification_channels (
  channel_id uuid primary key default gen_random_uuid(),
  owner_id uuid, -- null is the desk's
  name text not null check (length(name) between 1 and 80),
  kind text not null check (kind in ('apprise', 'webhook')),
  target text not null check (length(target) between 1 and 2000), -- secret: it has tokens in it
  shown text not null check (length(shown) between 1 and 200), -- the target without what is secret
  secret text check (length(secret) between 16 and 200), -- signs what a webhook is sent
  min_severity text not null default 'info' check (min_severity in ('info', 'warning', 'critical')),
  kinds text[] not null default '{}' check (array_position(kinds, null) is null and cardinality(kinds) <= 20), -- empty: all
  quiet_from integer check (quiet_from between 0 and 1439), -- minutes of the local day
  quiet_to integer check (quiet_to between 0 and 1439),
  time_zone text not null default 'UTC' check (time_zone ~ '^(UTC|[A-Za-z_]+(/[A-Za-z0-9_+-]+)+)$'),
  digest_ms integer not null default 60000 check (digest_ms between 0 and 3600000),
  enabled boolean not null default true,
  failures integer not null default 0 check (failures >= 0), -- in a row
  failing_since timestamptz,
  last_error text check (length(last_error) <= 500),
  last_sent_at timestamptz,
  version integer not null default 1 check (version > 0),
  created_at timestamptz not null default clock_timestamp(),
  check ((quiet_from is null) = (quiet_to is null) and quiet_from is distinct from quiet_to or quiet_from is null),
  check ((kind = 'webhook') = (secret is not null)),
  check ((failures > 0) = (failing_since is not null))
);
create index if not exists notification_channels_of_owner on public.notification_channels (owner_id, name, channel_id);

alter table public.notification_channels enable row level security;
revoke all on public.notification_channels from public, anon, authenticated;
grant select (channel_id, owner_id, name, kind, shown, min_severity, kinds, quiet_from, quiet_to, time_zone, digest_ms,
  enabled, failures, failing_since, last_error, last_sent_at, version, created_at)
  on public.notification_channels to authenticated; -- and neither target nor secret
grant all on public.notification_channels to service_role;
drop policy if exists "people read their channels" on public.notification_channels;
create policy "people read their channels" on public.notification_channels for select to authenticated
  using (owner_id = (select auth.uid()));

create table if not exists public.notification_deliveries (
  delivery_id uuid primary key default gen_random_uuid(),
  outbox_id uuid not null references public.outbox (outbox_id) on delete cascade,
  channel_id uuid not null references public.notification_channels (channel_id) on delete cascade,
  state text not null default 'pending' check (state in ('pending', 'sending', 'sent', 'failed', 'muted')),
  attempts integer not null default 0 check (attempts >= 0),
  next_at timestamptz not null default clock_timestamp(),
  holder uuid,
  lease_until timestamptz,
  last_error text check (length(last_error) <= 500),
  digest_id uuid, -- what went out as one message has one
  sent_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  unique (outbox_id, channel_id),
  check ((state = 'sending') = (holder is not null and lease_until is not null)),
  check ((state = 'sent') = (sent_at is not null))
);
create index if not exists notification_deliveries_waiting on public.notification_deliveries (channel_id, next_at)
  where state in ('pending', 'sending');
create index if not exists notification_deliveries_newest on public.notification_deliveries
  (channel_id, created_at desc, delivery_id desc);
create index if not exists notification_deliveries_age on public.notification_deliveries (created_at);

alter table public.notification_deliveries enable row level security;
revoke all on public.notification_deliveries from public, anon, authenticated;
grant select on public.notification_deliveries to authenticated;
grant all on public.notification_deliveries to service_role;
drop policy if exists "people read what their channels were sent" on public.notification_deliveries;
create policy "people read what their channels were sent" on public.notification_deliveries for select to authenticated
  using (exists (
    select from public.notification_channels as c
    where c.channel_id = notification_deliveries.channel_id and c.owner_id = (select auth.uid())
  ));

-- A time zone nobody knows is refused, and what waits for a channel that is switched off is not sent later.
create or replace function desk.check_channel() returns trigger
language plpgsql set search_path = ''
as $$
begin
  perform clock_timestamp() at time zone new.time_zone;
  if tg_op = 'UPDATE' and old.enabled and not new.enabled then
    update public.notification_deliveries as d
    set state = 'muted', holder = null, lease_until = null, last_error = 'the channel was switched off'
    where d.channel_id = new.channel_id and d.state in ('pending', 'sending');
  end if;
  return new;
end
$$;
revoke all on function desk.check_channel() from public, anon, authenticated;
create or replace trigger check_channel before insert or update of time_zone, enabled on public.notification_channels
  for each row execute function desk.check_channel();

-- Channels go with the account they are of.
create or replace function desk.drop_channels() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  delete from public.notification_channels as c where c.owner_id = old.user_id;
  return old;
end
$$;
revoke all on function desk.drop_channels() from public, anon, authenticated;
create or replace trigger drop_channels after delete on public.profiles for each row execute function desk.drop_channels();

create or replace function desk.epoch_ms(p_at timestamptz) returns bigint
language sql immutable parallel safe set search_path = ''
as $$
  select floor(extract(epoch from p_at) * 1000)::bigint
$$;

-- How much later than UTC the clocks of a time zone are at an instant (ms).
create or replace function desk.utc_offset_ms(p_zone text, p_at timestamptz) returns bigint
language sql stable set search_path = ''
as $$
  select round(extract(epoch from (p_at at time zone p_zone) - (p_at at time zone 'UTC')) * 1000)::bigint
$$;

-- What is due and has no deliveries yet, oldest first, with the channels it may be for.
create or replace function public.unrouted_outbox(p_limit integer) returns jsonb
language sql volatile set search_path = ''
as $$
  with due as materialized (
    select o.outbox_id, o.kind, o.severity, o.person_id, o.to_desk,
      coalesce(o.data ->> 'channel_id', o.data -> 'details' ->> 'channel_id') as channel_id
    from public.outbox as o
    where o.routed_at is null and o.muted is null and o.due_at <= clock_timestamp()
    order by o.due_at, o.outbox_id
    limit p_limit
  )
  select jsonb_build_object(
    'rows', (select coalesce(jsonb_agg(to_jsonb(d)), '[]') from due as d),
    'channels', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'channel_id', c.channel_id, 'owner_id', c.owner_id, 'min_severity', c.min_severity, 'kinds', c.kinds
      )), '[]')
      from public.notification_channels as c
      where c.enabled and (
        (c.owner_id is null and exists (select from due as d where d.to_desk))
        or c.owner_id in (select d.person_id from due as d)
      )
    )
  )
$$;

-- Make the deliveries of what was decided: {"outbox_id", "channels": [id, …]}. Done before, nothing changes.
create or replace function public.route_outbox(p_routes jsonb) returns integer
language plpgsql set search_path = ''
as $$
declare
  made integer;
begin
  with routed as (
    update public.outbox as o set routed_at = clock_timestamp()
    from jsonb_to_recordset(p_routes) as r (outbox_id uuid)
    where o.outbox_id = r.outbox_id and o.routed_at is null
    returning o.outbox_id
  ), delivered as (
    insert into public.notification_deliveries (outbox_id, channel_id)
    select r.outbox_id, c.channel_id
    from jsonb_to_recordset(p_routes) as r (outbox_id uuid, channels jsonb)
    join routed using (outbox_id)
    cross join lateral jsonb_array_elements_text(r.channels) as w (channel_id)
    join public.notification_channels as c on c.channel_id = w.channel_id::uuid
    on conflict (outbox_id, channel_id) do nothing
    returning 1
  )
  select count(*) into made from delivered;
  return made;
end
$$;

-- Take what is due for up to p_channels channels, at most p_rows of each, to be sent by one holder until its lease ends.
-- A channel another holder is sending to is left out, so that what is held back, and gathered, is decided in one place.
create or replace function public.claim_deliveries(p_holder uuid, p_lease_ms bigint, p_channels integer, p_rows integer)
returns jsonb
language plpgsql set search_path = ''
as $$
declare
  now_at timestamptz := clock_timestamp();
  chosen uuid[];
  taken jsonb;
begin
  with waiting as (
    select d.channel_id, min(d.next_at) as since
    from public.notification_deliveries as d
    where d.state in ('pending', 'sending')
    group by d.channel_id
    having bool_or(
        d.state = 'pending' and d.next_at <= now_at
        or d.state = 'sending' and (d.lease_until <= now_at or d.holder = p_holder)
      ) and not bool_or(d.state = 'sending' and d.lease_until > now_at and d.holder <> p_holder)
  ), locked as (
    select c.channel_id
    from public.notification_channels as c join waiting as w using (channel_id)
    where c.enabled
    order by w.since, c.channel_id
    limit p_channels
    for update of c skip locked
  )
  select coalesce(array_agg(l.channel_id), '{}') into chosen from locked as l;
  -- Another holder may have claimed between the look and the lock: it is looked at again under the lock.
  with ranked as (
    select d.delivery_id, row_number() over (partition by d.channel_id order by d.created_at, d.delivery_id) as place
    from public.notification_deliveries as d
    where d.channel_id = any (chosen)
      and (
        d.state = 'pending' and d.next_at <= now_at
        or d.state = 'sending' and (d.lease_until <= now_at or d.holder = p_holder) -- its answer was lost
      )
      and not exists (
        select from public.notification_deliveries as s
        where s.channel_id = d.channel_id and s.state = 'sending' and s.lease_until > now_at and s.holder <> p_holder
      )
  ), claimed as (
    update public.notification_deliveries as d
    set state = 'sending', holder = p_holder, lease_until = now_at + p_lease_ms * interval '1 millisecond'
    from ranked as r
    where d.delivery_id = r.delivery_id and r.place <= p_rows
    returning d.*
  )
  select coalesce(jsonb_agg(jsonb_build_object(
    'channel_id', c.channel_id, 'owner_id', c.owner_id, 'name', c.name, 'kind', c.kind, 'target', c.target,
    'secret', c.secret, 'quiet_from', c.quiet_from, 'quiet_to', c.quiet_to, 'digest_ms', c.digest_ms,
    'utc_offset_ms', desk.utc_offset_ms(c.time_zone, now_at),
    'utc_offset_tomorrow_ms', desk.utc_offset_ms(c.time_zone, now_at + interval '24 hours'),
    'sent_ms', (
      select coalesce(jsonb_agg(m.sent_ms), '[]')
      from (
        select max(desk.epoch_ms(s.sent_at)) as sent_ms
        from public.notification_deliveries as s
        where s.channel_id = c.channel_id and s.state = 'sent'
          and s.sent_at > now_at - c.digest_ms * interval '1 millisecond'
        group by coalesce(s.digest_id, s.delivery_id) -- a digest is one message
      ) as m
    ),
    'deliveries', t.deliveries
  )), '[]') into taken
  from (
    select d.channel_id, jsonb_agg(jsonb_build_object(
      'delivery_id', d.delivery_id, 'attempts', d.attempts, 'created_at_ms', desk.epoch_ms(d.created_at),
      'outbox_id', o.outbox_id, 'kind', o.kind, 'severity', o.severity, 'title', o.title, 'body', o.body,
      'data', o.data, 'correlation_id', o.correlation_id
    ) order by o.created_at, d.delivery_id) as deliveries
    from claimed as d join public.outbox as o using (outbox_id)
    group by d.channel_id
  ) as t
  join public.notification_channels as c using (channel_id);
  return jsonb_build_object('now_ms', desk.epoch_ms(now_at), 'channels', taken);
end
$$;

-- Store what became of what a holder took: p_results of deliveries, p_channels {"channel_id", "error"} of channels that
-- were sent to. What is another holder's by now stays as it is. Returns how many deliveries were changed, and the
-- channels with how often in a row they have failed, now and before.
create or replace function public.settle_deliveries(p_holder uuid, p_results jsonb, p_channels jsonb) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  changed integer;
  channels jsonb;
begin
  update public.notification_deliveries as d
  set state = r.state, attempts = d.attempts + r.attempted::integer, last_error = left(r.error, 500),
    digest_id = coalesce(r.digest_id, d.digest_id), holder = null, lease_until = null,
    next_at = coalesce(to_timestamp(r.next_at_ms / 1000.0), d.next_at),
    sent_at = case when r.state = 'sent' then to_timestamp(r.at_ms / 1000.0) end
  from jsonb_to_recordset(p_results) as r (
    delivery_id uuid, state text, attempted boolean, error text, digest_id uuid, next_at_ms bigint, at_ms bigint
  )
  where d.delivery_id = r.delivery_id and d.state = 'sending' and d.holder = p_holder;
  get diagnostics changed = row_count;
  with told as (
    select t.channel_id, t.error, c.failures as before
    from jsonb_to_recordset(p_channels) as t (channel_id uuid, error text)
    join public.notification_channels as c using (channel_id)
    order by t.channel_id
    for update of c
  ), marked as (
    update public.notification_channels as c
    set failures = case when t.error is null then 0 else c.failures + 1 end,
      failing_since = case when t.error is null then null else coalesce(c.failing_since, clock_timestamp()) end,
      last_error = left(t.error, 500),
      last_sent_at = case when t.error is null then clock_timestamp() else c.last_sent_at end
    from told as t
    where c.channel_id = t.channel_id
    returning c.channel_id, c.owner_id, c.name, c.failures, t.before, c.last_error,
      desk.epoch_ms(c.failing_since) as failing_since_ms
  )
  select coalesce(jsonb_agg(to_jsonb(m)), '[]') into channels from marked as m;
  return jsonb_build_object('changed', changed, 'channels', channels);
end
$$;

-- The delivery log of a person's channels, or the desk's, newest first, those before a cursor.
create or replace function public.list_deliveries(
  p_owner_id uuid, p_channel_id uuid, p_limit integer, p_before_ms bigint, p_before_id uuid
) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(to_jsonb(f) order by f.created_at_ms desc, f.delivery_id desc), '[]')
  from (
    select d.delivery_id, d.channel_id, c.name as channel, d.state, d.attempts, d.last_error, d.digest_id, o.kind,
      o.severity, o.subject, desk.epoch_ms(d.created_at) as created_at_ms, desk.epoch_ms(d.sent_at) as sent_at_ms,
      case when d.state = 'pending' then desk.epoch_ms(d.next_at) end as next_at_ms
    from public.notification_deliveries as d
    join public.notification_channels as c using (channel_id)
    join public.outbox as o using (outbox_id)
    where c.owner_id is not distinct from p_owner_id and (p_channel_id is null or d.channel_id = p_channel_id)
      and (p_before_ms is null or (desk.epoch_ms(d.created_at), d.delivery_id) < (p_before_ms, p_before_id))
    order by desk.epoch_ms(d.created_at) desc, d.delivery_id desc
    limit p_limit
  ) as f
$$;

-- Have a channel be sent a message that says so, the way every other goes. Null when there is no such channel.
create or replace function public.test_channel(p_channel_id uuid) returns uuid
language sql volatile set search_path = ''
as $$
  select desk.tell('test', 'info', c.owner_id, c.owner_id is null, 'test:' || c.channel_id, null, null,
    jsonb_build_object('channel_id', c.channel_id, 'name', c.name), null)
  from public.notification_channels as c where c.channel_id = p_channel_id
$$;

-- What is shown of the signals of a person at one boundary, beside their number.
create or replace function desk.first_signals(p_signals jsonb) returns jsonb
language sql immutable set search_path = ''
as $$
  select coalesce(jsonb_agg(s.value order by s.place), '[]')
  from jsonb_array_elements(p_signals) with ordinality as s (value, place)
  where s.place <= 20
$$;

-- Signals tell their traders' owners, who have a channel that wants them: all of a person's at one boundary are one
-- row, which waits five seconds for the other shards.
create or replace function desk.tell_signals() returns trigger
language plpgsql set search_path = ''
as $$
begin
  if not exists (select from public.notification_channels as c where c.enabled and c.owner_id is not null) then
    return null;
  end if;
  insert into public.outbox as o (kind, severity, person_id, to_desk, subject, data, correlation_id, due_at)
  select 'signal', 'info', t.owner_id, false,
    format('signals:%s:%s:%s:%s', t.owner_id, n.venue, n.timeframe, n.close_time),
    jsonb_build_object('venue', n.venue, 'timeframe', n.timeframe, 'close_time', n.close_time, 'signals', count(*),
      'first', desk.first_signals(jsonb_agg(jsonb_build_object(
        'signal_id', n.signal_id, 'trader', t.name, 'symbol', n.symbol, 'side', n.side, 'price', n.price::text
      ) order by t.name, n.symbol))),
    min(n.correlation_id), clock_timestamp() + interval '5 seconds'
  from stored as n
  join public.traders as t on t.trader_id = n.trader_id
  where exists (
    select from public.notification_channels as c
    where c.owner_id = t.owner_id and c.enabled and c.min_severity = 'info'
      and (c.kinds = '{}' or 'signal' = any (c.kinds))
  )
  group by t.owner_id, n.venue, n.timeframe, n.close_time
  order by t.owner_id -- one order for everybody: no deadlock
  on conflict (subject) where routed_at is null and kind = 'signal' do update set
    data = excluded.data || jsonb_build_object(
      'signals', (o.data ->> 'signals')::integer + (excluded.data ->> 'signals')::integer,
      'first', desk.first_signals((o.data -> 'first') || (excluded.data -> 'first'))
    );
  return null;
end
$$;
create or replace trigger tell_signals after insert on public.signals
  referencing new table as stored for each statement execute function desk.tell_signals();

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'public.unrouted_outbox(integer)', 'public.route_outbox(jsonb)',
    'public.claim_deliveries(uuid, bigint, integer, integer)', 'public.settle_deliveries(uuid, jsonb, jsonb)',
    'public.list_deliveries(uuid, uuid, integer, bigint, uuid)', 'public.test_channel(uuid)', 'desk.tell_signals()',
    'desk.first_signals(jsonb)', 'desk.epoch_ms(timestamptz)', 'desk.utc_offset_ms(text, timestamptz)'
  ] loop
    execute format('revoke all on function %s from public, anon, authenticated', signature);
    execute format('grant execute on function %s to service_role', signature);
  end loop;
end
$$;
