"""A Redis over TCP, as the collector reaches it, with every command and byte on the wire counted."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import Connection, SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.maint_notifications import MaintNotificationsConfig

from shared.domain.errors import FencedError, TransientError
from shared.domain.usage import Usage, month_of

TIMEOUT_S: Final = 5.0


def wall_ms() -> int:
    """Return the real time in epoch ms: a bill knows no other."""
    return time.time_ns() // 1_000_000


@dataclass(slots=True, kw_only=True)
class RedisMeter:
    """Counts of what went over the connections it was given to, since the process started and by calendar month."""

    commands: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    now_ms: Callable[[], int] = wall_ms
    _months: dict[str, Usage] = field(default_factory=dict)

    def sent(self, commands: int, size: int) -> None:
        """Count commands and the bytes they took."""
        self.commands += commands
        self.bytes_sent += size
        self._add(Usage(commands=commands, bytes=size))

    def received(self, size: int) -> None:
        """Count the bytes of answers."""
        self.bytes_received += size
        self._add(Usage(bytes=size))

    def months(self) -> Mapping[str, Usage]:
        """Return what nobody has settled yet, by month."""
        return dict(self._months)

    def settle(self, month: str, usage: Usage) -> None:
        """Forget what has been put down elsewhere."""
        self._add(Usage(commands=-usage.commands, bytes=-usage.bytes), month=month)
        if self._months[month] == Usage():
            del self._months[month]

    def _add(self, usage: Usage, *, month: str | None = None) -> None:
        month = month or month_of(self.now_ms())
        self._months[month] = self._months.get(month, Usage()) + usage


def connect(url: str, *, meter: RedisMeter | None = None) -> Redis:
    """Return a client of `redis://…` or `rediss://…` that gives up after five seconds and repeats nothing by itself."""
    options: dict[str, Any] = {**parse_url(url)}
    is_tls = options.pop("connection_class", Connection) is SSLConnection
    return Redis.from_pool(
        ConnectionPool(
            connection_class=_MeteredSSLConnection if is_tls else _MeteredConnection,
            meter=meter or RedisMeter(),
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            # Only who sent something knows whether it may be sent again.
            retry=Retry(NoBackoff(), 0),
            # A connection introduces itself with commands that are billed and tell nobody anything.
            driver_info=None,
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
            **options,
        )
    )


@contextmanager
def redis_errors(what: str) -> Iterator[None]:
    """Turn what redis-py raises into `TransientError`, and a token that a script refused into `FencedError`."""
    try:
        yield
    except (RedisError, OSError) as error:
        if "FENCED" in str(error):
            raise FencedError(f"{what}: the lease has another token") from error
        raise TransientError(f"{what}: {error}") from error


def count_inside(redis: Redis, commands: int) -> None:
    """Count the commands that a script ran inside Redis: Upstash bills them like any other."""
    meter: RedisMeter | None = redis.connection_pool.connection_kwargs.get("meter")
    if meter is not None:
        meter.sent(commands, 0)


def commands_in(packed: bytes) -> int:
    """Return how many commands a packed request holds (RESP: each is an array of strings that say their lengths)."""
    commands, at = 0, 0
    while at < len(packed):
        parts, at = _header(packed, at)
        for _ in range(parts):
            size, at = _header(packed, at)
            at += size + 2
        commands += 1
    return commands


def _header(packed: bytes, at: int) -> tuple[int, int]:
    end = packed.index(b"\r\n", at)
    return int(packed[at + 1 : end]), end + 2


class _Counting(asyncio.Protocol):
    """Hands everything on to the stream's own protocol and counts what arrives."""

    def __init__(self, inner: Any, meter: RedisMeter) -> None:
        self._inner = inner
        self._meter = meter

    def data_received(self, data: bytes) -> None:
        self._meter.received(len(data))
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        is_kept_open: bool | None = self._inner.eof_received()
        return is_kept_open

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()


class _Metered:
    """What makes a connection of redis-py count; first among the bases."""

    _writer: asyncio.StreamWriter | None

    def __init__(self, *, meter: RedisMeter, **options: Any) -> None:
        self._meter = meter
        super().__init__(**options)

    async def _connect(self) -> None:
        await super()._connect()  # type: ignore[misc]
        if self._writer is not None:
            transport = self._writer.transport
            transport.set_protocol(_Counting(transport.get_protocol(), self._meter))

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        chunks = [command.encode()] if isinstance(command, str) else command
        packed = chunks if isinstance(chunks, bytes) else b"".join(chunks)
        task = asyncio.current_task()
        cancellations = task.cancelling() if task else 0
        await super().send_packed_command(packed, check_health)  # type: ignore[misc]
        self._meter.sent(commands_in(packed), len(packed))
        if task and task.cancelling() > cancellations:
            # redis-py sends within asyncio.wait_for, which before Python 3.12 may swallow a cancellation.
            await super().disconnect(nowait=True)  # type: ignore[misc]
            raise asyncio.CancelledError


class _MeteredConnection(_Metered, Connection):
    pass


class _MeteredSSLConnection(_Metered, SSLConnection):
    pass
