"""The tape: a market the simulator replays, cut into history and a live part.

Everything a venue shows is a function of the tape and an instant: the candles closed by then, the candle still forming,
the last 24 hours. So the simulator keeps no market state, and another process can build the same tape and know exactly
what a collector should have stored.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from desk.simulator.instruments import Instrument
from shared.domain.candles import CLOSE, COLUMNS, HIGH, LOW, OPEN, VOLUME, CandleFrame, Floats
from shared.domain.resample import join_bars, resample
from shared.domain.timeframe import Timeframe

_ALWAYS: Final = (-(2**62), 2**62)
_TURNS: Final = (1 / 3, 2 / 3)  # when, inside a bar, the price visits its first and second extreme


class Tape:
    """A market from `start` to `end` (epoch ms, None: without end); candles closing after `live_from` arrive live.

    `listed_from` and `delisted_from` say, by symbol, from when on (epoch ms) a symbol has candles or has none any more:
    boundaries of every timeframe anybody looks at, so that no candle is cut in two.

    `source` is on the base timeframe, the shortest the tape can show. When `repeats`, it is one cycle of a market that
    goes on for ever: whole days, laid on the UTC epoch.
    """

    def __init__(
        self,
        *,
        instruments: Sequence[Instrument],
        tradable: Sequence[str],
        source: CandleFrame,
        start: int,
        live_from: int,
        end: int | None,
        repeats: bool = False,
        listed_from: Mapping[str, int] | None = None,
        delisted_from: Mapping[str, int] | None = None,
    ) -> None:
        self.instruments = tuple(instruments)
        self.tradable = tuple(tradable)
        self.base = source.timeframe
        self.start, self.live_from, self.end = start, live_from, end
        self._repeats = repeats
        self._sources = {source.timeframe: _flagged(source)}
        self._rows = {listed.symbol: row for row, listed in enumerate(self.instruments)}
        self._listed_from, self._delisted_from = dict(listed_from or {}), dict(delisted_from or {})
        names = list(self._rows)
        self._first = np.array([self._listed_from.get(name, _ALWAYS[0]) for name in names], dtype=np.int64)
        self._last = np.array([self._delisted_from.get(name, _ALWAYS[1]) for name in names], dtype=np.int64)
        self._steps = np.array([10.0**listed.volume_decimals for listed in self.instruments])
        self._ticks = np.array([10.0**listed.price_decimals for listed in self.instruments])

    def shows(self, timeframe: Timeframe) -> bool:
        """Tell whether the tape has candles of a timeframe."""
        return timeframe.ms % self.base.ms == 0

    def listed(self, now: int) -> list[Instrument]:
        """Return what the venue lists at an instant (epoch ms): not yet what comes later, and halted what has left."""
        return [
            replace(one, is_trading=False) if now >= self._delisted_from.get(one.symbol, _ALWAYS[1]) else one
            for one in self.instruments
            if now >= self._listed_from.get(one.symbol, _ALWAYS[0])
        ]

    def boundaries(self, timeframe: Timeframe, *, since: int, until: int) -> range:
        """Return the close times of a timeframe after `since` and up to `until` (epoch ms) that the tape reaches."""
        first = timeframe.open_time(max(since, self.start)) + timeframe.ms
        last = until if self.end is None else min(until, self.end)
        return range(first, last + 1, timeframe.ms)

    def frame(
        self, timeframe: Timeframe, *, since: int, until: int, symbols: Sequence[str] | None = None
    ) -> CandleFrame:
        """Return the candles that close after `since` and up to `until` (epoch ms), by default of the tradable symbols.

        A symbol without a candle is NaN there. This is what a collector's log must hold, to the last bit.
        """
        chosen = self.tradable if symbols is None else tuple(symbols)
        closes = self.boundaries(timeframe, since=since, until=until)
        opens = np.arange(closes.start, closes.stop, closes.step, dtype=np.int64) - timeframe.ms
        values, filled = self._cells(timeframe, opens, [self._rows[symbol] for symbol in chosen])
        return CandleFrame(timeframe=timeframe, symbols=chosen, open_times=opens, values=values, filled=filled)

    def expected(self, timeframes: Iterable[Timeframe], *, since: int, until: int) -> int:
        """Count the candles of the tradable symbols that close after `since` and up to `until` (epoch ms)."""
        frames = (self.frame(timeframe, since=since, until=until) for timeframe in timeframes)
        return sum(int(np.count_nonzero(~np.isnan(frame.column("close")))) for frame in frames)

    def forming(self, timeframe: Timeframe, now: int, symbols: Sequence[str]) -> Floats:
        """Return the candle that contains `now` as it looks then: (columns, symbols), NaN where there is none."""
        rows = [self._rows[symbol] for symbol in symbols]
        if not self.start <= now or (self.end is not None and now >= self.end):
            return np.full((len(COLUMNS), len(rows)), np.nan)
        open_time, base_open = timeframe.open_time(now), self.base.open_time(now)
        opens = np.arange(open_time, base_open + 1, self.base.ms, dtype=np.int64)
        parts, filled = self._cells(self.base, opens, rows)
        share = (now - base_open) / self.base.ms
        parts[:, :, -1] = _so_far(parts[:, :, -1], share, ticks=self._ticks[rows], steps=self._steps[rows])
        parts[VOLUME:, filled[:, -1], -1] = 0.0
        return join_bars(parts)

    def prices(self, now: int, symbols: Sequence[str]) -> Floats:
        """Return what symbols traded at last: in the candle that contains `now`, else in the day before, else NaN."""
        prices: Floats = self.forming(self.base, now, symbols)[CLOSE]
        if np.isnan(prices).any():
            closes = self.day(now).column("close")[[self._rows[symbol] for symbol in symbols]]
            for at in np.flatnonzero(np.isnan(prices)).tolist():
                known = closes[at][~np.isnan(closes[at])]
                prices[at] = known[-1] if len(known) else np.nan
        return prices

    def day(self, now: int) -> CandleFrame:
        """Return the base candles of every listed symbol that closed in the 24 hours before `now`."""
        # The synthetic market was there before the tape's history; a recorded one was not.
        since = now - Timeframe.D1.ms if self._repeats else max(now - Timeframe.D1.ms, self.start)
        first, last = since - since % self.base.ms, self.base.last_close(now)
        last = last if self.end is None else min(last, self.end)
        opens = np.arange(first, last, self.base.ms, dtype=np.int64)
        values, filled = self._cells(self.base, opens, list(range(len(self.instruments))))
        symbols = tuple(self._rows)
        return CandleFrame(timeframe=self.base, symbols=symbols, open_times=opens, values=values, filled=filled)

    def _cells(self, timeframe: Timeframe, opens: np.ndarray, rows: list[int]) -> tuple[Floats, np.ndarray]:
        """Return copies of (columns, rows, bars) and (rows, bars); NaN outside a recorded market."""
        source = self._source(timeframe)
        if not source.bars:
            return np.full((len(COLUMNS), len(rows), len(opens)), np.nan), np.zeros((len(rows), len(opens)), np.bool_)
        bars = (opens - source.open_times[0]) // timeframe.ms
        if self._repeats:
            outside = np.zeros(len(opens), dtype=np.bool_)
            bars %= source.bars
        else:
            outside = (bars < 0) | (bars >= source.bars)
            bars = np.where(outside, 0, bars)
        grid = np.ix_(rows, bars)
        values, filled = source.values[:, grid[0], grid[1]], source.filled[grid]
        values[:, :, outside], filled[:, outside] = np.nan, False
        unlisted = (opens < self._first[rows, None]) | (opens >= self._last[rows, None])
        values[:, unlisted], filled[unlisted] = np.nan, False
        return values, filled

    def _source(self, timeframe: Timeframe) -> CandleFrame:
        if timeframe not in self._sources:
            self._sources[timeframe] = _flagged(resample(self._sources[self.base], timeframe))
        return self._sources[timeframe]


def _flagged(frame: CandleFrame) -> CandleFrame:
    """Flag what the wire shows as a candle without trades: no volume, and a price that stood still."""
    return replace(frame, filled=(frame.values[VOLUME] == 0) & (frame.values[LOW] == frame.values[HIGH]))


def _so_far(bars: Floats, share: float, *, ticks: Floats, steps: Floats) -> Floats:
    """Return complete bars (columns, symbols) as they looked when a share of their time had passed.

    The price goes straight from the open to one extreme, to the other, to the close: a rising bar visits its low first.
    """
    rising = bars[CLOSE] >= bars[OPEN]
    first, second = np.where(rising, bars[LOW], bars[HIGH]), np.where(rising, bars[HIGH], bars[LOW])
    stops = np.stack([bars[OPEN], first, second, bars[CLOSE]])
    leg = int(np.searchsorted(_TURNS, share, side="right"))
    start, stop = (0.0, *_TURNS, 1.0)[leg : leg + 2]
    price = stops[leg] + (stops[leg + 1] - stops[leg]) * ((share - start) / (stop - start))
    price = np.rint(price * ticks) / ticks
    seen = np.vstack([stops[: leg + 1], price])
    partial = np.empty_like(bars)
    partial[OPEN], partial[HIGH], partial[LOW], partial[CLOSE] = bars[OPEN], seen.max(axis=0), seen.min(axis=0), price
    partial[VOLUME:] = bars[VOLUME:] * share
    partial[VOLUME] = np.floor(partial[VOLUME] * steps) / steps
    partial[VOLUME + 1 :] = np.floor(partial[VOLUME + 1 :] * 1e2) / 1e2
    partial[VOLUME + 2] = np.floor(partial[VOLUME + 2])
    return partial
