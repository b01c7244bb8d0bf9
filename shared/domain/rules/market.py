"""The market a rule sees: candles of several timeframes, read as of one instant."""

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.domain.candles import CLOSE, COLUMNS, Bools, CandleFrame, Floats
from shared.domain.timeframe import Timeframe

Rows = NDArray[np.intp]
NEAR: Final = 3


class Values(NamedTuple):
    """Numbers by row and bar, NaN where there is none; `whole` when it is certain that none is missing."""

    cells: Floats
    whole: bool


class Market:
    """Candles by timeframe; frames may hold different symbols and more bars than a rule needs."""

    def __init__(self, frames: Mapping[Timeframe, CandleFrame]) -> None:
        self.frames: Final = dict(frames)
        self._aligned: dict[tuple[Timeframe, tuple[str, ...]], Floats] = {}

    def view(self, timeframe: Timeframe, close_time: int) -> "View":
        """Return every symbol of a timeframe as of a boundary (epoch ms); later candles are not seen."""
        return View(self, self.frames[timeframe].symbols, timeframe, close_time, None)

    def values(self, timeframe: Timeframe, symbols: tuple[str, ...]) -> Floats:
        """Return a timeframe's (columns × symbols × bars) in the order of `symbols`, NaN where it lacks one."""
        frame = self.frames[timeframe]
        if frame.symbols == symbols:
            return frame.values
        key = (timeframe, symbols)
        if key not in self._aligned:
            place = {symbol: row for row, symbol in enumerate(frame.symbols)}
            rows = np.array([place.get(symbol, -1) for symbol in symbols], dtype=np.intp)
            values = np.full((len(COLUMNS), len(symbols), frame.bars), np.nan)
            values[:, rows >= 0] = frame.values[:, rows[rows >= 0]]
            self._aligned[key] = values
        return self._aligned[key]


class View:
    """Some symbols of a market as of one boundary of one timeframe; remembers every indicator it was asked for.

    A value depends only on the candles that end at its own bar, never on how many values were asked for together, so
    the longest answer given serves every shorter question.
    """

    def __init__(
        self, market: Market, symbols: tuple[str, ...], timeframe: Timeframe, close_time: int, rows: Rows | None
    ) -> None:
        frame = market.frames[timeframe]
        self._market = market
        self._symbols = symbols
        self._selection = rows
        self._values = market.values(timeframe, symbols)
        self._depth = (close_time - int(frame.open_times[0])) // timeframe.ms if frame.bars else 0
        self._higher: dict[Timeframe, View] = {}
        self._holes: dict[int, bool] = {}
        self._near: dict[int, Values] = {}
        self._absent: dict[int, Bools | None] = {}
        self.timeframe = timeframe
        self.time = close_time
        self.rows = len(symbols) if rows is None else len(rows)
        self.memo: dict[str, Values] = {}
        self.tables: dict[tuple[str, int], Floats] = {}

    @property
    def depth(self) -> int:
        """Return how many bars lie at or before the boundary."""
        return max(self._depth, 0)

    def of(self, rows: Rows) -> "View":
        """Return a fresh view of some rows of this one."""
        chosen = rows if self._selection is None else self._selection[rows]
        return View(self._market, self._symbols, self.timeframe, self.time, chosen)

    def higher(self, timeframe: Timeframe) -> "View":
        """Return the same symbols on another timeframe, as of its last close at or before this boundary."""
        if timeframe == self.timeframe:
            return self
        if timeframe not in self._higher:
            close_time = timeframe.last_close(self.time)
            self._higher[timeframe] = View(self._market, self._symbols, timeframe, close_time, self._selection)
        return self._higher[timeframe]

    def column(self, column: int, bars: int) -> Values:
        """Return the last `bars` values of a column, (rows × bars), NaN where the market has no candle."""
        if bars > NEAR:
            return Values(self._read(column, bars), bars <= self._depth and self._whole(column))
        # The newest bars are what every rule compares: kept once, bar by bar, so that comparing them is contiguous.
        near = self._near.get(column)
        if near is None:
            cells = np.asfortranarray(self._read(column, NEAR))
            near = self._near[column] = Values(cells, bool(np.isfinite(cells).all()))
        return Values(near.cells[:, NEAR - bars :], near.whole)

    def _whole(self, column: int) -> bool:
        """Return whether a column of the market has no hole at all."""
        if column not in self._holes:
            self._holes[column] = not math.isfinite(self._table(column).sum())
        return not self._holes[column]

    def absent(self, bars: int) -> Bools | None:
        """Return where there is no candle at all, (rows × bars); None when there is one everywhere."""
        if bars not in self._absent:
            absent = np.isnan(self.column(CLOSE, bars).cells)
            self._absent[bars] = absent if absent.any() else None
        return self._absent[bars]

    def _table(self, column: int) -> Floats:
        table: Floats = self._values[column] if self._selection is None else self._values[column, self._selection]
        return table

    def _read(self, column: int, bars: int) -> Floats:
        table = self._table(column)
        stop = self._depth
        start = stop - bars
        held = table.shape[1]
        if start >= 0 and stop <= held:
            return table[:, start:stop]
        padded = np.full((self.rows, bars), np.nan)
        first, last = max(start, 0), min(stop, held)
        if first < last:
            padded[:, first - start : last - start] = table[:, first:last]
        return padded

    def price(self, bars: int = 1) -> Floats:
        """Return the last closes as (rows × bars)."""
        return self.column(CLOSE, bars).cells
