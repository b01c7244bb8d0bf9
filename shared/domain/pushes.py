"""What venues push, and when a candle they do not call closed has closed.

Some venues mark the last push of a candle. The others push a candle again and again, or trades alone: there a candle is
closed by the next one of its series, or by the clock once its grace has passed. Either is believed only if the series
was watched from the candle's open to its close without a break; a broken one is missing, and asked for by REST.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from shared.domain.candles import Candle, no_trade_candle
from shared.domain.errors import InvalidMessageError
from shared.domain.timeframe import Timeframe


class Push(NamedTuple):
    """A candle as a venue pushed it; `event_time` (epoch ms) is the venue's clock, or the candle's open if unknown."""

    venue_id: str
    timeframe: Timeframe
    candle: Candle
    is_closed: bool
    event_time: int


class Trade(NamedTuple):
    """A trade as a venue pushed it; `time` in epoch ms, `quantity` in base units.

    `number` counts the trades of a pair without a gap, which shows what was missed; 0 where the venue does not count.
    """

    venue_id: str
    time: int
    price: float
    quantity: float
    is_taker_buy: bool
    number: int = 0


class Closing(NamedTuple):
    """A candle that has closed; `is_confirmed` is False where only the clock says so."""

    timeframe: Timeframe
    symbol: str
    candle: Candle
    is_confirmed: bool


class Late(NamedTuple):
    """What came for a candle after that had closed: the candle as it was pushed, or None for a trade of it."""

    timeframe: Timeframe
    symbol: str
    open_time: int
    candle: Candle | None


STRAY_MS: Final = 3_600_000
"""How far from now a push may lie; one bad number must not close a thousand years of quiet minutes."""

_SAME: Final = 1e-9
_OPTIONAL: Final = ("volume", "quote_volume", "trades", "taker_buy_volume")
_Series = tuple[Timeframe, str]


class _Growing:
    """The forming candle of a series whose trades are told: it changes with each, a hundred thousand times a second."""

    __slots__ = ("bought", "close", "first", "high", "low", "open_time", "trades", "value", "volume")

    def __init__(self, open_time: int, price: float) -> None:
        self.open_time = open_time
        self.first = self.high = self.low = self.close = price
        self.volume = self.value = self.trades = self.bought = 0.0

    def add(self, price: float, quantity: float, value: float, bought: float) -> None:
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price
        self.volume += quantity
        self.value += value
        self.trades += 1.0
        self.bought += bought

    def candle(self) -> Candle:
        return Candle(
            self.open_time,
            self.first,
            self.high,
            self.low,
            self.close,
            self.volume,
            self.value,
            self.trades,
            self.bought,
        )


class Closer:
    """The forming candles of a venue that does not say when one has closed; times in epoch ms of the market's clock.

    A series without trades brings nothing. Where it was watched without a break since its last closed candle, that
    proves that nobody traded, and marked no-trade candles are closed for it.
    """

    def __init__(self, timeframes: Iterable[Timeframe]) -> None:
        self._timeframes = tuple(timeframes)
        self._steps = tuple((timeframe, timeframe.ms) for timeframe in self._timeframes)
        self._watched: dict[str, int] = {}  # since when, by symbol
        self._forming: dict[_Series, Candle | _Growing] = {}
        self._closed: dict[_Series, Candle] = {}
        self._advanced: dict[Timeframe, int] = {}
        self._numbers: dict[str, int] = {}  # of the newest trade, by symbol
        self._doubtful: set[_Series] = set()
        self._now_ms = 0  # as last told

    def note_time(self, now_ms: int) -> None:
        """Note what time it is, by which a push may be from the future."""
        self._now_ms = max(self._now_ms, now_ms)

    def watch(self, symbols: Iterable[str], now_ms: int) -> None:
        """Note that from now on every push of these symbols is seen."""
        self.note_time(now_ms)
        for symbol in symbols:
            self._watched.setdefault(symbol, now_ms)

    def lose(self, symbols: Iterable[str]) -> None:
        """Note that pushes of these symbols may have been missed: what is forming is not to be believed."""
        for symbol in symbols:
            self._watched.pop(symbol, None)
            for timeframe in self._timeframes:
                self._forming.pop((timeframe, symbol), None)
                self._closed.pop((timeframe, symbol), None)

    def retain(self, symbols: Iterable[str]) -> None:
        """Forget every other symbol: who comes back was not watched meanwhile."""
        series = {*self._forming, *self._closed, *self._doubtful}
        left = {*self._watched, *self._numbers, *(symbol for _, symbol in series)}.difference(symbols)
        self.lose(left)
        self._doubtful = {one for one in self._doubtful if one[1] not in left}
        for symbol in left:
            self._numbers.pop(symbol, None)

    def doubt(self, symbols: Iterable[str]) -> None:
        """Note that a push of these symbols may be missing: what closes next of each series is not confirmed by that.

        So it is with a frame that could not be read, and until the first close after a subscription, which may have
        taken effect later than it was sent.
        """
        self._doubtful.update((timeframe, symbol) for symbol in symbols for timeframe in self._timeframes)

    def know(self, timeframe: Timeframe, symbol: str, candle: Candle) -> None:
        """Take a closed candle from elsewhere: the newest of a series tells where it stands."""
        known = self._closed.get((timeframe, symbol))
        if symbol in self._watched and (known is None or known.open_time <= candle.open_time):
            self._closed[timeframe, symbol] = candle

    def push(self, timeframe: Timeframe, symbol: str, candle: Candle) -> Sequence[Closing | Late]:
        """Take a forming candle as it is now, and return what it shows to have closed, or that it comes too late.

        Raise `InvalidMessageError` for one from the future.
        """
        series = (timeframe, symbol)
        forming = self._forming.get(series)
        if forming is not None and forming.open_time == candle.open_time:  # nearly always: nothing can have closed
            self._forming[series] = candle
            return []
        self._check_time(candle.open_time)
        if self._is_past(series, candle.open_time):
            return self._late(series, candle.open_time, candle)
        closings = self._advance(series, candle.open_time, is_confirmed=True)
        self._forming[series] = candle
        return closings

    def trade(self, symbol: str, trade: Trade) -> Sequence[Closing | Late]:
        """Take a trade into the forming candle of every timeframe; return what it shows to have closed, or is late for.

        One that was taken before is nothing new. Where the count of trades jumps, some were missed: the watch begins
        anew behind the trade that shows it, and so it does with the first trade of all. Raise `InvalidMessageError` for
        one from the future.
        """
        self._check_time(trade.time)
        if trade.number:
            newest = self._numbers.get(symbol)
            if newest is not None and trade.number <= newest:
                return []
            self._numbers[symbol] = trade.number
            if symbol in self._watched and (newest is None or trade.number > newest + 1):
                self.lose([symbol])
                self.watch([symbol], trade.time + 1)
        closings: list[Closing | Late] = []
        price, quantity = trade.price, trade.quantity
        value, bought = price * quantity, quantity if trade.is_taker_buy else 0.0
        for timeframe, step_ms in self._steps:
            series, open_time = (timeframe, symbol), trade.time - trade.time % step_ms
            forming = self._forming.get(series)
            if forming is None or forming.open_time != open_time:
                if self._is_past(series, open_time):
                    closings += self._late(series, open_time)
                    continue
                closings += self._advance(series, open_time, is_confirmed=True)
                forming = self._forming[series] = _Growing(open_time, price)
            if isinstance(forming, _Growing):
                forming.add(price, quantity, value, bought)
        return closings

    def due(self, now_ms: int, *, grace_ms: int, symbols: Iterable[str]) -> list[Closing]:
        """Return what the clock has closed of these symbols since it was last asked."""
        self.note_time(now_ms)
        closings: list[Closing] = []
        symbols = tuple(symbols)
        for timeframe in self._timeframes:
            until = timeframe.last_close(now_ms - grace_ms)
            if until > self._advanced.get(timeframe, 0):
                self._advanced[timeframe] = until
                for symbol in symbols:
                    closings += self._advance((timeframe, symbol), until, is_confirmed=False)
        return closings

    def _check_time(self, time_ms: int) -> None:
        if self._now_ms and time_ms > self._now_ms + STRAY_MS:
            raise InvalidMessageError("time", f"{time_ms} is {(time_ms - self._now_ms) // 1_000} s ahead")

    def _is_past(self, series: _Series, open_time: int) -> bool:
        """Tell whether a series has gone on: then what comes late is left to REST."""
        forming, closed = self._forming.get(series), self._closed.get(series)
        if self._is_stray(series, open_time):
            return True
        return (forming is not None and open_time < forming.open_time) or (
            closed is not None and open_time <= closed.open_time
        )

    def _is_stray(self, series: _Series, open_time: int) -> bool:
        return open_time + series[0].ms < self._now_ms - STRAY_MS

    def _late(self, series: _Series, open_time: int, candle: Candle | None = None) -> list[Late]:
        return [] if self._is_stray(series, open_time) else [Late(*series, open_time, candle)]

    def _advance(self, series: _Series, until: int, *, is_confirmed: bool) -> list[Closing]:
        """Close what opened before `until` and is believed: the forming candle, and no-trade ones around it."""
        timeframe, symbol = series
        is_confirmed = is_confirmed and series not in self._doubtful
        forming, closed, since = self._forming.get(series), self._closed.get(series), self._watched.get(symbol)
        if forming is not None and forming.open_time < until:
            del self._forming[series]
        else:
            forming = None
        if closed is not None and (since is None or closed.open_time + timeframe.ms < since):
            closed = None  # what lies between was not watched
        start = forming.open_time if forming is not None else until
        closings: list[Closing] = []
        for open_time in range(closed.open_time + timeframe.ms if closed else start, until, timeframe.ms):
            if forming is not None and open_time == forming.open_time:
                candle = forming.candle() if isinstance(forming, _Growing) else forming
            elif closed is not None and open_time == closed.open_time + timeframe.ms:
                candle = no_trade_candle(open_time, closed.close)
            else:
                continue
            if since is not None and since <= open_time:
                closings.append(Closing(timeframe, symbol, candle, is_confirmed))
                self._closed[series] = closed = candle
                self._doubtful.discard(series)
        return closings


def changes(late: Candle, closed: Candle) -> bool:
    """Tell whether what was pushed late says otherwise than what has closed.

    An earlier state of it, with less volume, does not: of two connections that overlap one is behind the other.
    """
    return not late.volume < closed.volume and confirmed(closed, late) is not None


def confirmed(pushed: Candle, asked: Candle) -> Candle | None:
    """Return what REST knows better of a candle that was pushed, None when it says the same.

    What it does not know stays as pushed, unless trades were missed, as the volume shows: then nobody knows it. Sums of
    trades agree to a billionth, as they depend on the order of adding.
    """
    if not math.isclose(pushed.volume, asked.volume, rel_tol=_SAME):
        return asked
    better = asked._replace(**{name: getattr(pushed, name) for name in _OPTIONAL if math.isnan(getattr(asked, name))})
    same = pushed.filled == better.filled and all(
        math.isclose(old, new, rel_tol=_SAME) or (math.isnan(old) and math.isnan(new))
        for old, new in zip(pushed[1:9], better[1:9], strict=True)
    )
    return None if same else better
