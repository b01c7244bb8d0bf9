"""REST over aiohttp within a venue's limits: weight is spent from a bucket the answers correct, bans are obeyed.

What is most urgent is asked first, also when it is asked again: nobody holds a place while it waits to try once more.

All waiting here is real time, also when the market replays a tape.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from heapq import heappop, heappush
from itertools import count
from typing import Any, Final, NamedTuple

import aiohttp
import stamina

from shared.domain.errors import InvalidMessageError, TransientError
from shared.domain.urgency import Urgency

MAX_PAUSE_S: Final = 90.0
_CRUMB: Final = 1e-9
"""What may be lacking of a weight: sums of fractions of seconds are not exact."""

UsedWeight = Callable[[Mapping[str, str]], float | None]
"""Reads from an answer's headers how much of the limit is used by now, None when they do not say."""

Check = Callable[[int, bytes], None]
"""Raises what the venue refuses in its own words in an answer of this status and body; what may pass is
`TransientError`, with the pause the venue asks for."""


class _Waiter(NamedTuple):
    """A place in the line; it sorts by urgency, then by who came first."""

    urgency: Urgency
    number: int
    weight: float
    served: asyncio.Future[None]


class TokenBucket:
    """So much weight per span of seconds, spent at once or steadily, by at most `at_once` at a time.

    Who must wait stands in line: the most urgent is served first, and of those the one that came first. A tenth is kept
    for whoever shares the address.
    """

    def __init__(self, limit: float, per_s: float, *, share: float = 0.9, at_once: int = 10) -> None:
        self._per_s = per_s
        self._share = share
        self._limit = limit * share
        self._tokens = self._limit
        self._at = -math.inf  # loop seconds; it begins full
        self._free = at_once
        self._line: list[_Waiter] = []
        self._numbers = count()
        self._alarm: asyncio.TimerHandle | None = None

    def allow(self, limit: float) -> None:
        """Adopt a limit the venue told."""
        self._limit = limit * self._share
        self._tokens = min(self._tokens, self._limit)

    def note_used(self, used: float) -> None:
        """Adopt what the venue counted, where that is more than we did."""
        self._refill()
        self._tokens = min(self._tokens, self._limit - used)

    @asynccontextmanager
    async def turn(self, weight: float, urgency: Urgency) -> AsyncIterator[None]:
        """Wait until there is enough and somebody has finished, take it, and let the next one in at the end.

        What is over the limit altogether waits for a full bucket. Who is cancelled in the line pays nothing.
        """
        waiter = _Waiter(urgency, next(self._numbers), weight, asyncio.get_running_loop().create_future())
        heappush(self._line, waiter)
        self._serve()
        try:
            await waiter.served
        except asyncio.CancelledError:
            if waiter.served.cancelled():
                self._serve()  # it may have kept others waiting
            else:  # served in the moment it was cancelled
                self._tokens += weight
                self._finish()
            raise
        try:
            yield
        finally:
            self._finish()

    def _finish(self) -> None:
        self._free += 1
        self._serve()

    def _serve(self) -> None:
        """Let in whose turn it is, and look again when there is enough for the next."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._refill()
        while self._line and self._free:
            _, _, weight, served = self._line[0]
            if not served.cancelled():
                lacking = min(weight, self._limit) - self._tokens
                if lacking > _CRUMB:
                    wait_s = lacking / self._limit * self._per_s
                    self._alarm = asyncio.get_running_loop().call_later(wait_s, self._serve)
                    return
                self._tokens -= weight
                self._free -= 1
                served.set_result(None)
            heappop(self._line)

    def _refill(self) -> None:
        now = asyncio.get_running_loop().time()
        self._tokens = min(self._limit, self._tokens + (now - self._at) / self._per_s * self._limit)
        self._at = now


class RestClient:
    """Ask one venue, and wait for the answer to a question, asked again or not, for `timeout_s` altogether.

    The time in the line and the pauses before it is asked again are not part of that.

    Raise `InvalidMessageError` when the venue refuses the question, `TransientError` when it could not be answered.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        *,
        bucket: TokenBucket,
        used_weight: UsedWeight = lambda _: None,
        check: Check = lambda _status, _body: None,
        attempts: int = 5,
        timeout_s: float = 20.0,
    ) -> None:
        self.bucket = bucket
        self._session = session
        self._base_url = base_url.rstrip("/")
        self._used_weight = used_weight
        self._check = check
        self._attempts = attempts
        self._timeout_s = timeout_s
        self._quiet_until = 0.0  # monotonic seconds

    async def get(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        weight: float = 1.0,
        urgency: Urgency = Urgency.BACKFILL,
    ) -> bytes:
        """Return the body of a GET."""
        return await self._ask("GET", path, weight, urgency, params=params or {})

    async def post(self, path: str, body: object, *, weight: float = 1.0, urgency: Urgency = Urgency.BACKFILL) -> bytes:
        """Return the body of a POST of JSON that changes nothing."""
        return await self._ask("POST", path, weight, urgency, json=body)

    async def _ask(self, method: str, path: str, weight: float, urgency: Urgency, **request: Any) -> bytes:
        retries = stamina.retry_context(
            on=self._backoff, attempts=self._attempts, timeout=None, wait_initial=0.1, wait_jitter=0.2
        )
        left_s = self._timeout_s
        try:
            async for attempt in retries:
                with attempt:
                    async with self.bucket.turn(weight, urgency):  # a question asked again costs again
                        await self._stay_quiet(path)
                        began_s = time.monotonic()
                        try:
                            async with asyncio.timeout(left_s):
                                return await self._ask_once(method, path, request)
                        finally:
                            left_s -= time.monotonic() - began_s
        except TimeoutError as error:
            raise TransientError(f"{method} {path}: no answer within {self._timeout_s} s") from error
        raise TransientError(f"{method} {path}: no attempt was made")

    async def _ask_once(self, method: str, path: str, request: dict[str, Any]) -> bytes:
        patience = aiohttp.ClientTimeout(total=self._timeout_s / 2)
        try:
            async with self._session.request(method, self._base_url + path, timeout=patience, **request) as response:
                body = await response.read()
                status, headers = response.status, response.headers
        except (aiohttp.ClientError, TimeoutError) as error:
            raise TransientError(f"{method} {path}: {error or type(error).__name__}") from error
        if (used := self._used_weight(headers)) is not None:
            self.bucket.note_used(used)
        retry_after = _seconds(headers.get("Retry-After"))
        if status in (418, 429):
            self._be_quiet(retry_after or 1.0)
        if status in (418, 429) or status >= 500:
            raise TransientError(f"{method} {path}: HTTP {status}", retry_after_s=retry_after)
        try:
            self._check(status, body)
        except TransientError as error:
            self._be_quiet(error.retry_after_s or 0.0)
            raise
        if status != 200:
            raise InvalidMessageError(path, f"HTTP {status} {body[:200].decode(errors='replace')}")
        return body

    def _be_quiet(self, pause_s: float) -> None:
        """Let nobody ask for a while: all questions come from one address."""
        self._quiet_until = max(self._quiet_until, time.monotonic() + pause_s)

    def _backoff(self, error: Exception) -> bool | float:
        """Retry what may pass: after the delay the venue gave, unless that is longer than we are willing to wait."""
        if not isinstance(error, TransientError):
            return False
        if error.retry_after_s is None:
            return True
        return error.retry_after_s if error.retry_after_s < self._timeout_s else False

    async def _stay_quiet(self, path: str) -> None:
        """Wait out a pause the venue imposed, but fail at once under a ban."""
        pause = self._quiet_until - time.monotonic()
        if pause > MAX_PAUSE_S:
            raise TransientError(f"{path}: told to stay quiet for {pause:.0f} s", retry_after_s=pause)
        if pause > 0:
            await asyncio.sleep(pause)


def _seconds(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after is not None and retry_after.isdigit() else None
