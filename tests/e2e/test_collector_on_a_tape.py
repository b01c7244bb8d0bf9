"""The collector against the simulated venue: whatever goes wrong on the way, the log equals the tape."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from aws_lambda_powertools import Logger

from collector import publisher
from collector.collector import Collector
from collector.config import Settings
from collector.supervisor import supervise
from desk.simulator.server import Simulator
from desk.simulator.spec import SyntheticSpec, build_tape
from desk.simulator.streams import ClosingFrame
from shared.adapters.clock import TapeClock, steer
from shared.domain.timeframe import Timeframe
from tests.fakes.collecting import FlakyWriter, LookingTrigger, WatchedRest, running, until, watched
from tests.fakes.ticker_board import FakeTickerBoardWriter

M1, M5, M15 = Timeframe.M1, Timeframe.M5, Timeframe.M15
TIMEFRAMES = (M1, M5, M15)
SYMBOLS = 6
DEPTH = 150
LIVE = 15
SPEED = 360.0  # six boundaries a second
SLOW = 20.0
LAG_MS = 10 * M1.ms


@dataclass
class Desk:
    """A simulated venue, a tape clock, a log and a trigger; collectors come and go."""

    simulator: Simulator
    url: str
    clock_file: Path
    session: aiohttp.ClientSession
    writer: FlakyWriter
    trigger: LookingTrigger
    source: WatchedRest

    @property
    def clock(self) -> TapeClock:
        return TapeClock(self.clock_file)

    def settings(self) -> Settings:
        return Settings(
            venue_rest_url=self.url,
            venue_ws_url=self.url.replace("http", "ws"),
            collector_symbols=SYMBOLS,
            collector_timeframes=TIMEFRAMES,
            log_depth=DEPTH,
            symbol_refresh_s=10,
            upstash_redis_url="redis://unused",
            trigger_url="http://unused",
            trigger_secret="unused",
            clock_file=self.clock_file,
        )

    def collector(self) -> Collector:
        """Return a collector that has not started."""
        return Collector(
            self.settings(),
            session=self.session,
            source=self.source,
            writer=self.writer,
            announcer=self.trigger,
            watcher=None,
            board=FakeTickerBoardWriter(),
            clock=self.clock,
            log=Logger(service="collector-test", level="CRITICAL"),
        )

    @asynccontextmanager
    async def collecting(self) -> AsyncIterator[Collector]:
        """Run a collector until the block ends; a run that fails fails the test."""
        collector = self.collector()
        async with running(collector):
            yield collector

    def play(self, *, speed: float = SPEED) -> None:
        steer(self.clock_file, tape_ms=self.clock.now_ms(), speed=speed)

    async def welcomes(self, newcomer: str, collector: Collector) -> None:
        """Let a collector choose its symbols anew, and wait until a newcomer's history is in the log."""
        await collector._welcome(await collector._roster.choose(incumbents=set(collector._roster.venue_ids)))

        async def is_settled() -> bool:
            return newcomer in (await self.writer.frame("binance", M15)).symbols

        await until(is_settled)

    async def has(self, close_time: int) -> None:
        """Wait until the log equals the tape up to an instant; the tape slows down for a machine that falls behind."""
        problems: list[str] = ["not looked yet"]

        async def reached() -> bool:
            nonlocal problems
            problems = await self.lacking(close_time)
            newest = (await self.writer.frame("binance", M1)).close_time
            is_behind = self.clock.now_ms() - newest > LAG_MS
            if is_behind != (self.clock.speed <= SLOW):
                self.play(speed=SLOW if is_behind else SPEED)
            return not problems

        try:
            await until(reached)
        except TimeoutError:
            pytest.fail(f"the log differs from the tape: {problems}")

    async def lacking(self, close_time: int) -> list[str]:
        """Return how the log differs from the tape, up to an instant and as far back as the log should reach."""
        problems = []
        for timeframe in TIMEFRAMES:
            since = max(timeframe.last_close(close_time) - DEPTH * timeframe.ms, self.simulator.tape.start)
            expected = self.simulator.tape.frame(timeframe, since=since, until=close_time)
            log = (await self.writer.frame("binance", timeframe)).until(close_time)
            if log.close_time < expected.close_time or not set(expected.symbols) <= set(log.symbols):
                problems.append(f"{timeframe}: ends at {log.close_time}, expected {expected.close_time}")
                continue
            log, expected = log.select(expected.symbols).tail(DEPTH), expected.tail(DEPTH)
            if not np.array_equal(log.open_times, expected.open_times):
                problems.append(f"{timeframe}: {log.bars} bars, expected {expected.bars}")
            elif not np.array_equal(log.values, expected.values, equal_nan=True):
                cells = np.argwhere((log.values != expected.values).any(axis=0)).tolist()
                problems.append(f"{timeframe}: cells differ at (symbol, bar) {cells[:5]}")
            elif not np.array_equal(log.filled, expected.filled):
                problems.append(f"{timeframe}: no-trade marks differ")
        return problems


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    tape = build_tape(SyntheticSpec(symbols=SYMBOLS, timeframes=TIMEFRAMES, history_bars=DEPTH + 5, live_bars=600))
    clock_file = tmp_path / "clock.json"
    steer(clock_file, tape_ms=tape.live_from, speed=0)
    simulator = Simulator(tape, TapeClock(clock_file))
    async with simulator.serve() as url, aiohttp.ClientSession() as session:
        writer = FlakyWriter(depth=4 * DEPTH)  # so that what scrolls out does not depend on when a test looks
        source = watched(session, url)
        source.watch()
        yield Desk(simulator, url, clock_file, session, writer, LookingTrigger(writer, TIMEFRAMES), source)


def after(desk: Desk, minutes: int) -> int:
    return desk.simulator.tape.live_from + minutes * M1.ms


async def test_the_log_equals_the_tape_and_every_boundary_is_announced_once(desk: Desk) -> None:
    async with desk.collecting() as collector:
        desk.play()
        await desk.has(after(desk, LIVE))
        report = collector.report()
    assert await desk.lacking(after(desk, LIVE)) == []
    told = [boundary for boundary in desk.trigger.told if boundary.close_time <= after(desk, LIVE)]
    expected = {
        (timeframe, close_time)
        for timeframe in TIMEFRAMES
        for close_time in desk.simulator.tape.boundaries(timeframe, since=after(desk, 0), until=after(desk, LIVE))
    }
    assert {(boundary.timeframe, boundary.close_time) for boundary in told} >= expected
    assert len(told) == len(set(told))
    assert len(desk.trigger.correlation_ids) == len(desk.trigger.told)
    assert not {"invalid_frames", "disconnects"} & set(report.counts)
    assert report.open_gaps == 0


async def test_longer_timeframes_are_in_the_log_before_a_shorter_one_is_announced(desk: Desk) -> None:
    async with desk.collecting():
        desk.play()
        await desk.has(after(desk, LIVE))
    assert desk.trigger.told
    assert desk.trigger.lacking == []


async def test_redis_sees_at_most_three_commands_a_boundary(desk: Desk) -> None:
    """One XADD for each boundary; the status is one HSET and one PEXPIRE for each close instant."""
    async with desk.collecting():
        before = desk.writer.commands.copy()
        desk.play()
        await desk.has(after(desk, LIVE))
    used = desk.writer.commands - before
    assert used["append"] + 2 * used["status"] <= 3 * used["append"]
    assert desk.writer.statuses["binance"]["open_gaps"] == "0"
    assert int(desk.writer.statuses["binance"]["newest_close:1m"]) >= after(desk, LIVE)


async def test_lost_closing_frames_are_repaired_by_rest(desk: Desk) -> None:
    """A hole of exactly one candle, a symbol silent for a while, a whole boundary: nothing is lost for good."""
    lost: list[ClosingFrame] = []
    publish = desk.simulator.streams.publish

    def lossy(frames: Iterable[tuple[str, str, ClosingFrame | None]]) -> None:
        kept = []
        for frame in frames:
            closing = frame[2]
            minute = 0 if closing is None else (closing.open_time - after(desk, 0)) // M1.ms
            if closing is not None and (
                (closing.symbol == "BTC/USDT" and minute == 2)
                or (closing.symbol == "ETH/USDT" and 3 <= minute <= 8)
                or minute == 10
            ):
                lost.append(closing)
            else:
                kept.append(frame)
        publish(kept)

    setattr(desk.simulator.streams, "publish", lossy)  # noqa: B010 mypy forbids the assignment
    async with desk.collecting() as collector:
        desk.play()
        await desk.has(after(desk, LIVE))
        assert collector.report().counts["repairs"] > 0
    assert len(lost) > SYMBOLS
    assert len(desk.trigger.told) == len(set(desk.trigger.told))


async def test_a_cut_connection_costs_nothing(desk: Desk) -> None:
    async with desk.collecting() as collector:
        desk.play()
        await desk.has(after(desk, 3))
        await desk.simulator.streams.close()
        await desk.has(after(desk, LIVE))
        assert collector.report().counts["disconnects"] >= 1
        await until(lambda: collector.report().connections_open == 1)


async def test_damaged_frames_are_counted_and_their_candles_repaired(desk: Desk) -> None:
    publish = desk.simulator.streams.publish

    def damaged(frames: Iterable[tuple[str, str, ClosingFrame | None]]) -> None:
        publish(
            (stream, event.replace('"h":"', '"h":"-') if closing and stream.startswith("btc") else event, closing)
            for stream, event, closing in frames
        )

    setattr(desk.simulator.streams, "publish", damaged)  # noqa: B010 mypy forbids the assignment
    async with desk.collecting() as collector:
        desk.play()
        await desk.has(after(desk, 6))
        assert collector.report().counts["invalid_frames"] >= 6


async def test_what_the_log_did_not_acknowledge_is_written_again_in_order(desk: Desk) -> None:
    """A studied system lost 11 to 28 of 50 closes in the minute burst, without an error."""
    async with desk.collecting():
        desk.play()
        await desk.has(after(desk, 2))
        desk.writer.failures = 5
        await desk.has(after(desk, LIVE))
    opens = [boundary.open_time for boundary in desk.writer.appended if boundary.timeframe is M1]
    assert opens == sorted(set(opens))


async def test_a_log_that_hangs_for_longer_than_the_buffer_is_repaired_from_rest(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "MAX_WAITING", 4)
    runs: list[Collector] = []
    append, answers = desk.writer.append, asyncio.Event()
    answers.set()

    async def hanging(*args: Any, **options: Any) -> None:
        await answers.wait()
        await append(*args, **options)

    async def run() -> None:
        runs.append(desk.collector())
        await runs[-1].run()

    setattr(desk.writer, "append", hanging)  # noqa: B010 mypy forbids the assignment
    log = Logger(service="collector-test", level="CRITICAL")
    supervised = asyncio.create_task(supervise(run, log=log, backoff_s=(0.01, 0.01)))
    await until(lambda: bool(runs) and runs[-1].report().phase == "live")
    desk.play()
    await desk.has(after(desk, 2))
    answers.clear()
    await until(lambda: runs[0].report().buffered >= 4)
    await until(lambda: len(runs) == 2)
    told = len(desk.trigger.told)
    assert runs[0].report().buffered >= 4
    await asyncio.sleep(0.2)
    assert len(desk.trigger.told) == told
    answers.set()
    await desk.has(after(desk, 2 * LIVE))
    supervised.cancel()
    assert desk.trigger.lacking == []
    opens = [boundary.open_time for boundary in desk.writer.appended if boundary.timeframe is M1]
    assert opens == sorted(set(opens))


async def test_a_trigger_that_is_away_does_not_hold_up_the_log(desk: Desk) -> None:
    desk.trigger.is_away = True
    async with desk.collecting():
        desk.play()
        await desk.has(after(desk, LIVE))


async def test_a_restart_asks_only_for_what_the_log_lacks(desk: Desk) -> None:
    async with desk.collecting():
        desk.play()
        await desk.has(after(desk, 3))
    desk.play(speed=0)
    reach = (await desk.writer.frame("binance", M1)).close_time
    steer(desk.clock_file, tape_ms=desk.clock.now_ms() + 7 * M1.ms, speed=0)
    desk.source.windows.clear()
    async with desk.collecting():
        asked = [window.first_open for _, window in desk.source.windows if window.timeframe is M1]
        assert set(asked) == {reach - M1.ms}  # the first candle that is missing, and its neighbour before
        desk.play()
        await desk.has(after(desk, LIVE))


async def test_an_empty_log_is_filled_to_its_depth(desk: Desk) -> None:
    """Without a backfill, a 1h series needs 500 hours to fill."""
    async with desk.collecting() as collector:
        assert await desk.lacking(after(desk, 0)) == []
        assert collector.report().status == "ok"
    assert desk.trigger.told == []


async def test_whose_history_is_refused_is_not_followed_until_it_is_told(desk: Desk) -> None:
    """What is followed is whole; an answer that cannot be true leaves no hole behind."""
    wire = next(listed.wire for listed in desk.simulator.tape.instruments if listed.symbol == "SOL/USDT")
    desk.source.refused.add(wire)
    async with desk.collecting() as collector:
        assert "SOL/USDT" not in (await desk.writer.frame("binance", M1)).symbols
        report = collector.report()
        assert report.symbols == SYMBOLS - 1
        assert report.backfill_done == report.backfill_total == report.symbols * len(TIMEFRAMES)
        assert collector.report().open_gaps == 0
        desk.play(speed=30)
        await until(lambda: len(desk.trigger.told) > 2)
        desk.source.refused.clear()
        await desk.welcomes("SOL/USDT", collector)
        desk.play()
        await desk.has(after(desk, LIVE))


async def test_a_newcomer_gets_its_history_and_nobody_else_loses_theirs(desk: Desk) -> None:
    newcomer = next(listed.wire for listed in desk.simulator.tape.instruments if listed.symbol == "SOL/USDT")
    desk.source.hidden.add(newcomer)
    async with desk.collecting() as collector:
        assert "SOL/USDT" not in (await desk.writer.frame("binance", M1)).symbols
        desk.play()
        await until(lambda: len(desk.trigger.told) > 2)
        desk.play(speed=30)  # live, but so slow that history is in before the tape outruns the depth
        desk.source.hidden.clear()
        await desk.welcomes("SOL/USDT", collector)
        desk.play()
        await desk.has(after(desk, LIVE))
