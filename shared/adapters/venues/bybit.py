"""Bybit v5, spot and linear perpetuals.

Sources: https://bybit-exchange.github.io/docs/v5/ws/connect, …/v5/websocket/public/kline, …/v5/market/kline,
…/v5/market/instrument, …/v5/market/tickers, …/v5/market/time, …/v5/error, …/v5/rate-limit.

A push `{"topic": "kline.1.BTCUSDT", "ts": …, "data": [{…, "confirm": true}]}` may hold several candles; a sample of
every message lies in tests/replay/bybit. `volume` is in the base coin and `turnover` in the quote coin, for spot and
for USDT and USDC contracts alike. Of trades and takers Bybit says nothing.

Limits: 10 topics a subscription (spot), 21,000 characters of topics a connection, 500 connections in 5 minutes, a ping
every 20 s. No cut is announced. REST: 600 requests in 5 seconds and IP, then 403 and a ban of ten minutes; its headers
count by account and not by address, so they are of no use here. What is refused has status 200 and a `retCode`.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Final, Generic, TypeVar

import aiohttp
import msgspec
from msgspec.structs import astuple

from shared.adapters.venues.dialect import Dialect, Limits, SubscriptionRefusedError, batches, plain_url
from shared.adapters.venues.rest_client import RestClient, TokenBucket
from shared.adapters.venues.wire import candle_of, decoded, known, number, of_those, whole
from shared.domain.backfill import Stretch, Window
from shared.domain.candles import Candle
from shared.domain.errors import InvalidMessageError, TransientError
from shared.domain.pushes import Push
from shared.domain.symbols import Listing
from shared.domain.tickers import Funding, Ticker
from shared.domain.timeframe import MINUTE_MS, Timeframe
from shared.domain.urgency import Urgency

MAX_ROWS: Final = 1_000
TOPICS_PER_CONNECTION: Final = 200  # 7,000 of 21,000 characters
TOPICS_PER_MESSAGE: Final = 10
MAY_PASS: Final = frozenset({429, 10000, 10006, 10016, 10018, 10019, 10429})  # too many requests, timeouts, restarts
PAUSE_S: Final = 1.0
BAN_S: Final = 600.0
TRADING: Final = "Trading"

_INTERVALS: Final = {one: "D" if one is Timeframe.D1 else str(one.ms // MINUTE_MS) for one in Timeframe}
_TIMEFRAMES: Final = {interval: timeframe for timeframe, interval in _INTERVALS.items()}


class _Kline(msgspec.Struct, gc=False):
    open_time: int = msgspec.field(name="start")
    open: str
    high: str
    low: str
    close: str
    volume: str
    turnover: str
    is_closed: bool = msgspec.field(name="confirm")


class _Frame(msgspec.Struct, gc=False):
    topic: str = ""
    event_time: int = msgspec.field(name="ts", default=0)
    data: msgspec.Raw = msgspec.Raw()
    is_success: bool = msgspec.field(name="success", default=True)
    operation: str = msgspec.field(name="op", default="")
    problem: str = msgspec.field(name="ret_msg", default="")


class _Symbol(msgspec.Struct):
    symbol: str
    status: str
    base: str = msgspec.field(name="baseCoin")
    quote: str = msgspec.field(name="quoteCoin")
    settle: str = msgspec.field(name="settleCoin", default="")
    contract: str = msgspec.field(name="contractType", default="")


class _Ticker(msgspec.Struct):
    symbol: str
    last: str = msgspec.field(name="lastPrice")
    bid: str = msgspec.field(name="bid1Price")
    ask: str = msgspec.field(name="ask1Price")
    turnover: str = msgspec.field(name="turnover24h")
    rate: str = msgspec.field(name="fundingRate", default="")
    due_time: str = msgspec.field(name="nextFundingTime", default="")
    held_by_both: str = msgspec.field(name="openInterest", default="")
    held: str = msgspec.field(name="singleOpenInterest", default="")


class _Time(msgspec.Struct):
    server_time: int = msgspec.field(name="time")


class _Verdict(msgspec.Struct):
    code: int = msgspec.field(name="retCode")
    problem: str = msgspec.field(name="retMsg", default="")


# open time, open, high, low, close, volume, turnover
_Row = Annotated[list[str], msgspec.Meta(min_length=7)]
_Item = TypeVar("_Item")


class _Listed(msgspec.Struct, Generic[_Item]):
    items: list[_Item] = msgspec.field(name="list")
    cursor: str | None = msgspec.field(name="nextPageCursor", default=None)


class _Answer(msgspec.Struct, Generic[_Item]):
    result: _Listed[_Item]


_decode_frame = msgspec.json.Decoder(_Frame).decode
_decode_klines = msgspec.json.Decoder(list[_Kline]).decode
_decode_verdict = msgspec.json.Decoder(_Verdict).decode
_decode_rows = msgspec.json.Decoder(_Answer[_Row]).decode
_decode_symbols = msgspec.json.Decoder(_Answer[_Symbol]).decode
_decode_tickers = msgspec.json.Decoder(_Answer[_Ticker]).decode
_decode_time = msgspec.json.Decoder(_Time).decode


def read(frame: bytes) -> Sequence[Push]:
    """Return the closed candles of a kline push, nothing for forming ones or another kind of message.

    Raise `InvalidMessageError` for a damaged frame or an impossible candle, `SubscriptionRefusedError`.
    """
    message = decoded(_decode_frame, frame, "frame")
    if not message.is_success:
        raise SubscriptionRefusedError(message.operation or "operation", message.problem or "refused")
    if not message.topic.startswith("kline."):
        return ()
    if not (closed := [one for one in decoded(_decode_klines, message.data, "data") if one.is_closed]):
        return ()
    interval, _, venue_id = message.topic.removeprefix("kline.").partition(".")
    timeframe = _TIMEFRAMES.get(interval)
    if timeframe is None or not venue_id:
        raise InvalidMessageError("topic", f"expected kline.<interval>.<symbol>, got {message.topic!r}")
    return [
        Push(venue_id, timeframe, candle_of(timeframe, one.open_time, astuple(one)[1:7]), True, message.event_time)
        for one in closed
    ]


def check(status: int, body: bytes) -> None:
    """Raise what Bybit refuses with a status that does not say so, or with a ban of this address."""
    if status == 403 and b"too frequent" in body:
        raise TransientError("too many requests from this address", retry_after_s=BAN_S)
    if status != 200:
        return
    verdict = decoded(_decode_verdict, body, "retCode")
    if verdict.code in MAY_PASS:
        raise TransientError(f"retCode {verdict.code}: {verdict.problem}", retry_after_s=PAUSE_S)
    if verdict.code != 0:
        raise InvalidMessageError("retCode", f"{verdict.code} {verdict.problem}")


def parse_klines(body: bytes, timeframe: Timeframe) -> list[Candle]:
    """Return the candles of a REST kline page, newest first, the forming one included; raise `InvalidMessageError`."""
    rows = decoded(_decode_rows, body, "kline").result.items
    return [candle_of(timeframe, whole(row[0], "startTime"), row[1:7]) for row in rows]


def parse_listings(body: bytes) -> tuple[list[Listing], str]:
    """Return a page of pairs, of contracts the perpetual ones, and the cursor of the next page, empty on the last."""
    result = decoded(_decode_symbols, body, "instruments-info").result
    listings = [
        Listing(
            venue_id=one.symbol, base=one.base, quote=one.quote, is_trading=one.status == TRADING, settle=one.settle
        )
        for one in result.items
        if one.contract in {"", "LinearPerpetual"}
    ]
    return listings, result.cursor or ""


def parse_quote_volumes(body: bytes) -> dict[str, float]:
    """Return the 24 h volume in quote units by venue id from a tickers answer."""
    rows = decoded(_decode_tickers, body, "tickers").result.items
    return {row.symbol: known(row.turnover, "turnover24h") for row in rows}


def parse_tickers(body: bytes) -> dict[str, Ticker]:
    """Return tickers by venue id from a tickers answer."""
    return {
        row.symbol: Ticker(known(row.last, "lastPrice"), known(row.bid, "bid1Price"), known(row.ask, "ask1Price"))
        for row in decoded(_decode_tickers, body, "tickers").result.items
    }


def parse_funding(body: bytes) -> dict[str, Funding]:
    """Return what contracts pay by venue id from a tickers answer; the open interest is counted once, as by others."""
    return {
        row.symbol: Funding(number(row.rate, "fundingRate"), whole(row.due_time or "0", "nextFundingTime"), _held(row))
        for row in decoded(_decode_tickers, body, "tickers").result.items
        if row.rate  # a dated future pays none
    }


def parse_server_time(body: bytes) -> int:
    """Return the venue's clock (epoch ms)."""
    return int(decoded(_decode_time, body, "time").server_time)


def _held(row: _Ticker) -> float:
    """Return the open interest of one side; `openInterest` adds both, which are equal."""
    return number(row.held, "singleOpenInterest") if row.held else known(row.held_by_both, "openInterest") / 2


class BybitRest:
    """Ask Bybit; `category` is the market, `spot` or `linear`."""

    def __init__(self, client: RestClient, *, category: str) -> None:
        self._client = client
        self._category = category

    async def server_time(self) -> int:
        """Return Bybit's clock (epoch ms)."""
        return parse_server_time(await self._client.get("/v5/market/time", urgency=Urgency.REPAIR))

    async def listings(self) -> list[Listing]:
        """Return every pair Bybit lists; raise `InvalidMessageError` when its pages go in circles."""
        listings: list[Listing] = []
        cursor, seen = "", set[str]()
        while cursor not in seen:
            seen.add(cursor)
            params = {"limit": str(MAX_ROWS)} | ({"cursor": cursor} if cursor else {})
            page, cursor = parse_listings(await self._get("instruments-info", params))
            listings += page
            if not cursor:
                return listings
        raise InvalidMessageError("nextPageCursor", f"expected another page, got {cursor!r} again")

    async def quote_volumes(self) -> dict[str, float]:
        """Return the 24 h volume in quote units of every pair, by venue id."""
        return parse_quote_volumes(await self._get("tickers", {}))

    async def candles(
        self, venue_id: str, window: Window, *, now_ms: int, urgency: Urgency = Urgency.BACKFILL
    ) -> Stretch:
        """Return the closed candles of a window, page by page; never the forming one."""
        candles: list[Candle] = []
        for page in window.pages(MAX_ROWS):
            params = {
                "symbol": venue_id,
                "interval": _INTERVALS[page.timeframe],
                "start": str(page.first_open),
                "end": str(page.last_open),
                "limit": str(page.bars),
            }
            candles += parse_klines(await self._get("kline", params, urgency), page.timeframe)
        return Stretch.of(candles, window, now_ms=now_ms)

    async def tickers(self, venue_ids: Collection[str]) -> Mapping[str, Ticker]:
        """Return what these trade at right now."""
        return of_those(parse_tickers(await self._get("tickers", {}, Urgency.TICKERS)), venue_ids)

    async def funding(self, venue_ids: Collection[str]) -> Mapping[str, Funding]:
        """Return what these contracts pay and how much of them is held."""
        if self._category == "spot":
            return {}
        return of_those(parse_funding(await self._get("tickers", {}, Urgency.TICKERS)), venue_ids)

    async def _get(self, name: str, params: Mapping[str, str], urgency: Urgency = Urgency.BACKFILL) -> bytes:
        return await self._client.get(f"/v5/market/{name}", {"category": self._category, **params}, urgency=urgency)


def _topic(venue_id: str, timeframe: Timeframe) -> str:
    return f"kline.{_INTERVALS[timeframe]}.{venue_id}"


def _ask(topics: Sequence[str], *, operation: str) -> list[str]:
    """Name a few topics a message: one that is refused may take the others of its message with it."""
    return [json.dumps({"op": operation, "args": list(some)}) for some in batches(topics, TOPICS_PER_MESSAGE)]


def source(session: aiohttp.ClientSession, url: str, *, category: str = "spot") -> BybitRest:
    """Return Bybit's REST interface at an address."""
    bucket = TokenBucket(100, 1.0)  # full and refilled for five seconds it lets nine tenths of 600 through
    return BybitRest(RestClient(session, url, bucket=bucket, check=check), category=category)


SPOT: Final = Dialect(
    venue="bybit",
    rest_url="https://api.bybit.com",
    ws_url="wss://stream.bybit.com/v5/public/spot",
    timeframes=tuple(Timeframe),
    says_closed=True,
    limits=Limits(topics=TOPICS_PER_CONNECTION, messages_per_s=10.0, connect_every_s=0.7, ping='{"op":"ping"}'),
    topic=_topic,
    url=plain_url,
    subscribe=partial(_ask, operation="subscribe"),
    unsubscribe=partial(_ask, operation="unsubscribe"),
    data_mark=b'"kline.',
    read=read,
    source=source,
)
LINEAR: Final = replace(
    SPOT,
    venue="bybit_linear",
    ws_url="wss://stream.bybit.com/v5/public/linear",
    source=partial(source, category="linear"),
)
