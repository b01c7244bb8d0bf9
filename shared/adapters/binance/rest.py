"""Binance's public REST interface: time, listings, 24 h volumes, and candles in pages.

Limits (REST general information, "Limits"): request weight per minute and IP, reported in `X-MBX-USED-WEIGHT-1M`; 429
asks to back off, 418 is a ban, both with `Retry-After` in seconds. All waiting here is real time, also when the market
replays a tape.
"""

import asyncio
import time
from typing import Final

import aiohttp
import stamina

from shared.adapters.binance.frames import parse_klines, parse_listings, parse_quote_volumes, parse_server_time
from shared.domain.backfill import Stretch, Window
from shared.domain.candles import Candle
from shared.domain.errors import InvalidMessageError, TransientError
from shared.domain.symbols import Listing

MAX_ROWS: Final = 1_000
WEIGHT_LIMIT: Final = 6_000
MAX_PAUSE_S: Final = 90.0
WEIGHT_HEADER: Final = "X-MBX-USED-WEIGHT-1M"


class BinanceRest:
    """Ask Binance, at most `concurrency` questions at a time, each with all its retries within `timeout_s`.

    Raise `InvalidMessageError` when Binance refuses the question, `TransientError` when it could not be answered.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        *,
        concurrency: int = 10,
        attempts: int = 5,
        timeout_s: float = 20.0,
    ) -> None:
        self._session = session
        self._base_url = base_url.rstrip("/")
        self._slots = asyncio.Semaphore(concurrency)
        self._attempts = attempts
        self._timeout_s = timeout_s
        self._weight_limit = WEIGHT_LIMIT
        self._quiet_until = 0.0  # monotonic seconds

    async def server_time(self) -> int:
        """Return Binance's clock (epoch ms)."""
        return parse_server_time(await self._get("/api/v3/time", {}))

    async def listings(self) -> list[Listing]:
        """Return every pair Binance lists, and adopt the request weight it allows."""
        listings, weight_limit = parse_listings(await self._get("/api/v3/exchangeInfo", {}))
        self._weight_limit = weight_limit or self._weight_limit
        return listings

    async def quote_volumes(self) -> dict[str, float]:
        """Return the 24 h volume in quote units of every pair, by venue id."""
        return parse_quote_volumes(await self._get("/api/v3/ticker/24hr", {}))

    async def candles(self, venue_id: str, window: Window, *, now_ms: int) -> Stretch:
        """Return the closed candles of a window, page by page; never the forming one.

        With a start time Binance returns the *oldest* rows of the range, so each page starts after the last.
        """
        candles: list[Candle] = []
        start = window.first_open
        while start <= window.last_open:
            page = await self._page(venue_id, window, start)
            fresh = [candle for candle in page if start <= candle.open_time <= window.last_open]
            candles += fresh
            if len(page) < MAX_ROWS or not fresh:  # a page that goes nowhere ends the walk too
                break
            start = fresh[-1].open_time + window.timeframe.ms
        return Stretch(
            candles=tuple(candle for candle in candles if candle.open_time + window.timeframe.ms <= now_ms),
            newest_open=candles[-1].open_time if candles else None,
        )

    async def _page(self, venue_id: str, window: Window, start: int) -> list[Candle]:
        rows = min((window.last_open - start) // window.timeframe.ms + 1, MAX_ROWS)
        body = await self._get(
            "/api/v3/klines",
            {
                "symbol": venue_id,
                "interval": str(window.timeframe),
                "startTime": str(start),
                "endTime": str(window.last_open),
                "limit": str(rows),
            },
        )
        return parse_klines(body, window.timeframe)

    async def _get(self, path: str, params: dict[str, str]) -> bytes:
        async with self._slots:
            await self._stay_quiet(path)
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await self._get_with_retries(path, params)
            except TimeoutError as error:
                raise TransientError(f"GET {path}: no answer within {self._timeout_s} s") from error

    async def _get_with_retries(self, path: str, params: dict[str, str]) -> bytes:
        retries = stamina.retry_context(
            on=self._backoff, attempts=self._attempts, timeout=self._timeout_s, wait_initial=0.1, wait_jitter=0.2
        )
        async for attempt in retries:
            with attempt:
                return await self._get_once(path, params)
        raise TransientError(f"GET {path}: no attempt was made")

    async def _get_once(self, path: str, params: dict[str, str]) -> bytes:
        try:
            async with self._session.get(
                self._base_url + path, params=params, timeout=aiohttp.ClientTimeout(total=self._timeout_s / 2)
            ) as response:
                body = await response.read()
                self._note_weight(response.headers.get(WEIGHT_HEADER))
                status, retry_after = response.status, _seconds(response.headers.get("Retry-After"))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise TransientError(f"GET {path}: {error or type(error).__name__}") from error
        if status in (418, 429):
            self._quiet_until = max(self._quiet_until, time.monotonic() + (retry_after or 1.0))
        if status in (418, 429) or status >= 500:
            raise TransientError(f"GET {path}: HTTP {status}", retry_after_s=retry_after)
        if status != 200:
            raise InvalidMessageError(path, f"HTTP {status} {body[:200].decode(errors='replace')}")
        return body

    def _backoff(self, error: Exception) -> bool | float:
        """Retry what may pass: after the delay Binance gave, unless that is longer than we are willing to wait."""
        if not isinstance(error, TransientError):
            return False
        if error.retry_after_s is None:
            return True
        return error.retry_after_s if error.retry_after_s < self._timeout_s else False

    async def _stay_quiet(self, path: str) -> None:
        """Wait out a pause that Binance imposed or that we took, but fail at once under a ban."""
        pause = self._quiet_until - time.monotonic()
        if pause > MAX_PAUSE_S:
            raise TransientError(f"GET {path}: told to stay quiet for {pause:.0f} s", retry_after_s=pause)
        if pause > 0:
            await asyncio.sleep(pause)

    def _note_weight(self, used: str | None) -> None:
        """Pause until the next minute when nine tenths of the allowed weight are used: a ban costs far more."""
        if used is not None and used.isdigit() and int(used) >= 0.9 * self._weight_limit:
            self._quiet_until = max(self._quiet_until, time.monotonic() + 60 - time.time() % 60)


def _seconds(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after is not None and retry_after.isdigit() else None
