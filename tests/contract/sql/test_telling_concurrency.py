"""Many connections at once on a real Postgres: what people are told has one sender, and alerts one row."""

import json
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.contract.sql.test_concurrency import CLIENTS, all_at_once, count, value

CHANNELS = 8
NOW = 1_700_000_040_000


@pytest.fixture
def telling(postgres: str) -> Any:
    with psycopg.connect(postgres) as connection:
        for _ in range(CHANNELS):
            connection.execute(
                "insert into public.notification_channels (name, kind, target, shown)"
                " values ('n', 'apprise', 'json://x', 'json://…')"
            )
    yield postgres
    with psycopg.connect(postgres) as connection:
        connection.execute("truncate public.outbox, public.notification_channels, public.alerts cascade")


def settle(connection: psycopg.Connection, *keys: str, at_ms: int = NOW, severity: str = "warning") -> dict[str, Any]:
    wrong = [{"dedupe_key": key, "kind": "venue", "severity": severity, "sentence": "s"} for key in keys]
    ask = "select public.settle_alerts('{k:}', %s::jsonb, %s::bigint, 600000)"
    answer: dict[str, Any] = value(connection, ask, json.dumps(wrong), at_ms)
    return answer


def route(connection: psycopg.Connection) -> int:
    waiting = value(connection, "select public.unrouted_outbox(1000)")
    channels = [each["channel_id"] for each in waiting["channels"]]
    routes = [{"outbox_id": row["outbox_id"], "channels": channels} for row in waiting["rows"]]
    return int(value(connection, "select public.route_outbox(%s::jsonb)", json.dumps(routes)))


def claim(connection: psycopg.Connection, *, channels: int = 3, lease_ms: int = 60_000) -> list[tuple[str, str]]:
    ask = "select public.claim_deliveries(%s, %s::bigint, %s, 100)"
    taken = value(connection, ask, uuid4(), lease_ms, channels)
    return [(each["channel_id"], due["delivery_id"]) for each in taken["channels"] for due in each["deliveries"]]


def test_one_alert_is_opened_and_told_once_by_all_who_find_it(telling: str) -> None:
    keys = [f"k:{n}" for n in range(5)]
    answers = all_at_once(telling, lambda connection, n: settle(connection, *(keys if n % 2 else keys[::-1])))
    assert sum(len(answer["told"]) for answer in answers) == 5
    assert count(telling, "select count(*) from public.alerts") == 5
    assert count(telling, "select count(*) from public.outbox") == 5


def test_one_that_comes_back_is_one_row_for_all_who_find_it(telling: str) -> None:
    with psycopg.connect(telling) as connection:
        settle(connection, "k:1")
        settle(connection, at_ms=NOW + 1)
    answers = all_at_once(telling, lambda connection, _: settle(connection, "k:1", at_ms=NOW + 2))
    assert [answer["told"] for answer in answers] == [[]] * CLIENTS
    assert count(telling, "select reopened from public.alerts") == 1


def test_a_row_is_routed_once_by_all_who_see_it(telling: str) -> None:
    with psycopg.connect(telling) as connection:
        settle(connection, *(f"k:{n}" for n in range(10)))
    made = all_at_once(telling, lambda connection, _: route(connection))
    assert sum(made) == count(telling, "select count(*) from public.notification_deliveries") == 10 * CHANNELS


def test_no_delivery_and_no_channel_has_two_senders(telling: str) -> None:
    with psycopg.connect(telling) as connection:
        settle(connection, *(f"k:{n}" for n in range(10)))
        route(connection)

    def take(connection: psycopg.Connection, _: int) -> list[tuple[str, str]]:
        taken: list[tuple[str, str]] = []
        for _ in range(3):
            taken += claim(connection)
            connection.commit()
            connection.execute("set role service_role")
        return taken

    answers = all_at_once(telling, take)
    taken = [each for answer in answers for each in answer]
    assert len(taken) == len(set(taken)) == 10 * CHANNELS
    for channel in {channel for channel, _ in taken}:
        assert sum(channel in {each for each, _ in answer} for answer in answers) == 1


def test_what_a_killed_sender_had_goes_to_one_other(telling: str) -> None:
    with psycopg.connect(telling) as connection:
        settle(connection, "k:1")
        route(connection)
        assert len(claim(connection, channels=CHANNELS, lease_ms=0)) == CHANNELS
    taken = [each for answer in all_at_once(telling, lambda c, _: claim(c, channels=CHANNELS)) for each in answer]
    assert len(taken) == len(set(taken)) == CHANNELS


def test_signals_of_shards_at_once_are_one_row_a_person(telling: str) -> None:
    people = [str(uuid4()) for _ in range(5)]
    with psycopg.connect(telling) as connection:
        for n, person in enumerate(people):
            connection.execute("insert into auth.users (id) values (%s)", (person,))
            connection.execute("update public.profiles set tier = 'elite' where user_id = %s", (person,))
            connection.execute(
                "insert into public.notification_channels (owner_id, name, kind, target, shown)"
                " values (%s, 'n', 'apprise', 'json://x', 'json://…')",
                (person,),
            )
            for shard in range(CLIENTS):
                connection.execute(
                    "insert into public.traders (trader_id, owner_id, name, rule, timeframe)"
                    " values (%s, %s, 'n', 'close > 1', '1m')",
                    (f"t-{n}-{shard}", person),
                )

    def record(connection: psycopg.Connection, shard: int) -> int:
        rows = [
            {"trader_id": f"t-{n}-{shard}", "symbol": f"S{i}/USDT", "timeframe": "1m", "close_time": NOW}
            | {"side": "long", "price": 1.5, "rule_hash": "h", "values": {}}
            for n in range(len(people))
            for i in range(30)
        ]
        ask = "select public.record_signals('binance', 'c', %s::jsonb) ->> 'new'"
        return int(value(connection, ask, json.dumps(rows)))

    try:
        assert sum(all_at_once(telling, record)) == 30 * len(people) * CLIENTS
        with psycopg.connect(telling) as connection:
            told = connection.execute(
                "select data ->> 'signals', jsonb_array_length(data -> 'first'), due_at > created_at, correlation_id"
                " from public.outbox"
            ).fetchall()
        assert told == [(str(30 * CLIENTS), 20, True, "c")] * len(people)
    finally:
        with psycopg.connect(telling) as connection:
            connection.execute("truncate public.signals, public.traders cascade")
