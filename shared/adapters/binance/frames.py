"""What Binance sends, as typed structures, and the candles they mean.

A combined stream wraps each kline push as `{"stream": "btcusdt@kline_1m", "data": {...}}`; a sample of every message
lies in tests/replay/binance. Prices and volumes are decimal strings; a count may be null and a volume "NaN" where
Binance does not know it, and both become NaN. A candle in which nobody traded is marked `filled`.
"""

from typing import Any, Final, NamedTuple

import msgspec

from shared.domain.candles import Candle, check_candle
from shared.domain.errors import InvalidMessageError
from shared.domain.symbols import Listing
from shared.domain.timeframe import Timeframe


class ClosedKline(NamedTuple):
    """A candle that Binance closed, as pushed; `event_time` (epoch ms) is Binance's clock at the push."""

    symbol_id: str
    timeframe: Timeframe
    candle: Candle
    event_time: int


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


class _Combined(msgspec.Struct, gc=False):
    data: _KlineEvent | None = None


class _Symbol(msgspec.Struct):
    symbol: str
    status: str
    base: str = msgspec.field(name="baseAsset")
    quote: str = msgspec.field(name="quoteAsset")


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


class _ServerTime(msgspec.Struct):
    server_time: int = msgspec.field(name="serverTime")


# open time, open, high, low, close, volume, close time, quote volume, trades, taker buy base, taker buy quote, unused
_Row = tuple[int, str, str, str, str, str, int, str, int | None, str, str, Any]

_decode_frame = msgspec.json.Decoder(_Combined).decode
_decode_rows = msgspec.json.Decoder(list[_Row]).decode
_decode_info = msgspec.json.Decoder(_ExchangeInfo).decode
_decode_tickers = msgspec.json.Decoder(list[_Ticker]).decode
_decode_time = msgspec.json.Decoder(_ServerTime).decode

_TIMEFRAMES: Final = {str(timeframe): timeframe for timeframe in Timeframe}
_NAN: Final = float("nan")


def parse_frame(frame: bytes | str) -> ClosedKline | None:
    """Return the closed candle of a combined-stream frame, None for a forming one or another kind of message.

    Raise `InvalidMessageError` for a damaged frame or an impossible candle. Of the frames of a forming candle, about
    29 of 30, no number is read.
    """
    try:
        event = _decode_frame(frame).data
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidMessageError("frame", str(error)) from error
    if event is None or event.event_type != "kline":
        return None
    kline = event.kline
    if kline is None:
        raise InvalidMessageError("k", "missing in a kline event")
    if not kline.is_closed:
        return None
    timeframe = _TIMEFRAMES.get(kline.interval)
    if timeframe is None:
        raise InvalidMessageError("k.i", f"unknown interval {kline.interval!r}")
    candle = _candle(
        timeframe,
        kline.open_time,
        (kline.open, kline.high, kline.low, kline.close, kline.volume, kline.quote_volume),
        kline.trades,
        kline.taker_buy_volume,
    )
    return ClosedKline(kline.symbol_id, timeframe, candle, event.event_time)


def parse_klines(body: bytes, timeframe: Timeframe) -> list[Candle]:
    """Return the candles of a REST klines page, the forming one included; raise `InvalidMessageError`."""
    try:
        rows = _decode_rows(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidMessageError("klines", str(error)) from error
    return [_candle(timeframe, row[0], (*row[1:6], row[7]), row[8], row[9]) for row in rows]


def parse_listings(body: bytes) -> tuple[list[Listing], int | None]:
    """Return the pairs of an exchangeInfo answer, and the request weight allowed per minute if it says so."""
    try:
        info = _decode_info(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidMessageError("exchangeInfo", str(error)) from error
    listings = [
        Listing(venue_id=row.symbol, base=row.base, quote=row.quote, is_trading=row.status == "TRADING")
        for row in info.symbols
    ]
    per_minute = (
        limit.limit
        for limit in info.rate_limits
        if limit.kind == "REQUEST_WEIGHT" and limit.interval == "MINUTE" and limit.interval_num == 1
    )
    return listings, next(per_minute, None)


def parse_quote_volumes(body: bytes) -> dict[str, float]:
    """Return the 24 h volume in quote units by venue id from a ticker/24hr answer."""
    try:
        return {row.symbol: float(row.quote_volume) for row in _decode_tickers(body)}
    except (msgspec.DecodeError, ValueError) as error:
        raise InvalidMessageError("ticker/24hr", str(error)) from error


def parse_server_time(body: bytes) -> int:
    """Return the venue's clock (epoch ms)."""
    try:
        return _decode_time(body).server_time
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidMessageError("time", str(error)) from error


def stream_name(symbol_id: str, timeframe: Timeframe) -> str:
    """Return the name of a kline stream, `btcusdt@kline_1m`."""
    return f"{symbol_id.lower()}@kline_{timeframe}"


def _candle(
    timeframe: Timeframe, open_time: int, texts: tuple[str, ...], trades: int | None, taker_buy_volume: str
) -> Candle:
    """Return a checked candle from decimal strings: open, high, low, close, volume, quote volume."""
    if open_time % timeframe.ms:
        raise InvalidMessageError("open_time", f"expected the open of a {timeframe} candle, got {open_time}")
    try:
        first, high, low, last, volume, quote_volume = map(float, texts)
        bought = float(taker_buy_volume)
    except ValueError as error:
        raise InvalidMessageError("candle", str(error)) from error
    count = _NAN if trades is None else float(trades)
    is_untraded = volume == 0.0 and low == high
    return check_candle(Candle(open_time, first, high, low, last, volume, quote_volume, count, bought, is_untraded))
