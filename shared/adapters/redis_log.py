"""The candle log in Redis: one stream per venue and timeframe, one entry per closed boundary.

The collector writes over TCP (redis-py), functions read over Upstash's REST interface (upstash-redis). A later entry
for the same open time overrides the earlier one cell by cell. Entries that go forward in time are the stream's spine;
one that does not (a correction, a late symbol, backfill) is marked with a field `c`, so that a reader who goes back
from the end knows when it has seen everything about its bars.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from shared.adapters.redis_rest import RestRedis, connect_rest, run
from shared.adapters.redis_scripts import WRITE
from shared.domain.candles import Boundary, CandleFrame
from shared.domain.codec import decode_frame, encode
from shared.domain.frame_buffer import FrameBuffer
from shared.domain.lease import Tenure
from shared.domain.timeframe import Timeframe

if TYPE_CHECKING:
    from redis.asyncio import Redis

DEFAULT_DEPTH: Final = 1_000
_PAGE: Final = 250
_FIRST_PAGE: Final = 100
_MAX_ANSWER_BYTES: Final = 6_000_000  # Upstash carries 10 MB; base64 may add a third
_NEWEST_BARS: Final = 4
_LATE: Final = "c"
UNLEASED: Final = Tenure()
STATUS_TTL_MS: Final = 900_000

Entry = tuple[str, dict[str, str]]


def stream_key(venue: str, timeframe: Timeframe) -> str:
    """Return the key of a venue's log of one timeframe."""
    return f"candles:{venue}:{timeframe}"


def lease_key(venue: str) -> str:
    """Return the key of the hash that says who may write a venue's log."""
    return f"lease:{venue}"


@dataclass(slots=True)
class _Tail:
    """What a writer knows of one stream's end; unsure after a write whose fate it has not learned."""

    newest: int
    last_id: str
    is_sure: bool = True


class RedisCandleLogWriter:
    """The log as the collector writes it; `depth` is how many entries a stream keeps.

    Every write carries the fencing token of its tenure (docs/adr/0025) and is refused when the lease has another; who
    has none writes a log that nobody has ever leased. The status vanishes `ttl_ms` after the last news, or
    sooner: its time is set anew only when half of it has passed. `on_append` is told how many seconds each acknowledged
    write took.
    """

    def __init__(
        self,
        client: "Redis | str",
        *,
        depth: int = DEFAULT_DEPTH,
        tenure: Tenure = UNLEASED,
        ttl_ms: int = STATUS_TTL_MS,
        on_append: Callable[[float], None] | None = None,
    ) -> None:
        from shared.adapters.redis_tcp import connect, count_inside, redis_errors

        self._redis = connect(client) if isinstance(client, str) else client
        self._errors = partial(redis_errors, "candle log")
        self._write = self._redis.register_script(WRITE)
        self._count_inside = partial(count_inside, self._redis)
        self._on_append = on_append
        self._depth = depth
        self._token = tenure.token
        self._signature = {"owner": tenure.owner or "", "token": str(tenure.token)}
        self._ttl_ms = ttl_ms
        self._ttl_due_s = 0.0
        self._tails: dict[str, _Tail] = {}
        self._turn = asyncio.Lock()

    async def append(
        self, venue: str, boundaries: Sequence[Boundary], *, status: Mapping[str, str] | None = None
    ) -> None:
        """Append boundaries in order and set fields of the status, in one step.

        Raise `TransientError` unless Redis has taken it all. Then append the same again: what has arrived meanwhile is
        found and not repeated.
        """
        async with self._turn:
            for timeframe in {boundary.timeframe for boundary in boundaries}:
                key = stream_key(venue, timeframe)
                tail = self._tails.get(key)
                if tail is None:
                    await self.frame(venue, timeframe)
                elif not tail.is_sure:
                    boundaries = await self._without_arrived(venue, timeframe, boundaries)
            if boundaries or status:
                await self._write_all(venue, boundaries, {**status, **self._signature} if status else {})

    async def frame(self, venue: str, timeframe: Timeframe) -> CandleFrame:
        """Return everything the log holds."""
        key, entries, start = stream_key(venue, timeframe), list[Entry](), "-"
        while page := await self._page(key, start):
            entries += page
            if len(page) < _PAGE:
                break
            start = f"({page[-1][0]}"
        frame = decode_frame(timeframe, [fields for _, fields in entries], bars=self._depth)
        tail = self._tails.get(key)
        if tail is None or not tail.is_sure:
            self._tails[key] = _Tail(frame.close_time - timeframe.ms, entries[-1][0] if entries else "0")
        return frame

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _write_all(self, venue: str, boundaries: Sequence[Boundary], status: Mapping[str, str]) -> None:
        keys = list(dict.fromkeys(stream_key(venue, boundary.timeframe) for boundary in boundaries))
        newest = {key: self._tails[key].newest for key in keys}
        ttl_ms = self._ttl_ms if status and time.monotonic() >= self._ttl_due_s else 0
        args: list[Any] = [self._token, self._depth, ttl_ms, *_counted(status)]
        for boundary in boundaries:
            key = stream_key(venue, boundary.timeframe)
            is_late = boundary.open_time <= newest[key]
            args += [keys.index(key) + 1, *_counted({**encode(boundary), **({_LATE: "1"} if is_late else {})})]
            newest[key] = max(newest[key], boundary.open_time)
        for key in keys:
            self._tails[key].is_sure = False
        started_s = time.monotonic()
        with self._errors():
            ids = await self._write(keys=[lease_key(venue), f"collector:{venue}", *keys], args=args)
        self._count_inside(1 + len(boundaries) + bool(status) + bool(ttl_ms))
        if self._on_append is not None:
            self._on_append(time.monotonic() - started_s)
        for boundary, id_ in zip(boundaries, ids, strict=True):
            key = stream_key(venue, boundary.timeframe)
            self._tails[key] = _Tail(newest[key], _text(id_))
        if ttl_ms:
            self._ttl_due_s = time.monotonic() + self._ttl_ms / 2_000

    async def _without_arrived(
        self, venue: str, timeframe: Timeframe, boundaries: Sequence[Boundary]
    ) -> Sequence[Boundary]:
        """Leave out the boundaries of a timeframe that an unacknowledged write of the same brought into the log."""
        key = stream_key(venue, timeframe)
        tail = self._tails[key]
        page = await self._page(key, f"({tail.last_id}")
        tail.is_sure = not page
        if not page:
            return boundaries
        own = [boundary for boundary in boundaries if boundary.timeframe is timeframe]
        if [{**fields, _LATE: "1"} for _, fields in page] != [{**encode(boundary), _LATE: "1"} for boundary in own]:
            await self.frame(venue, timeframe)
            return boundaries
        self._tails[key] = _Tail(max(tail.newest, *(boundary.open_time for boundary in own)), page[-1][0])
        return [boundary for boundary in boundaries if boundary.timeframe is not timeframe]

    async def _page(self, key: str, start: str) -> list[Entry]:
        with self._errors():
            page: Any = await self._redis.xrange(key, min=start, count=_PAGE)
        return [(_text(id_), {_text(k): _text(v) for k, v in fields.items()}) for id_, fields in page]


@dataclass(slots=True)
class _Memory:
    """What a warm process knows of one stream."""

    key: str
    buffer: FrameBuffer
    last_id: str
    entry_bytes: int

    @property
    def page(self) -> int:
        """Return how many entries fit one answer."""
        return max(_MAX_ANSWER_BYTES // self.entry_bytes, 1)


@dataclass(slots=True)
class UpstashCandleLog:
    """The log as functions read it; a warm process keeps what it has read and asks only for what came after.

    A warm read is one command. It asks from the last entry it knows, not behind it: an answer that does not begin with
    that entry tells that the stream was lost or rebuilt, and everything is read again.
    """

    redis: RestRedis
    _memories: dict[str, _Memory] = field(default_factory=dict, init=False)
    _turns: dict[str, Lock] = field(default_factory=dict, init=False)

    def frame(self, venue: str, timeframe: Timeframe, *, bars: int) -> CandleFrame:
        """Return at least the newest `bars` bars the log holds; the frame is a snapshot that never changes.

        Threads that ask for one stream take turns: an answer that nobody waited for must not mix with the next.
        """
        key = stream_key(venue, timeframe)
        with self._turns.setdefault(key, Lock()):
            return self._read(key, timeframe, bars)

    def _read(self, key: str, timeframe: Timeframe, bars: int) -> CandleFrame:
        memory = self._memories.get(key)
        if memory is None or memory.buffer.keep < bars or not self._follow(memory, timeframe):
            self._memories.pop(key, None)
            self._memories[key] = memory = self._read_back(
                key, timeframe, max(bars, memory.buffer.keep if memory else 0)
            )
        if not memory.last_id:
            del self._memories[key]
        return memory.buffer.frame

    def newest_close(self, venue: str, timeframe: Timeframe) -> int | None:
        """Return the newest close time in the log (epoch ms), None when it is empty."""
        return self.frame(venue, timeframe, bars=_NEWEST_BARS).close_time or None

    def close(self) -> None:
        """Close the connections; what was read is forgotten."""
        self._memories.clear()
        self.redis.close()

    def _follow(self, memory: _Memory, timeframe: Timeframe) -> bool:
        """Read what came after the last entry known; False when that entry is gone."""
        while True:
            entries = self._entries(["XRANGE", memory.key, memory.last_id, "+", "COUNT", memory.page + 1])
            if not entries or entries[0][0] != memory.last_id:
                return False
            news = [fields for _, fields in entries[1:]]
            memory.buffer.merge(decode_frame(timeframe, news, bars=memory.buffer.keep))
            memory.last_id = entries[-1][0]
            if len(entries) <= memory.page:
                return True

    def _read_back(self, key: str, timeframe: Timeframe, bars: int) -> _Memory:
        """Read a stream from its end until the spine has `bars` bars, or to its start."""
        entries: list[Entry] = []
        end, count, spine = "+", min(bars, _FIRST_PAGE), 0
        while True:
            page = self._entries(["XREVRANGE", key, end, "-", "COUNT", count])
            entries += page
            spine += sum(_LATE not in fields for _, fields in page)
            if len(page) < count or spine >= bars:
                break
            end = f"({entries[-1][0]}"
            count = min(max(bars - spine, _PAGE), _MAX_ANSWER_BYTES // _entry_bytes(entries) or 1)
        buffer = FrameBuffer(timeframe, keep=bars)
        buffer.merge(decode_frame(timeframe, [fields for _, fields in reversed(entries)], bars=bars))
        return _Memory(key, buffer, entries[0][0] if entries else "", _entry_bytes(entries))

    def _entries(self, command: list[Any]) -> list[Entry]:
        answer = run(self.redis, command, "candle log")
        return [(id_, dict(zip(fields[::2], fields[1::2], strict=True))) for id_, fields in answer]


def upstash_candle_log(url: str, token: str) -> UpstashCandleLog:
    """Return the log of an Upstash database."""
    return UpstashCandleLog(connect_rest(url, token))


def _counted(fields: Mapping[str, str]) -> list[Any]:
    return [2 * len(fields), *(part for field in fields.items() for part in field)]


def _entry_bytes(entries: Sequence[Entry]) -> int:
    return sum(len(value) for _, fields in entries for value in fields.values()) // max(len(entries), 1) or 1


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
