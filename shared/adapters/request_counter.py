"""Requests counted in Upstash Redis by upstash-ratelimit: a window that slides, one command a request."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

from upstash_ratelimit import Ratelimit, SlidingWindow

from shared.adapters.redis_rest import RestRedis, connect_rest, run
from shared.domain.errors import TransientError
from shared.domain.quotas import Quota

if TYPE_CHECKING:
    from upstash_redis import Redis

TIMEOUT_S: Final = 0.3
"""A limit is worth no longer wait: the API's answer waits with it."""

_PREFIX: Final = "rl"
_WINDOW_S: Final = 60


@dataclass(frozen=True, slots=True)
class UpstashRequestCounter:
    """The counter over Upstash's REST interface."""

    redis: RestRedis

    def count(self, who: str, *, per_minute: int) -> Quota:
        """Count a request unless there were too many, and return what is left; raise `TransientError`."""
        scripts = cast("Redis", _StoredScripts(self.redis))  # the library calls `eval` alone
        found = Ratelimit(scripts, _window(per_minute), prefix=_PREFIX).limit(who)
        return Quota(
            allowed=found.allowed,
            limit=found.limit,
            remaining=int(found.remaining),
            reset_ms=round(found.reset * 1_000),
        )

    def close(self) -> None:
        """Close the connections."""
        self.redis.close()


@dataclass(frozen=True, slots=True)
class _StoredScripts:
    """Calls a script by its digest; Redis is sent its text only when it does not have it."""

    redis: RestRedis

    def eval(self, script: str, keys: list[str], args: list[Any]) -> Any:
        call = [len(keys), *keys, *args]
        try:
            return run(self.redis, ["EVALSHA", _digest(script), *call], "request limits")
        except TransientError as error:
            if "NOSCRIPT" not in str(error):
                raise
        return run(self.redis, ["EVAL", script, *call], "request limits")


@lru_cache(maxsize=64)
def _window(per_minute: int) -> SlidingWindow:
    return SlidingWindow(max_requests=per_minute, window=_WINDOW_S, unit="s")


@lru_cache(maxsize=4)
def _digest(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


def upstash_request_counter(url: str, token: str) -> UpstashRequestCounter:
    """Return the counter of an Upstash database; it asks once and gives up soon."""
    return UpstashRequestCounter(connect_rest(url, token, timeout_s=TIMEOUT_S, retries=0))
