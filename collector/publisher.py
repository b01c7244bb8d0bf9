"""The publisher: everything the collector writes, in order, dropped only when acknowledged."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import stamina
from aws_lambda_powertools import Logger

from shared.domain.candles import Boundary
from shared.domain.errors import InvalidMessageError, TransientError
from shared.domain.runs import ClosedBoundary
from shared.domain.timeframe import Timeframe
from shared.ports import Announcer, CandleLogWriter

MAX_WAITING: Final = 1_000
MAX_ANNOUNCING: Final = 100
PATIENCE_S: Final = 600.0

Job = Callable[[], Awaitable[None]]


class Publisher:
    """Append boundaries in order, then announce them; `newest_close` knows only what the log has acknowledged.

    A write that fails is tried again before anything later is written, for up to ten minutes or a thousand waiting
    jobs; then `TransientError` ends the collector's run, and the next run backfills what the log lacks.
    """

    def __init__(
        self, venue: str, writer: CandleLogWriter, announcer: Announcer, *, status_ttl_ms: int, log: Logger
    ) -> None:
        self.newest_close: dict[Timeframe, int] = {}
        self.last_write_ms: int | None = None
        self._venue = venue
        self._writer = writer
        self._announcer = announcer
        self._status_ttl_ms = status_ttl_ms
        self._log = log
        self._jobs: asyncio.Queue[Job] = asyncio.Queue(MAX_WAITING)
        self._tasks = asyncio.TaskGroup()
        self._announcing: set[asyncio.Task[None]] = set()

    def publish(self, boundaries: Sequence[Boundary], *, status: Callable[[], dict[str, str]]) -> None:
        """Line up the boundaries of one instant: append them all, then announce each, then write the status."""

        async def job() -> None:
            await self.append(boundaries)
            for boundary in boundaries:
                self._start_announcing(boundary)
            await self._write_status(status())

        self.line_up(job)

    def correct(self, boundaries: Sequence[Boundary]) -> None:
        """Line up corrections of boundaries that were announced before."""
        self.line_up(lambda: self.append(boundaries))

    def line_up(self, job: Job) -> None:
        """Run a job after what was lined up before and ahead of what comes; raise `TransientError` if full."""
        try:
            self._jobs.put_nowait(job)
        except asyncio.QueueFull:
            raise TransientError(f"{MAX_WAITING} writes wait for the candle log") from None

    async def append(self, boundaries: Sequence[Boundary]) -> None:
        """Append boundaries and remember, once they are acknowledged, how new the log is."""
        await self._writer.append(self._venue, boundaries)
        self.last_write_ms = time.time_ns() // 1_000_000
        for boundary in boundaries:
            self.note(boundary.timeframe, boundary.close_time)

    def note(self, timeframe: Timeframe, close_time: int) -> None:
        """Remember that the log holds a boundary."""
        self.newest_close[timeframe] = max(close_time, self.newest_close.get(timeframe, 0))

    async def run(self) -> None:
        """Do the jobs, each until it succeeds; raise `TransientError` when the log stays away."""
        async with self._tasks:
            while True:
                job = await self._jobs.get()
                async for attempt in stamina.retry_context(on=TransientError, attempts=None, timeout=PATIENCE_S):
                    with attempt:
                        await job()
                self._jobs.task_done()

    async def drain(self, timeout_s: float) -> bool:
        """Wait until everything lined up is written and announced, and tell whether that happened in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._jobs.join()
                while self._announcing:
                    await asyncio.wait(self._announcing)
        except TimeoutError:
            return False
        return True

    async def _write_status(self, fields: dict[str, str]) -> None:
        try:
            await self._writer.status(self._venue, fields, ttl_ms=self._status_ttl_ms)
        except TransientError as error:  # the next boundary writes it again
            self._log.warning("status not written", error=str(error))

    def _start_announcing(self, boundary: Boundary) -> None:
        if len(self._announcing) >= MAX_ANNOUNCING:
            self._log.warning("announcement skipped, too many under way", close_time=boundary.close_time)
            return
        task = self._tasks.create_task(self._announce(boundary))
        self._announcing.add(task)
        task.add_done_callback(self._announcing.discard)

    async def _announce(self, boundary: Boundary) -> None:
        closed = ClosedBoundary(venue=self._venue, timeframe=boundary.timeframe, close_time=boundary.close_time)
        correlation_id = uuid.uuid4().hex
        facts = {
            "correlation_id": correlation_id,
            "timeframe": str(closed.timeframe),
            "close_time": closed.close_time,
            "symbols": len(boundary.symbols),
        }
        try:
            await self._announcer.announce(closed, correlation_id=correlation_id)
        except (TransientError, InvalidMessageError) as error:
            self._log.warning("announcement lost, left to the trigger's schedule", extra={**facts, "error": str(error)})
        else:
            self._log.info("boundary announced", extra=facts)
