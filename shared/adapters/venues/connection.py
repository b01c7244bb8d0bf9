"""One connection to a venue's streams, kept: it subscribes at the venue's pace and is made again when it breaks.

One that had worked is made again at once, one that had not after growing, jittered pauses.
"""

import asyncio
import random
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

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
MOST_PATIENT: Final = 8
"""Where few trade nothing comes for minutes: after each silence the next one is borne twice as long, up to so many
times, until an hour has passed without one."""
PATIENT_S: Final = 3_600.0
SILENCE_STEPS: Final = 50
"""A deadline is put off so many times within itself, not with every frame."""

OnFrame = Callable[[bytes], None]
OnOpen = Callable[[Collection[str]], None]
OnEnd = Callable[[Collection[str], str], None]


class Pace:
    """Turns to send a message, so many a second."""

    def __init__(self, per_s: float) -> None:
        self._gap_s = 1.0 / per_s
        self._next_s = 0.0

    async def turn(self) -> None:
        """Wait for the next turn."""
        now_s = time.monotonic()
        turn_s = max(self._next_s, now_s)
        self._next_s = turn_s + self._gap_s
        await asyncio.sleep(turn_s - now_s)


class _Errand(NamedTuple):
    """Messages to send, and what to do when they are sent."""

    messages: Sequence[str]
    done: Callable[[], None] = lambda: None


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
    shared_pace: Pace | None = None

    def pace(self) -> Pace:
        """Return the pace of a connection, the same for all where the venue counts by address."""
        return self.shared_pace or Pace(self.dialect.limits.messages_per_s)

    def topics(self, venue_ids: Collection[str]) -> list[str]:
        """Return what to subscribe to for some symbols."""
        names = (self.dialect.topic(one, timeframe) for one in sorted(venue_ids) for timeframe in self.timeframes)
        return list(dict.fromkeys(names))


class Connection:
    """One connection: the symbols it carries, and whether it is open, which it is once all are subscribed to."""

    def __init__(self, line: Line, venue_ids: set[str]) -> None:
        self.venue_ids = venue_ids
        self.is_open = False
        self.opened_s = 0.0
        self.was_open = asyncio.Event()
        self._line = line
        self._patience_s = line.silence_s
        self._patient_until_s = 0.0
        self._task: asyncio.Task[None] | None = None
        self._errands: asyncio.Queue[_Errand] | None = None  # while there is a socket to send them on

    @property
    def topics(self) -> list[str]:
        """Return what it is subscribed to, or will be."""
        return self._line.topics(self.venue_ids)

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Make it, and make it again whenever it breaks, until it is dropped."""
        self._task = tasks.create_task(self._keep(tasks))

    def keep_only(self, venue_ids: set[str]) -> None:
        """Carry no more than these: unsubscribe from the others, on the connection as it is."""
        if not (left := self.venue_ids - venue_ids):
            return
        self.venue_ids &= venue_ids
        if not self.venue_ids:
            self.drop()
        elif self._errands is not None:
            gone = dict.fromkeys(self._line.topics(left))
            for topic in self.topics:  # of several series, some of which stay
                gone.pop(topic, None)
            self._errands.put_nowait(_Errand(self._line.dialect.unsubscribe(list(gone))))

    def resubscribe(self, venue_ids: Collection[str]) -> None:
        """Subscribe again to what it carries of these, one after another, so that none is refused with another.

        One that is not open yet is about to subscribe to everything.
        """
        dialect = self._line.dialect
        if self._errands is None or not self.is_open:
            return
        for venue_id in sorted(self.venue_ids.intersection(venue_ids)):
            topics = self._line.topics([venue_id])
            messages = (*dialect.unsubscribe(topics), *dialect.subscribe(topics))
            self._errands.put_nowait(_Errand(messages, partial(self._reopen, venue_id)))

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
        opening = asyncio.timeout(OPEN_S)
        try:
            async with line.doors:
                await asyncio.sleep(line.dialect.limits.connect_every_s)
            named = self.topics
            async with (
                opening,
                line.session.ws_connect(
                    line.dialect.url(line.base_url, named),
                    heartbeat=PONG_S,
                    decode_text=False,
                    max_msg_size=0,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
                ) as socket,
            ):
                opening.reschedule(None)
                talking = tasks.create_task(self._talk(socket, self._first_errands(named)))
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
        self.is_open, self._errands = False, None
        self._line.on_end(carried, reason)

    async def _listen(self, socket: "_Socket") -> str:
        """Hand over what comes, and return why nothing comes any more. Only data breaks the silence."""
        clock, on_frame, mark = asyncio.get_running_loop().time, self._line.on_frame, self._line.dialect.data_mark
        patience_s, due = self._line.silence_s if clock() > self._patient_until_s else self._patience_s, 0.0
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s) as silence:
                while True:
                    message = await socket.receive()
                    if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                        return f"closed by the other side: {message.type.name} {message.data!r}"
                    if mark in message.data and (now := clock()) >= due:
                        due = now + patience_s / SILENCE_STEPS
                        silence.reschedule(now + patience_s)
                    on_frame(message.data)
        self._patience_s = min(2 * patience_s, MOST_PATIENT * self._line.silence_s)
        self._patient_until_s = clock() + PATIENT_S
        return f"no data for {patience_s:g} s"

    def _first_errands(self, named: Sequence[str]) -> asyncio.Queue[_Errand]:
        """Subscribe, or take back what the URL named and has left since, and say so; later errands wait behind."""
        errands = self._errands = asyncio.Queue()
        dialect, topics = self._line.dialect, self.topics
        if dialect.subscribes_by_url:
            messages = dialect.unsubscribe([topic for topic in named if topic not in topics])
        else:
            messages = dialect.subscribe(topics)
        errands.put_nowait(_Errand(messages, self._open))
        return errands

    async def _talk(self, socket: "_Socket", errands: asyncio.Queue[_Errand]) -> None:
        """Run errands at the venue's pace, and keep the connection alive in between."""
        limits, pace = self._line.dialect.limits, self._line.pace()
        with suppress(ConnectionError, aiohttp.ClientError):  # the listener sees the end too, and says why
            while True:
                try:
                    async with asyncio.timeout(None if limits.ping is None else limits.ping_every_s):
                        messages, done = await errands.get()
                except TimeoutError:
                    messages, done = _Errand((limits.ping,) if limits.ping else ())
                for message in messages:
                    await pace.turn()
                    await socket.send_str(message)
                done()

    def _reopen(self, venue_id: str) -> None:
        if venue_id in self.venue_ids:
            self._line.on_open({venue_id})

    def _open(self) -> None:
        self.is_open, self.opened_s = True, time.monotonic()
        self.was_open.set()
        self._line.on_open(frozenset(self.venue_ids))
