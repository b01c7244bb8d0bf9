"""What became of signals: the return after so many bars, and how far the price went for and against them.

All of it is measured on the candles that follow the signal's own, from its closing price, in the direction of its side;
0.01 is one percent.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from shared.domain.candles import CLOSE, HIGH, LOW, CandleFrame, Floats
from shared.domain.traders import PositionSide

HORIZONS: Final = (1, 5, 20, 60)
"""After how many bars a signal is looked at; each is recorded once."""
WAIT_BARS: Final = 10
"""How long a missing candle may still be repaired before the outcome counts as unknown."""


class Awaited(NamedTuple):
    """A signal whose next outcome is due: its closing price (quote units), and after how many bars."""

    signal_id: str
    symbol: str
    close_time: int
    side: PositionSide
    price: float
    bars: int


class Outcome(NamedTuple):
    """What became of a signal after some bars; all None when the candles to tell it by are gone.

    `forward_return` is that of the last close, `favourable` (from 0 up) and `adverse` (from 0 down) are the furthest
    the highs and lows went: maximum favourable and adverse excursion (Sweeney 1996).
    """

    signal_id: str
    bars: int
    forward_return: float | None
    favourable: float | None
    adverse: float | None


def measure(awaited: Sequence[Awaited], frame: CandleFrame) -> list[Outcome]:
    """Return the outcomes that a frame can tell, or can never tell; the others are left for later."""
    rows = {symbol: row for row, symbol in enumerate(frame.symbols)}
    found = (_outcome(signal, frame, rows.get(signal.symbol)) for signal in awaited)
    return [outcome for outcome in found if outcome is not None]


def _outcome(signal: Awaited, frame: CandleFrame, row: int | None) -> Outcome | None:
    start = (signal.close_time - int(frame.open_times[0])) // frame.timeframe.ms if frame.bars else 0
    stop = start + signal.bars
    if stop > frame.bars:
        return None
    after = frame.values[:, row, start:stop] if row is not None and start >= 0 else None
    if after is not None and not np.isnan(after[CLOSE, -1]):
        return Outcome(signal.signal_id, signal.bars, *_excursions(after, signal))
    if frame.bars - stop < WAIT_BARS and start >= 0:
        return None
    return Outcome(signal.signal_id, signal.bars, None, None, None)


def _excursions(after: Floats, signal: Awaited) -> tuple[float, float, float]:
    way = 1.0 if signal.side is PositionSide.LONG else -1.0
    last, high, low = (
        way * (float(price) / signal.price - 1.0)
        for price in (after[CLOSE, -1], np.nanmax(after[HIGH]), np.nanmin(after[LOW]))
    )
    return last, max(high, low, 0.0), min(high, low, 0.0)
