"""A Redis over TCP, as the collector reaches it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from shared.domain.errors import FencedError, TransientError

TIMEOUT_S: Final = 5.0


def connect(url: str) -> Redis:
    """Return a client of `redis://…` or `rediss://…` that gives up after five seconds and repeats nothing by itself."""
    # Only who sent something knows whether it may be sent again.
    return Redis.from_url(
        url,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
    )


@contextmanager
def redis_errors(what: str) -> Iterator[None]:
    """Turn what redis-py raises into `TransientError`, and a token that a script refused into `FencedError`."""
    try:
        yield
    except (RedisError, OSError) as error:
        if "FENCED" in str(error):
            raise FencedError(f"{what}: the lease has another token") from error
        raise TransientError(f"{what}: {error}") from error
