"""Backfill: what the log lacks of history, what a venue's answer proves, and how to write it without losing any.

The log keeps a number of *entries*, oldest out first. Entries for open times it already has push out entries of other
open times, so a few of them are appended as corrections, but many are written as the whole window again.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from shared.domain.candles import Boundary, Candle, CandleFrame, no_trade_candle
from shared.domain.timeframe import Timeframe

MAX_CORRECTED: Final = 0.01
"""The share of the log's depth that corrections may push out before rewriting is the better trade."""


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
    frame: CandleFrame, fetched: Mapping[str, Mapping[int, Candle]], symbols: Collection[str], *, depth: int
) -> list[Boundary]:
    """Return the boundaries to append, in order, so that a log that holds `frame` gains the fetched candles.

    What is newer than the log is appended; a little that is older too, as corrections; and where that would push out
    more than a hundredth of the log's depth, the newest `depth` boundaries of `symbols` are written anew.
    """
    rows: dict[int, list[tuple[str, Candle]]] = {}
    for symbol, series in fetched.items():
        for open_time, candle in series.items():
            rows.setdefault(open_time, []).append((symbol, candle))
    newest = int(frame.open_times[-1]) if frame.bars else -1
    corrected = sum(open_time <= newest for open_time in rows)
    if corrected > depth * MAX_CORRECTED:
        rows = _merged(frame, fetched, symbols)
    return [Boundary.of(frame.timeframe, open_time, rows[open_time]) for open_time in sorted(rows)[-depth:]]


def newest_symbols(frames: Iterable[CandleFrame]) -> frozenset[str]:
    """Return the symbols that have a candle in the newest bar of any frame: those collected until now."""
    return frozenset(
        symbol
        for frame in frames
        if frame.bars
        for symbol, close in zip(frame.symbols, frame.column("close")[:, -1], strict=True)
        if not np.isnan(close)
    )


def _merged(
    frame: CandleFrame, fetched: Mapping[str, Mapping[int, Candle]], symbols: Collection[str]
) -> dict[int, list[tuple[str, Candle]]]:
    rows: dict[int, list[tuple[str, Candle]]] = {}
    for symbol in symbols:
        logged: Sequence[Candle] = frame.candles(symbol) if symbol in frame.symbols else ()
        for open_time, candle in ({c.open_time: c for c in logged} | dict(fetched.get(symbol, {}))).items():
            rows.setdefault(open_time, []).append((symbol, candle))
    return rows
