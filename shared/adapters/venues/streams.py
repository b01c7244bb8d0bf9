"""The streams of a set of symbols at one venue, split over connections that look after themselves.

A connection that breaks is made again, at once if it had worked, else after growing, jittered pauses. One that grows
old is replaced before the venue cuts it: the new one is open before the old one is let go. What a broken connection
misses is missing in its boundaries, and repaired there.
"""

import asyncio
import random
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal, Self

import aiohttp

from shared.adapters.venues.dialect import Dialect
from shared.domain.timeframe import MINUTE_MS, Timeframe
from shared.ports import Clock

if TYPE_CHECKING:
    _Socket = aiohttp.ClientWebSocketResponse[Literal[False]]

PONG_S: Final = 20.0
BACKOFF_S: Final = (0.25, 30.0)
STEADY_S: Final = 5.0
"""A connection that held for so long had worked: the next one is made at once."""
OPEN_S: Final = 30.0
CHECK_ROLL_S: Final = 1.0

OnFrame = Callable[[bytes], None]
OnOpen = Callable[[Collection[str]], None]
OnEnd = Callable[[Collection[str], str], None]


class Streams:
    """The streams of a set of symbols; an async context that owns its connections.

    `on_frame` gets the bytes of every frame, in order per connection, and must not raise; `on_open` gets the venue ids
    a connection carries once all are subscribed to, `on_end` those and the reason when it ends unasked. `silence_s` is
    how long a connection may bring nothing before it counts as dead.
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
        self._session = session
        self._dialect = dialect
        self._base_url = base_url.rstrip("/")
        self._timeframes = tuple(timeframes)
        self._size = max(dialect.limits.topics // len(self._timeframes), 1)  # symbols a connection
        self._clock = clock
        self._on_frame = on_frame
        self._on_open = on_open
        self._on_end = on_end
        self._silence_s = silence_s
        self._roll_after_s = dialect.limits.cut_after_s * 0.95 if roll_after_s is None else roll_after_s
        self._tasks = asyncio.TaskGroup()
        self._connections: list[_Connection] = []
        self._doors = asyncio.Lock()
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
        """Stream exactly these symbols: connect for newcomers, let go of leavers.

        A connection that carries some leavers keeps them until it next reconnects; their frames are not wanted, and
        cutting the others off for that is not worth it.
        """
        wanted = set(venue_ids)
        for connection in self._connections:
            connection.venue_ids &= wanted
            if not connection.venue_ids:
                connection.drop()
        self._connections = [connection for connection in self._connections if connection.venue_ids]
        carried = {venue_id for connection in self._connections for venue_id in connection.venue_ids}
        newcomers = sorted(wanted - carried)
        for start in range(0, len(newcomers), self._size):
            self._connections.append(self._connect(set(newcomers[start : start + self._size])))

    async def wait_open(self, timeout_s: float) -> bool:
        """Wait until every connection has been open once, and tell whether that happened in time."""
        try:
            async with asyncio.timeout(timeout_s):
                for connection in list(self._connections):
                    await connection.was_open.wait()
        except TimeoutError:
            return False
        return True

    def _connect(self, venue_ids: set[str]) -> "_Connection":
        connection = _Connection(venue_ids)
        connection.task = self._tasks.create_task(self._keep(connection))
        return connection

    async def _keep(self, connection: "_Connection") -> None:
        """Reconnect for ever: at once after a connection that worked, else with growing, jittered delays."""
        delay = BACKOFF_S[0]
        while True:
            started = time.monotonic()
            reason = await self._read(connection)
            self._on_end(frozenset(connection.venue_ids), reason)
            if time.monotonic() - started > STEADY_S:
                delay = BACKOFF_S[0]
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 jitter, not a secret
            delay = min(2 * delay, BACKOFF_S[1])

    async def _read(self, connection: "_Connection") -> str:
        """Read one connection to its end, and return why it ended."""
        limits = self._dialect.limits
        topics = self._topics(connection)
        connection.topics = len(topics)
        opening = asyncio.timeout(OPEN_S)
        try:
            async with self._doors:  # connections are opened one after another, not all at once
                await asyncio.sleep(limits.connect_every_s)
            url = self._dialect.url(self._base_url, topics)
            async with (
                opening,
                self._session.ws_connect(url, heartbeat=PONG_S, decode_text=False, max_msg_size=0) as socket,
            ):
                opening.reschedule(None)
                talking = self._tasks.create_task(self._talk(socket, connection, topics))
                try:
                    return await self._listen(socket)
                finally:
                    talking.cancel()
        except TimeoutError:
            return f"not open within {OPEN_S:g} s" if opening.expired() else f"silent for {self._silence_s:.0f} s"
        except (aiohttp.ClientError, OSError) as error:
            return f"{type(error).__name__}: {error}"
        finally:
            connection.is_open = False

    def _topics(self, connection: "_Connection") -> list[str]:
        """Return what to subscribe to."""
        names = (
            self._dialect.topic(one, timeframe)
            for one in sorted(connection.venue_ids)
            for timeframe in self._timeframes
        )
        return list(dict.fromkeys(names))

    async def _listen(self, socket: "_Socket") -> str:
        while True:
            message = await socket.receive(timeout=self._silence_s)
            if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                return f"closed by the other side: {message.type.name} {message.data!r}"
            self._on_frame(message.data)

    async def _talk(self, socket: "_Socket", connection: "_Connection", topics: Sequence[str]) -> None:
        """Subscribe at the venue's pace, then keep the connection alive."""
        limits = self._dialect.limits
        with suppress(ConnectionError, aiohttp.ClientError):  # the listener sees the end too, and says why
            for message in self._dialect.subscribe(topics):
                await socket.send_str(message)
                await asyncio.sleep(1.0 / limits.messages_per_s)
            connection.open(time.monotonic())
            self._on_open(frozenset(connection.venue_ids))
            while limits.ping is not None:
                await asyncio.sleep(limits.ping_every_s)
                await socket.send_str(limits.ping)

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

    def _small(self) -> list["_Connection"]:
        """Return the two smallest connections if one can carry both, and the address may have them twice meanwhile."""
        small = sorted(self._connections, key=lambda connection: len(connection.venue_ids))[:2]
        together = sum(len(connection.venue_ids) for connection in small)
        if len(small) < 2 or together > self._size or not all(connection.is_open for connection in small):
            return []
        topics = sum(connection.topics for connection in (*self._connections, *small))
        most = self._dialect.limits.topics_in_all
        return small if most is None or topics <= most else []

    async def _replace(self, old: Sequence["_Connection"]) -> None:
        """Open a successor of all of these, and let go of them once it is open; else they go on."""
        successor = self._connect(set().union(*(one.venue_ids for one in old)))
        obsolete: Sequence[_Connection] = [successor]
        try:
            async with asyncio.timeout(OPEN_S):
                await successor.was_open.wait()
            if successor.is_open and set(old) <= set(self._connections):
                successor.venue_ids &= set().union(*(one.venue_ids for one in old))
                self._connections = [one for one in self._connections if one not in old] + [successor]
                obsolete = old
        except TimeoutError:
            pass
        finally:
            for one in obsolete:
                one.drop()

    def _is_quiet(self) -> bool:
        return MINUTE_MS // 3 <= self._clock.now_ms() % MINUTE_MS < MINUTE_MS * 2 // 3


class _Connection:
    """One connection: the symbols it carries, the task that keeps it, and whether it is open.

    `topics` is what it subscribed to when it was made, those included whose symbols have left since.
    """

    def __init__(self, venue_ids: set[str]) -> None:
        self.venue_ids = venue_ids
        self.task: asyncio.Task[None] | None = None
        self.is_open = False
        self.topics = 0
        self.opened_s = 0.0
        self.was_open = asyncio.Event()

    def open(self, now_s: float) -> None:
        """Note that everything is subscribed to."""
        self.is_open, self.opened_s = True, now_s
        self.was_open.set()

    def drop(self) -> None:
        """End it without a word."""
        if self.task is not None:
            self.task.cancel()
