"""Sockets without a network: they open, bring and break in the very turn of the event loop a test chooses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import aiohttp


class FakeMessage(NamedTuple):
    """What a socket receives."""

    type: aiohttp.WSMsgType
    data: bytes | None


@dataclass(eq=False)
class FakeSocket:
    """One socket: where it goes, and what the venue was told on it."""

    url: str
    told: list[str] = field(default_factory=list)
    is_open: bool = True
    _inbox: asyncio.Queue[FakeMessage] = field(default_factory=asyncio.Queue)

    async def receive(self) -> FakeMessage:
        """Return the next message, the last one when the other side has gone."""
        return await self._inbox.get()

    async def send_str(self, text: str) -> None:
        """Tell the venue, or raise `ConnectionError`."""
        if not self.is_open:
            raise ConnectionError("gone")
        self.told.append(text)

    def bring(self, frame: bytes) -> None:
        """Let the venue say something."""
        self._inbox.put_nowait(FakeMessage(aiohttp.WSMsgType.TEXT, frame))

    def snap(self) -> None:
        """Let the other side go."""
        if self.is_open:
            self.is_open = False
            self._inbox.put_nowait(FakeMessage(aiohttp.WSMsgType.CLOSED, None))


@dataclass
class FakeSession:
    """An HTTP session that makes such sockets after some turns, or refuses to; `ever` are all it made."""

    ever: list[FakeSocket] = field(default_factory=list)
    refuses: bool = False
    slow: int = 0

    @property
    def open(self) -> list[FakeSocket]:
        """Return the sockets neither side has closed."""
        return [socket for socket in self.ever if socket.is_open]

    @asynccontextmanager
    async def ws_connect(self, url: str, **_: object) -> AsyncIterator[FakeSocket]:
        """Connect, or raise what aiohttp does."""
        if self.refuses:
            raise aiohttp.ClientConnectionError("refused")
        await turns(self.slow)
        socket = FakeSocket(url)
        self.ever.append(socket)
        try:
            yield socket
        finally:
            socket.is_open = False


async def turns(count: int) -> None:
    """Let the event loop go round."""
    for _ in range(count):
        await asyncio.sleep(0)
