"""A clock that moves when it is told to."""

from dataclasses import dataclass


@dataclass(slots=True)
class ManualClock:
    """Now is what the test says (epoch ms)."""

    time_ms: int = 1_700_000_000_000

    def now_ms(self) -> int:
        """Return the time that was set."""
        return self.time_ms

    def advance(self, ms: int) -> int:
        """Move on and return the new time."""
        self.time_ms += ms
        return self.time_ms
