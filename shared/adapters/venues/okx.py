"""OKX v5, spot and linear perpetual swaps.

Sources: https://www.okx.com/docs-v5/en/#overview-websocket, …/#order-book-trading-market-data-ws-candlesticks-channel,
…/#order-book-trading-market-data-get-candlesticks, …-get-candlesticks-history, …-get-tickers,
…/#public-data-rest-api-get-instruments, …-get-funding-rate, …-get-open-interest, …-get-system-time, …/#error-code.

A push `{"arg": {"channel": "candle1m", "instId": "BTC-USDT"}, "data": [[ts, o, h, l, c, vol, volCcy, volCcyQuote,
confirm]]}` is all strings, and not stamped; a sample of every message lies in tests/replay/okx. `vol` is in base units
for spot but in contracts for swaps, whose base units are in `volCcy`; `volCcyQuote` is in quote units for both. Candles
of 6h and more follow Hong Kong's clock unless the channel ends in `utc`. Of trades and takers OKX says nothing.

Limits: 3 connections a second, 480 subscriptions an hour and connection of 64 KB at most, a cut after 30 s without a
push, which the text `ping` prevents. REST: 40 requests in 2 s for candles, 20 for most, 10 for the clock and funding,
each path for itself and by IP; here all share the 40 by weight. What is refused comes with a `code`.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Final, Generic, TypeVar

import aiohttp
import msgspec

from shared.adapters.venues.dialect import Dialect, Limits, SubscriptionRefusedError, batches, plain_url
from shared.adapters.venues.rest_client import RestClient, TokenBucket
from shared.adapters.venues.wire import NAN, candle_of, decoded, known, of_those, whole
from shared.domain.backfill import Stretch, Window
from shared.domain.candles import Candle
from shared.domain.errors import InvalidMessageError, TransientError
from shared.domain.pushes import Push
from shared.domain.symbols import Listing
from shared.domain.tickers import Funding, Ticker
from shared.domain.timeframe import Timeframe
from shared.domain.urgency import Urgency

MAX_ROWS: Final = 300
MAX_OLD_ROWS: Final = 100  # the limit was raised to 300; what answers 100 all the same would leave a hole unseen
NEWEST_BARS: Final = 1_200  # the path of new candles has 1,440; a page must not begin where they end
TOPICS_PER_CONNECTION: Final = 200
TOPICS_PER_MESSAGE: Final = 20
PAUSE_S: Final = 1.0
MAY_PASS: Final = frozenset({"50001", "50004", "50011", "50013", "50026", "50040"})  # too fast, too busy, too late

_BARS: Final = {one: str(one) if one.endswith("m") else str(one).upper() for one in Timeframe} | {
    one: f"{one.upper()}utc" for one in (Timeframe.H6, Timeframe.H12, Timeframe.D1)
}
_CHANNELS: Final = {f"candle{bar}": timeframe for timeframe, bar in _BARS.items()}

# open time, open, high, low, close, vol, volCcy, volCcyQuote, confirm
_Row = Annotated[list[str], msgspec.Meta(min_length=9)]
_VOLUME, _COIN_VOLUME, _QUOTE_VOLUME, _CONFIRM = 5, 6, 7, 8
_Item = TypeVar("_Item")


class _Arg(msgspec.Struct, gc=False):
    channel: str
    venue_id: str = msgspec.field(name="instId", default="")


class _Frame(msgspec.Struct, gc=False):
    arg: _Arg | None = None
    data: msgspec.Raw = msgspec.Raw()
    event: str = ""
    code: str = ""
    problem: str = msgspec.field(name="msg", default="")


class _Answer(msgspec.Struct, Generic[_Item]):
    data: list[_Item]


class _Instrument(msgspec.Struct):
    venue_id: str = msgspec.field(name="instId")
    state: str
    base: str = msgspec.field(name="baseCcy", default="")
    quote: str = msgspec.field(name="quoteCcy", default="")
    underlying: str = msgspec.field(name="uly", default="")
    settle: str = msgspec.field(name="settleCcy", default="")
    contract: str = msgspec.field(name="ctType", default="")


class _Ticker(msgspec.Struct):
    venue_id: str = msgspec.field(name="instId")
    last: str
    bid: str = msgspec.field(name="bidPx")
    ask: str = msgspec.field(name="askPx")
    coin_volume: str = msgspec.field(name="volCcy24h")


class _Rate(msgspec.Struct):
    venue_id: str = msgspec.field(name="instId")
    rate: str = msgspec.field(name="fundingRate")
    due_time: str = msgspec.field(name="fundingTime")


class _Held(msgspec.Struct):
    venue_id: str = msgspec.field(name="instId")
    coins: str = msgspec.field(name="oiCcy")


class _Clock(msgspec.Struct):
    ts: str


_decode_frame = msgspec.json.Decoder(_Frame).decode
_decode_pushed = msgspec.json.Decoder(list[_Row]).decode
_decode_rows = msgspec.json.Decoder(_Answer[_Row]).decode
_decode_instruments = msgspec.json.Decoder(_Answer[_Instrument]).decode
_decode_tickers = msgspec.json.Decoder(_Answer[_Ticker]).decode
_decode_rates = msgspec.json.Decoder(_Answer[_Rate]).decode
_decode_held = msgspec.json.Decoder(_Answer[_Held]).decode
_decode_time = msgspec.json.Decoder(_Answer[_Clock]).decode


def read(frame: bytes, *, volume: int = _VOLUME) -> Sequence[Push]:
    """Return the closed candles of a candle push, nothing for forming ones or another kind of message.

    `volume` is the column of the volume in base units. The event time is the close, the earliest it can be. Raise
    `InvalidMessageError` for a damaged frame or an impossible candle, `SubscriptionRefusedError`.
    """
    if frame == b"pong":
        return ()
    message = decoded(_decode_frame, frame, "frame")
    if message.event.endswith("error"):
        raise SubscriptionRefusedError(message.event, f"{message.code} {message.problem}")
    if message.event or message.arg is None or not message.arg.channel.startswith("candle"):
        return ()
    if not (closed := [row for row in decoded(_decode_pushed, message.data, "data") if _is_closed(row)]):
        return ()
    timeframe = _CHANNELS.get(message.arg.channel)
    if timeframe is None or not message.arg.venue_id:
        raise InvalidMessageError("arg", f"expected a known candle channel and an instId, got {message.arg}")
    candles = [_candle(row, timeframe, volume) for row in closed]
    return [Push(message.arg.venue_id, timeframe, one, True, one.open_time + timeframe.ms) for one in candles]


def _is_closed(row: Sequence[str]) -> bool:
    if row[_CONFIRM] not in {"0", "1"}:
        raise InvalidMessageError("confirm", f"expected 0 or 1, got {row[_CONFIRM]!r}")
    return row[_CONFIRM] == "1"


def _candle(row: Sequence[str], timeframe: Timeframe, volume: int) -> Candle:
    return candle_of(timeframe, whole(row[0], "ts"), (*row[1:5], row[volume], row[_QUOTE_VOLUME]))


def check(status: int, body: bytes) -> None:
    """Raise what OKX refuses with a status that does not say so."""
    if status != 200 and not body.startswith(b"{"):
        return
    verdict = decoded(_decode_frame, body, "code")
    if verdict.code in MAY_PASS:
        raise TransientError(f"code {verdict.code}: {verdict.problem}", retry_after_s=PAUSE_S)
    if verdict.code != "0":
        raise InvalidMessageError("code", f"{verdict.code} {verdict.problem}")


def parse_candles(body: bytes, timeframe: Timeframe, *, volume: int = _VOLUME) -> tuple[list[Candle], list[Candle]]:
    """Return the closed candles of a REST page, newest first, and the forming ones; raise `InvalidMessageError`."""
    pages: tuple[list[Candle], list[Candle]] = ([], [])
    for row in decoded(_decode_rows, body, "candles").data:
        pages[0 if _is_closed(row) else 1].append(_candle(row, timeframe, volume))
    return pages


def parse_listings(body: bytes) -> list[Listing]:
    """Return the pairs of an instruments answer, of swaps the linear ones: others name no assets here."""
    found = ((row, *_assets(row)) for row in decoded(_decode_instruments, body, "instruments").data)
    return [
        Listing(venue_id=row.venue_id, base=base, quote=quote, is_trading=row.state == "live", settle=row.settle)
        for row, base, quote in found
        if base and quote
    ]


def _assets(row: _Instrument) -> tuple[str, str]:
    base, _, quote = row.underlying.partition("-") if row.contract == "linear" else (row.base, "", row.quote)
    return base, quote


def parse_quote_volumes(body: bytes, *, in_base: bool = False) -> dict[str, float]:
    """Return the 24 h volume in quote units by venue id; where it is told `in_base`, valued at the last price."""
    return {
        row.venue_id: known(row.coin_volume, "volCcy24h") * (known(row.last, "last") if in_base else 1.0)
        for row in decoded(_decode_tickers, body, "tickers").data
    }


def parse_tickers(body: bytes) -> dict[str, Ticker]:
    """Return tickers by venue id from a tickers answer."""
    return {
        row.venue_id: Ticker(known(row.last, "last"), known(row.bid, "bidPx"), known(row.ask, "askPx"))
        for row in decoded(_decode_tickers, body, "tickers").data
    }


def parse_funding(rates: bytes, held: bytes) -> dict[str, Funding]:
    """Return what swaps pay by venue id from the answers of funding-rate and open-interest."""
    coins = {row.venue_id: known(row.coins, "oiCcy") for row in decoded(_decode_held, held, "open-interest").data}
    return {
        row.venue_id: Funding(
            known(row.rate, "fundingRate"), whole(row.due_time or "0", "fundingTime"), coins.get(row.venue_id, NAN)
        )
        for row in decoded(_decode_rates, rates, "funding-rate").data
    }


def parse_server_time(body: bytes) -> int:
    """Return the venue's clock (epoch ms)."""
    clocks = decoded(_decode_time, body, "time").data
    return whole(clocks[0].ts if clocks else "", "ts")


class OkxRest:
    """Ask OKX; `kind` is the market, `SPOT` or `SWAP`."""

    def __init__(self, client: RestClient, *, kind: str) -> None:
        self._client = client
        self._kind = kind
        self._volume = _COIN_VOLUME if kind == "SWAP" else _VOLUME

    async def server_time(self) -> int:
        """Return OKX's clock (epoch ms)."""
        return parse_server_time(await self._client.get("/api/v5/public/time", weight=4, urgency=Urgency.REPAIR))

    async def listings(self) -> list[Listing]:
        """Return every pair OKX lists."""
        return parse_listings(await self._all("public/instruments"))

    async def quote_volumes(self) -> dict[str, float]:
        """Return the 24 h volume in quote units of every pair, by venue id."""
        return parse_quote_volumes(await self._all("market/tickers"), in_base=self._kind == "SWAP")

    async def candles(
        self, venue_id: str, window: Window, *, now_ms: int, urgency: Urgency = Urgency.BACKFILL
    ) -> Stretch:
        """Return the closed candles of a window, page by page; never the forming one."""
        candles: list[Candle] = []
        since = window.timeframe.open_time(now_ms) - NEWEST_BARS * window.timeframe.ms
        old = replace(window, last_open=min(window.last_open, since - window.timeframe.ms))
        new = replace(window, first_open=max(window.first_open, since))
        for page in (*old.pages(MAX_OLD_ROWS), *new.pages(MAX_ROWS)):
            path, weight = ("history-candles", 2) if page.first_open < since else ("candles", 1)
            params = {"instId": venue_id, "bar": _BARS[page.timeframe], "limit": str(page.bars)}
            # `before` is newer than, `after` older than: neither bound is included.
            params |= {"before": str(page.first_open - 1), "after": str(page.last_open + 1)}
            body = await self._client.get(f"/api/v5/market/{path}", params, weight=weight, urgency=urgency)
            closed, forming = parse_candles(body, page.timeframe, volume=self._volume)
            candles += closed + forming
            # What OKX has not confirmed is not closed, though it be past its time by our clock.
            now_ms = min([now_ms, *(page.timeframe.close_time(one.open_time) - 1 for one in forming)])
        return Stretch.of(candles, window, now_ms=now_ms)

    async def tickers(self, venue_ids: Collection[str]) -> Mapping[str, Ticker]:
        """Return what these trade at right now."""
        return of_those(parse_tickers(await self._all("market/tickers", Urgency.TICKERS)), venue_ids)

    async def funding(self, venue_ids: Collection[str]) -> Mapping[str, Funding]:
        """Return what these swaps pay and how much of them is held."""
        if self._kind == "SPOT":
            return {}
        urgency = Urgency.TICKERS
        rates = await self._client.get("/api/v5/public/funding-rate", {"instId": "ANY"}, weight=4, urgency=urgency)
        return of_those(parse_funding(rates, await self._all("public/open-interest", urgency)), venue_ids)

    async def _all(self, path: str, urgency: Urgency = Urgency.BACKFILL) -> bytes:
        return await self._client.get(f"/api/v5/{path}", {"instType": self._kind}, weight=2, urgency=urgency)


def _topic(venue_id: str, timeframe: Timeframe) -> str:
    return json.dumps({"channel": f"candle{_BARS[timeframe]}", "instId": venue_id})


def _ask(topics: Sequence[str], *, operation: str) -> list[str]:
    """Name a few topics a message: one that is refused may take the others of its message with it."""
    return [f'{{"op": "{operation}", "args": [{", ".join(some)}]}}' for some in batches(topics, TOPICS_PER_MESSAGE)]


def source(session: aiohttp.ClientSession, url: str, *, kind: str = "SPOT") -> OkxRest:
    """Return OKX's REST interface at an address."""
    bucket = TokenBucket(8, 0.5)  # full and refilled for two seconds it lets nine tenths of 40 through
    return OkxRest(RestClient(session, url, bucket=bucket, check=check), kind=kind)


SPOT: Final = Dialect(
    venue="okx",
    rest_url="https://www.okx.com",
    ws_url="wss://ws.okx.com:8443/ws/v5/business",
    timeframes=tuple(Timeframe),
    says_closed=True,
    limits=Limits(topics=TOPICS_PER_CONNECTION, messages_per_s=3.0, connect_every_s=0.4, ping="ping"),
    topic=_topic,
    url=plain_url,
    subscribe=partial(_ask, operation="subscribe"),
    unsubscribe=partial(_ask, operation="unsubscribe"),
    data_mark=b'[["',
    read=read,
    source=source,
)
_READ_SWAP: Final = partial(read, volume=_COIN_VOLUME)
SWAP: Final = replace(SPOT, venue="okx_swap", read=_READ_SWAP, source=partial(source, kind="SWAP"))
