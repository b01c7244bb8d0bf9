"""Request limits: how many requests a minute somebody has left."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What is left of somebody's requests until a time (epoch ms); `allowed` is whether this one was among them."""

    allowed: bool
    limit: int
    remaining: int
    reset_ms: int

    def wait_s(self, now_ms: int) -> int:
        """Return after how many seconds there are more, at least one."""
        return max(-((now_ms - self.reset_ms) // 1_000), 1)
