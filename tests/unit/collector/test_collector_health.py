"""Health is data age: a live socket with old data is not healthy."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from collector.health import ALLOWANCE_MS, Report, health_app
from shared.domain.timeframe import Timeframe

M1, H1 = Timeframe.M1, Timeframe.H1
NOW = 1_700_002_800_000  # a full hour


def report(
    *,
    now_ms: int = NOW,
    phase: str = "live",
    speed: float = 1.0,
    closes: Mapping[Timeframe, int] = MappingProxyType({}),
) -> Report:
    newest = {M1: NOW, H1: NOW, **closes}
    return Report(
        venue="binance",
        timeframes=(M1, H1),
        now_ms=now_ms,
        phase=phase,
        speed=speed,
        newest_close={timeframe: close for timeframe, close in newest.items() if close},
        symbols=200,
        connections_open=7,
        connections_wanted=7,
    )


def test_fresh_data_is_healthy_until_a_candle_and_the_allowance_have_passed() -> None:
    assert report(now_ms=NOW + M1.ms + ALLOWANCE_MS).status == "ok"
    assert report(now_ms=NOW + M1.ms + ALLOWANCE_MS + 1).status == "stale"


@pytest.mark.parametrize("closes", [{M1: NOW - 2 * M1.ms}, {H1: NOW - 2 * H1.ms}, {H1: 0}])
def test_one_stale_or_absent_timeframe_is_enough_however_many_sockets_are_open(closes: dict[Timeframe, int]) -> None:
    assert report(closes=closes).status == "stale"


def test_before_it_is_live_it_is_not_healthy_even_with_fresh_data() -> None:
    assert report(phase="backfilling").status == "backfilling"


def test_a_fast_tape_is_allowed_the_same_real_delay() -> None:
    late = NOW + M1.ms + 30 * ALLOWANCE_MS
    assert report(now_ms=late).status == "stale"
    assert report(now_ms=late, speed=60.0).status == "ok"


@pytest.mark.parametrize(("now", "expected"), [(NOW + 1_234, 200), (NOW + 10 * M1.ms, 503)])
async def test_the_answer_says_how_old_each_timeframe_is(now: int, expected: int) -> None:
    async with TestClient(TestServer(health_app(lambda: report(now_ms=now), bytes))) as client:
        answer = await client.get("/health")
        body = await answer.json()
    assert answer.status == expected
    assert body["data_age"]["1m"] == {"newest_close": NOW, "age_ms": now - NOW, "is_stale": expected == 503}
    assert body["connections"] == {"open": 7, "wanted": 7}
    assert body["open_gaps"] == 0


@pytest.mark.parametrize(("phase", "expected"), [("standby", 200), ("starting", 503)])
async def test_a_standby_is_healthy_and_says_so(phase: str, expected: int) -> None:
    async with TestClient(TestServer(health_app(lambda: report(phase=phase), bytes))) as client:
        answer = await client.get("/health")
        assert (answer.status, (await answer.json())["status"]) == (expected, phase)


def test_the_status_hash_is_flat_text() -> None:
    fields = report().fields()
    assert fields["newest_close:1m"] == str(NOW)
    assert fields["status"] == "ok"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"newest_close": {M1: NOW - 5 * M1.ms}}, ["The newest 1m close is 300 s old.", "There is no 1h close yet."]),
        ({"open_gaps": 1}, ["1 candle is missing and asked for again."]),
        ({"buffered": 12}, ["12 writes wait for Redis."]),
        ({"connections_open": 5}, ["5 of 7 connections are open."]),
        ({"clock_offset_ms": 1_000}, []),
        ({"clock_offset_ms": 1_001}, ["Our clock is 1,001 ms behind the venue's."]),
        ({"clock_offset_ms": -2_500}, ["Our clock is 2,500 ms ahead of the venue's."]),
        ({"clock_offset_ms": 30_000, "speed": 60.0}, []),
        ({"phase": "backfilling"}, ["The collector is not live: backfilling."]),
        (
            {"phase": "backfilling", "backfill_done": 3, "backfill_total": 1_200},
            ["Backfilling: 3 of 1200 series are whole."],
        ),
        ({"phase": "starting", "is_cut_off": True}, ["The collector is not live: starting.", "Redis is out of reach."]),
        ({"phase": "standby", "lease": "standby", "newest_close": {}, "connections_open": 0}, []),
    ],
)
def test_problems_say_in_words_what_somebody_should_know(changes: dict[str, Any], expected: list[str]) -> None:
    assert replace(report(), **changes).problems() == expected


@pytest.mark.parametrize(
    ("changes", "is_healthy"),
    [
        ({"phase": "standby"}, True),
        ({"clock_offset_ms": 90_000}, True),
        ({"open_gaps": 9}, True),
        ({"phase": "draining"}, False),
        ({"newest_close": {}}, False),
    ],
)
def test_only_what_a_restart_or_another_instance_would_cure_is_unhealthy(
    changes: dict[str, Any], is_healthy: bool
) -> None:
    assert replace(report(), **changes).is_healthy is is_healthy
