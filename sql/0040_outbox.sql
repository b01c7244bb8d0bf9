-- What people are to be told, stored in the transaction that makes it true. Needs 0039_alert_life.sql.
create table if not exists public.outbox (
  outbox_id uuid primary key default gen_random_uuid(),
  kind text not null check (kind ~ '^[a-z_]{1,64}$'),
  severity text not null check (severity in ('info', 'warning', 'critical')),
  person_id uuid, -- whom it concerns; null is the desk's operators
  to_desk boolean not null, -- whether channels of the desk hear it
  subject text not null check (length(subject) between 1 and 400), -- what it is about, to find what is about the same
  title text not null default '' check (length(title) <= 300), -- empty: made of `data` when it is sent
  body text not null default '' check (length(body) <= 8000),
  data jsonb not null default '{}' check (jsonb_typeof(data) = 'object'),
  correlation_id text not null default '' check (length(correlation_id) <= 128),
  created_at timestamptz not null default clock_timestamp(),
  due_at timestamptz not null default clock_timestamp(), -- until then more may be gathered into it
  routed_at timestamptz, -- when its deliveries were made
  muted text check (length(muted) between 1 and 200), -- why nobody is told; null where somebody is
  check (person_id is not null or to_desk)
);
create index if not exists outbox_waiting on public.outbox (due_at) where routed_at is null and muted is null;
create unique index if not exists outbox_gathering on public.outbox (subject) where routed_at is null and kind = 'signal';
create index if not exists outbox_of_person on public.outbox (person_id, created_at) where person_id is not null;
create index if not exists outbox_age on public.outbox (created_at);

alter table public.outbox enable row level security;
revoke all on public.outbox from public, anon, authenticated;
grant select on public.outbox to authenticated;
grant all on public.outbox to service_role;
drop policy if exists "people read what they are told" on public.outbox;
create policy "people read what they are told" on public.outbox for select to authenticated
  using (person_id = (select auth.uid()));

-- Store something people are to be told, for whoever makes it true; the text is made of p_data where it is empty.
create or replace function desk.tell(
  p_kind text, p_severity text, p_person_id uuid, p_to_desk boolean, p_subject text, p_title text, p_body text,
  p_data jsonb, p_correlation_id text
) returns uuid
language sql set search_path = ''
as $$
  insert into public.outbox (kind, severity, person_id, to_desk, subject, title, body, data, correlation_id)
  values (p_kind, p_severity, p_person_id, p_to_desk or p_person_id is null, p_subject, coalesce(p_title, ''),
    coalesce(p_body, ''), coalesce(p_data, '{}'), coalesce(p_correlation_id, ''))
  returning outbox_id
$$;

-- Tell what has become of an alert: the owner of its book, or the person it is of, and the desk, but not of one person's
-- own channels.
create or replace function desk.tell_alert(p_kind text, a public.alerts) returns uuid
language sql set search_path = ''
as $$
  select desk.tell(
    p_kind, a.severity, coalesce(a.person_id, (select b.owner_id from public.books as b where b.book_id = a.book_id)),
    a.person_id is null, 'alert:' || a.dedupe_key, null, null, desk.alert_json(a), replace(a.alert_id::text, '-', '')
  )
$$;

drop function if exists public.settle_alerts(text[], jsonb, bigint); -- it told nobody

-- Say what is wrong now of everything whose key begins with one of the prefixes: what is new opens, what is known is
-- counted, what is no longer wrong resolves. The same call at the same instant counts once. What is wrong again within
-- p_cool_down_ms of its resolution is the same alert, opened again; nobody is told, unless it is more severe than
-- anybody was told of, or stays for as long as the cool-down. Returns {"open": n, "opened": [key, …], "raised": […],
-- "resolved": […], "told": [outbox_id, …]}.
create or replace function public.settle_alerts(
  p_prefixes text[], p_alerts jsonb, p_at_ms bigint, p_cool_down_ms bigint
) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  w record;
  a public.alerts;
  is_new boolean;
  opened text[] := '{}';
  raised text[] := '{}';
  resolved text[] := '{}';
  told uuid[] := '{}';
  still integer;
begin
  for w in
    select * from jsonb_to_recordset(p_alerts) as t (
      dedupe_key text, kind text, severity text, sentence text, book_id text, person_id uuid, details jsonb
    )
    where exists (select from unnest(p_prefixes) as p where starts_with(t.dedupe_key, p))
    order by t.dedupe_key -- one order for everybody: no deadlock
  loop
    update public.alerts as t -- one that is not over for long is the same one
    set state = 'open', resolved_at_ms = null, reopened = t.reopened + 1, opened_at_ms = p_at_ms, is_quiet = true,
      acknowledged_by = null, acknowledged_at_ms = null
    where t.state = 'resolved' and t.alert_id = (
      select r.alert_id from public.alerts as r
      where r.dedupe_key = w.dedupe_key and r.state = 'resolved' and r.resolved_at_ms > p_at_ms - p_cool_down_ms
      order by r.resolved_at_ms desc limit 1
    ) and not exists (
      select from public.alerts as o where o.dedupe_key = w.dedupe_key and o.state <> 'resolved'
    );
    insert into public.alerts as t (dedupe_key, kind, severity, sentence, book_id, person_id, details, first_at_ms,
      last_at_ms, opened_at_ms)
    values (w.dedupe_key, w.kind, w.severity, w.sentence, w.book_id, w.person_id, coalesce(w.details, '{}'), p_at_ms,
      p_at_ms, p_at_ms)
    on conflict (dedupe_key) where state <> 'resolved' do update set
      seen = t.seen + (t.last_at_ms < excluded.last_at_ms)::integer, sentence = excluded.sentence,
      severity = excluded.severity, details = excluded.details, last_at_ms = greatest(t.last_at_ms, excluded.last_at_ms)
    returning t.* into a;
    is_new := a.told_severity is null or (a.is_quiet and p_at_ms - a.opened_at_ms >= p_cool_down_ms);
    if is_new or desk.severity_rank(a.severity) > desk.severity_rank(a.told_severity) then
      told := told || desk.tell_alert(case when is_new or a.is_quiet then 'alert_opened' else 'alert_risen' end, a);
      if is_new or a.is_quiet then
        opened := opened || a.dedupe_key;
      else
        raised := raised || a.dedupe_key;
      end if;
      update public.alerts as t set told_severity = t.severity, is_quiet = false where t.alert_id = a.alert_id;
    end if;
  end loop;
  for a in
    update public.alerts as t
    set state = 'resolved', resolved_at_ms = greatest(p_at_ms, t.last_at_ms)
    where t.state <> 'resolved' and exists (select from unnest(p_prefixes) as p where starts_with(t.dedupe_key, p))
      and not exists (select from jsonb_to_recordset(p_alerts) as f (dedupe_key text) where f.dedupe_key = t.dedupe_key)
    returning t.*
  loop
    resolved := resolved || a.dedupe_key;
    if not a.is_quiet then -- nobody hears the end of what nobody was told of
      told := told || desk.tell_alert('alert_resolved', a);
    end if;
  end loop;
  select count(*) into still from public.alerts as t
  where t.state <> 'resolved' and exists (select from unnest(p_prefixes) as p where starts_with(t.dedupe_key, p));
  return jsonb_build_object(
    'open', still, 'opened', to_jsonb(opened), 'raised', to_jsonb(raised), 'resolved', to_jsonb(resolved),
    'told', to_jsonb(told)
  );
end
$$;

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'public.settle_alerts(text[], jsonb, bigint, bigint)', 'desk.tell_alert(text, public.alerts)',
    'desk.tell(text, text, uuid, boolean, text, text, text, jsonb, text)'
  ] loop
    execute format('revoke all on function %s from public, anon, authenticated', signature);
    execute format('grant execute on function %s to service_role', signature);
  end loop;
end
$$;
