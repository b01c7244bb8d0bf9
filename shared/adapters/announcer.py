"""Announcements over HTTP, signed: a boundary has closed and its candles are in the log; fresh prices are up."""

import json
import time
from dataclasses import dataclass, field

import aiohttp
import stamina

from shared.domain.errors import InvalidMessageError, TransientError
from shared.domain.runs import ClosedBoundary
from shared.domain.signing import sign


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnnouncer:
    """Announce to one URL; the signature carries the wall clock, also when the market replays a tape.

    `setting` names where the URL comes from, for whoever has to mend it.
    """

    session: aiohttp.ClientSession
    url: str
    secret: str = field(repr=False)
    attempts: int = 3
    timeout_s: float = 5.0
    setting: str = "TRIGGER_URL"

    async def announce(self, boundary: ClosedBoundary, *, correlation_id: str) -> None:
        """Deliver one announcement, at least once.

        Raise `TransientError` when it could not be delivered (the trigger's own schedule finds the boundary then),
        `InvalidMessageError` when it was refused.
        """
        body = json.dumps(
            {
                "venue": boundary.venue,
                "timeframe": str(boundary.timeframe),
                "close_time": boundary.close_time,
                "correlation_id": correlation_id,
            }
        )
        retries = stamina.retry_context(
            on=TransientError, attempts=self.attempts, timeout=3 * self.timeout_s, wait_initial=0.1, wait_jitter=0.1
        )
        async for attempt in retries:
            with attempt:
                await self._post(body)

    async def announce_tickers(self, venue: str) -> None:
        """Say once that a venue's fresh prices are on the board; the next ones come too soon to say it again.

        Raise `TransientError` when it could not be delivered, `InvalidMessageError` when it was refused.
        """
        await self._post(json.dumps({"tickers_of": venue}))

    async def _post(self, body: str) -> None:
        headers = sign(self.secret, timestamp_ms=time.time_ns() // 1_000_000, body=body)
        try:
            async with self.session.post(
                self.url,
                data=body.encode(),
                headers={**headers, "content-type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=self.timeout_s),
            ) as response:
                status, answer = response.status, await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise TransientError(f"POST {self.url}: {error or type(error).__name__}") from error
        if status == 429 or status >= 500:
            raise TransientError(f"POST {self.url}: HTTP {status}")
        if status >= 300:
            raise InvalidMessageError(self.setting, f"HTTP {status} {answer[:200]}")
