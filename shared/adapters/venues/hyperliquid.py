"""Hyperliquid, perpetual futures.

Sources: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions (candle),
…/websocket/timeouts-and-heartbeats, …/info-endpoint#candle-snapshot, …/info-endpoint/perpetuals (metaAndAssetCtxs),
…/rate-limits-and-user-limits. A sample of every message lies in tests/replay/hyperliquid.

A `candle` message holds the forming candle as it is then; nothing says that one has closed. Quote volume and taker
volume are not told and NaN. Contracts are quoted in USD and settled in USDC, which the unified symbol calls
`BTC/USDC:USDC`; a "k" before a name means thousands, and is part of the name: `kPEPE` is `KPEPE/USDC:USDC`.

Limits: an address has 1,000 subscriptions in all, 10 connections, 30 new ones a minute, and sends 2,000 messages a
minute; REST weighs 1,200 a minute, 20 for a question and one more for every 60 candles; the newest 5,000 candles of a
series are there. A connection on which we are silent for 60 s is cut. No cut of long ones is documented, and one with
its replacement beside it would need twice the subscriptions, so none is rolled.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Final

import aiohttp
import msgspec

from shared.adapters.venues.dialect import Dialect, Limits, SubscriptionRefusedError, plain_url
from shared.adapters.venues.rest_client import RestClient, TokenBucket
from shared.adapters.venues.wire import NAN, candle_of, decoded, number
from shared.domain.backfill import Stretch, Window
from shared.domain.candles import Candle
from shared.domain.errors import InvalidMessageError
from shared.domain.pushes import Push
from shared.domain.symbols import Listing
from shared.domain.tickers import Funding, Ticker
from shared.domain.timeframe import Timeframe
from shared.domain.urgency import Urgency

MAX_ROWS: Final = 5_000
HOUR_MS: Final = 3_600_000
GREETING: Final = b"Websocket connection established."  # the only frame that is no JSON
_USDC: Final = "USDC"
_CLOCK_COIN: Final = "BTC"


class _Message(msgspec.Struct, gc=False):
    channel: str
    data: msgspec.Raw = msgspec.Raw()


class _Candle(msgspec.Struct, gc=False):
    open_time: int = msgspec.field(name="t")
    symbol_id: str = msgspec.field(name="s")
    interval: str = msgspec.field(name="i")
    open: str = msgspec.field(name="o")
    high: str = msgspec.field(name="h")
    low: str = msgspec.field(name="l")
    close: str = msgspec.field(name="c")
    volume: str = msgspec.field(name="v")
    trades: int = msgspec.field(name="n")


class _Coin(msgspec.Struct):
    name: str
    is_delisted: bool = msgspec.field(name="isDelisted", default=False)


class _Universe(msgspec.Struct):
    universe: list[_Coin]


class _Context(msgspec.Struct):
    funding: str
    open_interest: str = msgspec.field(name="openInterest")
    day_volume: str = msgspec.field(name="dayNtlVlm")
    mid: str | None = msgspec.field(name="midPx", default=None)
    mark: str | None = msgspec.field(name="markPx", default=None)
    impact: list[str] | None = msgspec.field(name="impactPxs", default=None)


class _Book(msgspec.Struct):
    time: int


Contexts = list[tuple[_Coin, _Context]]

_decode_message = msgspec.json.Decoder(_Message).decode
_decode_candle = msgspec.json.Decoder(_Candle | list[_Candle]).decode
_decode_candles = msgspec.json.Decoder(list[_Candle]).decode
_decode_contexts = msgspec.json.Decoder(tuple[_Universe, list[_Context]]).decode
_decode_book = msgspec.json.Decoder(_Book).decode

_TIMEFRAMES: Final = {str(one): one for one in Timeframe if one is not Timeframe.H6}
_NOTHING: Final[tuple[Push, ...]] = ()


def read(frame: bytes) -> Sequence[Push]:
    """Return the forming candles of a `candle` message, nothing for another kind of message.

    Raise `InvalidMessageError` for a damaged frame or an impossible candle, `SubscriptionRefusedError`.
    """
    if frame == GREETING:
        return _NOTHING
    message = decoded(_decode_message, frame, "frame")
    if message.channel == "candle":
        data = decoded(_decode_candle, message.data, "frame")
        return [_push(row) for row in (data if isinstance(data, list) else (data,))]
    if message.channel == "error":
        raise SubscriptionRefusedError("subscribe", bytes(message.data)[:200].decode(errors="replace"))
    return _NOTHING


def _push(row: _Candle) -> Push:
    timeframe = _TIMEFRAMES.get(row.interval)
    if timeframe is None:
        raise InvalidMessageError("i", f"unknown interval {row.interval!r}")
    return Push(row.symbol_id, timeframe, _candle(row, timeframe), False, row.open_time)


def _candle(row: _Candle, timeframe: Timeframe) -> Candle:
    numbers = (row.open, row.high, row.low, row.close, row.volume, NAN)
    return candle_of(timeframe, row.open_time, numbers, trades=row.trades)


def parse_candles(body: bytes, timeframe: Timeframe) -> list[Candle]:
    """Return the candles of a candleSnapshot, the forming one included; raise `InvalidMessageError`."""
    return [_candle(row, timeframe) for row in decoded(_decode_candles, body, "candleSnapshot")]


def parse_contexts(body: bytes) -> Contexts:
    """Return every coin with its prices and volumes from a metaAndAssetCtxs answer; raise `InvalidMessageError`."""
    meta, contexts = decoded(_decode_contexts, body, "metaAndAssetCtxs")
    if len(meta.universe) != len(contexts):
        raise InvalidMessageError("metaAndAssetCtxs", f"{len(meta.universe)} coins, {len(contexts)} contexts")
    return list(zip(meta.universe, contexts, strict=True))


def listing_of(coin: _Coin) -> Listing:
    """Return a coin's perpetual future as the desk names it."""
    return Listing(
        venue_id=coin.name, base=coin.name.upper(), quote=_USDC, is_trading=not coin.is_delisted, settle=_USDC
    )


def ticker_of(context: _Context) -> Ticker:
    """Return what a future trades at, as near as one question for all tells it.

    Its last trade is not told: the mark price stands for it. Bid and ask are the impact prices, at which an order of
    some thousands of USD would go through, so the spread is never too small.
    """
    bid, ask = context.impact if context.impact and len(context.impact) == 2 else (None, None)
    last = context.mark if context.mark is not None else context.mid
    return Ticker(*(NAN if price is None else number(price, "price") for price in (last, bid, ask)))


class HyperliquidRest:
    """Ask Hyperliquid: every question is a POST to one address."""

    def __init__(self, client: RestClient) -> None:
        self._client = client

    async def _ask(self, kind: str, weight: float, urgency: Urgency, **rest: object) -> bytes:
        return await self._client.post("/info", {"type": kind, **rest}, weight=weight, urgency=urgency)

    async def server_time(self) -> int:
        """Return the time of the newest block (epoch ms) as the book of the busiest coin carries it.

        Hyperliquid has no question for its clock. Blocks come many times a second, so this is late by less than a
        second; the Date header of HTTP has no more than whole seconds, and is a proxy's.
        """
        return decoded(_decode_book, await self._ask("l2Book", 2, Urgency.REPAIR, coin=_CLOCK_COIN), "l2Book").time

    async def listings(self) -> list[Listing]:
        """Return every perpetual future Hyperliquid lists."""
        return [listing_of(coin) for coin, _ in await self._contexts()]

    async def quote_volumes(self) -> dict[str, float]:
        """Return the 24 h volume in quote units of every future, by venue id."""
        return {coin.name: number(context.day_volume, "dayNtlVlm") for coin, context in await self._contexts()}

    async def candles(
        self, venue_id: str, window: Window, *, now_ms: int, urgency: Urgency = Urgency.BACKFILL
    ) -> Stretch:
        """Return the closed candles of a window, page by page; never the forming one."""
        candles: list[Candle] = []
        for page in window.pages(MAX_ROWS):
            request = {
                "coin": venue_id,
                "interval": str(page.timeframe),
                "startTime": page.first_open,
                "endTime": page.last_open + page.timeframe.ms - 1,
            }
            body = await self._ask("candleSnapshot", 20 + page.bars / 60, urgency, req=request)
            candles += parse_candles(body, page.timeframe)
        return Stretch.of(candles, window, now_ms=now_ms)

    async def tickers(self, venue_ids: Collection[str]) -> Mapping[str, Ticker]:
        """Return what these trade at right now."""
        contexts = await self._contexts(Urgency.TICKERS)
        return {coin.name: ticker_of(context) for coin, context in contexts if coin.name in venue_ids}

    async def funding(self, venue_ids: Collection[str]) -> Mapping[str, Funding]:
        """Return what these pay each hour, at the next full hour, and how much of them is held."""
        contexts = await self._contexts(Urgency.TICKERS)
        due_time = (await self.server_time() // HOUR_MS + 1) * HOUR_MS
        return {
            coin.name: Funding(
                number(context.funding, "funding"), due_time, number(context.open_interest, "openInterest")
            )
            for coin, context in contexts
            if coin.name in venue_ids
        }

    async def _contexts(self, urgency: Urgency = Urgency.BACKFILL) -> Contexts:
        return parse_contexts(await self._ask("metaAndAssetCtxs", 20, urgency))


def _ask(topics: Sequence[str], *, method: str) -> list[str]:
    """Return one message for every series: it takes no lists."""
    parts = [topic.rpartition(" ") for topic in topics]
    return [
        msgspec.json.encode(
            {"method": method, "subscription": {"type": "candle", "coin": coin, "interval": interval}}
        ).decode()
        for coin, _, interval in parts
    ]


def source(session: aiohttp.ClientSession, url: str) -> HyperliquidRest:
    """Return Hyperliquid's REST interface at an address, within the weight it allows an address a minute."""
    return HyperliquidRest(RestClient(session, url, bucket=TokenBucket(1_200, 60.0)))


PERPETUALS: Final = Dialect(
    venue="hyperliquid",
    rest_url="https://api.hyperliquid.xyz",
    ws_url="wss://api.hyperliquid.xyz/ws",
    timeframes=tuple(_TIMEFRAMES.values()),
    says_closed=False,
    limits=Limits(
        topics=1_000,
        topics_in_all=1_000,
        messages_per_s=25.0,
        counts_by_address=True,
        connect_every_s=2.0,
        cut_after_s=math.inf,
        ping='{"method":"ping"}',
    ),
    topic=lambda venue_id, timeframe: f"{venue_id} {timeframe}",
    url=plain_url,
    subscribe=partial(_ask, method="subscribe"),
    unsubscribe=partial(_ask, method="unsubscribe"),
    data_mark=b'"t":',
    read=read,
    source=source,
)
