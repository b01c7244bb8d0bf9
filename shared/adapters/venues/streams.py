"""The streams of a set of symbols at one venue, split over connections that look after themselves.

A connection that grows old is replaced before the venue cuts it: the new one is open before the old one is let go. What
a broken connection misses is missing in its boundaries, and repaired there.
"""

import asyncio
import time
from collections.abc import Collection, Iterable, Sequence
from typing import Final, Self

import aiohttp

from shared.adapters.venues.connection import OPEN_S, Connection, Line, OnEnd, OnFrame, OnOpen, Pace
from shared.adapters.venues.dialect import Dialect
from shared.domain.timeframe import MINUTE_MS, Timeframe
from shared.ports import Clock

CHECK_ROLL_S: Final = 1.0


class Streams:
    """The streams of a set of symbols; an async context that owns its connections.

    `on_frame` gets the bytes of every frame, in order per connection, and must not raise. `on_open` gets venue ids from
    which on everything comes, and `on_end`, when a connection ends unasked, those of which something may have been
    missed, with the reason; those another connection carries too are given to `on_open` again right after. `silence_s`
    is how long a connection may bring nothing before it counts as dead.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        dialect: Dialect,
        base_url: str,
        timeframes: Iterable[Timeframe],
        *,
        clock: Clock,
        on_frame: OnFrame,
        on_open: OnOpen,
        on_end: OnEnd,
        silence_s: float = 75.0,
        roll_after_s: float | None = None,
    ) -> None:
        self._dialect = dialect
        self._line = Line(
            session=session,
            dialect=dialect,
            base_url=base_url.rstrip("/"),
            timeframes=tuple(timeframes),
            silence_s=silence_s,
            on_frame=on_frame,
            on_open=on_open,
            on_end=self._ended,
            shared_pace=Pace(dialect.limits.messages_per_s) if dialect.limits.counts_by_address else None,
        )
        self._size = max(dialect.limits.topics // len(self._line.timeframes), 1)  # symbols a connection
        self._clock = clock
        self._on_end = on_end
        self._roll_after_s = dialect.limits.cut_after_s * 0.95 if roll_after_s is None else roll_after_s
        self._tasks = asyncio.TaskGroup()
        self._connections: list[Connection] = []
        self._successor: Connection | None = None
        self._rolling: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start with no connection."""
        await self._tasks.__aenter__()
        self._rolling = self._tasks.create_task(self._roll())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Close every connection."""
        if self._rolling is not None:
            self._rolling.cancel()
        for connection in self._connections:
            connection.drop()
        await self._tasks.__aexit__(kind, error, None)

    @property
    def wanted(self) -> int:
        """Return how many connections there should be."""
        return len(self._connections)

    @property
    def open(self) -> int:
        """Return how many connections are open."""
        return sum(connection.is_open for connection in self._connections)

    def follow(self, venue_ids: Iterable[str]) -> None:
        """Stream exactly these symbols: connect for newcomers, unsubscribe from leavers where they are."""
        wanted = set(venue_ids)
        for connection in self._all():
            connection.keep_only(wanted)
        self._connections = [connection for connection in self._connections if connection.venue_ids]
        carried = {venue_id for connection in self._connections for venue_id in connection.venue_ids}
        newcomers = sorted(wanted - carried)
        for start in range(0, len(newcomers), self._size):
            self._connections.append(self._connect(set(newcomers[start : start + self._size])))

    def resubscribe(self, venue_ids: Collection[str]) -> None:
        """Subscribe to these symbols again, where they are; `on_open` gets each when that is done."""
        for connection in self._all():
            connection.resubscribe(venue_ids)

    async def wait_open(self, timeout_s: float) -> bool:
        """Wait until every connection has been open once, and tell whether that happened in time."""
        try:
            async with asyncio.timeout(timeout_s):
                for connection in list(self._connections):
                    await connection.was_open.wait()
        except TimeoutError:
            return False
        return True

    def _connect(self, venue_ids: set[str]) -> Connection:
        connection = Connection(self._line, venue_ids)
        connection.start(self._tasks)
        return connection

    def _all(self) -> list[Connection]:
        """Return every connection there is, during a hand-over the successor too."""
        return self._connections + ([self._successor] if self._successor is not None else [])

    def _ended(self, venue_ids: Collection[str], reason: str) -> None:
        """Pass on that a connection ended, and that what others carry too comes on: watched anew, not any longer.

        During a hand-over two carry the same symbols. Which of them breaks, and whether the other one is open by then,
        is a matter of one turn of the event loop.
        """
        self._on_end(venue_ids, reason)
        open_ids = set().union(*(connection.venue_ids for connection in self._all() if connection.is_open))
        if still := open_ids.intersection(venue_ids):
            self._line.on_open(still)

    async def _roll(self) -> None:
        """Replace what grows old, in the quiet middle of a minute, when no candle is about to close.

        And join what is small: newcomers come one by one, and venues count connections.
        """
        while True:
            await asyncio.sleep(min(CHECK_ROLL_S, self._roll_after_s))
            if self._is_quiet() and (small := self._small()):
                await self._replace(small)
            for connection in list(self._connections):
                if (
                    connection.is_open
                    and time.monotonic() - connection.opened_s > self._roll_after_s
                    and self._is_quiet()
                ):
                    await self._replace([connection])

    def _small(self) -> list[Connection]:
        """Return the two smallest connections if one can carry both, and the address may have them twice meanwhile."""
        small = sorted(self._connections, key=lambda connection: len(connection.venue_ids))[:2]
        together = sum(len(connection.venue_ids) for connection in small)
        if len(small) < 2 or together > self._size or not all(connection.is_open for connection in small):
            return []
        topics = sum(len(connection.topics) for connection in (*self._connections, *small))
        most = self._dialect.limits.topics_in_all
        return small if most is None or topics <= most else []

    async def _replace(self, old: Sequence[Connection]) -> None:
        """Open a successor of all of these, and let go of them once it is open; else they go on."""
        successor = self._successor = self._connect(set().union(*(one.venue_ids for one in old)))
        obsolete: Sequence[Connection] = [successor]
        try:
            async with asyncio.timeout(OPEN_S):
                await successor.was_open.wait()
            if successor.is_open and set(old) <= set(self._connections):
                self._connections = [one for one in self._connections if one not in old] + [successor]
                obsolete = old
        except TimeoutError:
            pass
        finally:
            self._successor = None
            for one in obsolete:
                one.drop()

    def _is_quiet(self) -> bool:
        return MINUTE_MS // 3 <= self._clock.now_ms() % MINUTE_MS < MINUTE_MS * 2 // 3
