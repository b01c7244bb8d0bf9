"""The simulated venue's REST interface, with Binance's parameters, errors and request weights."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from aiohttp import web

from desk.simulator import wire
from desk.simulator.gate import Gate, RefusedError, mandatory, number
from desk.simulator.instruments import Instrument
from desk.simulator.tape import Tape
from shared.domain.candles import CLOSE, Floats, Times
from shared.domain.timeframe import Timeframe
from shared.ports import Clock

MAX_ROWS: Final = 1_000
DEFAULT_ROWS: Final = 500
_ALL_TICKERS_WEIGHT: Final = 80


class Rest:
    """Answer Binance's public market-data requests from the tape at the clock's now."""

    def __init__(self, tape: Tape, clock: Clock, gate: Gate) -> None:
        self._tape = tape
        self._clock = clock
        self._gate = gate
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

            async def work() -> Any:
                return answer(request)

            return await self._gate.answer(request, many or weight, work)

        return handler

    def _ping(self, _: web.Request) -> dict[str, Any]:
        return {}

    def _time(self, _: web.Request) -> dict[str, Any]:
        return {"serverTime": self._clock.now_ms()}

    def _exchange_info(self, request: web.Request) -> dict[str, Any]:
        now = self._clock.now_ms()
        return wire.exchange_info(self._chosen(request), now, weight_limit=self._gate.weight_limit)

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
        listed, timeframe = (
            self._instrument(mandatory(request.query, "symbol")),
            self._timeframe(mandatory(request.query, "interval")),
        )
        start, end = number(request.query, "startTime"), number(request.query, "endTime")
        limit = number(request.query, "limit")
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
        raise RefusedError(-1121, "Invalid symbol.")

    def _timeframe(self, text: str) -> Timeframe:
        if text not in list(Timeframe) or not self._tape.shows(Timeframe(text)):
            raise RefusedError(-1120, "Invalid interval.")
        return Timeframe(text)
