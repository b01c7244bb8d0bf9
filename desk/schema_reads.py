"""Read what of sql/ a database has, over a direct connection; nothing of the desk need be there."""

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from desk.schema_check import Catalog
from shared.domain.errors import FatalError
from shared.domain.status import Schema

if TYPE_CHECKING:
    from psycopg import Connection

_NOW: Final = "select (extract(epoch from clock_timestamp()) * 1000)::bigint, current_setting('server_version')"
_FUNCTIONS: Final = """
select n.nspname || '.' || p.proname, md5(p.prosrc)
from pg_catalog.pg_proc as p join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
where n.nspname in ('public', 'desk')
"""
_COLUMNS: Final = """
select c.relname || '.' || a.attname
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where n.nspname = 'public' and c.relkind in ('r', 'p', 'v')
"""
_UNPROTECTED: Final = """
select c.relname from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relrowsecurity
"""
_POLICIES: Final = "select tablename, policyname from pg_catalog.pg_policies where schemaname = 'public'"
_TRIGGERS: Final = """
select t.tgname, n.nspname || '.' || c.relname from pg_catalog.pg_trigger as t
join pg_catalog.pg_class as c on c.oid = t.tgrelid join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where not t.tgisinternal and t.tgenabled <> 'D'
"""
_INDEXES: Final = "select indexname from pg_catalog.pg_indexes where schemaname = 'public'"
_STREAMED: Final = """
select tablename from pg_catalog.pg_publication_tables
where pubname = 'supabase_realtime' and schemaname = 'public'
"""
_HISTORY: Final = "select to_regclass('desk.schema_migrations') is not null"


def read_schema(connection: "Connection") -> Schema:
    """Return files, functions and columns, as `read_schema()` of 0045 does; raise `FatalError` without an answer."""
    now = connection.execute(_NOW).fetchone()
    recorded = connection.execute(_HISTORY).fetchone()
    if now is None or recorded is None:
        raise FatalError("the database answers without a row")
    files: dict[str, str] | None = None
    if recorded[0]:
        files = dict(connection.execute("select name, sha256 from desk.schema_migrations").fetchall())
    functions: defaultdict[str, set[str]] = defaultdict(set)
    for name, digest in connection.execute(_FUNCTIONS).fetchall():
        functions[name].add(digest)
    return Schema(
        now_ms=now[0],
        version=now[1],
        files=files,
        functions={name: frozenset(digests) for name, digests in functions.items()},
        columns=frozenset(row[0] for row in connection.execute(_COLUMNS).fetchall()),
    )


def read_catalog(connection: "Connection") -> Catalog:
    """Return row security, policies, triggers that are enabled, indexes, and what Realtime streams."""
    return Catalog(
        unprotected=frozenset(row[0] for row in connection.execute(_UNPROTECTED).fetchall()),
        policies=frozenset((row[0], row[1]) for row in connection.execute(_POLICIES).fetchall()),
        triggers=frozenset((row[0], row[1]) for row in connection.execute(_TRIGGERS).fetchall()),
        indexes=frozenset(row[0] for row in connection.execute(_INDEXES).fetchall()),
        streamed=frozenset(row[0] for row in connection.execute(_STREAMED).fetchall()),
    )
