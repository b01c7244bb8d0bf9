"""Binance, spot and USDⓈ-M futures.

Sources: https://developers.binance.com/docs/binance-spot-api-docs (general REST information, market data endpoints,
WebSocket streams), https://developers.binance.com/docs/derivatives/usds-margined-futures (the same for futures).

A combined stream wraps each kline push as `{"stream": "btcusdt@kline_1m", "data": {...}}`; a sample of every message
lies in tests/replay/binance. Prices and volumes are decimal strings; a count may be null and a volume "NaN" where
Binance does not know it, and both become NaN. A candle in which nobody traded is marked `filled`.

Limits: 1,024 streams a connection (200 for futures), 5 messages a second, 300 connections in 5 minutes and IP, a cut
after 24 h. Of futures only the path `/market` has klines since 2026-04-23, when the address without one was retired.
Request weight per minute and IP is reported in `X-MBX-USED-WEIGHT-1M`; 429 asks to back off, 418 is a ban,
both with `Retry-After` in seconds.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import aiohttp
import msgspec

from shared.adapters.venues.dialect import Dialect, Limits, SubscriptionRefusedError, batches
from shared.adapters.venues.rest_client import RestClient, TokenBucket
from shared.adapters.venues.wire import NAN, candle_of, decoded, number, of_those
from shared.domain.backfill import Stretch, Window
from shared.domain.candles import Candle
from shared.domain.errors import InvalidMessageError
from shared.domain.pushes import Push
from shared.domain.symbols import Listing
from shared.domain.tickers import Funding, Ticker
from shared.domain.timeframe import Timeframe
from shared.domain.urgency import Urgency

MAX_ROWS: Final = 1_000
STREAMS_PER_CONNECTION: Final = 200  # their names make a URL of 5 KB; servers accept 8
NAMED_AT_ONCE: Final = 100  # streams in a message, which makes it half as long as our URLs
NAMED_AT_MOST: Final = 400  # more names make a URL of over 8 KB
WEIGHT_HEADER: Final = "X-MBX-USED-WEIGHT-1M"


class _Kline(msgspec.Struct, gc=False):
    open_time: int = msgspec.field(name="t")
    symbol_id: str = msgspec.field(name="s")
    interval: str = msgspec.field(name="i")
    open: str = msgspec.field(name="o")
    high: str = msgspec.field(name="h")
    low: str = msgspec.field(name="l")
    close: str = msgspec.field(name="c")
    volume: str = msgspec.field(name="v")
    quote_volume: str = msgspec.field(name="q")
    trades: int | None = msgspec.field(name="n")
    taker_buy_volume: str = msgspec.field(name="V")
    is_closed: bool = msgspec.field(name="x")


class _KlineEvent(msgspec.Struct, gc=False):
    event_type: str = msgspec.field(name="e")
    event_time: int = msgspec.field(name="E")
    kline: _Kline | None = msgspec.field(name="k", default=None)


class _Problem(msgspec.Struct, gc=False):
    code: int
    message: str = msgspec.field(name="msg", default="")


class _Combined(msgspec.Struct, gc=False):
    data: _KlineEvent | None = None
    error: _Problem | None = None
    code: int | None = None  # futures name a problem without a wrapping
    message: str = msgspec.field(name="msg", default="")


class _Symbol(msgspec.Struct):
    symbol: str
    status: str
    base: str = msgspec.field(name="baseAsset")
    quote: str = msgspec.field(name="quoteAsset")
    settle: str = msgspec.field(name="marginAsset", default="")
    contract: str = msgspec.field(name="contractType", default="")


class _RateLimit(msgspec.Struct):
    kind: str = msgspec.field(name="rateLimitType")
    interval: str
    interval_num: int = msgspec.field(name="intervalNum")
    limit: int


class _ExchangeInfo(msgspec.Struct):
    symbols: list[_Symbol]
    rate_limits: list[_RateLimit] = msgspec.field(name="rateLimits", default_factory=list)


class _Ticker(msgspec.Struct):
    symbol: str
    quote_volume: str = msgspec.field(name="quoteVolume")


class _Price(msgspec.Struct):
    symbol: str
    price: str


class _Book(msgspec.Struct):
    symbol: str
    bid: str = msgspec.field(name="bidPrice")
    ask: str = msgspec.field(name="askPrice")


class _Premium(msgspec.Struct):
    symbol: str
    rate: str = msgspec.field(name="lastFundingRate")
    due_time: int = msgspec.field(name="nextFundingTime")


class _OpenInterest(msgspec.Struct):
    open_interest: str = msgspec.field(name="openInterest")


class _ServerTime(msgspec.Struct):
    server_time: int = msgspec.field(name="serverTime")


# open time, open, high, low, close, volume, close time, quote volume, trades, taker buy base, taker buy quote, unused
_Row = tuple[int, str, str, str, str, str, int, str, int | None, str, str, Any]

_decode_frame = msgspec.json.Decoder(_Combined).decode
_decode_rows = msgspec.json.Decoder(list[_Row]).decode
_decode_info = msgspec.json.Decoder(_ExchangeInfo).decode
_decode_tickers = msgspec.json.Decoder(list[_Ticker]).decode
_decode_prices = msgspec.json.Decoder(list[_Price]).decode
_decode_books = msgspec.json.Decoder(list[_Book]).decode
_decode_premiums = msgspec.json.Decoder(list[_Premium]).decode
_decode_open_interest = msgspec.json.Decoder(_OpenInterest).decode
_decode_time = msgspec.json.Decoder(_ServerTime).decode

_TIMEFRAMES: Final = {str(timeframe): timeframe for timeframe in Timeframe}
_NOTHING: Final[tuple[Push, ...]] = ()


def read(frame: bytes) -> Sequence[Push]:
    """Return the closed candle of a combined-stream frame, nothing for a forming one or another kind of message.

    Raise `InvalidMessageError` for a damaged frame or an impossible candle, `SubscriptionRefusedError`. Of the frames
    of a forming candle, about 29 of 30, no number is read.
    """
    message = decoded(_decode_frame, frame, "frame")
    event = message.data
    if event is None:
        return _answer(message)
    if event.event_type != "kline":
        return _NOTHING
    kline = event.kline
    if kline is None:
        raise InvalidMessageError("k", "missing in a kline event")
    if not kline.is_closed:
        return _NOTHING
    timeframe = _TIMEFRAMES.get(kline.interval)
    if timeframe is None:
        raise InvalidMessageError("k.i", f"unknown interval {kline.interval!r}")
    candle = candle_of(
        timeframe,
        kline.open_time,
        (kline.open, kline.high, kline.low, kline.close, kline.volume, kline.quote_volume),
        trades=kline.trades,
        taker_buy_volume=kline.taker_buy_volume,
    )
    return (Push(kline.symbol_id, timeframe, candle, True, event.event_time),)


def _answer(message: _Combined) -> Sequence[Push]:
    if message.error is not None:
        raise SubscriptionRefusedError("subscribe", f"{message.error.code} {message.error.message}")
    if message.code is not None:
        raise SubscriptionRefusedError("subscribe", f"{message.code} {message.message}")
    return _NOTHING


def parse_klines(body: bytes, timeframe: Timeframe) -> list[Candle]:
    """Return the candles of a REST klines page, the forming one included; raise `InvalidMessageError`."""
    rows = decoded(_decode_rows, body, "klines")
    return [candle_of(timeframe, row[0], (*row[1:6], row[7]), trades=row[8], taker_buy_volume=row[9]) for row in rows]


def parse_listings(body: bytes) -> tuple[list[Listing], int | None]:
    """Return the pairs of an exchangeInfo answer, of futures the perpetual ones, and the request weight allowed per
    minute if it says so."""
    info = decoded(_decode_info, body, "exchangeInfo")
    listings = [
        Listing(
            venue_id=row.symbol,
            base=row.base,
            quote=row.quote,
            is_trading=row.status == "TRADING",
            settle=row.settle,
        )
        for row in info.symbols
        if row.contract in {"", "PERPETUAL"}
    ]
    per_minute = (
        limit.limit
        for limit in info.rate_limits
        if limit.kind == "REQUEST_WEIGHT" and limit.interval == "MINUTE" and limit.interval_num == 1
    )
    return listings, next(per_minute, None)


def parse_quote_volumes(body: bytes) -> dict[str, float]:
    """Return the 24 h volume in quote units by venue id from a ticker/24hr answer."""
    rows = decoded(_decode_tickers, body, "ticker/24hr")
    return {row.symbol: number(row.quote_volume, "ticker/24hr") for row in rows}


def parse_tickers(prices: bytes, books: bytes) -> dict[str, Ticker]:
    """Return tickers by venue id from the answers of ticker/price and ticker/bookTicker."""
    last = {row.symbol: number(row.price, "ticker/price") for row in decoded(_decode_prices, prices, "ticker/price")}
    return {
        row.symbol: Ticker(last[row.symbol], number(row.bid, "bidPrice"), number(row.ask, "askPrice"))
        for row in decoded(_decode_books, books, "ticker/bookTicker")
        if row.symbol in last
    }


def parse_server_time(body: bytes) -> int:
    """Return the venue's clock (epoch ms)."""
    return int(decoded(_decode_time, body, "time").server_time)


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
            row.symbol: Funding(
                number(row.rate, "lastFundingRate"), row.due_time, await self._open_interest(row.symbol)
            )
            for row in decoded(_decode_premiums, body, "premiumIndex")
            if row.symbol in venue_ids
        }

    async def _open_interest(self, venue_id: str) -> float:
        """Return how much of a future is held, NaN where Binance refuses to say, as of one that is being settled."""
        try:
            answer = await self._client.get("/fapi/v1/openInterest", {"symbol": venue_id}, urgency=Urgency.TICKERS)
        except InvalidMessageError:
            return NAN
        return number(decoded(_decode_open_interest, answer, "openInterest").open_interest, "openInterest")

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
