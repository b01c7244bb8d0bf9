"""What the monitor reads of Redis and leaves in it, through Upstash's interface."""

import json
from collections.abc import Iterator
from uuid import uuid4

import pytest

from desk.local.upstash import UpstashFacade
from shared.adapters.redis_rest import RestRedis, connect_rest, run
from shared.adapters.redis_watch import KEPT_KEY, KEPT_S, UpstashCollectorReads, UpstashPendingAlerts
from shared.domain.alerts import Alert, Severity
from shared.domain.errors import TransientError
from shared.domain.monitor_facts import CollectorStatus
from shared.domain.timeframe import Timeframe
from shared.monitor_ports import PendingAlerts
from tests.fakes.monitor import MemoryPendingAlerts


@pytest.fixture
def redis(upstash: UpstashFacade) -> Iterator[RestRedis]:
    found = connect_rest(upstash.url, upstash.token, timeout_s=2.0)
    run(found, ["DEL", KEPT_KEY], "test")
    yield found
    found.close()


@pytest.fixture(params=["memory", "redis"])
def pending(request: pytest.FixtureRequest) -> PendingAlerts:
    if request.param == "memory":
        return MemoryPendingAlerts()
    return UpstashPendingAlerts(request.getfixturevalue("redis"))


def an_alert(key: str, sentence: str = "it is away") -> Alert:
    return Alert(dedupe_key=key, kind="dependency", severity=Severity.CRITICAL, sentence=sentence, details={"a": [1]})


def test_an_alert_is_kept_as_of_when_it_was_found_first_and_told_once(pending: PendingAlerts) -> None:
    assert list(pending.kept()) == []
    pending.keep([an_alert("b")], at_ms=2)
    pending.keep([an_alert("b", "still"), an_alert("a")], at_ms=3)
    pending.keep([an_alert("c")], at_ms=1)
    first = pending.kept()
    assert [(each.alert.dedupe_key, each.at_ms, each.is_told) for each in first] == [
        ("c", 1, False), ("b", 2, False), ("a", 3, False),
    ]  # fmt: skip
    assert first[1].alert == an_alert("b")

    pending.told(first[:2])
    assert [each.is_told for each in pending.kept()] == [True, True, False]
    pending.drop(first[:1])
    assert [each.alert.dedupe_key for each in pending.kept()] == ["b", "a"]
    pending.drop(pending.kept())
    assert list(pending.kept()) == []
    pending.told([])
    pending.drop([])


def test_what_is_kept_vanishes_after_a_week(redis: RestRedis) -> None:
    UpstashPendingAlerts(redis).keep([an_alert("a")], at_ms=1)
    assert KEPT_S - 60 <= run(redis, ["TTL", KEPT_KEY], "test") <= KEPT_S


def test_a_collector_tells_its_newest_closes(redis: RestRedis) -> None:
    venue = f"v{uuid4().hex[:8]}"
    fields = {
        "newest_close:1m": "60000",
        "newest_close:5m": "0",
        "newest_close:7m": "9",
        "status": "ok",
        "open_gaps": "2",
    }
    run(redis, ["HSET", f"collector:{venue}", *[part for pair in fields.items() for part in pair]], "test")
    found = UpstashCollectorReads(redis).statuses([venue, "nobody"])
    assert found == {
        venue: CollectorStatus(status="ok", newest_close={Timeframe.M1: 60_000, Timeframe.M5: 0}, open_gaps=2),
        "nobody": None,
    }


def test_what_cannot_be_read_and_a_redis_that_is_away_name_the_dependency(redis: RestRedis) -> None:
    run(redis, ["HSET", KEPT_KEY, "a", json.dumps({"alert": 1})], "test")
    with pytest.raises(TransientError) as damaged:
        UpstashPendingAlerts(redis).kept()
    assert damaged.value.source == "redis"
    nobody = connect_rest("http://127.0.0.1:9", "t", timeout_s=0.2)
    with pytest.raises(TransientError) as away:
        UpstashCollectorReads(nobody).statuses(["binance"])
    assert away.value.source == "redis"
    nobody.close()
