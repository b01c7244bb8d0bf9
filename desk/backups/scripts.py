"""The SQL around pg_restore's own: clear the place, take away what defaults gave, compare with the manifest, halt."""

import json
from collections.abc import Iterator
from typing import Final

from desk.backups.archive import Manifest, rows_of
from desk.backups.contents import PLAIN, PRIVILEGES, digest_sql

CLEAR: Final = """
drop schema if exists desk cascade;
do $clear$
declare
  found record;
begin
  for found in
    select c.oid::pg_catalog.regclass as name, c.relkind as kind from pg_catalog.pg_class as c
    where c.relnamespace = 'public'::pg_catalog.regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'S')
      and not exists (select from pg_catalog.pg_depend as d where d.objid = c.oid and d.deptype in ('e', 'a', 'i', 'P'))
  loop
    execute pg_catalog.format('drop %s if exists %s cascade', case found.kind when 'v' then 'view'
      when 'm' then 'materialized view' when 'S' then 'sequence' else 'table' end, found.name);
  end loop;
  for found in
    select p.oid::pg_catalog.regprocedure as name from pg_catalog.pg_proc as p
    where p.pronamespace = 'public'::pg_catalog.regnamespace
      and not exists (select from pg_catalog.pg_depend as d where d.objid = p.oid and d.deptype = 'e')
  loop
    execute pg_catalog.format('drop routine if exists %s cascade', found.name);
  end loop;
end
$clear$;
"""
BARE: Final = """
do $bare$
declare
  found record;
begin
  for found in
    select case c.relkind when 'S' then 'sequence' else 'table' end as kind, c.oid::pg_catalog.regclass::text as name,
      a.grantee::pg_catalog.regrole as grantee
    from pg_catalog.pg_class as c cross join lateral pg_catalog.aclexplode(c.relacl) as a
    where c.relnamespace::pg_catalog.regnamespace::text in ('public', 'desk') and a.grantee not in (0, c.relowner)
    union
    select 'routine', p.oid::pg_catalog.regprocedure::text, a.grantee::pg_catalog.regrole
    from pg_catalog.pg_proc as p cross join lateral pg_catalog.aclexplode(p.proacl) as a
    where p.pronamespace::pg_catalog.regnamespace::text in ('public', 'desk') and a.grantee not in (0, p.proowner)
      and not exists (select from pg_catalog.pg_depend as d where d.objid = p.oid and d.deptype = 'e')
  loop
    execute pg_catalog.format('revoke all on %s %s from %s', found.kind, found.name, found.grantee);
  end loop;
end
$bare$;
"""
"""Takes back what the project's default privileges gave away: an archive only adds what its own project granted."""
_PRIVILEGES_ARE: Final = """
do $privileges$
declare
  wrong text;
begin
  select string_agg(format('%s has "%s", had "%s"', name, has.granted, had.granted), '; ' order by name) into wrong
  from (ACTUAL) as has
  full join (select key as name, value as granted from jsonb_each_text($json$MANIFEST$json$)) as had using (name)
  where has.granted is distinct from had.granted;
  if wrong is not null then
    raise exception 'privileges are not what was backed up: %; nothing was changed', left(wrong, 1000);
  end if;
end
$privileges$;
"""


def after(manifest: Manifest, *, people_later: bool) -> Iterator[str]:
    """Yield what follows the grants: ties to what is not the desk's, comparing it with the manifest, the halt."""
    later = " not valid" if people_later else ""
    for table, name, definition in manifest.foreign_keys:
        yield f"alter table only {table} add constraint {name} {definition}{later};"
    for table, name, definition in manifest.triggers:
        yield f"drop trigger if exists {name} on {table}; {definition};"
    yield PLAIN
    for table, digest in manifest.tables.items():
        yield _expect(table, digest_sql(table), f"'{digest}'", f"{rows_of(digest)} rows")
    yield _PRIVILEGES_ARE.replace("ACTUAL", PRIVILEGES).replace("MANIFEST", json.dumps(manifest.privileges))
    for sequence, value in manifest.sequences.items():
        ask = f"select pg_catalog.pg_sequence_last_value('{sequence}'::pg_catalog.regclass)"
        yield _expect(sequence, ask, "null" if value is None else str(value), f"{value}")
    reason = f"restored from the backup of {manifest.made_at:%Y-%m-%dT%H:%MZ}: reconcile, then resume"
    yield f"select public.set_trading_state('desk', '', 'halted', 'restore', '{reason}');"
    yield "notify pgrst, 'reload schema';"


def _expect(name: str, ask: str, wanted: str, words: str) -> str:
    """Return what raises unless a query answers what is in the manifest."""
    said = f"{name} is not what was backed up, {words}: nothing was changed".replace("'", "''").replace("%", "%%")
    return (
        f"do $expect$ begin if ({ask}) is distinct from {wanted} then raise exception '{said}'; end if; end $expect$;"
    )
