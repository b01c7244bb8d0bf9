"""The collector: sockets → closed candles → whole boundaries → the log → announcements, from boot to the end of a run.

One run starts from what the log holds, so a run that fails is simply followed by another. Market time comes from the
clock, which may follow a tape at any speed; the network and its time limits live in real time.
"""

import asyncio
from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from functools import partial
from typing import Final

import aiohttp
from aws_lambda_powertools import Logger

from collector.backfill import Backfill, Fetched
from collector.config import Settings
from collector.health import Report
from collector.history import History
from collector.intake import Intake
from collector.mending import Mending, named
from collector.progress import Progress
from collector.publisher import Publisher
from collector.roster import Roster
from collector.tickers import TickerFeed
from collector.venue_clock import VenueClock
from shared.adapters.venues.registry import dialect_of
from shared.adapters.venues.streams import Streams
from shared.domain.assembly import Assembler
from shared.domain.backfill import newest_symbols
from shared.domain.errors import InvalidMessageError, TransientError
from shared.domain.timeframe import Timeframe
from shared.ports import Announcer, CandleLogWriter, Clock, TickerBoardWriter, TickersAnnouncer, VenueSource

TICK_S: Final = 0.05
OPEN_S: Final = 10.0
EARLY_REFRESH_S: Final = 60.0
RESUBSCRIBE_S: Final = 5.0


class Collector:
    """One run of the collector for one venue."""

    def __init__(
        self,
        settings: Settings,
        *,
        session: aiohttp.ClientSession,
        source: VenueSource,
        writer: CandleLogWriter,
        announcer: Announcer,
        watcher: TickersAnnouncer | None,
        board: TickerBoardWriter,
        clock: Clock,
        log: Logger,
    ) -> None:
        self._settings = settings
        self._session = session
        self._dialect = dialect_of(settings.venue)
        self._timeframes = settings.collector_timeframes
        self._shortest = min(self._timeframes, key=lambda timeframe: timeframe.ms)
        self._source = source
        self._writer = writer
        self._clock = VenueClock(clock)
        self._log = log
        self._roster = Roster(source, quote=settings.collector_quote, limit=settings.collector_symbols, log=log)
        self._backfill = Backfill(source, self._clock, self._roster.venue_ids, log=log)
        self._publisher = Publisher(settings.venue, writer, announcer, log=log)
        self._history = History(
            settings.venue,
            writer,
            self._publisher,
            self._backfill,
            self._roster.venue_ids,
            depth=settings.log_depth,
            log=log,
        )
        self._counts: Counter[str] = Counter()
        self._progress = Progress(log=log)
        self._tickers = TickerFeed(
            settings.venue,
            source,
            board,
            self._roster,
            self._clock,
            watcher=watcher,
            ticker_interval_s=settings.ticker_interval_s,
            funding_interval_s=settings.funding_interval_s,
            counts=self._counts,
            log=log,
        )
        self._wake = asyncio.Event()
        self._refresh_early = asyncio.Event()
        self._open(since=0)
        self._phase = "starting"

    async def run(self) -> None:
        """Collect until cancelled; raise what ended the run."""
        try:
            await self._clock.measure(self._source)
            newest = await self._writer.frame(self._settings.venue, self._shortest)
            await self._roster.choose(incumbents=newest_symbols(newest))
            await self._collect()
        finally:
            self._phase = "ended"

    async def _collect(self) -> None:
        # What closes from here on is assembled; what has closed is history. A close still in its grace is not history
        # yet (on a held tape nothing is on its way), and the sockets open before history is fetched, so that nothing
        # falls between the two.
        since = self._clock.now_ms() - (self._grace_ms() if self._clock.speed else 0)
        self._open(since=since)
        async with self._streams, asyncio.TaskGroup() as tasks:
            self._streams.follow(self._roster.venue_ids.values())
            if not await self._streams.wait_open(OPEN_S):
                self._log.warning("not every connection opened", open=self._streams.open, wanted=self._streams.wanted)
            self._progress = Progress(len(self._roster.venue_ids) * len(self._timeframes), log=self._log)
            self._phase = "backfilling"
            keeping_time = tasks.create_task(self._keep_time())
            refused: set[str] = set()
            for timeframe in self._timeframes:
                refused |= await self._fill(timeframe, since)
            if refused:
                self._let_go(refused)
                self._refresh_early.set()
            keeping_time.cancel()
            self._phase = "live"
            self._log.info("live", symbols=len(self._roster.venue_ids), connections=self._streams.wanted)
            tasks.create_task(self._publisher.run())
            tasks.create_task(self._assemble(tasks))
            tasks.create_task(self._mending.mend_gaps())
            tasks.create_task(self._refresh_symbols())
            tasks.create_task(self._resubscribe())
            tasks.create_task(self._clock.follow(self._source, log=self._log))
            tasks.create_task(self._tickers.run())
            if not self._dialect.says_closed:
                tasks.create_task(self._mending.confirm())

    async def _fill(self, timeframe: Timeframe, since: int) -> set[str]:
        fetched = await self._history.fill(timeframe, since, done=self._progress.advance)
        self._progress.leave_out(len(fetched.refused))
        self._assembler.note_gaps(fetched.missing)
        return fetched.refused

    async def _keep_time(self) -> None:
        """Let what the sockets bring while history is fetched be held against the clock as it is by then."""
        while True:
            now_ms = self._clock.now_ms()
            self._assembler.advance(now_ms)
            self._intake.note_time(now_ms)
            await asyncio.sleep(TICK_S)

    def _let_go(self, refused: Collection[str]) -> None:
        """Follow no more whose history the venue refuses: what we follow is whole. The next choice tries them again."""
        self._roster.dismiss(refused)
        if not self._roster.venue_ids:
            raise TransientError("the venue refuses the history of every symbol")
        self._follow()

    def _open(self, *, since: int) -> None:
        """Start to assemble what closes after an instant, with nothing open and nothing connected yet."""
        self._assembler = Assembler(
            self._timeframes, self._roster.venue_ids, since=since, depth=self._settings.log_depth
        )
        self._intake = Intake(
            self._dialect,
            self._assembler,
            self._roster.symbols,
            self._timeframes,
            counts=self._counts,
            news=self._wake.set,
            log=self._log,
        )
        self._mending = Mending(
            self._assembler,
            self._intake,
            self._backfill,
            self._clock,
            counts=self._counts,
            news=self._wake.set,
            gone=self._refresh_early.set,
            log=self._log,
        )
        self._streams = Streams(
            self._session,
            self._dialect,
            self._settings.venue_ws_url or self._dialect.ws_url,
            self._timeframes,
            clock=self._clock,
            on_frame=self._intake.take,
            on_open=lambda venue_ids: self._intake.opened(venue_ids, self._clock.now_ms()),
            on_end=self._intake.ended,
        )

    async def drain(self, timeout_s: float) -> bool:
        """Publish nothing new, wait until the rest is written and announced, and tell whether that happened in time."""
        if self._phase != "live":  # nothing is being written, and the next run finds what is missing
            return True
        try:
            self._publish()
        except TransientError as error:  # too much waits already
            self._log.warning("the newest boundaries are left to the next run", error=str(error))
            return False
        finally:
            self._phase = "draining"
        return await self._publisher.drain(timeout_s)

    def report(self) -> Report:
        """Return what the collector knows of itself right now."""
        return Report(
            venue=self._settings.venue,
            timeframes=self._timeframes,
            now_ms=self._clock.now_ms(),
            speed=self._clock.speed,
            phase=self._phase,
            newest_close=dict(self._publisher.newest_close),
            last_write_ms=self._publisher.last_write_ms,
            clock_offset_ms=self._clock.offset_ms,
            open_gaps=len(self._assembler.gaps),
            pending_instants=self._assembler.pending,
            buffered=self._publisher.waiting,
            backfill_done=self._progress.done,
            backfill_total=self._progress.total,
            symbols=len(self._roster.venue_ids),
            connections_open=self._streams.open,
            connections_wanted=self._streams.wanted,
            counts=dict(self._counts),
        )

    async def _assemble(self, tasks: asyncio.TaskGroup) -> None:
        """Publish what is whole, and start the repair of what its grace has passed without."""
        while True:
            self._wake.clear()
            now_ms = self._clock.now_ms()
            self._assembler.advance(now_ms)
            self._intake.advance(now_ms, grace_ms=self._grace_ms())
            if missing := self._assembler.overdue(now_ms, grace_ms=self._grace_ms()):
                tasks.create_task(self._mending.repair(missing))
            self._publish()
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._wake.wait()

    def _publish(self) -> None:
        if self._phase != "live":
            return
        for emission in self._assembler.take():
            if emission.missing:
                self._counts["gaps"] += len(emission.missing)
                self._log.warning("gaps", close_time=emission.close_time, missing=named(emission.missing))
            if emission.boundaries:
                self._counts["boundaries"] += len(emission.boundaries)
                self._publisher.publish(emission.boundaries, status=self.report)
        if corrections := self._assembler.take_corrections():
            self._counts["corrections"] += sum(len(boundary.symbols) for boundary in corrections)
            self._publisher.correct(corrections)

    async def _refresh_symbols(self) -> None:
        """Choose the symbols anew every day or so, and early when one goes missing."""
        while True:
            await asyncio.sleep(min(EARLY_REFRESH_S, self._settings.symbol_refresh_s))
            with suppress(TimeoutError):
                async with asyncio.timeout(max(self._settings.symbol_refresh_s - EARLY_REFRESH_S, 0)):
                    await self._refresh_early.wait()
            self._refresh_early.clear()
            newcomers: frozenset[str] = frozenset()
            try:
                newcomers = await self._roster.choose(incumbents=set(self._roster.venue_ids))
                await self._welcome(newcomers)
            except (TransientError, InvalidMessageError) as error:
                self._log.warning("symbols not refreshed", error=str(error))
                self._roster.dismiss(newcomers)
                self._follow()

    async def _resubscribe(self) -> None:
        """Subscribe again to what the streams have lost without a word."""
        while True:
            await asyncio.sleep(RESUBSCRIBE_S)
            self._streams.resubscribe(self._intake.take_lost())

    def _follow(self) -> None:
        self._streams.follow(self._roster.venue_ids.values())
        self._assembler.expect(self._roster.venue_ids)
        self._intake.follow()

    async def _welcome(self, newcomers: frozenset[str]) -> None:
        """Follow the choice, newcomers from the next instant on, and give newcomers the history before it."""
        self._follow()
        if not newcomers:
            return
        opened = self._assembler.opened
        await self._streams.wait_open(OPEN_S)
        await asyncio.sleep(self._grace_ms() / 1_000 / max(self._clock.speed, 1.0))
        refused: set[str] = set()
        for timeframe in self._timeframes:
            fetched = await self._history.fetch(timeframe, newcomers - refused, opened)
            refused |= fetched.refused
            self._publisher.line_up(partial(self._insert, timeframe, fetched))
        if refused:
            self._let_go(refused)

    async def _insert(self, timeframe: Timeframe, fetched: Fetched) -> None:
        await self._history.insert(timeframe, fetched, later=self._intake.add)
        self._assembler.note_gaps(fetched.missing)

    def _grace_ms(self) -> int:
        return self._clock.grace_ms(self._settings.collector_grace_ms, shortest_ms=self._shortest.ms)
