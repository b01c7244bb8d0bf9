"""Who may do what to which table or view of the schema `public`, all of them, as everybody, on a real Postgres.

The statements are made from the catalogue: a table that has no line here, or no rows in actors.py, fails. A line says
of select, insert, update and delete what becomes of them as each actor: `-` refused, `!` refused since a viewer reads
only, a number the rows reached, `y` done, however many. An insert is of a row of the actor's own, an update leaves
every value as it is.
"""

# ruff: noqa: S608 the statements are put together from the catalogue

import json
from typing import Any, Final

import psycopg
import pytest

from tests.contract.sql.actors import ACTORS, CAROL, Session

COMMANDS: Final = ("select", "insert", "update", "delete")

_READ: Final = "- - - - - y | - - - - - y | - - - - - y"
_BOOKS: Final = f"- 2 2 1 2 y | {_READ}"
_KEPT: Final = "- - - - - y | - - - - - - | - - - - - y"
_HIDDEN: Final = f"- - - - - y | {_READ}"

_TOLD: Final = f"- 1 1 0 0 y | {_READ}"

# actors, each:            anon alice bob admin viewer service
MATRIX: Final = {
    # table                  select        insert        update        delete
    "account_flows":          f"- 2 2 1 2 y | {_KEPT}",
    "accounts":               f"- - - - - y | {_KEPT}",
    "agent_memory":           f"- - - - - y | {_KEPT}",
    "agents":                 _HIDDEN,
    "alerts":                 _BOOKS,
    "audit_events":           "- 1 1 y 1 y | - - - - - y | - - - - - - | - - - - - -",
    "books":                  _BOOKS,
    "circuit_breaker_events": _BOOKS,
    "desk_state":             f"- 1 1 1 1 y | {_READ}",
    "equity_points":          _BOOKS,
    "execution_runs":         _HIDDEN,
    "fills": _BOOKS,  # as they are: a change is refused
    "instruments":            f"- 1 1 1 1 y | {_READ}",
    "intelligence_signals":   f"- 1 1 1 1 y | {_KEPT}",
    "monitor_lease":          _HIDDEN,
    "monitor_runs":           _HIDDEN,
    "notification_channels": _TOLD,  # but for their addresses
    "notification_deliveries": _TOLD,
    "orders":                 _BOOKS,
    "outbox": _TOLD,
    "paper_accounts":         _HIDDEN,
    "paper_orders":           _HIDDEN,
    "paper_trades":           _HIDDEN,
    "positions":              _BOOKS,
    "proposals":              _BOOKS,
    "profiles":               "- 1 1 1 1 y | - - - - - y | - 1 1 1 ! y | - - - - - y",
    "risk_breaches":          _BOOKS,
    "run_digests":            _HIDDEN,
    "signal_outcomes":        f"- 3 3 2 3 y | {_READ}",
    "signals":                f"- 3 3 2 3 y | {_READ}",
    "tiers":                  f"- 4 4 4 4 y | {_READ}",
    "trade_intents":          _BOOKS,
    "trader_versions":        "- 2 2 1 2 y | - - - - - - | - - - - - - | - - - - - -",
    "traders":                "- 3 3 2 3 y | - y y y ! y | - 1 1 0 ! y | - - - - - y",
    "trading_transitions":    "- 6 6 3 6 y | - - - - - - | - - - - - - | - - - - - -",
    "venue_health":           f"- 1 1 1 1 y | {_READ}",
    "venues":                 f"- 9 9 9 9 y | {_READ}",
}  # fmt: skip

# What people may call; anon may call nothing.
CALLED_BY_PEOPLE: Final = {
    "get_alert",
    "list_alerts",
    "current_views",
    "equity_curve",
    "get_books",
    "get_proposal",
    "last_trips",
    "list_fills",
    "list_intents",
    "list_orders",
    "list_positions",
    "list_proposals",
    "outcome_tallies",
    "tell_intent",
    "trace",
    "view_book",
}

# What runs as its owner, and why it must is said beside it in sql/.
RUNS_AS_OWNER: Final = {
    "audit_change",
    "drop_channels",
    "fit_other_traders",
    "fit_to_tier",
    "fit_traders",
    "record_act",
    "record_step",
    "record_trader_version",
    "record_trading_state",
    "record_withdrawal",
    "retire_traders",
    "welcome",
}

_PERSON_COLUMNS: Final = ("owner_id", "user_id", "person_id")

_COLUMNS: Final = """
  select a.attname, has_column_privilege(%(role)s, a.attrelid, a.attnum, %(command)s)
  from pg_attribute as a
  where a.attrelid = format('public.%%I', %(table)s::text)::regclass and a.attnum > 0 and not a.attisdropped
    and a.attgenerated = '' and a.attidentity = ''
  order by a.attnum
"""


def columns_of(session: Session, table: str, actor: str, command: str) -> list[str]:
    """Return the columns a command of theirs may name; all where it may name none, so that it is refused."""
    values = {"role": ACTORS[actor][0], "command": command, "table": table}
    found = session.connection.execute(_COLUMNS, values).fetchall()
    return [name for name, may in found if may] or [name for name, _ in found]


def a_row(session: Session, table: str, owner: str) -> str | None:
    """Return a row of a table as json, made somebody's where rows are people's; None when there is none to copy."""
    rows = session.connection.execute(f"select to_jsonb(t) from public.{table} as t").fetchall()
    if not rows:
        return None
    theirs = [row for (row,) in rows if owner in {row.get(name) for name in _PERSON_COLUMNS}]
    row: dict[str, Any] = theirs[0] if theirs else rows[0][0]
    return json.dumps(row | {name: owner for name in _PERSON_COLUMNS if name in row and owner})


def inserted(session: Session, table: str, actor: str, owner: str) -> str:
    """Return what becomes of a new row of somebody's, written by an actor."""
    names = ", ".join(f'"{name}"' for name in columns_of(session, table, actor, "INSERT"))
    copied = f"insert into public.{table} ({names}) select {names} from jsonb_populate_record(null::public.{table}, %s)"
    return outcome(session, actor, copied, a_row(session, table, owner))


def outcome(session: Session, actor: str, statement: str, *values: Any) -> str:
    """Return a statement's result as the matrix writes it; nothing of it stays."""
    result = "y"
    try:
        with session.connection.transaction(force_rollback=True):
            result = str(session.act(actor, statement, *values))
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidParameterValue):
        return "-"
    except (psycopg.errors.UniqueViolation, psycopg.errors.ForeignKeyViolation):
        return "y"  # it came as far as the row itself
    except psycopg.Error as error:
        if error.sqlstate != "ND004":
            raise
        return "!"
    return "y" if statement.startswith("insert") else result


def results(session: Session, table: str) -> str:
    """Return a line of the matrix as the database has it."""
    cells: dict[str, list[str]] = {command: [] for command in COMMANDS}
    for actor, (_, user) in ACTORS.items():
        seen = ", ".join(f'"{name}"' for name in columns_of(session, table, actor, "SELECT"))
        cells["select"].append(outcome(session, actor, f"select {seen} from public.{table}"))
        cells["insert"].append(inserted(session, table, actor, user))
        column = columns_of(session, table, actor, "UPDATE")[0]
        cells["update"].append(outcome(session, actor, f'update public.{table} set "{column}" = "{column}" where true'))
        cells["delete"].append(outcome(session, actor, f"delete from public.{table} where true"))
    return " | ".join(" ".join(cells[command]) for command in COMMANDS)


def relations(session: Session) -> dict[str, tuple[str, bool, str]]:
    """Return kind, row security and options of every table and view of the schema."""
    rows = session.connection.execute(
        "select relname, relkind::text, relrowsecurity, coalesce(reloptions::text, '') from pg_class"
        " where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')"
    ).fetchall()
    return {name: (kind, is_secure, options) for name, kind, is_secure, options in rows}


def test_every_table_and_view_has_a_line(session: Session) -> None:
    assert set(relations(session)) == set(MATRIX), "give it a line in MATRIX, and rows in actors.py"


@pytest.mark.parametrize("table", MATRIX)
def test_the_matrix(session: Session, table: str) -> None:
    assert a_row(session, table, "") is not None, "give it rows in actors.py"
    found, expected = results(session, table).split(), MATRIX[table].split()
    alike = [e if e == "y" and f.isdecimal() else f for f, e in zip(found, expected, strict=True)]
    assert " ".join(alike) == " ".join(expected)


@pytest.mark.parametrize("table", MATRIX)
def test_nobody_writes_a_row_of_somebody_elses(session: Session, table: str) -> None:
    for actor in ("anon", "alice", "bob", "admin", "viewer"):
        assert inserted(session, table, actor, CAROL) in {"-", "!"}, actor


def test_after_a_careless_grant_row_security_still_holds(session: Session) -> None:
    session.connection.execute("grant all on all tables in schema public to anon, authenticated")
    for table, line in MATRIX.items():
        update = line.split(" | ")[2].split()[1]
        assert outcome(session, "anon", f"select * from public.{table}") == "0", table
        for actor in ("anon", "alice"):
            assert inserted(session, table, actor, CAROL) == "-", table
            assert outcome(session, actor, f"delete from public.{table} where true") in {"0", "-"}, table
            column = columns_of(session, table, actor, "UPDATE")[0]
            changed = outcome(session, actor, f'update public.{table} set "{column}" = "{column}" where true')
            assert changed in {"0", "-"} or (actor == "alice" and changed == update), table


def test_tables_have_row_security_policies_their_role_and_views_the_rights_of_who_reads(session: Session) -> None:
    for name, (kind, is_secure, options) in relations(session).items():
        assert is_secure if kind in {"r", "p"} else "security_invoker=true" in options, name
    policies = session.connection.execute(
        "select tablename, policyname from pg_policies where schemaname = 'public' and roles <> '{authenticated}'"
    ).fetchall()
    assert policies == []


def test_functions_are_the_services_unless_they_are_listed(session: Session) -> None:
    rows = session.connection.execute(
        "select proname, has_function_privilege('anon', oid, 'execute'),"
        " has_function_privilege('authenticated', oid, 'execute'),"
        " has_function_privilege('service_role', oid, 'execute')"
        " from pg_proc where pronamespace = 'public'::regnamespace"
    ).fetchall()
    assert {name for name, anon, _, _ in rows if anon} == set()
    assert {name for name, _, people, _ in rows if people} == CALLED_BY_PEOPLE
    assert {name for name, _, _, service in rows if not service} == set()


def test_functions_run_with_the_rights_of_who_calls_them_unless_they_are_listed(session: Session) -> None:
    rows = session.connection.execute(
        "select proname, prosecdef, coalesce(array_to_string(proconfig, ','), ''),"
        " has_function_privilege('authenticated', oid, 'execute')"
        " from pg_proc where pronamespace in ('public'::regnamespace, 'desk'::regnamespace)"
    ).fetchall()
    owners = {name for name, is_definer, _, _ in rows if is_definer}
    assert owners == RUNS_AS_OWNER
    assert [name for name, _, settings, _ in rows if settings != 'search_path=""'] == []
    assert [name for name, is_definer, _, people in rows if is_definer and people] == []
