"""One connection to a venue's streams, kept: it subscribes at the venue's pace and is made again when it breaks.

One that had worked is made again at once, one that had not after growing, jittered pauses.
"""

import asyncio
import random
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import aiohttp

from shared.adapters.venues.dialect import Dialect
from shared.domain.timeframe import Timeframe

if TYPE_CHECKING:
    _Socket = aiohttp.ClientWebSocketResponse[Literal[False]]

PONG_S: Final = 20.0
BACKOFF_S: Final = (0.25, 30.0)
STEADY_S: Final = 5.0
"""A connection that held for so long had worked: the next one is made at once."""
OPEN_S: Final = 30.0
CLOSE_S: Final = 1.0
"""How long a goodbye may take; one that is half open never hears it."""
SILENCE_STEPS: Final = 50
"""A deadline is put off so many times within itself, not with every frame."""

OnFrame = Callable[[bytes], None]
OnOpen = Callable[[Collection[str]], None]
OnEnd = Callable[[Collection[str], str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What the connections of one process have in common; `doors` lets them open one after another, not all at once.

    `on_end` gets the venue ids a connection carried when it ended unasked, none if it was not open yet, and the reason.
    """

    session: aiohttp.ClientSession
    dialect: Dialect
    base_url: str
    timeframes: tuple[Timeframe, ...]
    silence_s: float
    on_frame: OnFrame
    on_open: OnOpen
    on_end: OnEnd
    doors: asyncio.Lock = field(default_factory=asyncio.Lock)

    def topics(self, venue_ids: Collection[str]) -> list[str]:
        """Return what to subscribe to for some symbols."""
        names = (self.dialect.topic(one, timeframe) for one in sorted(venue_ids) for timeframe in self.timeframes)
        return list(dict.fromkeys(names))


class Connection:
    """One connection: the symbols it carries, and whether it is open, which it is once all are subscribed to.

    `topics` is what it subscribed to when it was made, those included whose symbols have left since.
    """

    def __init__(self, line: Line, venue_ids: set[str]) -> None:
        self.venue_ids = venue_ids
        self.is_open = False
        self.topics = 0
        self.opened_s = 0.0
        self.was_open = asyncio.Event()
        self._line = line
        self._task: asyncio.Task[None] | None = None

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Make it, and make it again whenever it breaks, until it is dropped."""
        self._task = tasks.create_task(self._keep(tasks))

    def drop(self) -> None:
        """End it without a word."""
        self.is_open = False
        if self._task is not None:
            self._task.cancel()

    async def _keep(self, tasks: asyncio.TaskGroup) -> None:
        delay = BACKOFF_S[0]
        while True:
            started = time.monotonic()
            await self._visit(tasks)
            if time.monotonic() - started > STEADY_S:
                delay = BACKOFF_S[0]
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 jitter, not a secret
            delay = min(2 * delay, BACKOFF_S[1])

    async def _visit(self, tasks: asyncio.TaskGroup) -> None:
        """Connect once, and listen to the end."""
        line = self._line
        topics = line.topics(self.venue_ids)
        self.topics = len(topics)
        opening = asyncio.timeout(OPEN_S)
        try:
            async with line.doors:
                await asyncio.sleep(line.dialect.limits.connect_every_s)
            async with (
                opening,
                line.session.ws_connect(
                    line.dialect.url(line.base_url, topics),
                    heartbeat=PONG_S,
                    decode_text=False,
                    max_msg_size=0,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
                ) as socket,
            ):
                opening.reschedule(None)
                talking = tasks.create_task(self._talk(socket, topics))
                try:
                    self._end(await self._listen(socket))  # told before the goodbyes, which take their time
                finally:
                    talking.cancel()
        except TimeoutError:
            self._end(f"not open within {OPEN_S:g} s")
        except (aiohttp.ClientError, OSError) as error:
            self._end(f"{type(error).__name__}: {error}")

    def _end(self, reason: str) -> None:
        carried = frozenset(self.venue_ids) if self.is_open else frozenset()
        self.is_open = False
        self._line.on_end(carried, reason)

    async def _listen(self, socket: "_Socket") -> str:
        """Hand over what comes, and return why nothing comes any more."""
        loop, on_frame, patience_s = asyncio.get_running_loop(), self._line.on_frame, self._line.silence_s
        due = 0.0
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s) as silence:
                while True:
                    message = await socket.receive()
                    if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                        return f"closed by the other side: {message.type.name} {message.data!r}"
                    if (now := loop.time()) >= due:
                        due = now + patience_s / SILENCE_STEPS
                        silence.reschedule(now + patience_s)
                    on_frame(message.data)
        return f"silent for {patience_s:g} s"

    async def _talk(self, socket: "_Socket", topics: list[str]) -> None:
        """Subscribe at the venue's pace, then keep the connection alive."""
        dialect, limits = self._line.dialect, self._line.dialect.limits
        with suppress(ConnectionError, aiohttp.ClientError):  # the listener sees the end too, and says why
            for message in dialect.subscribe(topics):
                await socket.send_str(message)
                await asyncio.sleep(1.0 / limits.messages_per_s)
            self._open()
            while limits.ping is not None:
                await asyncio.sleep(limits.ping_every_s)
                await socket.send_str(limits.ping)

    def _open(self) -> None:
        self.is_open, self.opened_s = True, time.monotonic()
        self.was_open.set()
        self._line.on_open(frozenset(self.venue_ids))
