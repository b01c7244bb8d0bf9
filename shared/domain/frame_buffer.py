"""A frame that grows at its end: what a warm function remembers of the candle log.

A boundary adds 1.6 thousand cells to a frame of a million; copying the frame each time would cost more than all rules.
So the frame is a view of a wider array, and a newer bar is written behind it. Frames handed out never change: whatever
is not plainly newer (a correction, another symbol, no room left) goes to a fresh array.
"""

from typing import Final

import numpy as np

from shared.domain.candles import CLOSE, COLUMNS, Bools, CandleFrame, Floats, empty_frame
from shared.domain.timeframe import Timeframe

_SPARE: Final = 4  # room for a quarter of the bars kept: one copy in that many boundaries


class FrameBuffer:
    """The newest `keep` bars of a timeframe."""

    def __init__(self, timeframe: Timeframe, *, keep: int) -> None:
        self.keep: Final = keep
        self._timeframe = timeframe
        self._frame = empty_frame(timeframe)
        self._rows: dict[str, int] = {}
        self._values: Floats = self._frame.values
        self._filled: Bools = self._frame.filled
        self._times = self._frame.open_times
        self._stop = 0

    @property
    def frame(self) -> CandleFrame:
        """Return the frame as it is now; later merges do not change it."""
        return self._frame

    def merge(self, news: CandleFrame) -> None:
        """Add bars or override cells; a missing cell erases nothing, and what is older than the frame is dropped."""
        if not news.bars:
            return
        if not self._append(news):
            self._rebuild(news)

    def _append(self, news: CandleFrame) -> bool:
        """Write bars behind the newest one if they fit there."""
        if not self._frame.bars or any(symbol not in self._rows for symbol in news.symbols):
            return False
        start = self._stop + int(news.open_times[0] - self._times[self._stop - 1]) // self._timeframe.ms - 1
        stop = start + news.bars
        if start < self._stop or stop > len(self._times):
            return False
        rows = [self._rows[symbol] for symbol in news.symbols]
        self._values[:, rows, start:stop] = news.values
        self._filled[rows, start:stop] = news.filled
        self._stop = stop
        self._show()
        return True

    def _rebuild(self, news: CandleFrame) -> None:
        """Lay the frame and the news on a fresh array, without symbols that have no candle left."""
        old, step = self._frame, self._timeframe.ms
        ends = [frame.open_times[[0, -1]] for frame in (old, news) if frame.bars]
        last = max(int(end[1]) for end in ends)
        first = max(min(int(end[0]) for end in ends), last - (self.keep - 1) * step)
        symbols = _symbols(old, news, first)
        self._rows = {symbol: row for row, symbol in enumerate(symbols)}
        self._stop = (last - first) // step + 1
        room = self.keep + max(self.keep // _SPARE, 1)
        self._times = first + np.arange(room, dtype=np.int64) * step
        self._values = np.full((len(COLUMNS), len(symbols), room), np.nan)
        self._filled = np.zeros((len(symbols), room), dtype=np.bool_)
        for frame in (old, news):
            self._overlay(frame, first)
        self._show(symbols)

    def _overlay(self, frame: CandleFrame, first: int) -> None:
        frame = frame.slice(int(np.searchsorted(frame.open_times, first)), frame.bars)
        if not frame.bars:
            return
        kept = [row for row, symbol in enumerate(frame.symbols) if symbol in self._rows]
        rows = [self._rows[frame.symbols[row]] for row in kept]
        start = int(frame.open_times[0] - first) // self._timeframe.ms
        span = slice(start, start + frame.bars)
        values = frame.values[:, kept, :]
        present = ~np.isnan(values[CLOSE])
        self._values[:, rows, span] = np.where(present, values, self._values[:, rows, span])
        self._filled[rows, span] = np.where(present, frame.filled[kept], self._filled[rows, span])

    def _show(self, symbols: tuple[str, ...] | None = None) -> None:
        span = slice(max(self._stop - self.keep, 0), self._stop)
        self._frame = CandleFrame(
            timeframe=self._timeframe,
            symbols=self._frame.symbols if symbols is None else symbols,
            open_times=self._times[span],
            values=self._values[:, :, span],
            filled=self._filled[:, span],
        )


def _symbols(old: CandleFrame, news: CandleFrame, first: int) -> tuple[str, ...]:
    """Return the symbols that have a candle at or after `first`, in the order of the newest list that has them all."""
    alive = [_alive(frame, first) for frame in (old, news)]
    if set(alive[0]) <= set(alive[1]):
        return alive[1]
    return tuple(sorted({*alive[0], *alive[1]}))


def _alive(frame: CandleFrame, first: int) -> tuple[str, ...]:
    kept = frame.slice(int(np.searchsorted(frame.open_times, first)), frame.bars)
    present: list[bool] = np.any(~np.isnan(kept.column("close")), axis=1).tolist()  # none, of no bars
    return tuple(symbol for symbol, is_present in zip(frame.symbols, present, strict=True) if is_present)
