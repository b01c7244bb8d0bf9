"""The market a rule sees: candles of several timeframes, read as of one instant."""

import math
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.domain.candles import CLOSE, COLUMNS, HIGH, LOW, OPEN, Bools, CandleFrame, Floats
from shared.domain.timeframe import Timeframe

Rows = NDArray[np.intp]
NEAR: Final = 3
REMEMBERED_CELLS: Final = 10_000_000
TABLED_CELLS: Final = 6_000_000
SHORT: Final = 3
AVERAGED_BARS: Final = 13
"""How many candles a Heikin-Ashi open reads: 1/2¹³ is what it remembers of older ones."""


class Values(NamedTuple):
    """Numbers by row and bar, NaN where there is none; `whole` when it is certain that none is missing."""

    cells: Floats
    whole: bool


class Market:
    """Candles by timeframe; frames may hold different symbols and more bars than a rule needs."""

    def __init__(self, frames: Mapping[Timeframe, CandleFrame]) -> None:
        self.frames: Final = dict(frames)
        self._aligned: dict[tuple[Timeframe, tuple[str, ...]], Floats] = {}

    def view(self, timeframe: Timeframe, close_time: int, *, peers: "Peers | None" = None) -> "View":
        """Return every symbol of a timeframe as of a boundary (epoch ms); later candles are not seen.

        `peers` says which of them belong to the universe that functions across the market look at; None is all.
        """
        return View(self, self.frames[timeframe].symbols, timeframe, close_time, None, peers=peers)

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


Peers = Callable[["View", int], Bools]
"""Which symbols of a view belong to a universe at each of its last bars, (rows × bars)."""


class View:
    """Some symbols of a market as of one boundary of one timeframe; remembers every indicator it was asked for.

    A value depends only on the candles that end at its own bar, never on how many values were asked for together, so
    the longest answer given serves every shorter question.
    """

    def __init__(
        self,
        market: Market,
        symbols: tuple[str, ...],
        timeframe: Timeframe,
        close_time: int,
        rows: Rows | None,
        *,
        whole: "View | None" = None,
        peers: Peers | None = None,
    ) -> None:
        frame = market.frames[timeframe]
        self._market = market
        self._whole_market = whole
        self._peers = peers
        self._alone: dict[str, View] = {}
        self._averaged: View | None = None
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
        self._remembered = 0

    @property
    def depth(self) -> int:
        """Return how many bars lie at or before the boundary."""
        return max(self._depth, 0)

    def remember(self, text: str, values: Values) -> Values:
        """Keep the values of a node for whoever asks next.

        A small part of something large is copied, or it would keep all of it. When too much is kept, long stretches are
        forgotten first, as most rules look at two bars.
        """
        base = values.cells.base
        if base is not None and base.size > 2 * values.cells.size:
            values = Values(values.cells.copy(order="K"), values.whole)
        self._remembered += values.cells.size
        if self._remembered > REMEMBERED_CELLS:
            short = {known: kept for known, kept in self.memo.items() if kept.cells.shape[1] <= SHORT}
            self._remembered = sum(kept.cells.size for kept in short.values())
            if self._remembered > REMEMBERED_CELLS // 2:
                short, self._remembered = {}, 0
            self._remembered += values.cells.size
            self.memo = short
        self.memo[text] = values
        return values

    def tabled(self, key: tuple[str, int], table: Floats) -> Floats:
        """Keep a table of folds likewise, and let another one take the place of its shorter self."""
        self.tables[key] = table
        if sum(kept.size for kept in self.tables.values()) > TABLED_CELLS:
            short = {known: kept for known, kept in self.tables.items() if known[1] <= SHORT}
            self.tables = short if sum(kept.size for kept in short.values()) <= TABLED_CELLS // 2 else {}
            self.tables[key] = table
        return table

    @property
    def everybody(self) -> "View":
        """Return the same moment with every symbol of the market."""
        return self._whole_market or self

    @property
    def place(self) -> Rows | slice:
        """Return which rows of `everybody` this view shows."""
        return slice(None) if self._selection is None else self._selection

    def peers(self, bars: int) -> Bools:
        """Return which symbols of the market belong to the universe at the last bars, (all rows × bars)."""
        if self._whole_market is not None:
            return self._whole_market.peers(bars)
        return np.ones((self.rows, bars), dtype=np.bool_) if self._peers is None else self._peers(self, bars)

    def of(self, rows: Rows) -> "View":
        """Return a fresh view of some rows of this one."""
        chosen = rows if self._selection is None else self._selection[rows]
        return self._like(self.timeframe, self.time, chosen, self.everybody)

    def alone(self, symbol: str) -> "View | None":
        """Return a view of one symbol of the market, None when the market does not have it."""
        if self._whole_market is not None:
            return self._whole_market.alone(symbol)
        if symbol not in self._alone and symbol in self._symbols:
            self._alone[symbol] = self.of(np.array([self._symbols.index(symbol)], dtype=np.intp))
        return self._alone.get(symbol)

    def averaged(self) -> "View":
        """Return the same symbols with Heikin-Ashi candles."""
        if self._averaged is None:
            self._averaged = AveragedView(
                self._market, self._symbols, self.timeframe, self.time, self._selection, whole=self._whole_market
            )
        return self._averaged

    def _like(self, timeframe: Timeframe, close_time: int, rows: Rows | None, whole: "View | None") -> "View":
        return View(self._market, self._symbols, timeframe, close_time, rows, whole=whole, peers=self._peers)

    def higher(self, timeframe: Timeframe) -> "View":
        """Return the same symbols on another timeframe, as of its last close at or before this boundary."""
        if timeframe == self.timeframe:
            return self
        if timeframe not in self._higher:
            whole = None if self._whole_market is None else self._whole_market.higher(timeframe)
            self._higher[timeframe] = self._like(timeframe, timeframe.last_close(self.time), self._selection, whole)
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


class AveragedView(View):
    """A view of Heikin-Ashi candles (Valcu, Stocks & Commodities 2004); volumes are those of the real candles.

    Its open is the mean of the open and close before, which forgets by half a candle: it starts from the real open
    AVERAGED_BARS candles ago, so that it is a function of a fixed number of candles.
    """

    def _read(self, column: int, bars: int) -> Floats:
        if column not in (OPEN, HIGH, LOW, CLOSE):
            return super()._read(column, bars)
        reach = AVERAGED_BARS if column in (OPEN, HIGH, LOW) else 0
        real = super()._read
        prices = [real(price, bars + reach) for price in (OPEN, HIGH, LOW, CLOSE)]
        close = (prices[0] + prices[1] + prices[2] + prices[3]) / 4
        if column == CLOSE:
            return close
        opened = prices[0][:, :bars].copy()
        for ago in range(AVERAGED_BARS):  # every bar starts its own way, so that all of them read as far back
            opened = (opened + close[:, ago : ago + bars]) / 2
        if column == OPEN:
            return opened
        pick = np.maximum if column == HIGH else np.minimum
        return pick(pick(prices[column][:, reach:], opened), close[:, reach:])

    def _whole(self, column: int) -> bool:
        return False if column in (OPEN, HIGH, LOW, CLOSE) else super()._whole(column)
