"""Kraken, spot.

Sources: https://docs.kraken.com/api/docs/websocket-v2/ohlc (candles), …/websocket-v2/heartbeat, …/websocket-v2/ping,
https://docs.kraken.com/api-reference/market-data/get-ohlc-data (and get-ticker-information, get-tradable-asset-pairs,
get-server-time beside it), https://docs.kraken.com/api/docs/guides/spot-rest-ratelimits. A sample of every message lies
in tests/replay/kraken.

An `ohlc` message is pushed with every trade and holds the forming candle as it is then; nothing says that one has
closed. We take no snapshot: its closed candles were not watched, so they would not be believed, and REST has them.
Symbols are `BTC/USD`, at REST too when asked with `assetVersion=1`. The quote volume is derived, `vwap * volume`, and
as exact as the vwap, which is rounded to the pair's price digits. Taker volume is not told. REST has a row, with a
count of 0, where nobody traded.

Limits: REST has the newest 720 candles of a series and nothing older, so the log begins there. Public questions are
limited by address, candles by address and pair; about one a second is safe and a few are borne. Refusals come in a body
of status 200. No cut of long connections is documented, so none is rolled; heartbeats come every second.
"""

import math
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Final, Generic, TypeVar

import aiohttp
import msgspec

from shared.adapters.venues.dialect import Dialect, Limits, SubscriptionRefusedError, batches, plain_url
from shared.adapters.venues.rest_client import RestClient, TokenBucket
from shared.adapters.venues.whole_seconds import WholeSeconds
from shared.adapters.venues.wire import EPOCH, MILLISECOND, candle_of, decoded, number, of_those
from shared.domain.backfill import Stretch, Window
from shared.domain.candles import Candle
from shared.domain.errors import InvalidMessageError, TransientError
from shared.domain.pushes import Push
from shared.domain.symbols import Listing
from shared.domain.tickers import Funding, Ticker
from shared.domain.timeframe import MINUTE_MS, Timeframe
from shared.domain.urgency import Urgency

SYMBOLS_A_MESSAGE: Final = 50
LOCKOUT_S: Final = 3.0
"""How long Kraken refuses once it has begun to: "a few seconds", longer for who goes on asking."""

_INTERVALS: Final = {1, 5, 15, 30, 60, 240, 1440}
_TIMEFRAMES: Final = {one.ms // MINUTE_MS: one for one in Timeframe if one.ms // MINUTE_MS in _INTERVALS}
_PASSING: Final = ("EGeneral:Too many requests", "EGeneral:Temporary lockout", "EGeneral:Internal error", "EService:")
_RATE: Final = "ate limit"  # EAPI:Rate limit exceeded, and its kin
_NOTHING: Final[tuple[Push, ...]] = ()

_Result = TypeVar("_Result")
_Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class _Message(msgspec.Struct, gc=False):
    channel: str = ""
    kind: str = msgspec.field(name="type", default="")
    data: msgspec.Raw = msgspec.Raw()
    success: bool = True
    error: str = ""


class _Ohlc(msgspec.Struct, gc=False):
    symbol: str
    interval: int
    interval_begin: _Instant
    open: float
    high: float
    low: float
    close: float
    volume: float
    vwap: float
    trades: int


class _Pair(msgspec.Struct):
    wsname: str = ""
    status: str = ""


class _Ticker(msgspec.Struct):
    ask: list[str] = msgspec.field(name="a")
    bid: list[str] = msgspec.field(name="b")
    last: list[str] = msgspec.field(name="c")
    volume: tuple[str, str] = msgspec.field(name="v")
    vwap: tuple[str, str] = msgspec.field(name="p")


class _Time(msgspec.Struct):
    unixtime: int


class _Refusal(msgspec.Struct):
    error: list[str]


class _Answer(msgspec.Struct, Generic[_Result]):
    result: _Result


# the time in s, then open, high, low, close, vwap, volume and the count of trades
_Row = tuple[int, str, str, str, str, str, str, int]

_decode_message = msgspec.json.Decoder(_Message).decode
_decode_ohlc = msgspec.json.Decoder(list[_Ohlc]).decode
_decode_refusal = msgspec.json.Decoder(_Refusal).decode
_decode_pairs = msgspec.json.Decoder(_Answer[dict[str, _Pair]]).decode
_decode_tickers = msgspec.json.Decoder(_Answer[dict[str, _Ticker]]).decode
_decode_clock = msgspec.json.Decoder(_Answer[_Time]).decode
_decode_candles = msgspec.json.Decoder(_Answer[dict[str, msgspec.Raw]]).decode  # rows under the pair's name, and `last`
_decode_rows = msgspec.json.Decoder(list[_Row]).decode


def read(frame: bytes) -> Sequence[Push]:
    """Return the forming candles of an `ohlc` update, nothing for another kind of message.

    Raise `InvalidMessageError` for a damaged frame or an impossible candle, `SubscriptionRefusedError`.
    """
    message = decoded(_decode_message, frame, "frame")
    if not message.success:
        raise SubscriptionRefusedError("subscribe", message.error or "refused")
    if message.channel != "ohlc" or message.kind != "update":
        return _NOTHING
    return [_push(row) for row in decoded(_decode_ohlc, message.data, "frame")]


def _push(row: _Ohlc) -> Push:
    timeframe = _TIMEFRAMES.get(row.interval)
    if timeframe is None:
        raise InvalidMessageError("interval", f"unknown interval {row.interval}")
    open_time = (row.interval_begin - EPOCH) // MILLISECOND
    numbers = (row.open, row.high, row.low, row.close, row.volume, row.vwap * row.volume)
    return Push(row.symbol, timeframe, candle_of(timeframe, open_time, numbers, trades=row.trades), False, open_time)


def check(status: int, body: bytes) -> None:
    """Raise what Kraken refuses under a status of 200: `TransientError` for what passes, else `InvalidMessageError`."""
    if status != 200:
        return
    for error in decoded(_decode_refusal, body, "error").error:
        if error.startswith("W"):  # a warning: the answer is there
            continue
        if _RATE in error or error.startswith(_PASSING):
            raise TransientError(f"Kraken says {error}", retry_after_s=LOCKOUT_S)
        raise InvalidMessageError("error", f"Kraken says {error}")


def parse_candles(body: bytes, timeframe: Timeframe) -> list[Candle]:
    """Return the candles of an OHLC answer, oldest first, the forming one last; raise `InvalidMessageError`."""
    result = decoded(_decode_candles, body, "OHLC").result
    pages = [rows for name, rows in result.items() if name != "last"]
    if len(pages) != 1:
        raise InvalidMessageError("OHLC", f"expected one pair, got {len(pages)}")
    return [_candle(row, timeframe) for row in decoded(_decode_rows, pages[0], "OHLC")]


def _candle(row: _Row, timeframe: Timeframe) -> Candle:
    quote_volume = number(row[5], "vwap") * number(row[6], "volume")
    return candle_of(timeframe, row[0] * 1_000, (*row[1:5], row[6], quote_volume), trades=row[7])


def parse_listings(body: bytes) -> list[Listing]:
    """Return the pairs of an AssetPairs answer that the WebSocket has."""
    return [
        Listing(venue_id=f"{base}/{quote}", base=base, quote=quote, is_trading=pair.status == "online")
        for pair in decoded(_decode_pairs, body, "AssetPairs").result.values()
        if pair.wsname
        for base, quote in [_assets(pair.wsname)]
    ]


def _assets(wsname: str) -> tuple[str, str]:
    """Return base and quote under the names everybody else has for them; WebSocket v2 has them too."""
    base, slash, quote = wsname.partition("/")
    if not slash:
        raise InvalidMessageError("wsname", f"expected BASE/QUOTE, got {wsname!r}")
    ours = {"XBT": "BTC", "XDG": "DOGE"}
    return ours.get(base, base), ours.get(quote, quote)


def parse_quote_volumes(body: bytes) -> dict[str, float]:
    """Return the 24 h volume in quote units by venue id from a Ticker answer: volume times its average price."""
    rows = decoded(_decode_tickers, body, "Ticker").result
    return {name: number(row.volume[1], "v") * number(row.vwap[1], "p") for name, row in rows.items()}


def parse_tickers(body: bytes) -> dict[str, Ticker]:
    """Return tickers by venue id from a Ticker answer."""
    rows = decoded(_decode_tickers, body, "Ticker").result
    return {
        name: Ticker(_first(row.last, "c"), _first(row.bid, "b"), _first(row.ask, "a")) for name, row in rows.items()
    }


def _first(numbers: Sequence[str], field: str) -> float:
    return number(numbers[0], field) if numbers else math.nan


class KrakenRest:
    """Ask Kraken."""

    def __init__(self, client: RestClient) -> None:
        self._client = client
        self._clock = WholeSeconds()

    async def _ask(self, what: str, urgency: Urgency = Urgency.BACKFILL, **params: str) -> bytes:
        return await self._client.get(f"/0/public/{what}", {"assetVersion": "1", **params}, urgency=urgency)

    async def server_time(self) -> int:
        """Return Kraken's clock (epoch ms), which it tells in whole seconds."""
        asked_ms = time.monotonic() * 1_000
        body = await self._ask("Time", Urgency.REPAIR)
        second = decoded(_decode_clock, body, "Time").result.unixtime
        return self._clock.told(second, asked_ms=asked_ms, answered_ms=time.monotonic() * 1_000)

    async def listings(self) -> list[Listing]:
        """Return every pair Kraken lists."""
        return parse_listings(await self._ask("AssetPairs"))

    async def quote_volumes(self) -> dict[str, float]:
        """Return the 24 h volume in quote units of every pair, by venue id."""
        return parse_quote_volumes(await self._ask("Ticker"))

    async def candles(
        self, venue_id: str, window: Window, *, now_ms: int, urgency: Urgency = Urgency.BACKFILL
    ) -> Stretch:
        """Return the closed candles of a window; what is older than the newest 720 Kraken does not have."""
        since = str(window.first_open // 1_000 - 1)  # "since" is read as "after"
        minutes = str(window.timeframe.ms // MINUTE_MS)
        body = await self._ask("OHLC", urgency, pair=venue_id, interval=minutes, since=since)
        return Stretch.of(parse_candles(body, window.timeframe), window, now_ms=now_ms)

    async def tickers(self, venue_ids: Collection[str]) -> Mapping[str, Ticker]:
        """Return what these trade at right now; asked for all, since one question costs the same."""
        return of_those(parse_tickers(await self._ask("Ticker", Urgency.TICKERS)), venue_ids)

    async def funding(self, _venue_ids: Collection[str]) -> Mapping[str, Funding]:
        """Return nothing: this is the spot market."""
        return {}


def _topic(venue_id: str, timeframe: Timeframe) -> str:
    return f"{timeframe.ms // MINUTE_MS} {venue_id}"


def _ask(topics: Sequence[str], *, method: str, **options: bool) -> list[str]:
    """Return one message for every interval and some symbols."""
    symbols: dict[int, list[str]] = {}
    for topic in topics:
        minutes, _, venue_id = topic.partition(" ")
        symbols.setdefault(int(minutes), []).append(venue_id)
    wanted = [
        {"channel": "ohlc", "symbol": some, "interval": minutes, **options}
        for minutes, listed in symbols.items()
        for some in batches(listed, SYMBOLS_A_MESSAGE)
    ]
    return [msgspec.json.encode({"method": method, "params": params}).decode() for params in wanted]


def source(session: aiohttp.ClientSession, url: str) -> KrakenRest:
    """Return Kraken's REST interface at an address, a few questions a second of as many pairs."""
    return KrakenRest(RestClient(session, url, bucket=TokenBucket(3, 1.0), check=check))


SPOT: Final = Dialect(
    venue="kraken",
    rest_url="https://api.kraken.com",
    ws_url="wss://ws.kraken.com/v2",
    timeframes=tuple(_TIMEFRAMES.values()),
    says_closed=False,
    limits=Limits(topics=600, messages_per_s=5.0, connect_every_s=1.0, cut_after_s=math.inf, ping='{"method":"ping"}'),
    topic=_topic,
    url=plain_url,
    subscribe=partial(_ask, method="subscribe", snapshot=False),
    unsubscribe=partial(_ask, method="unsubscribe"),
    data_mark=b'"interval_begin"',
    read=read,
    source=source,
)
