"""Coinbase Exchange, spot.

Sources: https://docs.cdp.coinbase.com/exchange/websocket-feed/overview (protocol, dropped messages), …/channels
(matches, heartbeat), …/rate-limits; https://docs.cdp.coinbase.com/api-reference/exchange-api/rest-api/products (all
products, candles, ticker), …/rest-api/rate-limits. `/products/stats`, one question for the 24 h figures of all pairs,
is not in the reference but long in use. A sample of every message lies in tests/replay/coinbase.

There are no candles to subscribe to, so they are built from trades. `side` is the maker's: a "sell" was bought by the
taker. Trades of a pair are counted by `trade_id`; the feed may drop messages, and a jump of the count shows it. A
`last_match`, sent on subscribing, is an old trade and no news. We offer the timeframes REST can confirm.

REST candles come newest first, at most 300, without a count, a quote volume or a taker volume (NaN), and intervals in
which nobody traded are absent. What was before such a hole is on the same page, and what came after the last trade is
told by the ticker, which knows that trade: both are filled with marked no-trade candles.

Limits: 10 REST questions a second and address; 8 connections and 100 messages a second and address; a connection must
subscribe within 5 s. No cut of long ones is documented, so none is rolled. A `subscribe` that names an unknown pair is
answered by an `error` and ignored entirely, says https://github.com/coinbase/coinbase-pro-node/issues/174.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Final

import aiohttp
import msgspec

from shared.adapters.venues.dialect import Dialect, Limits, SubscriptionRefusedError, plain_url
from shared.adapters.venues.rest_client import RestClient, TokenBucket
from shared.adapters.venues.wire import EPOCH, MILLISECOND, NAN, candle_of, decoded, number
from shared.domain.backfill import Stretch, Window, series_of
from shared.domain.candles import Candle, no_trade_candle
from shared.domain.errors import InvalidMessageError
from shared.domain.pushes import Trade
from shared.domain.symbols import Listing
from shared.domain.tickers import Funding, Ticker
from shared.domain.timeframe import Timeframe
from shared.domain.urgency import Urgency

MAX_ROWS: Final = 300
TIMEFRAMES: Final = (Timeframe.M1, Timeframe.M5, Timeframe.M15, Timeframe.H1, Timeframe.H6, Timeframe.D1)
_NOTHING: Final[tuple[Trade, ...]] = ()

_Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class _Message(msgspec.Struct, gc=False):
    kind: str = msgspec.field(name="type")
    product_id: str = ""
    trade_id: int = 0
    time: _Instant | None = None
    side: str = ""
    size: str = ""
    price: str = ""
    message: str = ""
    reason: str = ""


class _Product(msgspec.Struct):
    id: str
    base: str = msgspec.field(name="base_currency")
    quote: str = msgspec.field(name="quote_currency")
    status: str
    is_disabled: bool = msgspec.field(name="trading_disabled", default=False)


class _Day(msgspec.Struct):
    volume: str = "nan"
    last: str = "nan"


class _Stats(msgspec.Struct):
    day: _Day = msgspec.field(name="stats_24hour", default_factory=_Day)


class _Ticker(msgspec.Struct):
    price: str
    time: _Instant
    bid: str = "nan"
    ask: str = "nan"


class _Time(msgspec.Struct):
    iso: _Instant


# the time in s, then low, high, open, close and volume
_Row = tuple[int, float, float, float, float, float]

_decode_message = msgspec.json.Decoder(_Message).decode
_decode_products = msgspec.json.Decoder(list[_Product]).decode
_decode_stats = msgspec.json.Decoder(dict[str, _Stats]).decode
_decode_ticker = msgspec.json.Decoder(_Ticker).decode
_decode_time = msgspec.json.Decoder(_Time).decode
_decode_rows = msgspec.json.Decoder(list[_Row]).decode


def read(frame: bytes) -> Sequence[Trade]:
    """Return the trade of a `match`, nothing for another kind of message.

    Raise `InvalidMessageError` for a damaged frame or an impossible trade, `SubscriptionRefusedError`.
    """
    message = decoded(_decode_message, frame, "frame")
    if message.kind == "match":
        return (_trade(message),)
    if message.kind == "error":
        raise SubscriptionRefusedError("subscribe", f"{message.message}: {message.reason}")
    return _NOTHING


def _trade(message: _Message) -> Trade:
    price, quantity = number(message.price, "price"), number(message.size, "size")
    if not (0 < price < math.inf and 0 < quantity < math.inf):
        raise InvalidMessageError("match", f"expected a price and a size > 0, got {price} and {quantity}")
    if message.side not in {"buy", "sell"} or message.time is None or message.trade_id < 1 or not message.product_id:
        raise InvalidMessageError("match", "expected product_id, time, trade_id >= 1 and a side of buy or sell")
    return Trade(message.product_id, _ms(message.time), price, quantity, message.side == "sell", message.trade_id)


def _ms(instant: datetime) -> int:
    """Return epoch ms, cut off and not rounded: a trade belongs to the candle it happened in."""
    return (instant - EPOCH) // MILLISECOND


def parse_candles(body: bytes, timeframe: Timeframe) -> list[Candle]:
    """Return the candles of an answer, newest first, a forming one included; raise `InvalidMessageError`."""
    return [
        candle_of(timeframe, time * 1_000, (first, high, low, last, volume, NAN))
        for time, low, high, first, last, volume in decoded(_decode_rows, body, "candles")
    ]


def parse_listings(body: bytes) -> list[Listing]:
    """Return the pairs of a products answer."""
    return [
        Listing(
            venue_id=product.id,
            base=product.base,
            quote=product.quote,
            is_trading=product.status == "online" and not product.is_disabled,
        )
        for product in decoded(_decode_products, body, "products")
    ]


def parse_quote_volumes(body: bytes) -> dict[str, float]:
    """Return the 24 h volume by venue id from a stats answer, in quote units at the last price: good for a ranking."""
    stats = decoded(_decode_stats, body, "products/stats")
    return {name: number(one.day.volume, "volume") * number(one.day.last, "last") for name, one in stats.items()}


class CoinbaseRest:
    """Ask Coinbase."""

    def __init__(self, client: RestClient) -> None:
        self._client = client

    async def server_time(self) -> int:
        """Return Coinbase's clock (epoch ms)."""
        return _ms(decoded(_decode_time, await self._client.get("/time", urgency=Urgency.REPAIR), "time").iso)

    async def listings(self) -> list[Listing]:
        """Return every pair Coinbase lists."""
        return parse_listings(await self._client.get("/products"))

    async def quote_volumes(self) -> dict[str, float]:
        """Return the 24 h volume in quote units of every pair, by venue id."""
        return parse_quote_volumes(await self._client.get("/products/stats"))

    async def candles(
        self, venue_id: str, window: Window, *, now_ms: int, urgency: Urgency = Urgency.BACKFILL
    ) -> Stretch:
        """Return the closed candles of a window, page by page, with marked no-trade candles where Coinbase has none."""
        wide = _with_surroundings(window, now_ms)
        found = [candle for page in wide.pages(MAX_ROWS) for candle in await self._page(venue_id, page, urgency)]
        stretch = Stretch.of(found, wide, now_ms=now_ms)
        series = series_of(stretch, window.timeframe)
        newest = min(window.last_open, window.timeframe.last_close(now_ms) - window.timeframe.ms)
        if newest >= window.first_open and newest not in series:
            series |= await self._untraded(venue_id, stretch, wide, newest, urgency)
        inside = tuple(series[open_time] for open_time in sorted(series) if window.first_open <= open_time <= newest)
        return Stretch(candles=inside, newest_open=inside[-1].open_time if inside else None)

    async def _page(self, venue_id: str, page: Window, urgency: Urgency) -> list[Candle]:
        params = {
            "granularity": str(page.timeframe.ms // 1_000),
            "start": _iso(page.first_open),
            "end": _iso(page.last_open),
        }
        body = await self._client.get(f"/products/{venue_id}/candles", params, urgency=urgency)
        return parse_candles(body, page.timeframe)

    async def _untraded(
        self, venue_id: str, stretch: Stretch, wide: Window, newest: int, urgency: Urgency
    ) -> dict[int, Candle]:
        """Return no-trade candles from behind the last trade on, if the answer's candles reach to that trade."""
        ticker = await self._ticker(venue_id, urgency)
        traded = wide.timeframe.open_time(_ms(ticker.time))
        if traded != stretch.newest_open and not (stretch.newest_open is None and traded < wide.first_open):
            return {}
        price = number(ticker.price, "price")
        opens = range(max(traded + wide.timeframe.ms, wide.first_open), newest + 1, wide.timeframe.ms)
        return {open_time: no_trade_candle(open_time, price) for open_time in opens}

    async def tickers(self, venue_ids: Collection[str]) -> Mapping[str, Ticker]:
        """Return what these trade at right now: one question each, one after another."""
        found: dict[str, Ticker] = {}
        for venue_id in venue_ids:
            with suppress(InvalidMessageError):  # one pair that was delisted must not cost the others
                one = await self._ticker(venue_id, Urgency.TICKERS)
                prices = (number(one.price, "price"), number(one.bid, "bid"), number(one.ask, "ask"))
                found[venue_id] = Ticker(*prices)
        return found

    async def funding(self, _venue_ids: Collection[str]) -> Mapping[str, Funding]:
        """Return nothing: this is the spot market."""
        return {}

    async def _ticker(self, venue_id: str, urgency: Urgency) -> _Ticker:
        body = await self._client.get(f"/products/{venue_id}/ticker", urgency=urgency)
        return decoded(_decode_ticker, body, "ticker")


def _with_surroundings(window: Window, now_ms: int) -> Window:
    """Return a window with what a page has room for around it: a full page costs no more, and tells holes."""
    step, spare = window.timeframe.ms, max(MAX_ROWS - window.bars, 0)
    after = min(max((window.timeframe.last_close(now_ms) - window.last_open) // step, 0), spare // 2)
    return Window(
        timeframe=window.timeframe,
        first_open=window.first_open - (spare - after) * step,
        last_open=window.last_open + after * step,
    )


def _iso(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms // 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ask(topics: Sequence[str], *, kind: str) -> list[str]:
    """Return one message a pair: one unknown pair, and Coinbase ignores the whole message."""
    channels = ([{"name": "matches", "product_ids": [topic]}] for topic in topics)
    return [msgspec.json.encode({"type": kind, "channels": some}).decode() for some in channels]


def source(session: aiohttp.ClientSession, url: str) -> CoinbaseRest:
    """Return Coinbase's REST interface at an address, within the questions it allows an address a second."""
    return CoinbaseRest(RestClient(session, url, bucket=TokenBucket(10, 1.0)))


SPOT: Final = Dialect(
    venue="coinbase",
    rest_url="https://api.exchange.coinbase.com",
    ws_url="wss://ws-feed.exchange.coinbase.com",
    timeframes=TIMEFRAMES,
    says_closed=False,
    limits=Limits(topics=600, messages_per_s=25.0, counts_by_address=True, connect_every_s=0.25, cut_after_s=math.inf),
    topic=lambda venue_id, _: venue_id,
    url=plain_url,
    subscribe=partial(_ask, kind="subscribe"),
    unsubscribe=partial(_ask, kind="unsubscribe"),
    data_mark=b'"match"',
    read=read,
    source=source,
)
