"""An event loop that never waits: its time leaps to the next thing that is due."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class LeapingLoop(asyncio.SelectorEventLoop):
    """A loop whose time (s) begins at 0 and passes only while everybody waits, for timers and never for sockets."""

    def __init__(self) -> None:
        self._now_s = 0.0
        super().__init__(_Leaping(self))

    def time(self) -> float:
        """Return its time."""
        return self._now_s

    def leap(self, seconds: float) -> None:
        """Let time pass."""
        self._now_s += seconds


class _Leaping(selectors.SelectSelector):
    def __init__(self, loop: LeapingLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let the time pass that one would have waited."""
        if timeout is None:
            raise RuntimeError("everybody waits for ever")
        self._loop.leap(max(timeout, 0.0))
        return super().select(0)


def leap_through(main: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine to its end in a time of its own."""
    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        return runner.run(main)
