"""What candles say of risk: closing prices of many symbols on one grid, and the average true range of one."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import numpy as np

from shared.domain.candles import CLOSE, HIGH, LOW, CandleFrame, Floats, Times
from shared.domain.timeframe import Timeframe
from shared.domain.trading.market import Place

ATR_LENGTH: Final = 14


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Closes:
    """Closing prices of symbols on one time grid: `values` is (symbols × bars), NaN where there is none."""

    timeframe: Timeframe
    symbols: tuple[str, ...]
    open_times: Times
    values: Floats

    @property
    def close_time(self) -> int:
        """Return the close instant of the newest bar (epoch ms), 0 when there is none."""
        return int(self.open_times[-1]) + self.timeframe.ms if len(self.open_times) else 0


def closes_of(frames: Mapping[str, CandleFrame], wanted: Collection[Place], *, timeframe: Timeframe) -> Closes:
    """Lay the closes of the symbols of some places on one grid, each from its own venue, or from any where it has none.

    Frames of another timeframe are left out; a price that is not positive and finite is no price.
    """
    frames = {venue: frame for venue, frame in frames.items() if frame.timeframe is timeframe and frame.bars}
    series: dict[str, tuple[CandleFrame, int]] = {}
    for venue, symbol in sorted(wanted, key=str):
        for source in dict.fromkeys((venue, *frames)):
            frame = frames.get(source) if source is not None else None
            if symbol not in series and frame is not None and symbol in frame.symbols:
                series[symbol] = frame, frame.symbols.index(symbol)
    used = {id(frame): frame for frame, _ in series.values()}
    ends = [(int(frame.open_times[0]), int(frame.open_times[-1])) for frame in used.values()]
    times = np.empty(0, dtype=np.int64)
    if ends:
        times = np.arange(min(a for a, _ in ends), max(b for _, b in ends) + 1, timeframe.ms, dtype=np.int64)
    values = np.full((len(series), len(times)), np.nan)
    for row, (frame, at) in enumerate(series.values()):
        start = int((frame.open_times[0] - times[0]) // timeframe.ms)
        values[row, start : start + frame.bars] = frame.values[CLOSE, at]
    values[~(np.isfinite(values) & (values > 0))] = np.nan
    return Closes(timeframe=timeframe, symbols=tuple(series), open_times=times, values=values)


def average_true_range(frame: CandleFrame, symbol: str, *, length: int = ATR_LENGTH) -> Decimal | None:
    """Return Wilder's average of the true ranges (α = 1/length) in quote units, None with fewer than `length` of them.

    Wilder, New Concepts in Technical Trading Systems, 1978; the same number a rule calls `atr(length)`.
    """
    if symbol not in frame.symbols:
        return None
    high, low, close = frame.values[[HIGH, LOW, CLOSE], frame.symbols.index(symbol)]
    ranges = np.maximum(high[1:], close[:-1]) - np.minimum(low[1:], close[:-1])
    ranges = ranges[np.isfinite(ranges)]
    if len(ranges) < length:
        return None
    weights = (1 - 1 / length) ** np.arange(len(ranges) - 1, -1, -1)
    value = Decimal(repr(round(float(np.average(ranges, weights=weights)), 12)))
    return value if value > 0 else None
