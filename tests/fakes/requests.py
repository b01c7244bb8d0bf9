"""Requests counted in memory; passes the same contract suite as the adapter over Upstash."""

import time
from collections import Counter
from dataclasses import dataclass, field

from shared.domain.errors import TransientError
from shared.domain.quotas import Quota

WINDOW_MS = 60_000


@dataclass
class MemoryRequestCounter:
    """A window that slides, as upstash-ratelimit's does; `broken` is a Redis that does not answer."""

    counted: Counter[tuple[str, int]] = field(default_factory=Counter)
    asked: int = 0
    broken: bool = False

    def count(self, who: str, *, per_minute: int) -> Quota:
        """Count a request unless there were too many, and return what is left."""
        self.asked += 1
        if self.broken:
            raise TransientError("request limits: no answer", source="redis")
        window, into = divmod(time.time_ns() // 1_000_000, WINDOW_MS)
        before = int((1 - into / WINDOW_MS) * self.counted[who, window - 1])
        allowed = before + self.counted[who, window] < per_minute
        self.counted[who, window] += allowed
        remaining = max(per_minute - before - self.counted[who, window], 0) if allowed else 0
        return Quota(allowed=allowed, limit=per_minute, remaining=remaining, reset_ms=(window + 1) * WINDOW_MS)


@dataclass
class MemoryRequestLimits:
    """How many requests people may make; far more than a test makes, unless it says otherwise."""

    limit: int | None = 100_000
    error: Exception | None = None

    def per_minute(self, user_id: str) -> int | None:
        """Return how many requests a minute somebody may make."""
        if self.error is not None:
            raise self.error
        return self.limit
