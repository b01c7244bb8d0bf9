"""Many connections at once on a real Postgres: claims, leases and finishes have one winner."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import uuid4

import psycopg
import pytest

CLIENTS = 12
CLOSE = 1_700_000_040_000


@pytest.fixture
def empty_tables(postgres: str) -> Iterator[str]:
    yield postgres
    with psycopg.connect(postgres) as connection:
        connection.execute("truncate public.signals, public.execution_runs, public.traders cascade")


def all_at_once(url: str, ask: Callable[[psycopg.Connection, int], Any]) -> list[Any]:
    """Run `ask` on many connections that start together, each in one transaction; return the answers."""
    barrier = Barrier(CLIENTS)

    def client(number: int) -> Any:
        with psycopg.connect(url) as connection:
            connection.execute("set role service_role")
            barrier.wait(timeout=30)
            return ask(connection, number)

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(client, range(CLIENTS)))


def value(connection: psycopg.Connection, query: str, *values: Any) -> Any:
    row = connection.execute(query, values).fetchone()
    assert row is not None
    return row[0]


def claim(connection: psycopg.Connection, *, shards: int = 1, close_time: int = CLOSE) -> bool:
    return bool(
        value(
            connection,
            "select public.claim_boundary('binance', '1m', %s::bigint, %s, 'test', 'c', %s)",
            close_time,
            shards,
            uuid4(),
        )
    )


def count(url: str, query: str) -> int:
    with psycopg.connect(url) as connection:
        return int(value(connection, query))


def test_exactly_one_claim_wins_and_its_shards_are_not_mixed_with_others(empty_tables: str) -> None:
    won = all_at_once(empty_tables, lambda connection, n: claim(connection, shards=n + 1) and n + 1)
    (shards,) = [answer for answer in won if answer]
    assert count(empty_tables, "select count(*) from public.execution_runs") == shards
    assert count(empty_tables, "select count(distinct shards) from public.execution_runs") == 1


def test_a_claim_repeated_after_a_lost_answer_is_still_won(empty_tables: str) -> None:
    claim_id = uuid4()
    ask = "select public.claim_boundary('binance', '1m', %s::bigint, 2, 'test', 'c', %s)"
    with psycopg.connect(empty_tables, autocommit=True) as connection:
        assert [value(connection, ask, CLOSE, claim_id) for _ in range(2)] == [True, True]
        assert value(connection, ask, CLOSE, uuid4()) is False


def test_a_claim_that_rolls_back_leaves_the_boundary_to_others(empty_tables: str) -> None:
    with psycopg.connect(empty_tables) as connection:
        assert claim(connection, shards=3)
        connection.rollback()
        assert claim(connection, shards=2)


def test_no_overdue_run_is_taken_twice(empty_tables: str) -> None:
    with psycopg.connect(empty_tables) as connection:
        for minute in range(40):
            claim(connection, shards=5, close_time=CLOSE + minute * 60_000)
        connection.execute("update public.execution_runs set status = 'failed'")

    def take(connection: psycopg.Connection, _: int) -> list[tuple[int, int]]:
        taken: list[tuple[int, int]] = []
        for _ in range(5):
            rows = value(connection, "select public.take_overdue_runs(3600000, 7)")
            connection.commit()
            connection.execute("set role service_role")
            taken += [(row["close_time"], row["shard"]) for row in rows]
        return taken

    taken = [run for answer in all_at_once(empty_tables, take) for run in answer]
    assert len(taken) == len(set(taken)) == 200


def test_a_lease_has_one_holder_who_may_ask_again(empty_tables: str) -> None:
    ask = "select public.start_run('binance', '1m', %s::bigint, 0, 60000, %s)"
    with psycopg.connect(empty_tables) as connection:
        claim(connection)
    holders = [uuid4() for _ in range(CLIENTS)]
    started = all_at_once(empty_tables, lambda connection, n: value(connection, ask, CLOSE, holders[n]))
    assert sum(started) == 1
    with psycopg.connect(empty_tables) as connection:
        assert value(connection, ask, CLOSE, holders[started.index(True)]) is True
        assert value(connection, "select attempts from public.execution_runs") == 1


def test_finishing_at_once_stores_every_signal_once(empty_tables: str) -> None:
    with psycopg.connect(empty_tables) as connection:
        claim(connection)
        connection.execute(
            "insert into public.traders (trader_id, name, rule, timeframe) values ('t', 'n', 'close > 1', '1m')"
        )
    signals = json.dumps(
        [
            {"trader_id": "t", "symbol": f"S{n}/USDT", "timeframe": "1m", "close_time": CLOSE, "side": "long"}
            | {"price": 1.5, "rule_hash": "h", "values": {}}
            for n in range(50)
        ]
    )
    result = json.dumps({"traders": 1, "evaluations": 50, "insufficient": 0, "errors": 0, "duration_ms": 1.0})
    ask = "select public.finish_run('binance', '1m', %s::bigint, 0, %s::jsonb, %s::jsonb)"

    answers = all_at_once(empty_tables, lambda connection, _: value(connection, ask, CLOSE, result, signals))

    assert answers == [{"new": 50, "duplicate": 0, "intents": []}] * CLIENTS
    assert count(empty_tables, "select count(*) from public.signals") == 50
    assert count(empty_tables, "select count(*) from public.execution_runs where status = 'finished'") == 1


def test_overlapping_recordings_do_not_deadlock(empty_tables: str) -> None:
    with psycopg.connect(empty_tables) as connection:
        connection.execute(
            "insert into public.traders (trader_id, name, rule, timeframe) values ('t', 'n', 'close > 1', '1m')"
        )

    def record(connection: psycopg.Connection, n: int) -> dict[str, int]:
        rows = [
            {"trader_id": "t", "symbol": f"S{i}/USDT", "timeframe": "1m", "close_time": CLOSE, "side": "long"}
            | {"price": 1, "rule_hash": "h", "values": {}}
            for i in (range(200) if n % 2 else reversed(range(200)))
        ]
        answer: dict[str, int] = value(
            connection, "select public.record_signals('binance', 'c', %s::jsonb)", json.dumps(rows)
        )
        return answer

    answers = all_at_once(empty_tables, record)
    assert sum(answer["new"] for answer in answers) == 200
    assert all(answer["new"] + answer["duplicate"] == 200 for answer in answers)


def test_edits_at_once_are_versions_of_their_own(empty_tables: str) -> None:
    with psycopg.connect(empty_tables) as connection:
        connection.execute(
            "insert into public.traders (trader_id, name, rule, timeframe) values ('t', 'n', 'close > 0', '1m')"
        )

    def edit(connection: psycopg.Connection, n: int) -> None:
        for again in range(3):
            connection.execute("set role service_role")
            connection.execute("update public.traders set rule = %s where trader_id = 't'", (f"close > {n}.{again}1",))
            connection.commit()

    all_at_once(empty_tables, edit)

    with psycopg.connect(empty_tables) as connection:
        versions = connection.execute(
            "select version, definition->>'rule', recorded_at from public.trader_versions order by version"
        ).fetchall()
        current = value(connection, "select rule from public.traders")
    assert [version for version, _, _ in versions] == list(range(1, 3 * CLIENTS + 2))
    assert len({rule for _, rule, _ in versions}) == 3 * CLIENTS + 1
    assert versions[-1][1] == current
    assert [time for _, _, time in versions] == sorted({time for _, _, time in versions})


@pytest.fixture
def person(empty_tables: str) -> Iterator[str]:
    """A person of the tier `free`, on a database without anybody else."""
    user_id = str(uuid4())
    with psycopg.connect(empty_tables) as connection:
        connection.execute("insert into auth.users (id) values (%s)", (user_id,))
    yield user_id
    with psycopg.connect(empty_tables) as connection:
        connection.execute("delete from public.books where owner_id = %s", (user_id,))
        connection.execute("delete from auth.users")


def attempts(url: str, statement: str, *values: Any) -> int:
    """Run a statement that ends in a number of its own on every connection; return how many were not refused."""

    def attempt(connection: psycopg.Connection, number: int) -> bool:
        try:
            connection.execute(statement.encode(), (*values, number))
        except psycopg.errors.InvalidParameterValue:
            return False
        return True

    return sum(all_at_once(url, attempt))


def test_writes_at_once_do_not_go_beyond_a_tier(empty_tables: str, person: str) -> None:
    added = attempts(
        empty_tables,
        "insert into public.traders (owner_id, name, rule, timeframe, trader_id)"
        " values (%s, 'n', 'close > 1', '5m', 't' || %s)",
        person,
    )
    assert added == count(empty_tables, "select count(*) from public.traders where owner_id is not null") == 10
    assert count(empty_tables, "select count(*) from public.traders where beyond_tier") == 0
    opened = attempts(
        empty_tables,
        "insert into public.books (owner_id, name, mode, quote, capital, venues, book_id)"
        " values (%s, 'n', 'paper', 'USDT', 1, '{binance}', 'b' || %s)",
        person,
    )
    assert opened == count(empty_tables, "select count(*) from public.books where owner_id is not null") == 2


def test_a_downgrade_beside_writes_leaves_no_more_than_the_tier_has(empty_tables: str, person: str) -> None:
    with psycopg.connect(empty_tables) as connection:
        connection.execute("update public.profiles set tier = 'elite' where user_id = %s", (person,))

    def write(connection: psycopg.Connection, number: int) -> None:
        if number == 0:
            connection.execute("select public.set_person(%s, null, 'free', 'operator')", (person,))
            return
        try:
            connection.execute(
                "insert into public.traders (owner_id, name, rule, timeframe, trader_id)"
                " select %s, 'n', 'close > 1', '5m', %s || '-' || n from generate_series(1, 5) as n",
                (person, f"t{number}"),
            )
        except psycopg.errors.InvalidParameterValue:
            connection.rollback()

    all_at_once(empty_tables, write)
    within = "select count(*) from public.traders where owner_id is not null and enabled and not beyond_tier"
    assert count(empty_tables, within) <= 10
    beyond = count(empty_tables, "select count(*) from public.traders where beyond_tier")
    assert count(empty_tables, within) == 10 or beyond == 0


def test_admins_who_demote_each_other_leave_one(empty_tables: str) -> None:
    admins = [str(uuid4()) for _ in range(CLIENTS)]
    with psycopg.connect(empty_tables) as connection:
        connection.execute("insert into auth.users (id) select unnest(%s::uuid[])", (admins,))
        connection.execute("update public.profiles set role = 'admin' where true")

    def demote(connection: psycopg.Connection, number: int) -> str | None:
        try:
            connection.execute("select public.set_person(%s, 'trader', null, 'operator')", (admins[number],))
        except psycopg.Error as error:
            return error.sqlstate
        return None

    assert sorted(all_at_once(empty_tables, demote), key=str) == ["ND002", *[None] * (CLIENTS - 1)]
    assert count(empty_tables, "select count(*) from public.profiles where role = 'admin'") == 1
    with psycopg.connect(empty_tables) as connection:
        connection.execute("delete from auth.users")
