"""What Binance says: its messages, and the answers of its REST interface, as the desk's own kinds of things.

A combined stream wraps each kline push as `{"stream": "btcusdt@kline_1m", "data": {...}}`; a sample of every message
lies in tests/replay/binance. Prices and volumes are decimal strings; a count may be null and a volume "NaN" where
Binance does not know it, and both become NaN. A candle in which nobody traded is marked `filled`.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from shared.adapters.venues.dialect import SubscriptionRefusedError
from shared.adapters.venues.wire import candle_of, decoded, number
from shared.domain.candles import Candle
from shared.domain.errors import InvalidMessageError
from shared.domain.pushes import Push
from shared.domain.symbols import Listing
from shared.domain.tickers import Ticker
from shared.domain.timeframe import Timeframe


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


def parse_premiums(body: bytes) -> dict[str, tuple[float, int]]:
    """Return the funding rate and when it is due (epoch ms), by venue id, from a premiumIndex answer."""
    rows = decoded(_decode_premiums, body, "premiumIndex")
    return {row.symbol: (number(row.rate, "lastFundingRate"), row.due_time) for row in rows}


def parse_open_interest(body: bytes) -> float:
    """Return how much of a future is held, in base units."""
    return number(decoded(_decode_open_interest, body, "openInterest").open_interest, "openInterest")
