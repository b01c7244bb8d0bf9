"""The monitor's lease on a real Postgres: of many runs at once one has it."""

from typing import Any
from uuid import uuid4

import psycopg

from tests.contract.sql.test_concurrency import CLIENTS, all_at_once, value

ASK = "select public.begin_monitor_run(%s, 'all', 1, %s)"
RESULT = '{"success": true, "duration_ms": 1, "causes": [], "results": [], "kept_unread": false, "restored_ms": 0}'
FINISH = f"select public.finish_monitor_run(%s, 'all', 1, '{RESULT}')"


def clear(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("truncate public.monitor_runs, public.monitor_lease")


def test_of_runs_that_begin_at_once_one_has_the_lease(postgres: str) -> None:
    clear(postgres)
    runs = [uuid4() for _ in range(CLIENTS)]
    held = [answer["is_held"] for answer in all_at_once(postgres, lambda c, n: value(c, ASK, runs[n], 60_000))]
    assert held.count(True) == 1
    holder = runs[held.index(True)]
    with psycopg.connect(postgres, autocommit=True) as connection:
        assert value(connection, "select count(*) from public.monitor_runs") == 1
        assert value(connection, ASK, holder, 60_000)["is_held"]  # its answer was lost
        connection.execute(FINISH, (holder,))
        connection.execute(FINISH, (holder,))
        assert value(connection, "select count(*) from public.monitor_runs where finished_at is not null") == 1
    clear(postgres)


def test_a_lease_that_ends_is_taken_over_by_one_and_not_given_back_by_the_late(postgres: str) -> None:
    clear(postgres)
    late, runs = uuid4(), [uuid4() for _ in range(CLIENTS)]
    with psycopg.connect(postgres, autocommit=True) as connection:
        assert value(connection, ASK, late, 0)["is_held"]

    def begin(connection: psycopg.Connection, n: int) -> Any:
        connection.execute(FINISH, (late,))
        return value(connection, ASK, runs[n], 60_000)["is_held"]

    assert all_at_once(postgres, begin).count(True) == 1
    clear(postgres)
