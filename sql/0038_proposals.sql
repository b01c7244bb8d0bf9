-- Proposals: what a consensus would trade, approved at most once, by a person or by signal-agent itself; an approval
-- raises the proposal's intent in the same transaction. Times are the market's (epoch ms). Needs 0023_trading_reads.sql.
create table if not exists public.proposals (
  proposal_id text collate "C" primary key check (proposal_id ~ '^[A-Za-z0-9_-]{1,64}$'),
  book_id text collate "C" not null references public.books (book_id) on delete cascade,
  mode text not null check (mode in ('paper', 'live')),
  instrument text not null check (instrument ~ '^[^/[:space:]]{1,32}/[^/[:space:]]{1,32}$'),
  direction text not null check (direction in ('long', 'short')),
  window_start_ms bigint not null check (window_start_ms >= 0),
  notional numeric not null check (notional > 0 and notional < 'Infinity'), -- quote units
  guard jsonb not null default '{}' check (jsonb_typeof(guard) = 'object'),
  share numeric not null check (share between 0 and 1),
  confidence numeric not null check (confidence between 0 and 1),
  votes jsonb not null default '[]' check (jsonb_typeof(votes) = 'array'),
  created_at_ms bigint not null check (created_at_ms > 0),
  expires_at_ms bigint not null,
  state text not null default 'open' check (state in ('open', 'approved', 'dismissed', 'expired')),
  version integer not null default 1 check (version > 0),
  actor text not null check (length(actor) between 1 and 128),
  reason text not null default '' check (length(reason) <= 2000),
  intent_id text collate "C" unique references public.trade_intents (intent_id),
  correlation_id text not null check (length(correlation_id) between 1 and 128),
  created_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  updated_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  constraint proposals_expires_at_ms_check check (expires_at_ms > created_at_ms),
  constraint proposals_intent_id_check check ((state = 'approved') = (intent_id is not null)),
  unique (book_id, instrument, direction, window_start_ms)
);
create index if not exists proposals_open on public.proposals (expires_at_ms) where state = 'open';
create index if not exists proposals_newest on public.proposals (created_at_ms desc, proposal_id desc);

alter table public.proposals enable row level security;
revoke all on public.proposals from public, anon, authenticated;
grant select on public.proposals to authenticated;
grant all on public.proposals to service_role;
drop policy if exists "people read the proposals of their books" on public.proposals;
create policy "people read the proposals of their books" on public.proposals for select to authenticated
  using (exists (select from public.books where books.book_id = proposals.book_id));

-- Which state may follow which, as 0013, with those of proposals; shared/domain/proposals.py has the same table.
create or replace view desk.trading_steps with (security_invoker = true) as
  select s.subject, s.before, a.after
  from (values
    ('intent', 'pending', 'approved modified denied expired'),
    ('intent', 'approved', 'executing expired'),
    ('intent', 'modified', 'executing expired'),
    ('intent', 'executing', 'executed failed'),
    ('order', 'new', 'submitting cancelled'),
    ('order', 'submitting', 'open partially_filled filled cancelled rejected unknown'),
    ('order', 'open', 'partially_filled filled cancel_pending cancelled rejected unknown'),
    ('order', 'partially_filled', 'filled cancel_pending cancelled unknown'),
    ('order', 'cancel_pending', 'open partially_filled filled cancelled unknown'),
    ('order', 'unknown', 'open partially_filled filled cancelled rejected'),
    ('proposal', 'open', 'approved dismissed expired')
  ) as s (subject, before, after_states)
  cross join lateral unnest(string_to_array(s.after_states, ' ')) as a (after);
revoke all on desk.trading_steps from public, anon, authenticated;
grant select on desk.trading_steps to service_role;

-- Their steps are kept with all others, and read by whoever sees the proposal.
alter table public.trading_transitions drop constraint if exists trading_transitions_subject_check;
alter table public.trading_transitions add constraint trading_transitions_subject_check
  check (subject in ('desk', 'book', 'venue', 'symbol', 'trader', 'intent', 'order', 'proposal'));
drop policy if exists "people read the steps of what they see" on public.trading_transitions;
create policy "people read the steps of what they see" on public.trading_transitions for select to authenticated
  using (case subject
    when 'intent' then exists (select from public.trade_intents as i where i.intent_id = subject_id)
    when 'order' then exists (select from public.orders as o where o.order_id = subject_id)
    when 'book' then exists (select from public.books as b where b.book_id = subject_id)
    when 'proposal' then exists (select from public.proposals as p where p.proposal_id = subject_id)
    else false
  end);

-- What every proposal keeps to, whoever writes it. Approving one passes the gate its intent will have to pass.
create or replace function desk.check_proposal() returns trigger
language plpgsql set search_path = ''
as $$
begin
  if tg_op = 'INSERT' then
    if new.state <> 'open' then
      raise exception 'proposal %: it begins as open, not %', new.proposal_id, new.state using errcode = 'ND002';
    end if;
    if not exists (select from public.books as b where b.book_id = new.book_id and b.mode = new.mode) then
      raise exception 'column "mode": book % is not a % book', new.book_id, new.mode using errcode = '22023';
    end if;
    new.version := 1;
    return new;
  end if;
  new.updated_at := greatest(date_trunc('milliseconds', clock_timestamp()), old.updated_at + interval '1 millisecond');
  if new.state is distinct from old.state then
    perform desk.require_step('proposal', new.proposal_id, old.state, new.state);
  end if;
  new.version := old.version + 1;
  if new.state = 'approved' then
    perform desk.require_trading(
      new.book_id, null, new.instrument, null, case new.direction when 'long' then 'buy' else 'sell' end, null, 'slice',
      true
    );
  end if;
  return new;
end
$$;
create or replace trigger check_proposal before insert or update on public.proposals
  for each row execute function desk.check_proposal();
create or replace trigger keep_identity before update on public.proposals for each row
  when (
    (new.proposal_id, new.book_id, new.mode, new.instrument, new.direction, new.window_start_ms, new.notional, new.guard,
      new.share, new.confidence, new.votes, new.created_at_ms, new.expires_at_ms, new.correlation_id)
    is distinct from
    (old.proposal_id, old.book_id, old.mode, old.instrument, old.direction, old.window_start_ms, old.notional, old.guard,
      old.share, old.confidence, old.votes, old.created_at_ms, old.expires_at_ms, old.correlation_id)
  )
  execute function desk.refuse();
create or replace trigger record_first_step after insert on public.proposals for each row
  execute function desk.record_step('proposal');
create or replace trigger record_step after update on public.proposals for each row
  when (old.state is distinct from new.state) execute function desk.record_step('proposal');

-- A proposal as the desk reads it; decimals as text.
create or replace function desk.proposal_json(p public.proposals) returns jsonb
language sql immutable set search_path = ''
as $$
  select jsonb_build_object(
    'proposal_id', p.proposal_id, 'book_id', p.book_id, 'mode', p.mode, 'instrument', p.instrument,
    'direction', p.direction, 'window_start_ms', p.window_start_ms, 'notional', p.notional::text, 'guard', p.guard,
    'share', p.share::text, 'confidence', p.confidence::text, 'votes', p.votes, 'created_at_ms', p.created_at_ms,
    'expires_at_ms', p.expires_at_ms, 'state', p.state, 'version', p.version, 'actor', p.actor, 'reason', p.reason,
    'intent_id', p.intent_id, 'correlation_id', p.correlation_id
  )
$$;

-- Store a proposal unless one of its book, instrument and direction is of the same window, or younger than the cool-down;
-- returns the one that stands, whether it is new, and the outbox row (desk.tell, 0040) by which the book's owner, or of the
-- desk's own books the desk, is told of a new one: whether it asks them, or is approved without them. The other side's open
-- ones expire. One instrument of a book is proposed for at a time, so that two instances on both sides of a window make one.
create or replace function public.propose(
  p_proposal jsonb, p_cooldown_ms bigint, p_asks boolean, p_actor text, p_reason text
) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  given public.proposals := jsonb_populate_record(null::public.proposals, p_proposal);
  standing public.proposals;
  told uuid;
begin
  perform pg_advisory_xact_lock(hashtextextended(format('proposal %s %s', given.book_id, given.instrument), 0));
  update public.proposals as p set state = 'expired', actor = p_actor, reason = 'the sources say otherwise by now'
  where p.book_id = given.book_id and p.instrument = given.instrument and p.direction <> given.direction
    and p.state = 'open';
  select * into standing from public.proposals as p
  where p.book_id = given.book_id and p.instrument = given.instrument and p.direction = given.direction
    and (p.window_start_ms = given.window_start_ms or p.created_at_ms > given.created_at_ms - p_cooldown_ms)
  order by p.created_at_ms desc, p.proposal_id desc
  limit 1;
  if found then
    return jsonb_build_object('proposal', desk.proposal_json(standing), 'is_new', false, 'told', null);
  end if;
  insert into public.proposals (proposal_id, book_id, mode, instrument, direction, window_start_ms, notional, guard,
    share, confidence, votes, created_at_ms, expires_at_ms, correlation_id, actor, reason)
  values (given.proposal_id, given.book_id, given.mode, given.instrument, given.direction, given.window_start_ms,
    given.notional, given.guard, given.share, given.confidence, given.votes, given.created_at_ms, given.expires_at_ms,
    given.correlation_id, p_actor, p_reason)
  returning * into standing;
  select desk.tell('proposal', 'info', b.owner_id, b.owner_id is null, 'proposal:' || standing.proposal_id, null, null,
    desk.proposal_json(standing) - 'votes' || jsonb_build_object('sentence', p_reason, 'asks', p_asks),
    standing.correlation_id)
  into told
  from public.books as b where b.book_id = standing.book_id;
  return jsonb_build_object('proposal', desk.proposal_json(standing), 'is_new', true, 'told', told);
end
$$;

-- Approve a proposal and raise its intent; one approved before is returned as it is, whoever approved it. Null when there
-- is none.
create or replace function public.approve_proposal(
  p_proposal_id text, p_version integer, p_intent jsonb, p_actor text, p_reason text, p_now_ms bigint
) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  proposal public.proposals;
begin
  select * into proposal from public.proposals as p where p.proposal_id = p_proposal_id for update;
  if not found then
    return null;
  end if;
  if proposal.state = 'approved' then
    return desk.proposal_json(proposal);
  end if;
  perform desk.require_step('proposal', p_proposal_id, proposal.state, 'approved');
  perform desk.require_version('proposal', p_proposal_id, proposal.version, p_version);
  if p_now_ms >= proposal.expires_at_ms then
    raise exception 'proposal %: its time is over', p_proposal_id using errcode = 'ND002';
  end if;
  if (p_intent ->> 'book_id', p_intent ->> 'mode', p_intent ->> 'symbol', p_intent ->> 'direction',
      p_intent ->> 'purpose', (p_intent #>> '{sizing,value}')::numeric)
    is distinct from (proposal.book_id, proposal.mode, proposal.instrument, proposal.direction, 'enter', proposal.notional)
  then
    raise exception 'column "intent": it is not what proposal % asks for', p_proposal_id using errcode = '22023';
  end if;
  perform public.raise_intent(p_intent, p_actor, null);
  update public.proposals as p
  set state = 'approved', intent_id = p_intent ->> 'intent_id', actor = p_actor, reason = p_reason
  where p.proposal_id = p_proposal_id
  returning * into proposal;
  return desk.proposal_json(proposal);
end
$$;

-- Dismiss a proposal; one dismissed before is returned as it is. Null when there is none.
create or replace function public.dismiss_proposal(
  p_proposal_id text, p_version integer, p_actor text, p_reason text
) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  proposal public.proposals;
begin
  select * into proposal from public.proposals as p where p.proposal_id = p_proposal_id for update;
  if not found then
    return null;
  end if;
  if proposal.state = 'dismissed' then
    return desk.proposal_json(proposal);
  end if;
  perform desk.require_step('proposal', p_proposal_id, proposal.state, 'dismissed');
  perform desk.require_version('proposal', p_proposal_id, proposal.version, p_version);
  update public.proposals as p set state = 'dismissed', actor = p_actor, reason = p_reason
  where p.proposal_id = p_proposal_id
  returning * into proposal;
  return desk.proposal_json(proposal);
end
$$;

-- Expire the open proposals whose time is over; returns how many.
create or replace function public.expire_proposals(p_now_ms bigint) returns integer
language plpgsql set search_path = ''
as $$
declare
  expired integer;
begin
  update public.proposals as p set state = 'expired', actor = 'sweep', reason = 'nobody decided in time'
  where p.proposal_id in (
    select e.proposal_id from public.proposals as e
    where e.state = 'open' and e.expires_at_ms <= p_now_ms
    order by e.proposal_id
    for update skip locked
  );
  get diagnostics expired = row_count;
  return expired;
end
$$;

-- Proposals, newest first, from before a place in that order. Runs with the rights of its caller, as the next.
create or replace function public.list_proposals(
  p_limit integer, p_before_ms bigint, p_before_id text, p_state text, p_book_id text
) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(l.told order by l.created_at_ms desc, l.proposal_id desc), '[]')
  from (
    select desk.proposal_json(p) as told, p.created_at_ms, p.proposal_id
    from public.proposals as p
    where (p_before_ms is null or (p.created_at_ms, p.proposal_id) < (p_before_ms, p_before_id))
      and (p_state is null or p.state = p_state) and (p_book_id is null or p.book_id = p_book_id)
    order by p.created_at_ms desc, p.proposal_id desc
    limit p_limit
  ) as l
$$;

-- One proposal; null when there is none to be seen.
create or replace function public.get_proposal(p_proposal_id text) returns jsonb
language sql stable set search_path = ''
as $$
  select desk.proposal_json(p) from public.proposals as p where p.proposal_id = p_proposal_id
$$;

-- Every step of everything with a correlation id, oldest first, as 0019, with proposals.
create or replace function public.trace(p_correlation_id text) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(
    jsonb_build_object('at', s.at, 'subject', s.subject, 'id', s.id, 'intent_id', s.intent_id, 'before', s.before,
      'after', s.after, 'actor', s.actor, 'reason', s.reason, 'details', s.details)
    order by s.at, s.step_no, s.id
  ), '[]')
  from (
    select g.recorded_at as at, 0 as step_no, 'signal' as subject, g.signal_id::text as id, null as intent_id,
      null as before, 'recorded' as after, g.trader_id as actor, '' as reason,
      jsonb_build_object('symbol', g.symbol, 'side', g.side, 'price', g.price::text, 'close_time', g.close_time) as details
    from public.signals as g where g.correlation_id = p_correlation_id
    union all
    select t.at, t.step_no, t.subject, t.subject_id, coalesce(i.intent_id, o.intent_id, p.intent_id), t.before, t.after,
      t.actor, t.reason, case
        when t.subject = 'proposal' then case when t.before is null then desk.proposal_json(p) end
        when t.after in ('approved', 'modified', 'denied') then i.decision
        when t.after = 'executing' then i.plan
        when t.before is null and t.subject = 'intent' then desk.intent_json(i)
        when t.before is null then desk.order_json(o)
      end
    from public.trading_transitions as t
    left join public.trade_intents as i on t.subject = 'intent' and i.intent_id = t.subject_id
    left join public.orders as o on t.subject = 'order' and o.order_id = t.subject_id
    left join public.proposals as p on t.subject = 'proposal' and p.proposal_id = t.subject_id
    where t.correlation_id = p_correlation_id
    union all
    select f.posted_at, 0, 'fill', f.trade_id, o.intent_id, null, 'posted', f.venue, '', desk.fill_json(f)
    from public.fills as f join public.orders as o on o.order_id = f.order_id
    where o.correlation_id = p_correlation_id
  ) as s
$$;

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'propose(jsonb, bigint, boolean, text, text)', 'approve_proposal(text, integer, jsonb, text, text, bigint)',
    'dismiss_proposal(text, integer, text, text)', 'expire_proposals(bigint)'
  ] loop
    execute format('revoke all on function public.%s from public, anon, authenticated', signature);
    execute format('grant execute on function public.%s to service_role', signature);
  end loop;
  foreach signature in array array[
    'list_proposals(integer, bigint, text, text, text)', 'get_proposal(text)'
  ] loop
    execute format('revoke all on function public.%s from public, anon, authenticated', signature);
    execute format('grant execute on function public.%s to authenticated, service_role', signature);
  end loop;
end
$$;
