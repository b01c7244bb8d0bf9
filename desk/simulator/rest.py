"""The simulated venue's REST interface, with Binance's parameters, errors and request weights."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from aiohttp import web

from desk.simulator import wire
from desk.simulator.faults import Faults
from desk.simulator.instruments import Instrument
from desk.simulator.tape import Tape
from shared.domain.candles import CLOSE, Floats, Times
from shared.domain.timeframe import Timeframe
from shared.ports import Clock

MAX_ROWS: Final = 1_000
DEFAULT_ROWS: Final = 500
_ALL_TICKERS_WEIGHT: Final = 80
_DIGITS: Final = "^[0-9]{1,20}$"


class _RefusedError(Exception):
    """An answer in Binance's error format."""

    def __init__(self, code: int, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


_FAULTS: Final = {
    429: (-1003, "Too many requests queued."),
    418: (-1003, "Way too many requests; IP banned until further notice."),
    503: (-1000, "An unknown error occurred while processing the request."),
}


class Rest:
    """Answer Binance's public market-data requests from the tape at the clock's now."""

    def __init__(
        self,
        tape: Tape,
        clock: Clock,
        *,
        weight_limit: int = wire.WEIGHT_LIMIT,
        weight_scale: float = 1.0,
        faults: Faults | None = None,
    ) -> None:
        self._tape = tape
        self._clock = clock
        self._faults = faults or Faults()
        self._weight_limit = weight_limit
        self._weight_scale = weight_scale
        self._minute, self._used = 0, 0.0
        self._instruments = {listed.wire: listed for listed in tape.instruments}
        self._rows = {listed.wire: row for row, listed in enumerate(tape.instruments)}
        self._tickers: tuple[int, dict[str, dict[str, Any]]] = (-1, {})

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, all below /api/v3."""
        return [
            web.get("/api/v3/ping", self._handle(1, self._ping)),
            web.get("/api/v3/time", self._handle(1, self._time)),
            web.get("/api/v3/exchangeInfo", self._handle(20, self._exchange_info)),
            web.get("/api/v3/ticker/24hr", self._handle(2, self._ticker, all_weight=_ALL_TICKERS_WEIGHT)),
            web.get("/api/v3/ticker/price", self._handle(2, self._price, some_weight=4, all_weight=4)),
            web.get("/api/v3/ticker/bookTicker", self._handle(2, self._book, some_weight=4, all_weight=4)),
            web.get("/api/v3/klines", self._handle(2, self._klines)),
        ]

    def _handle(
        self, weight: int, answer: Any, *, some_weight: int | None = None, all_weight: int | None = None
    ) -> Any:
        """Return a handler of what weighs differently for a list of symbols and for all of them."""

        async def handler(request: web.Request) -> web.Response:
            many = None if "symbol" in request.query else some_weight if "symbols" in request.query else all_weight
            late_s, refused, retry_after_s = self._faults.refusal()
            if late_s:
                await asyncio.sleep(late_s)
            try:
                _admit(refused)
                self._charge(many or weight)
                body, status = answer(request), 200
            except _RefusedError as error:
                body, status = {"code": error.code, "msg": error.message}, error.status
            used = str(int(self._used))
            headers = {"X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used}
            if status in (418, 429):
                headers["Retry-After"] = str(retry_after_s or 60 - int(time.time()) % 60)
            return web.Response(
                body=wire.to_json(body), status=status, headers=headers, content_type="application/json"
            )

        return handler

    def _charge(self, weight: int) -> None:
        """Count request weight per minute of real time: the limit protects the venue's machines, not its market."""
        minute = int(time.time() // 60)
        if minute != self._minute:
            self._minute, self._used = minute, 0.0
        self._used += weight * self._weight_scale
        if self._used > self._weight_limit:
            raise _RefusedError(
                -1003,
                f"Too much request weight used; current limit is {self._weight_limit} request weight per 1 MINUTE. "
                "Please use WebSocket Streams for live updates to avoid polling the API.",
                status=429,
            )

    def _ping(self, _: web.Request) -> dict[str, Any]:
        return {}

    def _time(self, _: web.Request) -> dict[str, Any]:
        return {"serverTime": self._clock.now_ms()}

    def _exchange_info(self, request: web.Request) -> dict[str, Any]:
        now = self._clock.now_ms()
        return wire.exchange_info(self._chosen(request), now, weight_limit=self._weight_limit)

    def _ticker(self, request: web.Request) -> Any:
        chosen = self._chosen(request)
        now = self._clock.now_ms()
        bar = self._tape.base.last_close(now)
        if self._tickers[0] != bar:
            day = self._tape.day(now)
            self._tickers = (
                bar,
                {one.wire: wire.ticker(one, day, self._rows[one.wire], now) for one in self._instruments.values()},
            )
        answers = [self._tickers[1][listed.wire] for listed in chosen]
        return answers[0] if "symbol" in request.query else answers

    def _price(self, request: web.Request) -> Any:
        return self._told(request, wire.price)

    def _book(self, request: web.Request) -> Any:
        return self._told(request, wire.book)

    def _told(self, request: web.Request, tell: Callable[[Instrument, float], dict[str, Any]]) -> Any:
        chosen = self._chosen(request)
        prices = self._tape.prices(self._clock.now_ms(), [listed.symbol for listed in chosen]).tolist()
        answers = [tell(listed, price) for listed, price in zip(chosen, prices, strict=True)]
        return answers[0] if "symbol" in request.query else answers

    def _klines(self, request: web.Request) -> list[list[Any]]:
        listed, timeframe = self._instrument(_text(request, "symbol")), self._timeframe(_text(request, "interval"))
        start, end = _number(request, "startTime"), _number(request, "endTime")
        limit = _number(request, "limit")
        limit = DEFAULT_ROWS if limit is None else min(limit, MAX_ROWS)
        times, bars = self._candles(listed, timeframe)
        keep = ~np.isnan(bars[CLOSE])
        if start is not None:
            keep &= times >= start
        if end is not None:
            keep &= times <= end
        # With a start the venue returns the oldest rows, without one the newest.
        rows = np.flatnonzero(keep)
        rows = rows[:limit] if start is not None else rows[max(len(rows) - limit, 0) :]
        cells = zip(times[rows].tolist(), bars[:, rows].T.tolist(), strict=True)
        return [wire.kline_row(open_time, timeframe, bar) for open_time, bar in cells]

    def _candles(self, listed: Instrument, timeframe: Timeframe) -> tuple[Times, Floats]:
        """Return the open times and (columns, bars) of every candle the venue has of a symbol, the forming one last."""
        now = self._clock.now_ms()
        closed = self._tape.frame(timeframe, since=self._tape.start, until=now, symbols=[listed.symbol])
        forming = self._tape.forming(timeframe, now, [listed.symbol])
        times = np.append(closed.open_times, timeframe.open_time(now))
        return times, np.concatenate([closed.values[:, 0], forming], axis=1)

    def _chosen(self, request: web.Request) -> list[Instrument]:
        if "symbol" in request.query:
            return [self._instrument(request.query["symbol"])]
        if "symbols" in request.query:
            names = request.query["symbols"].strip("[]").replace('"', "").split(",")
            return [self._instrument(name) for name in names]
        return self._tape.listed(self._clock.now_ms())

    def _instrument(self, name: str) -> Instrument:
        for listed in self._tape.listed(self._clock.now_ms()):
            if listed.wire == name:
                return listed
        raise _RefusedError(-1121, "Invalid symbol.")

    def _timeframe(self, text: str) -> Timeframe:
        if text not in list(Timeframe) or not self._tape.shows(Timeframe(text)):
            raise _RefusedError(-1120, "Invalid interval.")
        return Timeframe(text)


def _admit(refused: int | None) -> None:
    if refused is not None:
        raise _RefusedError(*_FAULTS[refused], status=refused)


def _text(request: web.Request, name: str) -> str:
    value = request.query.get(name, "")
    if not value:
        raise _RefusedError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    return value


def _number(request: web.Request, name: str) -> int | None:
    text = request.query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 20):
        raise _RefusedError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{_DIGITS}'.")
    return int(text)
