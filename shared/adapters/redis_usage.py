"""The month's commands and bytes in Redis itself, one hash a month, added up over every process that counts.

Adding is two commands. Nothing else reads it, and a lost hash costs a number, no candle.
"""

from typing import TYPE_CHECKING, Final

from shared.adapters.redis_tcp import redis_errors
from shared.domain.usage import MonthUsage, Usage, month_end

if TYPE_CHECKING:
    from redis.asyncio import Redis

KEEP_MS: Final = 31 * 86_400_000
"""How long a month stays after its end, so that it can be held against the bill."""


class RedisUsageBook:
    """The totals of each month, through a client that its owner closes."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._since: dict[str, int] = {}

    async def add(self, month: str, used: Usage, *, now_ms: int) -> MonthUsage:
        """Add to a month and return its total; raise `TransientError`, after which it may have been added or not."""
        key = f"usage:{month}"
        with redis_errors("usage"):
            pipe = self._redis.pipeline(transaction=False)
            pipe.hincrby(key, "commands", used.commands)
            pipe.hincrby(key, "bytes", used.bytes)
            commands, size = await pipe.execute()
            if month not in self._since or commands == used.commands:  # the hash is new, to us or to everybody
                pipe.hsetnx(key, "since_ms", str(now_ms))
                pipe.hget(key, "since_ms")
                pipe.pexpireat(key, month_end(month) + KEEP_MS)
                _, since, _ = await pipe.execute()
                self._since = {month: int(since)}
        return MonthUsage(month=month, since_ms=self._since[month], used=Usage(commands=commands, bytes=size))
