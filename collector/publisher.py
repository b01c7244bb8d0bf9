"""The publisher: everything the collector writes, in order, dropped only when acknowledged."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import stamina
from aws_lambda_powertools import Logger

from collector.health import Report
from shared.domain.candles import Boundary
from shared.domain.errors import InvalidMessageError, TransientError
from shared.domain.runs import ClosedBoundary
from shared.domain.timeframe import Timeframe
from shared.ports import Announcer, CandleLogWriter

MAX_WAITING: Final = 1_000
MAX_WAITING_BYTES: Final = 32_000_000
APPEND_AT_ONCE: Final = 100
MAX_ANNOUNCING: Final = 100
PATIENCE_S: Final = 600.0
RETRY_WITHIN_S: Final = 1.0

Job = Callable[[], Awaitable[None]]


class Publisher:
    """Append boundaries in order, then announce them; `newest_close` knows only what the log has acknowledged.

    A write that fails is tried again before anything later is written, for up to ten minutes, a thousand waiting jobs
    or 32 MB of candles; then `TransientError` ends the collector's run, nothing that is not in the log is announced,
    and the next run backfills what the log lacks. A write that is fenced off ends the run at once (`FencedError`).
    """

    def __init__(self, venue: str, writer: CandleLogWriter, announcer: Announcer, *, log: Logger) -> None:
        self.newest_close: dict[Timeframe, int] = {}
        self.last_write_ms: int | None = None
        self._venue = venue
        self._writer = writer
        self._announcer = announcer
        self._log = log
        self._jobs: asyncio.Queue[tuple[Job, int]] = asyncio.Queue(MAX_WAITING)
        self._waiting_bytes = 0
        self._is_writing = False
        self._tasks = asyncio.TaskGroup()
        self._announcing: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """Return how many writes wait, the one under way included."""
        return self._jobs.qsize() + self._is_writing

    def publish(self, boundaries: Sequence[Boundary], *, status: Callable[[], Report]) -> None:
        """Line up the boundaries of one instant: append them all with the status, then announce each."""

        async def job() -> None:
            await self.append(boundaries, status=status)
            for boundary in boundaries:
                self._start_announcing(boundary)

        self.line_up(job, size=_size(boundaries))

    def correct(self, boundaries: Sequence[Boundary]) -> None:
        """Line up corrections of boundaries that were announced before."""
        for start in range(0, len(boundaries), APPEND_AT_ONCE):
            some = boundaries[start : start + APPEND_AT_ONCE]
            self.line_up(partial(self.append, some), size=_size(some))

    def line_up(self, job: Job, *, size: int = 0) -> None:
        """Run a job that keeps `size` bytes after those before; raise `TransientError` if too much waits."""
        if self._waiting_bytes + size > MAX_WAITING_BYTES:
            raise TransientError(f"{self._waiting_bytes} bytes of candles wait for the candle log")
        try:
            self._jobs.put_nowait((job, size))
        except asyncio.QueueFull:
            raise TransientError(f"{MAX_WAITING} writes wait for the candle log") from None
        self._waiting_bytes += size

    async def append(self, boundaries: Sequence[Boundary], *, status: Callable[[], Report] | None = None) -> None:
        """Append boundaries and remember, once they are acknowledged, how new the log is."""
        fields = None if status is None else self._after(boundaries, status()).fields()
        await self._writer.append(self._venue, boundaries, status=fields)
        self.last_write_ms = _now_ms()
        for boundary in boundaries:
            self.note(boundary.timeframe, boundary.close_time)

    def note(self, timeframe: Timeframe, close_time: int) -> None:
        """Remember that the log holds a boundary."""
        self.newest_close[timeframe] = max(close_time, self.newest_close.get(timeframe, 0))

    async def run(self) -> None:
        """Do the jobs, each until it succeeds; raise `TransientError` when the log stays away."""
        async with self._tasks:
            while True:
                job, size = await self._jobs.get()
                self._is_writing = True
                async for attempt in stamina.retry_context(
                    on=TransientError, attempts=None, timeout=PATIENCE_S, wait_max=RETRY_WITHIN_S
                ):
                    with attempt:
                        await job()
                self._is_writing = False
                self._waiting_bytes -= size
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

    def _after(self, boundaries: Sequence[Boundary], report: Report) -> Report:
        """Return the report as it will be true when these boundaries are in the log, which is when it is written."""
        closes = {boundary.timeframe: boundary.close_time for boundary in boundaries}
        newest = {timeframe: max(close, report.newest_close.get(timeframe, 0)) for timeframe, close in closes.items()}
        return replace(report, newest_close={**report.newest_close, **newest}, last_write_ms=_now_ms())

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


def _size(boundaries: Sequence[Boundary]) -> int:
    return sum(boundary.values.nbytes + boundary.filled.nbytes for boundary in boundaries)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
