"""The publisher: in order, acknowledged, and never held up by an announcement or a status."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from aws_lambda_powertools import Logger

from collector import publisher as module
from collector.health import Report
from collector.publisher import Publisher
from shared.domain.candles import Boundary, Candle
from shared.domain.errors import FencedError, TransientError
from shared.domain.lease import Tenure
from shared.domain.timeframe import Timeframe
from tests.fakes.collecting import FlakyWriter, LookingTrigger

M1 = Timeframe.M1
START = 1_700_000_040_000 // M1.ms * M1.ms
LOG = Logger(service="publisher-test", level="CRITICAL")


def boundary(minute: int, close: float = 10.0) -> Boundary:
    open_time = START + minute * M1.ms
    return Boundary.of(M1, open_time, [("BTC/USDT", Candle(open_time, 10.0, 20.0, 5.0, close, 1.0, 10.0, 3.0, 0.5))])


@asynccontextmanager
async def running(publisher: Publisher) -> AsyncIterator[None]:
    task = asyncio.create_task(publisher.run())
    try:
        yield
        assert await publisher.drain(5.0)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def made(writer: FlakyWriter) -> tuple[Publisher, LookingTrigger]:
    trigger = LookingTrigger(writer, (M1,))
    return Publisher("binance", writer, trigger, log=LOG), trigger


def status() -> Report:
    return Report(venue="binance", timeframes=(M1,), phase="live")


async def test_a_log_that_is_away_delays_but_neither_drops_nor_reorders() -> None:
    writer = FlakyWriter(failures=7)
    publisher, trigger = made(writer)
    async with running(publisher):
        for minute in range(5):
            publisher.publish([boundary(minute)], status=status)
        publisher.correct([boundary(1, 11.0)])
    assert [entry.open_time for entry in writer.appended] == [START + minute * M1.ms for minute in (0, 1, 2, 3, 4, 1)]
    assert [told.close_time for told in trigger.told] == [START + minute * M1.ms for minute in range(1, 6)]
    assert trigger.lacking == []


async def test_only_what_is_acknowledged_counts_as_written() -> None:
    writer = FlakyWriter(failures=1)
    publisher, _ = made(writer)
    with pytest.raises(TransientError):
        await publisher.append([boundary(0)])
    assert (publisher.newest_close, publisher.last_write_ms) == ({}, None)
    await publisher.append([boundary(0)])
    assert publisher.newest_close == {M1: START + M1.ms}


async def test_a_correction_does_not_make_the_log_look_older() -> None:
    publisher, _ = made(FlakyWriter())
    await publisher.append([boundary(5), boundary(1)])
    assert publisher.newest_close == {M1: START + 6 * M1.ms}


async def test_a_trigger_that_is_away_holds_up_nothing() -> None:
    writer = FlakyWriter()
    publisher, trigger = made(writer)
    trigger.is_away = True
    async with running(publisher):
        for minute in range(3):
            publisher.publish([boundary(minute)], status=status)
    assert len(writer.appended) == len(trigger.told) == 3


async def test_too_much_waiting_ends_the_run_so_that_the_next_one_backfills(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    publisher, _ = made(FlakyWriter())
    for minute in range(3):
        publisher.publish([boundary(minute)], status=status)
    with pytest.raises(TransientError, match="3 writes wait"):
        publisher.publish([boundary(3)], status=status)


async def test_too_many_bytes_waiting_end_the_run_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING_BYTES", 3 * boundary(0).values.nbytes)
    publisher, _ = made(FlakyWriter())
    publisher.publish([boundary(0)], status=status)
    publisher.correct([boundary(0)])
    with pytest.raises(TransientError, match="bytes of candles wait"):
        publisher.publish([boundary(1)], status=status)
    assert publisher.waiting == 2
    async with running(publisher):
        pass
    publisher.publish([boundary(1)], status=status)  # what was written has made room
    assert publisher.waiting == 1


async def test_a_long_row_of_corrections_is_written_in_steps() -> None:
    """A step that fails is repeated as a whole, so it must not hold what was acknowledged before."""
    writer = FlakyWriter()
    publisher, _ = made(writer)
    publisher.correct([boundary(minute) for minute in range(2 * module.APPEND_AT_ONCE + 1)])
    assert publisher.waiting == 3
    async with running(publisher):
        pass
    assert [entry.open_time for entry in writer.appended] == [START + minute * M1.ms for minute in range(201)]


async def test_the_status_tells_of_the_very_write_it_comes_with() -> None:
    writer = FlakyWriter()
    publisher, _ = made(writer)
    async with running(publisher):
        publisher.publish([boundary(0)], status=status)
    assert writer.statuses["binance"]["newest_close:1m"] == str(START + M1.ms)
    assert int(writer.statuses["binance"]["last_write_ms"]) > 0


async def test_a_write_that_is_fenced_off_is_not_tried_again_nor_announced() -> None:
    writer = FlakyWriter(leases={"binance": Tenure(token=2)}, token=1)
    publisher, trigger = made(writer)
    publisher.publish([boundary(0)], status=status)
    publisher.publish([boundary(1)], status=status)
    with pytest.raises(ExceptionGroup) as raised:
        await publisher.run()
    assert raised.group_contains(FencedError)
    assert (writer.streams, trigger.told, publisher.newest_close) == ({}, [], {})
