"""A door in front of a local port, so that a server can be away without losing what it holds."""

import asyncio
from contextlib import suppress
from typing import Final, Self

from desk.local.process import HOST

_CHUNK: Final = 65_536


class Gate:
    """Forward connections from `port` to a local port; an async context manager.

    Open, everything passes. Shut, connections are cut and new ones too. Frozen, connections stay, nothing passes, and
    what was sent meanwhile arrives when the gate opens again: the way to an answer that came too late. Answering, open
    connections are cut, and every new one is given the same bytes for its request: the way of a proxy whose server is
    away.
    """

    def __init__(self, target_port: int, *, port: int) -> None:
        self.port = port
        self._target_port = target_port
        self._is_shut = False
        self._answer: bytes | None = None
        self._passing = asyncio.Event()
        self._passing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        """Start, open."""
        self._server = await asyncio.start_server(self._accept, HOST, self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cut everything and stop."""
        if self._server is not None:
            self._server.close()
        self.shut()
        self._passing.set()
        await asyncio.gather(*self._serving)

    def open(self) -> None:
        """Let everything pass."""
        self._is_shut, self._answer = False, None
        self._passing.set()

    def freeze(self) -> None:
        """Hold back everything."""
        self._passing.clear()

    def shut(self) -> None:
        """Cut every connection, and those that come."""
        self._is_shut = True
        self._cut()

    def answer(self, with_bytes: bytes) -> None:
        """Cut every connection, and give those that come an answer instead of the server's."""
        self._answer = with_bytes
        self._cut()

    def _cut(self) -> None:
        for writer in tuple(self._writers):
            writer.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_shut:
            writer.transport.abort()
            return
        if self._answer is not None:
            await self._refuse(reader, writer, self._answer)
            return
        inner_reader, inner_writer = await asyncio.open_connection(HOST, self._target_port)
        self._writers |= {writer, inner_writer}
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pump(reader, inner_writer))
                tasks.create_task(self._pump(inner_reader, writer))
        finally:
            self._writers -= {writer, inner_writer}

    async def _refuse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: bytes) -> None:
        """Answer once what was asked has begun to arrive."""
        with suppress(ConnectionError):
            if await reader.read(_CHUNK):
                writer.write(answer)
                await writer.drain()
        writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry bytes one way until either side ends, then end the other."""
        with suppress(ConnectionError):
            while chunk := await reader.read(_CHUNK):
                await self._passing.wait()
                writer.write(chunk)
                await writer.drain()
        writer.close()
