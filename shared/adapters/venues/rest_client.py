"""REST over aiohttp within a venue's limits: weight is spent from a bucket the answers correct, bans are obeyed.

All waiting here is real time, also when the market replays a tape.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import aiohttp
import stamina

from shared.domain.errors import InvalidMessageError, TransientError

MAX_PAUSE_S: Final = 90.0

UsedWeight = Callable[[Mapping[str, str]], float | None]
"""Reads from an answer's headers how much of the limit is used by now, None when they do not say."""

Check = Callable[[int, bytes], None]
"""Raises what the venue refuses in its own words in an answer of this status and body; what may pass is
`TransientError`, with the pause the venue asks for."""


class TokenBucket:
    """So much weight per span of seconds, spent at once or steadily; a tenth is kept for whoever shares the address."""

    def __init__(self, limit: float, per_s: float, *, share: float = 0.9) -> None:
        self._per_s = per_s
        self._share = share
        self._limit = limit * share
        self._tokens = self._limit
        self._at = time.monotonic()

    def allow(self, limit: float) -> None:
        """Adopt a limit the venue told."""
        self._limit = limit * self._share
        self._tokens = min(self._tokens, self._limit)

    def note_used(self, used: float) -> None:
        """Adopt what the venue counted, where that is more than we did."""
        self._refill()
        self._tokens = min(self._tokens, self._limit - used)

    async def spend(self, weight: float) -> None:
        """Wait until there is enough, and take it; what is over the limit altogether waits for a full bucket."""
        while True:
            self._refill()
            lacking = min(weight, self._limit) - self._tokens
            if lacking <= 0:
                self._tokens -= weight
                return
            await asyncio.sleep(lacking / self._limit * self._per_s)

    def _refill(self) -> None:
        now = time.monotonic()
        self._tokens = min(self._limit, self._tokens + (now - self._at) / self._per_s * self._limit)
        self._at = now


class RestClient:
    """Ask one venue, at most `concurrency` questions at a time, each with all its retries within `timeout_s`.

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
        concurrency: int = 10,
        attempts: int = 5,
        timeout_s: float = 20.0,
    ) -> None:
        self.bucket = bucket
        self._session = session
        self._base_url = base_url.rstrip("/")
        self._used_weight = used_weight
        self._check = check
        self._slots = asyncio.Semaphore(concurrency)
        self._attempts = attempts
        self._timeout_s = timeout_s
        self._quiet_until = 0.0  # monotonic seconds

    async def get(self, path: str, params: Mapping[str, str] | None = None, *, weight: float = 1.0) -> bytes:
        """Return the body of a GET."""
        return await self._ask("GET", path, weight, params=params or {})

    async def post(self, path: str, body: object, *, weight: float = 1.0) -> bytes:
        """Return the body of a POST of JSON that changes nothing."""
        return await self._ask("POST", path, weight, json=body)

    async def _ask(self, method: str, path: str, weight: float, **request: Any) -> bytes:
        async with self._slots:
            await self._stay_quiet(path)
            await self.bucket.spend(weight)
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await self._ask_with_retries(method, path, weight, request)
            except TimeoutError as error:
                raise TransientError(f"{method} {path}: no answer within {self._timeout_s} s") from error

    async def _ask_with_retries(self, method: str, path: str, weight: float, request: dict[str, Any]) -> bytes:
        retries = stamina.retry_context(
            on=self._backoff, attempts=self._attempts, timeout=self._timeout_s, wait_initial=0.1, wait_jitter=0.2
        )
        async for attempt in retries:
            with attempt:
                if attempt.num > 1:  # a question asked again costs again
                    await self._stay_quiet(path)
                    await self.bucket.spend(weight)
                return await self._ask_once(method, path, request)
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
