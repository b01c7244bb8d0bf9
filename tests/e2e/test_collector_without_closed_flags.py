"""The collector at venues that never say a candle has closed: the log equals the market, whatever is lost."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aws_lambda_powertools import Logger

from collector import collector as collector_module
from collector.collector import Collector
from collector.config import Settings
from shared.adapters.clock import TapeClock, steer
from shared.adapters.venues import kraken
from shared.adapters.venues.coinbase import CoinbaseRest
from shared.adapters.venues.kraken import KrakenRest
from shared.adapters.venues.rest_client import RestClient, TokenBucket
from shared.domain.backfill import Stretch
from shared.domain.candles import Candle
from shared.domain.pushes import STRAY_MS, Trade
from shared.domain.timeframe import Timeframe
from shared.ports import VenueSource
from tests.fakes.collecting import FlakyWriter, LookingTrigger, running, until
from tests.fakes.forming_venues import CoinbaseLike, FormingVenue, KrakenLike, Market
from tests.fakes.ticker_board import FakeTickerBoardWriter

M1, M5, M15 = Timeframe.M1, Timeframe.M5, Timeframe.M15
TIMEFRAMES = (M1, M5, M15)
DEPTH = 40
LIVE = 10
SPEED, SLOW = 120.0, 10.0
LAG_MS = 10 * M1.ms
START = 1_700_000_100_000 // M15.ms * M15.ms
LIVE_FROM = START + (DEPTH + 2) * M15.ms
SEED = 7
EVERY_S = {"BTC": 3.0, "ETH": 20.0, "DUSK": 400.0}  # the last is quiet for minutes


@dataclass
class Desk:
    """A venue on a tape clock, a log and a trigger; collectors come and go."""

    name: str
    venue: FormingVenue
    url: str
    clock_file: Path
    session: aiohttp.ClientSession
    writer: FlakyWriter
    trigger: LookingTrigger
    board: FakeTickerBoardWriter = field(default_factory=FakeTickerBoardWriter)

    def source(self) -> VenueSource:
        bucket = TokenBucket(1e9, 60.0)
        if self.name == "kraken":
            return KrakenRest(RestClient(self.session, self.url, bucket=bucket, check=kraken.check))
        return CoinbaseRest(RestClient(self.session, self.url, bucket=bucket))

    def collector(self) -> Collector:
        """Return one that is not running yet."""
        settings = Settings(
            venue=self.name,
            venue_rest_url=self.url,
            venue_ws_url=self.url.replace("http", "ws"),
            collector_quote="USD",
            collector_symbols=len(EVERY_S),
            collector_timeframes=TIMEFRAMES,
            log_depth=DEPTH,
            symbol_refresh_s=3_600,
            upstash_redis_url="redis://unused",
            trigger_url="http://unused",
            trigger_secret="unused",
            clock_file=self.clock_file,
        )
        return Collector(
            settings,
            session=self.session,
            source=self.source(),
            writer=self.writer,
            announcer=self.trigger,
            watcher=None,
            board=self.board,
            clock=self.venue.clock,
            log=Logger(service="collector-test", level="CRITICAL"),
        )

    @asynccontextmanager
    async def collecting(self) -> AsyncIterator[Collector]:
        """Run a collector until the block ends; a run that fails fails the test."""
        async with running(collector := self.collector()):
            yield collector

    def play(self, *, speed: float = SPEED) -> None:
        steer(self.clock_file, tape_ms=self.venue.clock.now_ms(), speed=speed)

    @property
    def minute(self) -> int:
        """Return how many minutes the market has been live."""
        return (self.venue.clock.now_ms() - LIVE_FROM) // M1.ms

    async def has(self, minutes: int) -> None:
        """Wait until the log equals the market up to a minute; the tape slows down for a machine that falls behind."""
        problems: list[str] = ["not looked yet"]

        async def reached() -> bool:
            nonlocal problems
            problems = await self.lacking(LIVE_FROM + minutes * M1.ms)
            newest = (await self.writer.frame(self.name, M1)).close_time
            is_behind = self.venue.clock.now_ms() - newest > LAG_MS
            if is_behind != (self.venue.clock.speed <= SLOW):
                self.play(speed=SLOW if is_behind else SPEED)
            return not problems

        try:
            await until(reached)
        except TimeoutError:
            pytest.fail(f"the log differs from the market: {problems[:5]}")

    async def lacking(self, close_time: int) -> list[str]:
        """Return how the log differs from the market, up to an instant and as far back as it should reach."""
        problems = []
        for timeframe in TIMEFRAMES:
            log = (await self.writer.frame(self.name, timeframe)).until(close_time)
            last = timeframe.last_close(close_time) - timeframe.ms
            for base in EVERY_S:
                symbol = f"{base}/USD"
                found = {one.open_time: one for one in (log.candles(symbol) if symbol in log.symbols else [])}
                for open_time in range(last - (DEPTH - 1) * timeframe.ms, last + 1, timeframe.ms):
                    expected = self.venue.market.candle(base, timeframe, open_time, until=close_time)
                    if open_time not in found or not same(found[open_time], expected):
                        problems.append(f"{symbol} {timeframe} {open_time}: {found.get(open_time)} not {expected}")
        return problems


def same(one: Candle, expected: Candle) -> bool:
    """Tell whether a candle is as expected; what the venue does not tell by REST may be NaN, prices and volume not."""
    return one.filled == expected.filled and all(
        math.isclose(a, b, rel_tol=1e-9) or (math.isnan(a) and column > 5)
        for column, (a, b) in enumerate(zip(one[:9], expected[:9], strict=True))
    )


@pytest.fixture(params=["kraken", "coinbase"])
async def desk(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Desk]:
    market = Market.of(EVERY_S, start=START, until=LIVE_FROM + 600 * M1.ms, seed=SEED)
    clock_file = tmp_path / "clock.json"
    steer(clock_file, tape_ms=LIVE_FROM + 1_000, speed=0)
    made = KrakenLike if request.param == "kraken" else CoinbaseLike
    venue = made(market, TapeClock(clock_file))
    async with venue.serve() as url, aiohttp.ClientSession() as session:
        writer = FlakyWriter(depth=4 * DEPTH)
        yield Desk(request.param, venue, url, clock_file, session, writer, LookingTrigger(writer, TIMEFRAMES))


async def test_the_log_equals_the_market_quiet_minutes_and_all(desk: Desk) -> None:
    async with desk.collecting() as collector:
        desk.play()
        await desk.has(LIVE)
        counts = collector.report().counts
    assert not {"invalid_frames", "disconnects"} & set(counts)
    told = [boundary for boundary in desk.trigger.told if boundary.timeframe is M1]
    assert len(told) == len(set(told)) >= LIVE - 1
    assert desk.trigger.lacking == []
    log = await desk.writer.frame(desk.name, M1)
    live = {symbol: [one for one in log.candles(symbol) if one.open_time >= LIVE_FROM][:LIVE] for symbol in log.symbols}
    assert sum(one.filled for one in live["DUSK/USD"]) > LIVE / 2
    pushed = [one for one in live["BTC/USD"] if not math.isnan(one.trades)]  # REST at Coinbase has no count
    assert len(pushed) >= LIVE - 2
    assert list(desk.board.texts) == [f"tickers:{desk.name}"]


async def test_history_may_take_longer_than_a_push_may_be_ahead(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock goes on meanwhile, so that what the sockets bring is not taken for the future's."""
    may_answer = asyncio.Event()
    kind = KrakenRest if desk.name == "kraken" else CoinbaseRest
    answer = kind.candles

    async def dawdle(*args: Any, **options: Any) -> Stretch:
        await may_answer.wait()
        return await answer(*args, **options)

    monkeypatch.setattr(kind, "candles", dawdle)
    collector = desk.collector()
    run = asyncio.create_task(collector.run())
    try:
        await until(lambda: collector.report().phase == "backfilling")
        began_ms = desk.venue.clock.now_ms()
        desk.play(speed=20 * SPEED)
        await until(lambda: desk.venue.clock.now_ms() > began_ms + STRAY_MS + 20 * M1.ms)
        desk.play(speed=SLOW)
        may_answer.set()
        await until(lambda: run.done() or collector.report().phase == "live")
        counts = collector.report().counts
    finally:
        run.cancel()
        await asyncio.wait([run])
    assert counts["frames"] > 0
    assert "invalid_frames" not in counts


async def test_a_cut_connection_costs_nothing(desk: Desk) -> None:
    async with desk.collecting() as collector:
        desk.play()
        await desk.has(2)
        await desk.venue.cut()
        await desk.has(LIVE)
        assert collector.report().counts["disconnects"] >= 1


async def test_a_subscription_that_is_dropped_without_a_word_is_made_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others go on, so nothing looks dead, and REST would have to stand in for ever."""
    monkeypatch.setattr(collector_module, "RESUBSCRIBE_S", 0.1)
    async with desk.collecting() as collector:
        desk.play()
        await desk.has(2)
        desk.venue.forget("BTC")
        await until(lambda: desk.venue.bring("BTC"))
        await desk.has(desk.minute + LIVE)
        counts = collector.report().counts
    assert counts["resubscriptions"] >= 1
    assert "disconnects" not in counts


async def test_a_refused_subscription_is_tried_again_and_costs_no_other(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector_module, "RESUBSCRIBE_S", 0.1)
    desk.venue.refuses["BTC"] = len(TIMEFRAMES) if desk.name == "kraken" else 1
    async with desk.collecting() as collector:
        assert desk.venue.bring("ETH")
        assert not desk.venue.bring("BTC")
        desk.play()
        await until(lambda: desk.venue.bring("BTC"))
        await desk.has(desk.minute + LIVE)
        assert collector.report().counts["refused_subscriptions"] >= 1


@pytest.mark.parametrize("desk", ["coinbase"], indirect=True)
async def test_trades_the_venue_drops_or_doubles_are_made_good(desk: Desk) -> None:
    """Its feed may drop messages without a word; the count of the trades shows it."""
    dropped: list[Trade] = []

    def is_dropped(trade: Trade) -> bool:
        dropped.extend([trade] * (trade.number % 25 == 0))
        return trade.number % 25 == 0

    desk.venue.is_dropped, desk.venue.copies = is_dropped, 2
    async with desk.collecting() as collector:
        desk.play()
        await desk.has(LIVE)
        assert collector.report().counts["repairs"] > 0
    assert dropped


@pytest.mark.parametrize("desk", ["kraken"], indirect=True)
async def test_frames_that_cannot_be_read_are_made_good(desk: Desk) -> None:
    """One in five is cut short; where it was the last of its candle, nothing else would tell."""
    whole = desk.venue.frame

    def cut(trade: Trade, timeframe: Timeframe) -> str:
        frame = whole(trade, timeframe)
        return frame[: len(frame) // 2] if trade.number % 5 == 0 else frame

    setattr(desk.venue, "frame", cut)  # noqa: B010 mypy forbids the assignment
    async with desk.collecting() as collector:
        desk.play()
        await desk.has(LIVE)
        assert collector.report().counts["invalid_frames"] > 0
