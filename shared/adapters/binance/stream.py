"""Binance's combined kline streams, split over connections that look after themselves.

Limits (WebSocket streams, "General WSS information"): 1,024 streams a connection, 300 connections per 5 minutes and
IP, a cut after 24 h, a ping every 20 s that must be answered. Streams are named in the URL, so a connection is either
subscribed to all of them or not open. What a broken connection misses is missing in its boundary, and repaired there.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from typing import Final, Self

import aiohttp

from shared.adapters.binance.frames import stream_name
from shared.domain.timeframe import MINUTE_MS, Timeframe
from shared.ports import Clock

STREAMS_PER_CONNECTION: Final = 200  # their names make a URL of 5 KB; servers accept 8
ROLL_AFTER_S: Final = 23 * 3_600.0
PONG_S: Final = 20.0
BACKOFF_S: Final = (0.25, 30.0)

OnFrame = Callable[[bytes], None]
OnEnd = Callable[[str], None]


class BinanceStreams:
    """The kline streams of a set of symbols; an async context that owns its connections.

    `on_frame` gets the bytes of every frame, in order per connection, and must not raise; `on_end` gets the reason
    each time a connection ends. `silence_s` is how long a connection may bring nothing before it counts as dead.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        timeframes: Iterable[Timeframe],
        *,
        clock: Clock,
        on_frame: OnFrame,
        on_end: OnEnd,
        silence_s: float = 75.0,
        roll_after_s: float = ROLL_AFTER_S,
    ) -> None:
        self._session = session
        self._base_url = base_url.rstrip("/")
        self._timeframes = tuple(timeframes)
        self._clock = clock
        self._on_frame = on_frame
        self._on_end = on_end
        self._silence_s = silence_s
        self._roll_after_s = roll_after_s
        self._tasks = asyncio.TaskGroup()
        self._connections: list[tuple[_Connection, asyncio.Task[None]]] = []

    async def __aenter__(self) -> Self:
        """Start with no connection."""
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Close every connection."""
        for _, task in self._connections:
            task.cancel()
        await self._tasks.__aexit__(kind, error, None)

    @property
    def wanted(self) -> int:
        """Return how many connections there should be."""
        return len(self._connections)

    @property
    def open(self) -> int:
        """Return how many connections are open."""
        return sum(connection.is_open for connection, _ in self._connections)

    def follow(self, symbol_ids: Iterable[str]) -> None:
        """Stream exactly these symbols: connect for newcomers, let go of leavers.

        A connection that carries some leavers keeps them until it next reconnects; their frames are not wanted, and
        cutting the others off for that is not worth it.
        """
        wanted = set(symbol_ids)
        for connection, task in self._connections:
            connection.symbol_ids &= wanted
            if not connection.symbol_ids:
                task.cancel()
        self._connections = [pair for pair in self._connections if pair[0].symbol_ids]
        carried = {symbol_id for connection, _ in self._connections for symbol_id in connection.symbol_ids}
        newcomers = sorted(wanted - carried)
        size = max(STREAMS_PER_CONNECTION // len(self._timeframes), 1)
        for start in range(0, len(newcomers), size):
            connection = _Connection(set(newcomers[start : start + size]))
            self._connections.append((connection, self._tasks.create_task(self._keep(connection))))

    async def wait_open(self, timeout_s: float) -> bool:
        """Wait until every connection has been open once, and tell whether that happened in time."""
        try:
            async with asyncio.timeout(timeout_s):
                for connection, _ in list(self._connections):
                    await connection.was_open.wait()
        except TimeoutError:
            return False
        return True

    async def _keep(self, connection: "_Connection") -> None:
        """Reconnect for ever: at once after a connection that worked, else with growing, jittered delays."""
        delay = BACKOFF_S[0]
        while True:
            started = time.monotonic()
            reason = await self._read(connection)
            self._on_end(reason)
            if time.monotonic() - started > BACKOFF_S[1]:
                delay = BACKOFF_S[0]
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 jitter, not a secret
            delay = min(2 * delay, BACKOFF_S[1])

    async def _read(self, connection: "_Connection") -> str:
        """Read one connection to its end, and return why it ended."""
        started = time.monotonic()
        try:
            async with self._session.ws_connect(
                self._url(connection.symbol_ids), heartbeat=PONG_S, decode_text=False
            ) as socket:
                connection.is_open = True
                connection.was_open.set()
                while not self._is_time_to_roll(started):
                    message = await socket.receive(timeout=self._silence_s)
                    if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                        return f"closed by the other side: {message.type.name} {message.data!r}"
                    self._on_frame(message.data)
                return "rolled before the venue's 24 h cut"
        except TimeoutError:
            return f"silent for {self._silence_s:.0f} s"
        except (aiohttp.ClientError, OSError) as error:
            return f"{type(error).__name__}: {error}"
        finally:
            connection.is_open = False

    def _url(self, symbol_ids: Iterable[str]) -> str:
        names = (
            stream_name(symbol_id, timeframe) for symbol_id in sorted(symbol_ids) for timeframe in self._timeframes
        )
        return f"{self._base_url}/stream?streams={'/'.join(names)}"

    def _is_time_to_roll(self, started: float) -> bool:
        """Roll an old connection in the quiet middle of a minute, when no candle is about to close."""
        if time.monotonic() - started < self._roll_after_s:
            return False
        return MINUTE_MS // 3 <= self._clock.now_ms() % MINUTE_MS < MINUTE_MS * 2 // 3


class _Connection:
    """One connection: the symbols it carries and whether it is open."""

    def __init__(self, symbol_ids: set[str]) -> None:
        self.symbol_ids = symbol_ids
        self.is_open = False
        self.was_open = asyncio.Event()
