"""A Redis connection pool in the plainest form: raw commands in, raw replies out, errors as values.

The Upstash façade needs replies exactly as Redis gives them, which client libraries reshape.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import hiredis

Command = Sequence[str | bytes]
ReplyError = hiredis.ReplyError
_CHUNK: Final = 1 << 20


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._parser = hiredis.Reader(notEnoughData=_PENDING)

    async def run(self, commands: Sequence[Command]) -> list[Any]:
        self._writer.write(b"".join(_pack(tuple(command)) for command in commands))
        await self._writer.drain()
        return [await self._reply() for _ in commands]

    @property
    def is_open(self) -> bool:
        return not self._reader.at_eof()

    async def _reply(self) -> Any:
        while (reply := self._parser.gets()) is _PENDING:
            chunk = await self._reader.read(_CHUNK)
            if not chunk:
                raise ConnectionError("Redis closed the connection")
            self._parser.feed(chunk)
        return reply

    def close(self) -> None:
        self._writer.close()


_PENDING: Final = object()
_pack: Callable[[tuple[str | bytes, ...]], bytes] = hiredis.pack_command  # type: ignore[assignment]  # typed as a 1-tuple


@dataclass(slots=True)
class RespPool:
    """Connections to one Redis, made when needed; each is used by one caller at a time."""

    host: str
    port: int
    _idle: list[_Connection] = field(default_factory=list, init=False)

    async def run(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands in one write and return their replies in order, `ReplyError` among them as a value."""
        connection = await self._take()
        try:
            replies = await connection.run(commands)
        except BaseException:  # a connection given up half-way through an answer must not be used again
            connection.close()
            raise
        self._idle.append(connection)
        return replies

    def close(self) -> None:
        """Close every idle connection."""
        while self._idle:
            self._idle.pop().close()

    async def _take(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
            connection.close()
        return await self._connect()

    async def _connect(self) -> _Connection:
        return _Connection(*await asyncio.open_connection(self.host, self.port, limit=_CHUNK))
