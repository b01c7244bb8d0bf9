"""What a desk's database contains, in numbers a restore must bring back, and what ties it to what is not the desk's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from shared.adapters.supabase.trading_rows import FILLS, HELD, read
from shared.domain.errors import FatalError
from shared.domain.trading.ledger import refold
from shared.domain.trading.positions import Position

if TYPE_CHECKING:
    from psycopg import Connection

SCHEMAS: Final = ("public", "desk")
PLAIN: Final = """
set local datestyle = 'ISO, YMD'; set local timezone = 'UTC'; set local intervalstyle = 'postgres';
set local bytea_output = 'hex'; set local extra_float_digits = 1; set local row_security = off;
set local search_path = '';
"""
"""How a transaction reads: values written the same on every server, names with their schema, no row left out."""
_RELATIONS: Final = """
  from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
  where n.nspname = any (%s) and not exists (
    select from pg_depend as d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
  )
"""
PRIVILEGES: Final = """
select o.name, coalesce(string_agg(a.privilege_type || ' to ' || coalesce(r.rolname, 'public'), ', '
  order by r.rolname collate "C" nulls first, a.privilege_type collate "C"), '') as granted
from (
  select c.oid, 'pg_class'::regclass as kind, c.oid::regclass::text as name, c.relnamespace as schema,
    coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner)) as acl,
    c.relowner as owner from pg_class as c where c.relkind in ('r', 'p', 'v', 'm', 'S')
  union all
  select c.oid, 'pg_class'::regclass, c.oid::regclass::text || '.' || t.attname, c.relnamespace, t.attacl, c.relowner
  from pg_attribute as t join pg_class as c on c.oid = t.attrelid where t.attacl is not null
  union all
  select p.oid, 'pg_proc'::regclass, p.oid::regprocedure::text, p.pronamespace,
    coalesce(p.proacl, acldefault('f', p.proowner)), p.proowner from pg_proc as p
  union all
  select n.oid, 'pg_namespace'::regclass, n.nspname, n.oid, coalesce(n.nspacl, acldefault('n', n.nspowner)), n.nspowner
  from pg_namespace as n where n.nspname = 'desk'
) as o
left join lateral aclexplode(o.acl) as a on a.grantee <> o.owner
left join pg_roles as r on r.oid = a.grantee
where o.schema in (select oid from pg_namespace where nspname in ('public', 'desk')) and not exists (
  select from pg_depend as d where d.classid = o.kind and d.objid = o.oid and d.deptype = 'e'
)
group by o.name
"""
"""Who but the owner may do what, by object: what row security and the API's roles rest on."""
_MADE: Final = (
    ("public.books", ""),
    ("public.traders", "where owner_id is not null"),
    ("public.signals", ""),
    ("public.execution_runs", ""),
    ("public.trade_intents", ""),
    ("public.orders", ""),
    ("public.fills", ""),
    ("public.positions", ""),
)
"""What only a desk that was used has; everything else may come with the migrations or with the sign-in accounts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What ties the desk to tables that are not its own: triggers there, by their table and name, and foreign keys to
    there, by table and name; with their definitions."""

    triggers: Sequence[tuple[str, str, str]]
    foreign_keys: Sequence[tuple[str, str, str]]


def tables_of(connection: "Connection[Any]") -> Sequence[str]:
    """Return the tables of the desk, quoted where they must be."""
    ask = f"select format('%%I.%%I', n.nspname, c.relname) {_RELATIONS}" + (
        " and c.relkind in ('r', 'p') and not c.relispartition order by 1"
    )
    return [name for (name,) in connection.execute(ask.encode(), ([*SCHEMAS],)).fetchall()]


def digest_sql(table: str) -> str:
    """Return the query that counts and digests a table, whatever the order of its rows: `rows:hash`.

    The hash is of two sums of 60 bits each of every row's MD5: it finds mistakes, not forgers.
    """
    halves = (f"coalesce(sum(('x' || substr(r.h, {start}, 15))::bit(60)::bigint), 0)" for start in (1, 16))
    hashed = " || ':' || ".join(halves)
    return f"select count(*) || ':' || md5({hashed}) from (select md5(t::text) as h from {table} as t) as r"  # noqa: S608 - a quoted name


def digests_of(connection: "Connection[Any]") -> Mapping[str, str]:
    """Return `rows:hash` of every table; the transaction reads as `PLAIN` says."""
    return {table: str(_one(connection, digest_sql(table))) for table in tables_of(connection)}


def sequences_of(connection: "Connection[Any]") -> Mapping[str, int | None]:
    """Return where every sequence stands, None where it has not begun."""
    ask = (
        "select format('%%I.%%I', schemaname, sequencename), last_value from pg_sequences"
        " where schemaname = any (%s) order by 1"
    )
    return dict(connection.execute(ask.encode(), ([*SCHEMAS],)).fetchall())


def privileges_of(connection: "Connection[Any]") -> Mapping[str, str]:
    """Return who but its owner may do what, by table, column, routine and schema."""
    return dict(connection.execute(PRIVILEGES.encode()).fetchall())


def outside_of(connection: "Connection[Any]") -> Outside:
    """Return what ties the desk to tables that are not its own."""
    triggers = connection.execute(
        "select t.tgrelid::regclass::text, quote_ident(t.tgname), pg_get_triggerdef(t.oid) from pg_trigger as t"
        " join pg_proc as p on p.oid = t.tgfoid join pg_class as c on c.oid = t.tgrelid"
        " where not t.tgisinternal and p.pronamespace::regnamespace::text = any (%(ours)s)"
        " and not c.relnamespace::regnamespace::text = any (%(ours)s) order by 1, 2",
        {"ours": [*SCHEMAS]},
    ).fetchall()
    foreign_keys = connection.execute(
        "select k.conrelid::regclass::text, quote_ident(k.conname), pg_get_constraintdef(k.oid) from pg_constraint as k"
        " join pg_class as c on c.oid = k.confrelid"
        " where k.contype = 'f' and k.connamespace::regnamespace::text = any (%(ours)s)"
        " and not c.relnamespace::regnamespace::text = any (%(ours)s) order by 1, 2",
        {"ours": [*SCHEMAS]},
    ).fetchall()
    return Outside(triggers=triggers, foreign_keys=foreign_keys)


def made_here(connection: "Connection[Any]") -> Mapping[str, int]:
    """Return how many rows there are of what only a desk that was used has; empty for a new one."""
    has = set(tables_of(connection))
    counts = {
        table: int(_one(connection, f"select count(*) from {table} {only}"))  # noqa: S608 - names of this module
        for table, only in _MADE
        if table in has
    }
    return {table: count for table, count in counts.items() if count}


def ledger_mismatches(connection: "Connection[Any]") -> Sequence[str]:
    """Return the positions that are not what their fills make them, by the ledger's own rules."""
    wrong = []
    rows = connection.execute(
        "select public.position_of(p.book_id, p.venue, p.symbol), public.fills_of(p.book_id, p.venue, p.symbol)"
        " from public.positions as p order by p.book_id, p.venue, p.symbol"
    )
    for held, posted in rows:
        stored = read(HELD, held, "no position").position
        fills = read(FILLS, posted, "no fills")
        folded = refold(stored, fills).position
        if folded != stored:
            place = f"{stored.symbol} of book {stored.book_id} at {stored.venue}"
            wrong.append(f"{place}: {_figures(stored)} are stored, its fills make {_figures(folded)}")
    return wrong


def _figures(position: Position) -> str:
    return f"quantity {position.qty}, cost {position.cost}, realised {position.realised}, fees {position.fees}"


def _one(connection: "Connection[Any]", ask: str) -> Any:
    row = connection.execute(ask.encode()).fetchone()
    if row is None:
        raise FatalError(f"no answer to {ask}")
    return row[0]
