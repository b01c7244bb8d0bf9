"""Backfill: what the log lacks of history, what a venue's answer proves, and how to write it without losing any.

The log keeps a number of *entries*, oldest out first. Entries for open times it already has push out entries of other
open times, so a few of them are appended as corrections, but many are written as the whole window again.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from shared.domain.candles import CLOSE, COLUMNS, Bools, Boundary, Candle, CandleFrame, Floats, Times, no_trade_candle
from shared.domain.timeframe import Timeframe

MAX_CORRECTED: Final = 0.01
"""The share of the log's depth that corrections may push out before rewriting is the better trade."""
LAID_OUT: Final = 100
"""How many boundaries are laid out at a time: all of them together would double what a history takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A venue's answer for one series: its closed candles, oldest first, and how far its data reach.

    `newest_open` (epoch ms) is the open time of the newest candle it answered with, a forming one included, and None
    for an empty answer: it tells a hole from the end of the data.
    """

    candles: tuple[Candle, ...]
    newest_open: int | None

    @classmethod
    def of(cls, candles: Iterable[Candle], window: "Window", *, now_ms: int) -> Self:
        """Return what an answer says of a window, in whatever order it came, forming candle and all."""
        inside = sorted(candle for candle in candles if window.first_open <= candle.open_time <= window.last_open)
        closed = {candle.open_time: candle for candle in inside if candle.open_time + window.timeframe.ms <= now_ms}
        return cls(candles=tuple(closed.values()), newest_open=inside[-1].open_time if inside else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The open times of one timeframe from `first_open` to `last_open` (epoch ms), both included."""

    timeframe: Timeframe
    first_open: int
    last_open: int

    @classmethod
    def before(cls, timeframe: Timeframe, close_time: int, *, bars: int) -> "Window":
        """Return the newest `bars` candles that have closed at an instant."""
        last_open = timeframe.last_close(close_time) - timeframe.ms
        return cls(timeframe=timeframe, first_open=last_open - (bars - 1) * timeframe.ms, last_open=last_open)

    @property
    def bars(self) -> int:
        """Return how many candles there are between its ends."""
        return (self.last_open - self.first_open) // self.timeframe.ms + 1

    def pages(self, rows: int) -> Iterator["Window"]:
        """Yield the window in parts of at most `rows` candles, oldest first."""
        step = rows * self.timeframe.ms
        for first in range(self.first_open, self.last_open + 1, step):
            last = min(first + step - self.timeframe.ms, self.last_open)
            yield Window(timeframe=self.timeframe, first_open=first, last_open=last)

    def open_times(self) -> range:
        """Return the open times in order."""
        return range(self.first_open, self.last_open + 1, self.timeframe.ms)


def lacking(frame: CandleFrame, symbol: str, window: Window) -> frozenset[int]:
    """Return the open times of a window for which a frame has no candle of a symbol."""
    if symbol not in frame.symbols:
        return frozenset(window.open_times())
    has = ~np.isnan(frame.column("close")[frame.symbols.index(symbol)])
    return frozenset(window.open_times()) - frozenset(frame.open_times[has].tolist())


def series_of(stretch: Stretch, timeframe: Timeframe) -> dict[int, Candle]:
    """Return an answer's candles by open time, its holes filled with marked no-trade candles.

    A hole is proven by what surrounds it: a candle before, and data after, be it the forming candle. What lies before
    the first candle (not listed yet) or after the newest (not there yet) is no hole and stays absent.
    """
    known = {candle.open_time: candle for candle in stretch.candles}
    if not known or stretch.newest_open is None:
        return known
    series: dict[int, Candle] = {}
    last = known[min(known)]
    for open_time in range(min(known), max(stretch.newest_open, max(known) + timeframe.ms), timeframe.ms):
        last = known.get(open_time) or no_trade_candle(open_time, last.close)
        series[open_time] = last
    return series


def log_entries(
    frame: CandleFrame, fetched: Mapping[str, CandleFrame], symbols: Collection[str], *, depth: int
) -> Iterator[Boundary]:
    """Yield the boundaries to append, in order, so that a log that holds `frame` gains the fetched candles.

    `fetched` has a frame of each symbol alone. What is newer than the log is appended; a little that is older too, as
    corrections; and where that would push out more than a hundredth of the log's depth, the newest `depth` boundaries
    of `symbols` are written anew.
    """
    fetched = {symbol: one for symbol, one in fetched.items() if one.bars}
    times = _times(fetched.values())
    newest = int(frame.open_times[-1]) if frame.bars else -1
    logged: dict[str, int] = {}
    if np.count_nonzero(times <= newest) > depth * MAX_CORRECTED:
        logged = {symbol: row for row, symbol in enumerate(frame.symbols) if symbol in symbols}
        fetched = {symbol: one for symbol, one in fetched.items() if symbol in symbols}
        times = np.union1d(times, _times([frame.select(tuple(logged))]))
    times, names = times[-depth:], sorted({*logged, *fetched})
    for start in range(0, len(times), LAID_OUT):
        part = times[start : start + LAID_OUT]
        values = np.full((len(COLUMNS), len(names), len(part)), np.nan)
        filled = np.zeros((len(names), len(part)), dtype=np.bool_)
        for row, symbol in enumerate(names):
            for source, place in ((frame, logged.get(symbol)), (fetched.get(symbol), 0)):
                if source is not None and place is not None:
                    at, has = _places(part, source, place)
                    values[:, row, at], filled[row, at] = source.values[:, place, has], source.filled[place, has]
        yield from _boundaries(frame.timeframe, part, names, values, filled)


def _boundaries(
    timeframe: Timeframe, times: Times, names: Sequence[str], values: Floats, filled: Bools
) -> Iterator[Boundary]:
    """Yield the columns of a table (columns × symbols × times) that have a candle."""
    for bar, open_time in enumerate(times.tolist()):
        rows = np.flatnonzero(~np.isnan(values[CLOSE, :, bar]))
        if len(rows):
            symbols = tuple(names[row] for row in rows.tolist())
            yield Boundary(
                timeframe=timeframe,
                open_time=open_time,
                symbols=symbols,
                values=values[:, rows, bar],
                filled=filled[rows, bar],
            )


def _times(frames: Iterable[CandleFrame]) -> Times:
    """Return every open time at which one of the frames has a candle, in order."""
    found = [frame.open_times[~np.isnan(frame.values[CLOSE]).all(axis=0)] for frame in frames]
    return np.unique(np.concatenate(found)) if found else np.empty(0, dtype=np.int64)


def _places(times: Times, source: CandleFrame, row: int) -> tuple[Times, Bools]:
    """Return at which of some times a symbol has a candle, and which of its bars those are."""
    has = ~np.isnan(source.values[CLOSE, row]) & np.isin(source.open_times, times)
    return np.searchsorted(times, source.open_times[has]), has


def newest_symbols(frame: CandleFrame, *, bars: int = 5) -> frozenset[str]:
    """Return the symbols that have a candle in the newest bars of a frame: those collected until now."""
    known = ~np.isnan(frame.tail(bars).column("close"))
    return frozenset(symbol for symbol, row in zip(frame.symbols, known, strict=True) if row.any())
