"""Venues that never say a candle has closed, on one made-up market: one pushes forming candles, one trades.

Both speak as Kraken and Coinbase do, by WebSocket and REST, as far as the collector asks.
"""

import asyncio
import json
import random
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from shared.adapters.clock import TapeClock
from shared.domain.candles import Candle, no_trade_candle
from shared.domain.pushes import Trade
from shared.domain.timeframe import MINUTE_MS, Timeframe

TICK_S = 0.005


@dataclass
class Market:
    """Trades by base asset, in order and counted from 1; the first of each is at the very start."""

    trades: dict[str, list[Trade]]
    start: int

    @classmethod
    def of(cls, every_s: dict[str, float], *, start: int, until: int, seed: int) -> "Market":
        """Return a market in which each asset is traded every so many seconds on average."""
        rng = random.Random(seed)
        trades: dict[str, list[Trade]] = {}
        for base, seconds in every_s.items():
            time, price, trades[base] = float(start), 100.0, []
            while time < until:
                price = round(price * (1 + rng.gauss(0, 0.001)), 4)
                quantity, bought = round(rng.uniform(0.01, 5), 6), rng.random() < 0.5
                trades[base].append(Trade(base, int(time), price, quantity, bought, len(trades[base]) + 1))
                time += max(rng.expovariate(1 / seconds) * 1_000, 1)
        return cls(trades, start)

    def between(self, base: str, start: int, until: int) -> list[Trade]:
        """Return the trades of an asset in `[start, until)`."""
        trades = self.trades[base]
        first, last = (bisect_left(trades, time, key=lambda trade: trade.time) for time in (start, until))
        return trades[first:last]

    def candle(self, base: str, timeframe: Timeframe, open_time: int, *, until: int) -> Candle:
        """Return a candle as it stands at an instant, the slow way."""
        inside = self.between(base, open_time, min(open_time + timeframe.ms, until))
        if not inside:
            return no_trade_candle(open_time, self.between(base, self.start, open_time)[-1].price)
        prices, volume = [trade.price for trade in inside], sum(trade.quantity for trade in inside)
        value = sum(trade.price * trade.quantity for trade in inside)
        bought = sum(trade.quantity for trade in inside if trade.is_taker_buy)
        return Candle(
            open_time, prices[0], max(prices), min(prices), prices[-1], volume, value, float(len(inside)), bought
        )


@dataclass
class FormingVenue:
    """What both have in common: sockets, their subscriptions, and a player that follows the clock.

    `is_dropped` may swallow a frame of a trade, `copies` says how often each is sent, `refuses` how many times more a
    subscription to an asset is turned down.
    """

    market: Market
    clock: TapeClock
    sockets: dict[web.WebSocketResponse, set[tuple[str, Timeframe]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    is_dropped: Callable[[Trade], bool] = lambda _: False
    copies: int = 1
    refuses: Counter[str] = field(default_factory=Counter)

    def routes(self) -> Iterator[web.RouteDef]:
        """Yield the REST interface."""
        raise NotImplementedError

    def subscribed(self, message: Any) -> tuple[set[tuple[str, Timeframe]], list[str]]:
        """Return the series a message asks for, and the answers to it."""
        raise NotImplementedError

    def frame(self, trade: Trade, timeframe: Timeframe) -> str:
        """Return what a subscriber is told of a trade."""
        raise NotImplementedError

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Play the market until the block ends, at the address it yields."""
        app = web.Application()
        app.router.add_routes([*self.routes(), web.get("/", self._socket)])
        async with TestServer(app) as server:
            player = asyncio.create_task(self._play())
            yield str(server.make_url("")).rstrip("/")
            player.cancel()
            await self.cut()

    def forget(self, base: str) -> None:
        """Drop every subscription to an asset without a word."""
        for series in self.sockets.values():
            series -= {one for one in series if one[0] == base}

    def bring(self, base: str) -> bool:
        """Tell whether somebody is subscribed to an asset."""
        return any(one[0] == base for series in self.sockets.values() for one in series)

    def turned_down(self, base: str) -> bool:
        """Tell whether a subscription is refused this time."""
        self.refuses[base] -= 1
        return self.refuses[base] >= 0

    async def cut(self) -> None:
        """Close every connection."""
        for socket in list(self.sockets):
            await socket.close()

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets[socket] = set()
        try:
            async for message in socket:
                series, answers = self.subscribed(json.loads(message.data))
                if "unsubscribe" in message.data:
                    self.sockets[socket] -= series
                else:
                    self.sockets[socket] |= series
                for answer in answers:
                    await socket.send_str(answer)
        finally:
            del self.sockets[socket]
        return socket

    async def _play(self) -> None:
        played = self.clock.now_ms()
        while True:
            await asyncio.sleep(TICK_S)
            now = self.clock.now_ms()
            found = [trade for base in self.market.trades for trade in self.market.between(base, played, now)]
            played = now
            for trade in sorted(found, key=lambda trade: trade.time):
                await self._tell(trade)

    async def _tell(self, trade: Trade) -> None:
        if self.is_dropped(trade):
            return
        for socket, series in list(self.sockets.items()):
            frames = {self.frame(trade, timeframe) for base, timeframe in series if base == trade.venue_id}
            for frame in frames:
                for _ in range(self.copies):
                    if not socket.closed:
                        await socket.send_str(frame)


def _instant(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms // 1_000, UTC).strftime(f"%Y-%m-%dT%H:%M:%S.{time_ms % 1_000:03}000Z")


class KrakenLike(FormingVenue):
    """Pushes the forming candle with every trade; REST has a row where nobody traded."""

    def routes(self) -> Iterator[web.RouteDef]:
        """Yield the REST interface."""
        yield web.get("/0/public/{what}", self._answer)

    async def _answer(self, request: web.Request) -> web.Response:
        what, now = request.match_info["what"], self.clock.now_ms()
        self.asked.append(what)
        return web.json_response({"error": [], "result": getattr(self, f"_{what.lower()}")(request, now)})

    def _time(self, _request: web.Request, now: int) -> dict[str, Any]:
        return {"unixtime": now // 1_000}

    def _assetpairs(self, _request: web.Request, _now: int) -> dict[str, Any]:
        return {f"{base}/USD": {"wsname": f"{base}/USD", "status": "online"} for base in self.market.trades}

    def _ticker(self, _request: web.Request, now: int) -> dict[str, Any]:
        rows: dict[str, Any] = defaultdict(dict)
        for base in self.market.trades:
            price = str(self.market.between(base, self.market.start, now)[-1].price)
            rows[f"{base}/USD"] = {"a": [price], "b": [price], "c": [price], "v": ["1", "1"], "p": [price, price]}
        return rows

    def _ohlc(self, request: web.Request, now: int) -> dict[str, Any]:
        base = request.query["pair"].removesuffix("/USD")
        timeframe = _of_minutes(int(request.query["interval"]))
        first = timeframe.open_time(max(int(request.query["since"]) * 1_000, self.market.start) + timeframe.ms - 1)
        first = max(first, timeframe.open_time(now) - 719 * timeframe.ms)
        rows = []
        for open_time in range(first, now, timeframe.ms):
            one = self.market.candle(base, timeframe, open_time, until=now)
            vwap = one.quote_volume / one.volume if one.volume else 0.0
            numbers = [repr(value) for value in (one.open, one.high, one.low, one.close, vwap, one.volume)]
            rows.append([open_time // 1_000, *numbers, int(one.trades)])
        return {f"{base}/USD": rows, "last": 0}

    def subscribed(self, message: Any) -> tuple[set[tuple[str, Timeframe]], list[str]]:
        """Return the series a message asks for, and an answer for each."""
        if message["method"] == "ping":
            return set(), ['{"method":"pong"}']
        params = message["params"]
        bases = {symbol.removesuffix("/USD") for symbol in params["symbol"]}
        no = {base for base in bases if message["method"] == "subscribe" and self.turned_down(base)}
        answer = json.dumps({"method": message["method"], "result": {"channel": "ohlc"}, "success": True})
        refusal = json.dumps({"method": message["method"], "error": "Currency pair not supported", "success": False})
        series = {(base, _of_minutes(params["interval"])) for base in bases - no}
        return series, [answer] * len(series) + [refusal] * len(no)

    def frame(self, trade: Trade, timeframe: Timeframe) -> str:
        """Return the forming candle with this trade as its last."""
        one = self.market.candle(trade.venue_id, timeframe, timeframe.open_time(trade.time), until=trade.time + 1)
        row = {"symbol": f"{trade.venue_id}/USD", "open": one.open, "high": one.high, "low": one.low,
               "close": one.close, "trades": int(one.trades), "volume": one.volume,
               "vwap": one.quote_volume / one.volume, "interval_begin": _instant(one.open_time),
               "interval": timeframe.ms // MINUTE_MS}  # fmt: skip
        return json.dumps({"channel": "ohlc", "type": "update", "data": [row]})


class CoinbaseLike(FormingVenue):
    """Pushes trades alone; REST has no row where nobody traded, newest first."""

    def routes(self) -> Iterator[web.RouteDef]:
        """Yield the REST interface."""
        yield web.get("/time", self._time)
        yield web.get("/products", self._products)
        yield web.get("/products/stats", self._stats)
        yield web.get("/products/{id}/{what}", self._product)

    async def _time(self, _request: web.Request) -> web.Response:
        return web.json_response({"iso": _instant(self.clock.now_ms())})

    async def _products(self, _request: web.Request) -> web.Response:
        rows = [
            {"id": f"{base}-USD", "base_currency": base, "quote_currency": "USD", "status": "online"}
            for base in self.market.trades
        ]
        return web.json_response(rows)

    async def _stats(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {f"{b}-USD": {"stats_24hour": {"volume": "1", "last": "1"}} for b in self.market.trades}
        )

    async def _product(self, request: web.Request) -> web.Response:
        base, what, now = request.match_info["id"].removesuffix("-USD"), request.match_info["what"], self.clock.now_ms()
        self.asked.append(what)
        if what == "ticker":
            last = self.market.between(base, self.market.start, now + 1)[-1]
            return web.json_response({"price": str(last.price), "time": _instant(last.time), "bid": "1", "ask": "1"})
        timeframe = _of_minutes(int(request.query["granularity"]) // 60)
        first, last_open = (
            int(datetime.fromisoformat(request.query[end]).timestamp()) * 1_000 for end in ("start", "end")
        )
        rows = []
        for open_time in range(max(first, self.market.start), min(last_open, now) + 1, timeframe.ms):
            one = self.market.candle(base, timeframe, open_time, until=now)
            if not one.filled:
                rows.append([open_time // 1_000, one.low, one.high, one.open, one.close, one.volume])
        return web.json_response(rows[::-1])

    def subscribed(self, message: Any) -> tuple[set[tuple[str, Timeframe]], list[str]]:
        """Return what a message asks for, and its answer, with the last trade of each, which is none to count."""
        (matches,) = message["channels"]
        bases = [product.removesuffix("-USD") for product in matches["product_ids"]]
        refused = [base for base in bases if message["type"] == "subscribe" and self.turned_down(base)]
        if refused:
            return set(), ['{"type":"error","message":"Failed to subscribe","reason":"not a valid product"}']
        lasts = [self.market.between(base, self.market.start, self.clock.now_ms())[-1] for base in bases]
        answers = [self.frame(last, Timeframe.M1).replace('"match"', '"last_match"') for last in lasts]
        return {(base, Timeframe.M1) for base in bases}, ['{"type":"subscriptions","channels":[]}', *answers]

    def frame(self, trade: Trade, _timeframe: Timeframe) -> str:
        """Return the trade; `side` is the maker's."""
        side = "sell" if trade.is_taker_buy else "buy"
        return json.dumps(
            {"type": "match", "trade_id": trade.number, "product_id": f"{trade.venue_id}-USD", "side": side,
             "size": repr(trade.quantity), "price": repr(trade.price), "time": _instant(trade.time)}
        )  # fmt: skip


def _of_minutes(minutes: int) -> Timeframe:
    return next(timeframe for timeframe in Timeframe if timeframe.ms == minutes * MINUTE_MS)
