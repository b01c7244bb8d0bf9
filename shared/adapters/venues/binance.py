"""Binance, spot and USDⓈ-M futures.

Sources: https://developers.binance.com/docs/binance-spot-api-docs (general REST information, market data endpoints,
WebSocket streams), https://developers.binance.com/docs/derivatives/usds-margined-futures (the same for futures).

Limits: 1,024 streams a connection (200 for futures), 5 messages a second, 300 connections in 5 minutes and IP, a cut
after 24 h. Of futures only the path `/market` has klines since 2026-04-23, when the address without one was retired.
Request weight per minute and IP is reported in `X-MBX-USED-WEIGHT-1M`; 429 asks to back off, 418 is a ban,
both with `Retry-After` in seconds.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import aiohttp

from shared.adapters.venues.binance_wire import (
    parse_klines,
    parse_listings,
    parse_open_interest,
    parse_premiums,
    parse_quote_volumes,
    parse_server_time,
    parse_tickers,
    read,
)
from shared.adapters.venues.dialect import Dialect, Limits, batches
from shared.adapters.venues.rest_client import RestClient, TokenBucket
from shared.adapters.venues.wire import NAN, of_those
from shared.domain.backfill import Stretch, Window
from shared.domain.candles import Candle
from shared.domain.errors import InvalidMessageError
from shared.domain.symbols import Listing
from shared.domain.tickers import Funding, Ticker
from shared.domain.timeframe import Timeframe
from shared.domain.urgency import Urgency

MAX_ROWS: Final = 1_000
STREAMS_PER_CONNECTION: Final = 200  # their names make a URL of 5 KB; servers accept 8
NAMED_AT_ONCE: Final = 100  # streams in a message, which makes it half as long as our URLs
NAMED_AT_MOST: Final = 400  # more names make a URL of over 8 KB
WEIGHT_HEADER: Final = "X-MBX-USED-WEIGHT-1M"


class BinanceRest:
    """Ask Binance; `spot` tells which of its two markets, whose answers differ in paths and weights only."""

    def __init__(self, client: RestClient, *, spot: bool) -> None:
        self._client = client
        self._spot = spot
        self._root = "/api/v3" if spot else "/fapi/v1"

    async def server_time(self) -> int:
        """Return Binance's clock (epoch ms)."""
        return parse_server_time(await self._client.get(f"{self._root}/time", urgency=Urgency.REPAIR))

    async def listings(self) -> list[Listing]:
        """Return every pair Binance lists, and adopt the request weight it allows."""
        body = await self._client.get(f"{self._root}/exchangeInfo", weight=20 if self._spot else 1)
        listings, weight_limit = parse_listings(body)
        if weight_limit:
            self._client.bucket.allow(weight_limit)
        return listings

    async def quote_volumes(self) -> dict[str, float]:
        """Return the 24 h volume in quote units of every pair, by venue id."""
        weight = 80 if self._spot else 40
        return parse_quote_volumes(await self._client.get(f"{self._root}/ticker/24hr", weight=weight))

    async def candles(
        self, venue_id: str, window: Window, *, now_ms: int, urgency: Urgency = Urgency.BACKFILL
    ) -> Stretch:
        """Return the closed candles of a window, page by page; never the forming one."""
        candles: list[Candle] = []
        for page in window.pages(MAX_ROWS):
            params = {
                "symbol": venue_id,
                "interval": str(page.timeframe),
                "startTime": str(page.first_open),
                "endTime": str(page.last_open),
                "limit": str(page.bars),
            }
            weight = self._klines_weight(page.bars)
            body = await self._client.get(f"{self._root}/klines", params, weight=weight, urgency=urgency)
            candles += parse_klines(body, page.timeframe)
        return Stretch.of(candles, window, now_ms=now_ms)

    async def tickers(self, venue_ids: Collection[str]) -> Mapping[str, Ticker]:
        """Return what these trade at right now; of spot by name, since all its pairs are many more."""
        if not self._spot or len(venue_ids) > NAMED_AT_MOST:
            found = await self._tickers({})
        else:
            try:
                found = await self._tickers({"symbols": json.dumps(sorted(venue_ids), separators=(",", ":"))})
            except InvalidMessageError:  # one delisted pair, and Binance refuses the whole list
                found = await self._tickers({})
        return of_those(found, venue_ids)

    async def _tickers(self, params: Mapping[str, str]) -> dict[str, Ticker]:
        weights, urgency = (4, 4) if self._spot else (2, 5), Urgency.TICKERS
        prices = await self._client.get(f"{self._root}/ticker/price", params, weight=weights[0], urgency=urgency)
        books = await self._client.get(f"{self._root}/ticker/bookTicker", params, weight=weights[1], urgency=urgency)
        return parse_tickers(prices, books)

    async def funding(self, venue_ids: Collection[str]) -> Mapping[str, Funding]:
        """Return what these futures pay and how much of them is held: one question each."""
        if self._spot:
            return {}
        body = await self._client.get("/fapi/v1/premiumIndex", weight=10, urgency=Urgency.TICKERS)
        return {
            venue_id: Funding(rate, due_time, await self._open_interest(venue_id))
            for venue_id, (rate, due_time) in parse_premiums(body).items()
            if venue_id in venue_ids
        }

    async def _open_interest(self, venue_id: str) -> float:
        """Return how much of a future is held, NaN where Binance refuses to say, as of one that is being settled."""
        try:
            answer = await self._client.get("/fapi/v1/openInterest", {"symbol": venue_id}, urgency=Urgency.TICKERS)
        except InvalidMessageError:
            return NAN
        return parse_open_interest(answer)

    def _klines_weight(self, rows: int) -> int:
        if self._spot:
            return 2
        return 1 if rows < 100 else 2 if rows < 500 else 5


def used_weight(headers: Mapping[str, str]) -> float | None:
    """Return the request weight Binance has counted this minute, None when it does not say."""
    used = headers.get(WEIGHT_HEADER)
    return float(used) if used is not None and used.isdigit() else None


def _topic(venue_id: str, timeframe: Timeframe) -> str:
    return f"{venue_id.lower()}@kline_{timeframe}"


def _url(base: str, topics: Sequence[str]) -> str:
    """Name the streams in the URL, so that a connection is either subscribed to all of them or not open."""
    return f"{base}/stream?streams={'/'.join(topics)}"


def _ask(topics: Sequence[str], *, method: str) -> list[str]:
    return [
        json.dumps({"method": method, "params": list(some), "id": number})
        for number, some in enumerate(batches(topics, NAMED_AT_ONCE), start=1)
    ]


def source(session: aiohttp.ClientSession, url: str, *, spot: bool = True) -> BinanceRest:
    """Return Binance's REST interface at an address, within the weight it allows an address a minute."""
    bucket = TokenBucket(6_000 if spot else 2_400, 60.0)
    return BinanceRest(RestClient(session, url, bucket=bucket, used_weight=used_weight), spot=spot)


SPOT: Final = Dialect(
    venue="binance",
    rest_url="https://api.binance.com",
    ws_url="wss://stream.binance.com:9443",
    timeframes=tuple(Timeframe),
    says_closed=True,
    limits=Limits(topics=STREAMS_PER_CONNECTION, messages_per_s=4.0),
    topic=_topic,
    url=_url,
    subscribe=partial(_ask, method="SUBSCRIBE"),
    unsubscribe=partial(_ask, method="UNSUBSCRIBE"),
    subscribes_by_url=True,
    data_mark=b'"kline"',
    read=read,
    source=source,
)
USDM: Final = replace(
    SPOT,
    venue="binance_usdm",
    rest_url="https://fapi.binance.com",
    ws_url="wss://fstream.binance.com/market",
    source=partial(source, spot=False),
)
