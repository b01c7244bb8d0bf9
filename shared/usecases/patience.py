"""Wait for what somebody else was told to do, and not for ever."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait, in real time, and how often to look."""

    up_to_ms: int = 8_000
    every_ms: int = 200
    pause_s: Callable[[float], object] = time.sleep

    def until(self, happened: Callable[[], bool]) -> bool:
        """Wait until something has happened; return whether it has."""
        for _ in range(self.up_to_ms // self.every_ms):
            if happened():
                return True
            self.pause_s(self.every_ms / 1_000)
        return happened()
