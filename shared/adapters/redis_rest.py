"""A Redis over Upstash's REST interface, as functions reach it.

The collector imports what is beside the readers and has no upstash-redis, so the client is imported where it is used.
"""

from typing import Any, Final, Protocol

from shared.domain.errors import FatalError, TransientError

TIMEOUT_S: Final = 5.0
SOURCE: Final = "redis"


class RestRedis(Protocol):
    """What the desk uses of upstash-redis."""

    def execute(self, command: list[Any]) -> Any:
        """Run one command and return its plain result."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


def connect_rest(url: str, token: str, *, timeout_s: float = TIMEOUT_S) -> RestRedis:
    """Return a client of an Upstash database that gives up after five seconds, or sooner, and tries once more."""
    from httpx import Timeout
    from upstash_redis import Redis

    # Values are text, which JSON carries as it is: a second base64 would add a third to every answer.
    redis = Redis(url, token, rest_encoding=None, rest_retries=1, rest_retry_interval=0.1, allow_telemetry=False)
    redis._http._client.timeout = Timeout(timeout_s)  # noqa: SLF001 - the client waits for ever and has no setting
    return redis


def run(redis: RestRedis, command: list[Any], what: str) -> Any:
    """Run one command; raise `TransientError`, or `FatalError` for a key Upstash does not accept."""
    from httpx import HTTPError
    from upstash_redis.errors import UpstashError

    try:
        return redis.execute(command)
    except HTTPError as error:
        raise TransientError(f"{what}: {error!r}", source=SOURCE) from error
    except UpstashError as error:
        if str(error).startswith(("WRONGPASS", "NOAUTH", "NOPERM")):
            raise FatalError(f"{what}: {error}") from error
        raise TransientError(f"{what}: {error}", source=SOURCE) from error
