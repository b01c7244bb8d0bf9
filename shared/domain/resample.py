"""Candles of a longer timeframe out of those of a shorter one."""

from typing import Final

import numpy as np

from shared.domain.candles import CLOSE, COLUMNS, HIGH, LOW, OPEN, VOLUME, CandleFrame, Floats
from shared.domain.errors import InvalidMessageError
from shared.domain.timeframe import Timeframe

_DECIMALS: Final = 1e8  # venues print at most eight decimals
_EXACT: Final = 2.0**53


def resample(frame: CandleFrame, timeframe: Timeframe) -> CandleFrame:
    """Join every whole bucket of shorter candles into one longer candle.

    Open is the first, high the greatest, low the least, close the last, the rest are sums. A bucket the frame covers
    only in part is dropped; a bucket in which a symbol lacks a candle is NaN for that symbol; a candle is `filled` only
    if all its parts are. Raises `InvalidMessageError` unless `timeframe` is a multiple of the frame's.
    """
    factor, rest = divmod(timeframe.ms, frame.timeframe.ms)
    if rest or not factor:
        raise InvalidMessageError("timeframe", f"expected a multiple of {frame.timeframe}, got {timeframe}")
    first = _first_whole_bucket(frame, timeframe)
    buckets = max((frame.bars - first) // factor, 0)
    span = slice(first, first + buckets * factor)
    parts = frame.values[:, :, span].reshape(len(COLUMNS), len(frame.symbols), buckets, factor)
    return CandleFrame(
        timeframe=timeframe,
        symbols=frame.symbols,
        open_times=frame.open_times[span][::factor],
        values=join_bars(parts),
        filled=np.all(frame.filled[:, span].reshape(len(frame.symbols), buckets, factor), axis=2),
    )


def join_bars(parts: Floats) -> Floats:
    """Join the parts on the last axis into one bar each, columns being the first; NaN where a part has no close."""
    bars = np.empty(parts.shape[:-1])
    bars[OPEN], bars[CLOSE] = parts[OPEN, ..., 0], parts[CLOSE, ..., -1]
    bars[HIGH], bars[LOW] = parts[HIGH].max(axis=-1), parts[LOW].min(axis=-1)
    for column in range(VOLUME, len(COLUMNS)):
        bars[column] = _sum(parts[column])
    # One missing part makes the whole bar unknown, also its first open and last close.
    bars[:, np.isnan(parts[CLOSE]).any(axis=-1)] = np.nan
    return bars


def _first_whole_bucket(frame: CandleFrame, timeframe: Timeframe) -> int:
    if not frame.bars:
        return 0
    return int(-frame.open_times[0] % timeframe.ms) // frame.timeframe.ms


def _sum(parts: Floats) -> Floats:
    """Add up the decimals the doubles stand for, so that 0.1 + 0.2 is 0.3; beyond 53 bits, the doubles themselves."""
    whole = np.rint(parts * _DECIMALS)
    total = whole.sum(axis=-1)
    exact = (whole / _DECIMALS == parts).all(axis=-1) & (np.abs(total) < _EXACT)
    return np.asarray(np.where(exact, total / _DECIMALS, parts.sum(axis=-1)))
