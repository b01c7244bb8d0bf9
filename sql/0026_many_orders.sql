-- Many orders in one call: a halt has hundreds to take back, and a person waits for it. Needs 0020_order_life.sql.

-- Store what is said of each order as advance_order does; one that has moved meanwhile, or may not take the step, stays as
-- it is and is answered so. p_changes has order_id, version and report of each. Rows are taken in one order by everybody,
-- so that two callers never wait for each other.
create or replace function public.advance_orders(p_changes jsonb, p_actor text) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  change record;
  answer jsonb;
  answers jsonb := '[]';
begin
  for change in
    select c.* from jsonb_to_recordset(p_changes) as c (order_id text, version integer, report jsonb) order by c.order_id
  loop
    begin
      answer := public.advance_order(change.order_id, change.version, change.report, p_actor);
    exception when sqlstate 'ND002' or sqlstate 'ND003' then
      select desk.order_json(o) into answer from public.orders as o where o.order_id = change.order_id;
    end;
    answers := answers || jsonb_build_array(answer);
  end loop;
  return answers;
end
$$;

revoke all on function public.advance_orders(jsonb, text) from public, anon, authenticated;
grant execute on function public.advance_orders(jsonb, text) to service_role;
