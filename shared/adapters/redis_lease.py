"""The lease in Redis: a hash without TTL that holds the fencing token, and two channels on which instances speak.

Nothing renews it: a standby asks, the holder answers, and a lone holder spends nothing but its subscription. Why, and
what it costs, is in docs/adr/0025.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

from shared.adapters.redis_log import lease_key
from shared.adapters.redis_scripts import CLAIM, RELEASE
from shared.adapters.redis_tcp import connect, count_inside, redis_errors
from shared.domain.errors import InvalidMessageError
from shared.domain.lease import Tenure

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import PubSub


class RedisLease:
    """The lease of one venue's log, as the instance `owner` sees it."""

    def __init__(self, client: "Redis | str", venue: str, *, owner: str) -> None:
        self.owner = owner
        self._redis = connect(client) if isinstance(client, str) else client
        self._key = lease_key(venue)
        self._questions = f"{self._key}:questions"
        self._answers = f"{self._key}:answers"
        self._claim = self._redis.register_script(CLAIM)
        self._release = self._redis.register_script(RELEASE)

    async def look(self) -> Tenure:
        """Return what is written of the lease; raise `TransientError`."""
        with redis_errors("lease"):
            read: Any = self._redis.hmget(self._key, ["token", "owner"])
            token, owner = await read
        return Tenure(token=_number(token or b"0"), owner=owner.decode() if owner else None)

    async def claim(self, seen: Tenure) -> int | None:
        """Take the lease with a larger token, and tell its holder; None when its token is no longer the one seen."""
        with redis_errors("lease"):
            token = await self._claim(keys=[self._key], args=[seen.token, self.owner, self._questions])
        count_inside(self._redis, 4 if token else 1)
        return _number(token) if token else None

    async def release(self, token: int) -> None:
        """Give the lease back, if the token is still its own, and tell those who stand by."""
        with redis_errors("lease"):
            is_released = await self._release(keys=[self._key], args=[token, self._answers])
        count_inside(self._redis, 3 if is_released else 1)

    async def ask(self) -> int:
        """Ask for the holder; return how many have heard it."""
        with redis_errors("lease"):
            return int(await self._redis.publish(self._questions, "0"))

    async def answer(self, token: int) -> None:
        """Tell those who stand by that the holder of the token lives."""
        with redis_errors("lease"):
            await self._redis.publish(self._answers, str(token))

    def questions(self) -> AbstractAsyncContextManager["RedisHearing"]:
        """Hear what a holder must: 0 is a question, a token is that of a new holder."""
        return self._hear(self._questions)

    def answers(self) -> AbstractAsyncContextManager["RedisHearing"]:
        """Hear what a standby must: a token is that of a holder that lives, 0 is a release."""
        return self._hear(self._answers)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    @asynccontextmanager
    async def _hear(self, channel: str) -> AsyncIterator["RedisHearing"]:
        channels = self._redis.pubsub()
        try:
            with redis_errors("lease"):
                await channels.subscribe(channel)
                await channels.get_message(timeout=None)  # the server's word that nothing is missed from here on
            yield RedisHearing(channels)
        finally:
            await channels.aclose()  # type: ignore[no-untyped-call]


class RedisHearing:
    """A subscription to one channel."""

    def __init__(self, channels: "PubSub") -> None:
        self._channels = channels

    async def next(self, timeout_s: float) -> int | None:
        """Return the next message, None after the timeout; raise `TransientError` when the connection is gone."""
        with redis_errors("lease"):
            message = await self._channels.get_message(timeout=timeout_s)
        return None if message is None else _number(message["data"])


def _number(text: bytes) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidMessageError("lease", f"expected a token, got {text!r}") from None
