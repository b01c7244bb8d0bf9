-- Alerts of everything a sweep has looked at, said in one call. Needs 0024_alerts.sql.
drop function if exists public.settle_alerts(text, jsonb, bigint); -- it knew one prefix at a time

-- Say what is wrong now of everything whose key begins with one of the prefixes: what is new opens, what is known is
-- counted, what is no longer wrong resolves. The same call at the same instant counts once. Returns how many are open.
create or replace function public.settle_alerts(p_prefixes text[], p_alerts jsonb, p_at_ms bigint) returns integer
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
  where exists (select from unnest(p_prefixes) as p where starts_with(w.dedupe_key, p))
  order by w.dedupe_key -- one order for everybody: no deadlock
  on conflict (dedupe_key) where state <> 'resolved' do update set
    seen = a.seen + (a.last_at_ms < excluded.last_at_ms)::integer, sentence = excluded.sentence,
    severity = excluded.severity, details = excluded.details, last_at_ms = greatest(a.last_at_ms, excluded.last_at_ms);
  update public.alerts as a
  set state = 'resolved', resolved_at_ms = greatest(p_at_ms, a.last_at_ms)
  where a.state <> 'resolved' and exists (select from unnest(p_prefixes) as p where starts_with(a.dedupe_key, p))
    and not exists (select from jsonb_to_recordset(p_alerts) as w (dedupe_key text) where w.dedupe_key = a.dedupe_key);
  select count(*) into still from public.alerts as a
  where a.state <> 'resolved' and exists (select from unnest(p_prefixes) as p where starts_with(a.dedupe_key, p));
  return still;
end
$$;

revoke all on function public.settle_alerts(text[], jsonb, bigint) from public, anon, authenticated;
grant execute on function public.settle_alerts(text[], jsonb, bigint) to service_role;
