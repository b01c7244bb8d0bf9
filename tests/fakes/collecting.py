"""What a collector in a test talks to: a log that fails when told to, a trigger that looks into it, a watched venue."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import aiohttp

from collector.collector import Collector
from shared.adapters.venues.binance import BinanceRest
from shared.adapters.venues.rest_client import RestClient, TokenBucket
from shared.domain.backfill import Stretch, Window
from shared.domain.candles import Boundary
from shared.domain.errors import InvalidMessageError, TransientError
from shared.domain.runs import ClosedBoundary
from shared.domain.timeframe import Timeframe, closing_at
from shared.domain.urgency import Urgency
from tests.fakes.candle_log import FakeCandleLogWriter


@dataclass
class FlakyWriter(FakeCandleLogWriter):
    """A log that keeps nothing of the first `failures` live appends: what was not acknowledged is not there."""

    failures: int = 0
    commands: Counter[str] = field(default_factory=Counter)
    appended: list[Boundary] = field(default_factory=list)

    async def append(
        self, venue: str, boundaries: Sequence[Boundary], *, status: Mapping[str, str] | None = None
    ) -> None:
        """Append, or raise `TransientError`."""
        if self.failures:
            self.failures -= 1
            raise TransientError("the log is away")
        self.commands["append"] += len(boundaries)
        self.commands["status"] += status is not None
        self.appended += boundaries
        await super().append(venue, boundaries, status=status)


@dataclass
class LookingTrigger:
    """A trigger that notes what it is told, and which timeframes of that instant the log lacked when it was told."""

    writer: FakeCandleLogWriter
    timeframes: tuple[Timeframe, ...]
    told: list[ClosedBoundary] = field(default_factory=list)
    correlation_ids: set[str] = field(default_factory=set)
    lacking: list[tuple[ClosedBoundary, Timeframe]] = field(default_factory=list)
    is_away: bool = False

    async def announce(self, boundary: ClosedBoundary, *, correlation_id: str) -> None:
        """Note the announcement, or raise `TransientError`."""
        self.told.append(boundary)
        self.correlation_ids.add(correlation_id)
        for timeframe in closing_at(boundary.close_time, self.timeframes):
            frame = await self.writer.frame(boundary.venue, timeframe)
            if frame.close_time < boundary.close_time:
                self.lacking.append((boundary, timeframe))
        if self.is_away:
            raise TransientError("the trigger is away")


class WatchedRest(BinanceRest):
    """Binance's REST client that notes the windows asked for, and can hide symbols or refuse their history."""

    def watch(self) -> None:
        """Start noting."""
        self.windows: list[tuple[str, Window]] = []
        self.hidden: set[str] = set()
        self.refused: set[str] = set()

    async def candles(
        self, venue_id: str, window: Window, *, now_ms: int, urgency: Urgency = Urgency.BACKFILL
    ) -> Stretch:
        """Note and ask, or refuse."""
        self.windows.append((venue_id, window))
        if venue_id in self.refused:
            raise InvalidMessageError("klines", "damaged")
        return await super().candles(venue_id, window, now_ms=now_ms, urgency=urgency)

    async def quote_volumes(self) -> dict[str, float]:
        """Ask, without the hidden ones."""
        volumes = await super().quote_volumes()
        return {venue_id: volume for venue_id, volume in volumes.items() if venue_id not in self.hidden}


def watched(session: aiohttp.ClientSession, url: str) -> WatchedRest:
    """Return such a client of a venue at an address, in no hurry to spare it."""
    return WatchedRest(RestClient(session, url, bucket=TokenBucket(1e9, 60.0)), spot=True)


@asynccontextmanager
async def running(collector: Collector) -> AsyncIterator[None]:
    """Run a collector until the block ends, live from its beginning on; a run that fails fails the test."""
    run = asyncio.create_task(collector.run())
    try:
        await until(lambda: run.done() or collector.report().phase == "live")
        yield
        assert await collector.drain(60.0)
    finally:
        if run.done():
            run.result()
        run.cancel()
        with suppress(asyncio.CancelledError):
            await run


async def until(reached: Callable[[], bool] | Callable[[], Awaitable[bool]], *, patience_s: float = 60.0) -> None:
    """Wait until something is so; nothing tells when another task or process has got there."""
    async with asyncio.timeout(patience_s):
        while True:
            answer = reached()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.02)
