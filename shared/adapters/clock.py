"""Clocks: the system's, and one that follows a tape so that a recorded market runs at any speed."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path


class SystemClock:
    """The machine's UTC clock."""

    def now_ms(self) -> int:
        """Return UTC epoch milliseconds."""
        return time.time_ns() // 1_000_000


@dataclass(slots=True)
class TapeClock:
    """A clock other processes steer through a small JSON file: `{"tape_ms", "real_ms", "speed"}`.

    Now is `tape_ms + (real now - real_ms) * speed`; speed 0 holds the tape. The file is replaced atomically by its
    owner and read again only when its modification time changes.
    """

    path: Path
    _stamp: int = field(default=-1, init=False)
    _tape_ms: int = field(default=0, init=False)
    _real_ms: int = field(default=0, init=False)
    _speed: float = field(default=0.0, init=False)

    def now_ms(self) -> int:
        """Return the tape's UTC epoch milliseconds."""
        stamp = self.path.stat().st_mtime_ns
        if stamp != self._stamp:
            state = json.loads(self.path.read_text())
            self._tape_ms, self._real_ms, self._speed = state["tape_ms"], state["real_ms"], state["speed"]
            self._stamp = stamp
        return self._tape_ms + int((time.time_ns() // 1_000_000 - self._real_ms) * self._speed)

    @property
    def speed(self) -> float:
        """Return how many tape milliseconds pass in a real one."""
        self.now_ms()
        return self._speed


def steer(path: Path, *, tape_ms: int, speed: float) -> None:
    """Set a tape clock to a time (epoch ms) and a speed from now on."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"tape_ms": tape_ms, "real_ms": time.time_ns() // 1_000_000, "speed": speed}))
    part.replace(path)
