"""Candles in the shapes the desk computes with: one bar, one closed boundary, one frame.

A missing value is NaN and stays NaN: nothing downstream may read it as zero. A candle in which nobody traded
(`filled`) repeats the previous close with zero volume and is marked, so that it is never mistaken for a print.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from shared.domain.errors import InvalidMessageError
from shared.domain.timeframe import Timeframe

COLUMNS: Final = ("open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_volume")
OPEN, HIGH, LOW, CLOSE, VOLUME, QUOTE_VOLUME, TRADES, TAKER_BUY_VOLUME = range(len(COLUMNS))

INFINITE: Final = float("inf")

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Times = NDArray[np.int64]


class Candle(NamedTuple):
    """One bar of one symbol; prices in quote units, volume in base units, times in epoch ms.

    A tuple and not a dataclass, because the collector makes a hundred thousand a second.
    """

    open_time: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float
    trades: float
    taker_buy_volume: float
    filled: bool = False


def check_candle(candle: Candle, *, field: str = "candle") -> Candle:
    """Return the candle, or raise `InvalidMessageError` if it is no possible bar (NaN price, low above high, …)."""
    _, first, high, low, last, *amounts, _ = candle
    # Chained, not min and max: every comparison with a NaN is false, while min(1.0, nan) is 1.0.
    if not (0 < low <= first <= high < INFINITE and low <= last <= high):
        raise InvalidMessageError(
            field, f"expected 0 < low <= open, close <= high, got open={first} high={high} low={low} close={last}"
        )
    for amount in amounts:
        if amount < 0 or amount == INFINITE:  # NaN passes: a source may not know the value
            name = COLUMNS[VOLUME + amounts.index(amount)]
            raise InvalidMessageError(f"{field}.{name}", f"expected a finite number >= 0, got {amount}")
    return candle


def no_trade_candle(open_time: int, previous_close: float) -> Candle:
    """Return the marked candle of a span in which nobody traded."""
    return Candle(
        open_time, previous_close, previous_close, previous_close, previous_close, 0.0, 0.0, 0.0, 0.0, filled=True
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Boundary:
    """The candles of many symbols that share one open time: what the log stores as one entry.

    `values` is (columns × symbols), NaN where a symbol has no candle; `filled` is (symbols).
    """

    timeframe: Timeframe
    open_time: int
    symbols: tuple[str, ...]
    values: Floats
    filled: Bools

    @property
    def close_time(self) -> int:
        """Return the close instant (epoch ms)."""
        return self.open_time + self.timeframe.ms

    @classmethod
    def of(cls, timeframe: Timeframe, open_time: int, candles: Iterable[tuple[str, Candle]]) -> Self:
        """Pack (symbol, candle) pairs that share `open_time`, in symbol order."""
        rows = sorted(candles)
        for symbol, candle in rows:
            if candle.open_time != open_time:
                raise InvalidMessageError(symbol, f"expected open_time {open_time}, got {candle.open_time}")
        values = np.array([row[1:9] for _, row in rows], dtype=np.float64).reshape(len(rows), len(COLUMNS)).T
        return cls(
            timeframe=timeframe,
            open_time=open_time,
            symbols=tuple(symbol for symbol, _ in rows),
            values=np.ascontiguousarray(values),
            filled=np.array([row.filled for _, row in rows], dtype=np.bool_),
        )

    def candles(self) -> dict[str, Candle]:
        """Return the candle of each symbol that has one."""
        return {
            symbol: _candle(self.open_time, column, flag)
            for symbol, column, flag in zip(self.symbols, self.values.T, self.filled, strict=True)
            if not np.isnan(column[CLOSE])
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CandleFrame:
    """Candles of many symbols on one unbroken time grid: `values` is (columns × symbols × bars), oldest bar first.

    The grid has a bar for every step between its ends; where the source had no candle the cells are NaN.
    Arrays are read-only by convention: frames are shared between rules.
    """

    timeframe: Timeframe
    symbols: tuple[str, ...]
    open_times: Times
    values: Floats
    filled: Bools

    @property
    def bars(self) -> int:
        """Return the number of bars."""
        return int(self.open_times.shape[0])

    @property
    def close_time(self) -> int:
        """Return the close instant of the newest bar (epoch ms), 0 when the frame is empty."""
        return int(self.open_times[-1]) + self.timeframe.ms if self.bars else 0

    def has_close(self, close_time: int) -> bool:
        """Tell whether any symbol has a candle that closed at a boundary (epoch ms)."""
        bar = int(np.searchsorted(self.open_times, close_time - self.timeframe.ms))
        if bar >= self.bars or self.open_times[bar] != close_time - self.timeframe.ms:
            return False
        return not bool(np.isnan(self.values[CLOSE, :, bar]).all())

    def column(self, name: str) -> Floats:
        """Return one column as (symbols × bars)."""
        column: Floats = self.values[COLUMNS.index(name)]
        return column

    def until(self, close_time: int) -> Self:
        """Return the frame as it was at a boundary: every bar closed at or before `close_time` (a view)."""
        return self.slice(0, int(np.searchsorted(self.open_times, close_time - self.timeframe.ms, side="right")))

    def tail(self, bars: int) -> Self:
        """Return the newest `bars` bars, or all of them when there are fewer (a view)."""
        return self.slice(max(self.bars - bars, 0), self.bars)

    def slice(self, start: int, stop: int) -> Self:
        """Return bars `start` to `stop` (a view)."""
        return type(self)(
            timeframe=self.timeframe,
            symbols=self.symbols,
            open_times=self.open_times[start:stop],
            values=self.values[:, :, start:stop],
            filled=self.filled[:, start:stop],
        )

    def select(self, symbols: Sequence[str]) -> Self:
        """Return the frame of some of its symbols, in the order given (a copy)."""
        rows = [self.symbols.index(symbol) for symbol in symbols]
        return type(self)(
            timeframe=self.timeframe,
            symbols=tuple(symbols),
            open_times=self.open_times,
            values=np.ascontiguousarray(self.values[:, rows, :]),
            filled=np.ascontiguousarray(self.filled[rows, :]),
        )

    def candles(self, symbol: str) -> list[Candle]:
        """Return the candles one symbol has, oldest first."""
        row = self.symbols.index(symbol)
        cells = self.values[:, row, :].T
        return [
            _candle(int(time), cell, flag)
            for time, cell, flag in zip(self.open_times, cells, self.filled[row], strict=True)
            if not np.isnan(cell[CLOSE])
        ]


def _candle(open_time: int, cells: Floats, filled: np.bool_) -> Candle:
    first, high, low, last, volume, quote_volume, trades, taker_buy_volume = cells.tolist()
    return Candle(
        open_time, first, high, low, last, volume, quote_volume, trades, taker_buy_volume, filled=bool(filled)
    )


def empty_frame(timeframe: Timeframe) -> CandleFrame:
    """Return a frame without symbols and bars."""
    return CandleFrame(
        timeframe=timeframe,
        symbols=(),
        open_times=np.empty(0, dtype=np.int64),
        values=np.empty((len(COLUMNS), 0, 0)),
        filled=np.empty((0, 0), dtype=np.bool_),
    )


def frame_of(timeframe: Timeframe, series: dict[str, Sequence[Candle]]) -> CandleFrame:
    """Lay candles of many symbols on one grid, each series in any order; a later duplicate wins."""
    times = {candle.open_time for candles in series.values() for candle in candles}
    if not times:
        return empty_frame(timeframe)
    first, last = min(times), max(times)
    grid = np.arange(first, last + 1, timeframe.ms, dtype=np.int64)
    values = np.full((len(COLUMNS), len(series), len(grid)), np.nan)
    filled = np.zeros((len(series), len(grid)), dtype=np.bool_)
    for row, candles in enumerate(series.values()):
        if not candles:
            continue
        table = np.array([candle[:9] for candle in candles], dtype=np.float64)
        bars, off_grid = np.divmod(table[:, 0].astype(np.int64) - first, timeframe.ms)
        if off_grid.any():
            raise InvalidMessageError("open_time", f"expected candles {timeframe} apart, {int(off_grid.max())} ms off")
        values[:, row, bars] = table[:, 1:].T
        filled[row, bars] = [candle.filled for candle in candles]
    return CandleFrame(timeframe=timeframe, symbols=tuple(series), open_times=grid, values=values, filled=filled)


@dataclass(frozen=True, slots=True)
class Gap:
    """A run of missing candles of one symbol, `[start, stop)` in epoch ms."""

    symbol: str
    timeframe: Timeframe
    start: int
    stop: int


def gaps(frame: CandleFrame) -> list[Gap]:
    """Return every run of missing candles after a symbol's first one (before it the symbol was not listed)."""
    found = []
    missing = np.isnan(frame.column("close"))
    for symbol, holes in zip(frame.symbols, missing, strict=True):
        present = np.flatnonzero(~holes)
        if not len(present):
            continue
        edges = np.flatnonzero(np.diff(np.r_[False, holes[present[0] :], False].astype(np.int8))) + present[0]
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            begin = int(frame.open_times[start])
            found.append(Gap(symbol, frame.timeframe, begin, begin + int(stop - start) * frame.timeframe.ms))
    return found
