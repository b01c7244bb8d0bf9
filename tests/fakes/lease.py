"""A lease in memory: instances that share a board share the lease, and hear each other through it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from shared.domain.lease import Tenure


@dataclass
class FakeHearing:
    """What one listener has not yet heard."""

    said: asyncio.Queue[int] = field(default_factory=asyncio.Queue)

    async def next(self, timeout_s: float) -> int | None:
        """Return the next message, None after the timeout."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self.said.get()
        except TimeoutError:
            return None


@dataclass
class LeaseBoard:
    """What is written of every venue's lease, and who listens to what."""

    leases: dict[str, Tenure] = field(default_factory=dict)
    listeners: dict[str, list[FakeHearing]] = field(default_factory=dict)

    def say(self, channel: str, word: int) -> int:
        """Tell all who listen, and return how many."""
        hearings = self.listeners.get(channel, [])
        for hearing in hearings:
            hearing.said.put_nowait(word)
        return len(hearings)

    @asynccontextmanager
    async def hear(self, channel: str) -> AsyncIterator[FakeHearing]:
        """Listen while the block lasts."""
        hearing = FakeHearing()
        self.listeners.setdefault(channel, []).append(hearing)
        try:
            yield hearing
        finally:
            self.listeners[channel].remove(hearing)


@dataclass
class FakeLease:
    """One instance's view of the board."""

    board: LeaseBoard
    venue: str
    owner: str

    async def look(self) -> Tenure:
        """Return what is written."""
        return self.board.leases.get(self.venue, Tenure())

    async def claim(self, seen: Tenure) -> int | None:
        """Take the lease unless somebody was faster."""
        held = await self.look()
        if held.token != seen.token:
            return None
        token = max(held.token + 1, time.time_ns() // 1_000)
        self.board.leases[self.venue] = Tenure(token=token, owner=self.owner)
        self.board.say(f"{self.venue}:questions", token)
        return token

    async def release(self, token: int) -> None:
        """Give it back if the token is still its own."""
        if (await self.look()).token == token:
            self.board.leases[self.venue] = Tenure(token=token)
            self.board.say(f"{self.venue}:answers", 0)

    async def ask(self) -> int:
        """Ask, and return how many heard it."""
        return self.board.say(f"{self.venue}:questions", 0)

    async def answer(self, token: int) -> None:
        """Say that the holder lives."""
        self.board.say(f"{self.venue}:answers", token)

    def questions(self) -> AbstractAsyncContextManager[FakeHearing]:
        """Hear what a holder must."""
        return self.board.hear(f"{self.venue}:questions")

    def answers(self) -> AbstractAsyncContextManager[FakeHearing]:
        """Hear what a standby must."""
        return self.board.hear(f"{self.venue}:answers")
