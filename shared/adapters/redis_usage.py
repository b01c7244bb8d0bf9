"""The month's commands and bytes in Redis itself, one hash a month, added up over every process that counts.

Adding is two commands, reading one. A lost hash costs a number, no candle.
"""

from typing import TYPE_CHECKING, Final

from shared.adapters.redis_rest import RestRedis, run
from shared.domain.usage import MonthUsage, Usage, month_end

if TYPE_CHECKING:
    from redis.asyncio import Redis

KEEP_MS: Final = 31 * 86_400_000
"""How long a month stays after its end, so that it can be held against the bill."""


def usage_key(month: str) -> str:
    """Return the key of a month's hash."""
    return f"usage:{month}"


class RestUsageReads:
    """The totals as functions read them, over Upstash's REST interface."""

    def __init__(self, redis: RestRedis) -> None:
        self._redis = redis

    def of(self, month: str) -> MonthUsage | None:
        """Return a month's total; None when nobody has counted in it."""
        command = ["HMGET", usage_key(month), "commands", "bytes", "since_ms"]
        commands, size, since_ms = run(self._redis, command, "usage")
        if commands is None or since_ms is None:
            return None
        return MonthUsage(month=month, since_ms=int(since_ms), used=Usage(commands=int(commands), bytes=int(size or 0)))


class RedisUsageBook:
    """The totals of each month, through a client that its owner closes."""

    def __init__(self, redis: "Redis") -> None:
        from shared.adapters.redis_tcp import redis_errors

        self._errors = redis_errors
        self._redis = redis
        self._since: dict[str, int] = {}

    async def add(self, month: str, used: Usage, *, now_ms: int) -> MonthUsage:
        """Add to a month and return its total; raise `TransientError`, after which it may have been added or not."""
        key = usage_key(month)
        with self._errors("usage"):
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
