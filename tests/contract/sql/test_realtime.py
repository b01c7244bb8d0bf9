"""sql/0046: what Realtime streams, on real Postgres; its rows stay under row security."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from desk.migrate import SQL, apply_all
from tests.contract.sql.actors import ROWS

STREAMED = {"alerts", "orders", "signals"}
FILE = (SQL / "0046_realtime.sql").read_bytes()


def published(connection: "psycopg.Connection[Any]") -> set[str]:
    rows = connection.execute(
        "select schemaname || '.' || tablename from pg_publication_tables where pubname = 'supabase_realtime'"
    ).fetchall()
    return {row[0].removeprefix("public.") for row in rows}


@pytest.fixture
def database(postgres: str) -> Iterator["psycopg.Connection[Any]"]:
    """The migrated database, as it was afterwards."""
    with psycopg.connect(postgres) as connection:
        yield connection
        connection.rollback()


def test_it_has_three_tables_and_again(database: "psycopg.Connection[Any]") -> None:
    assert published(database) == STREAMED
    database.execute(FILE)
    assert published(database) == STREAMED


def test_a_publication_that_is_there_keeps_what_it_has(database: "psycopg.Connection[Any]") -> None:
    database.execute("drop publication supabase_realtime")
    database.execute("create table public.others (a integer primary key)")
    database.execute("create publication supabase_realtime for table public.others, public.orders")
    database.execute(FILE)
    assert published(database) == STREAMED | {"others"}


def test_one_of_every_table_is_refused(database: "psycopg.Connection[Any]") -> None:
    database.execute("drop publication supabase_realtime")
    database.execute("create publication supabase_realtime for all tables")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="has every table"):
        database.execute(FILE)


def test_nothing_is_streamed_without_row_security(database: "psycopg.Connection[Any]") -> None:
    database.execute("alter table public.alerts disable row level security")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match=r"public\.alerts has no row security"):
        database.execute(FILE)


def test_a_streamed_row_can_be_named_and_is_of_those_who_may_read_it(database: "psycopg.Connection[Any]") -> None:
    """Realtime asks each listener's policies by the row's key, so it must have one, and anon must have no policy."""
    for table in STREAMED:
        (secured, key) = database.execute(
            "select c.relrowsecurity, exists (select from pg_index where indrelid = c.oid and indisprimary)"
            " from pg_class as c where c.oid = %s::regclass",
            (f"public.{table}",),
        ).fetchone() or (False, False)
        assert (secured, key) == (True, True), table
        roles = database.execute("select roles from pg_policies where tablename = %s", (table,)).fetchall()
        assert roles
        assert {role for row in roles for role in row[0]} <= {"authenticated", "service_role"}


def test_what_changes_is_decoded_for_listeners_and_nothing_else(
    postgres_15: str, make_database: Callable[[str], str]
) -> None:
    url = make_database(postgres_15)
    apply_all(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("select pg_create_logical_replication_slot('realtime_test', 'pgoutput')")
        try:
            connection.execute(ROWS.encode())
            decoded = connection.execute(
                "select data from pg_logical_slot_get_binary_changes('realtime_test', null, null,"
                " 'proto_version', '1', 'publication_names', 'supabase_realtime')"
            ).fetchall()
        finally:
            connection.execute("select pg_drop_replication_slot('realtime_test')")
    told = [bytes(row[0]) for row in decoded]
    # pgoutput, "Logical Replication Message Formats": R, the relation's id, its schema and its name, each ended by 0.
    relations = {message[5:].split(b"\0")[1].decode() for message in told if message[:1] == b"R"}
    assert relations == STREAMED
    assert len([message for message in told if message[:1] == b"I"]) >= len(STREAMED)
