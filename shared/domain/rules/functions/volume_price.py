"""At which prices the volume was traded: volume-weighted prices and the volume profile."""

import sys
from dataclasses import dataclass
from typing import Final

import numpy as np

from shared.domain.candles import Floats
from shared.domain.rules.definition import Arguments, Function, Made, Param, factor, length
from shared.domain.rules.folds import ratio
from shared.domain.rules.indicators import Call, Input, Recipe, call
from shared.domain.rules.kernels import rolling
from shared.domain.rules.market import Values, View
from shared.domain.rules.nodes import ATOM, Number, checked
from shared.domain.rules.parts import CLOSE, HIGH, HLC3, LOW, VOLUME, each_bar, flag

DAY_MS: Final = 86_400_000
VALUE_AREA: Final = 0.7


def _turnover() -> Call:
    return each_bar("turnover", lambda price, volume: price * volume, Input(HLC3, 1), Input(VOLUME, 1))


Bins = np.ndarray[tuple[int], np.dtype[np.intp]]
TIE: Final = 1.0 - 1e-9  # bins as full as that are equally full: which of them is the fullest is not left to rounding


@dataclass(frozen=True, slots=True, eq=False)
class SessionVwap(Number):
    """Σ price × volume / Σ volume since midnight UTC, no value once the session is longer than `bars` candles.

    Each day is added up from its first candle, so that a value is the same however many are asked for.
    """

    turnover: Number
    bars: int

    def leaves(self) -> tuple[Number, ...]:
        """Return itself."""
        return (self,)

    def values(self, view: View, k: int) -> Values:
        """Return the values of all sessions that reach into the last k candles."""
        known = view.memo.get(self.text)
        if known is None or known.cells.shape[1] < k:
            known = view.remember(self.text, checked(self._sessions(view, k)))
        return Values(known.cells[:, known.cells.shape[1] - k :], known.whole)

    def _sessions(self, view: View, k: int) -> Floats:
        width = self.bars + k - 1
        money, volume = self.turnover.values(view, width).cells, VOLUME.values(view, width).cells
        step, a_day = view.timeframe.ms, max(DAY_MS // view.timeframe.ms, 1)
        first_open = view.time // step - width
        out = np.full((k, view.rows), np.nan).T
        start = -(first_open % a_day)  # where the session of the first column began
        while start < width:
            stop = min(start + a_day, width)
            if start >= 0 and stop > self.bars - 1:
                price = np.cumsum(money[:, start:stop], axis=1) / np.cumsum(volume[:, start:stop], axis=1)
                lead = max(self.bars - 1 - start, 0)
                until = min(stop - start, self.bars)
                out[:, start + lead - self.bars + 1 : start + until - self.bars + 1] = price[:, lead:until]
            start += a_day
        missing = np.isnan(money + volume)
        if missing.any():
            windows = np.lib.stride_tricks.sliding_window_view(missing, self.bars, axis=1)
            out[np.logical_or.reduce(windows, axis=2)] = np.nan
        return out


def _vwap(a: Arguments) -> Made:
    bars, turnover = a["bars"], _turnover()
    reads = turnover.reads.shifted(bars - 1)._replace(per_bar=2 * bars)
    return lambda text: SessionVwap(sys.intern(text), ATOM, reads, turnover, bars)


VWAP = Function(
    name="vwap",
    doc="volume-weighted average price since midnight UTC; no value when that is more than `bars` candles ago",
    formula="Σ hlc3 × volume / Σ volume; a day is 288 candles of 5m, 1440 of 1m; no value without volume",
    params=(length(288, name="bars"),),
    build=_vwap,
)
ANCHORED_VWAP = Function(
    name="anchored_vwap",
    doc="volume-weighted average price of the last n candles",
    formula="Σ hlc3 × volume / Σ volume; no value without volume",
    params=(length(100, name="bars"),),
    build=lambda a: ratio(_turnover(), VOLUME, a["bars"]),
)


def _profile(high: Floats, low: Floats, volume: Floats, bins: int) -> tuple[Floats, Floats, Floats]:
    """Return the volume in each price bin of each row's window (rows × bins), the lowest price and a bin's height.

    A candle's volume is spread evenly over its range; one without a range falls into the bin of its price. What lies
    below a price p is Σ s (p - x) over the ends x of ranges below p, with s the volume by height, negative at the upper
    end: so each end is put into its bin once, instead of each candle into every bin.
    """
    bottom = low.min(axis=1)
    height = (high.max(axis=1) - bottom) / bins
    unit = 1.0 / np.where(height > 0.0, height, 1.0)[:, None]
    start, stop = (low - bottom[:, None]) * unit, (high - bottom[:, None]) * unit
    flat = stop <= start
    any_flat = flat.any()
    steep = np.where(flat, 0.0, volume / np.where(flat, 1.0, stop - start)) if any_flat else volume / (stop - start)
    rows = np.arange(0, len(low) * bins, bins)[:, None]

    def bins_of(ends: Floats) -> Bins:
        return (np.minimum(ends, bins - 1.0).astype(np.intp) + rows).ravel()

    def summed(bin_of: Bins, weights: Floats) -> Floats:
        sums = np.bincount(bin_of, weights.ravel(), rows.size * bins).reshape(-1, bins)
        return sums.astype(np.float64, copy=False)

    from_bin, to_bin = bins_of(start), bins_of(stop)
    rise, rise_at = summed(from_bin, steep), summed(from_bin, steep * start)
    fall, fall_at = summed(to_bin, steep), summed(to_bin, steep * stop)
    below = np.arange(1.0, bins + 1.0) * np.cumsum(rise - fall, axis=1) - np.cumsum(rise_at - fall_at, axis=1)
    if any_flat:
        below += np.cumsum(summed(from_bin, np.where(flat, volume, 0.0)), axis=1)
    return np.diff(below, axis=1, prepend=0.0), bottom, height


def _value_area(bins: Floats, poc: Floats) -> tuple[Floats, Floats]:
    """Return the lowest and the highest bin of the value area: from the fullest bin on, the fuller neighbour joins."""
    rows, count = np.arange(len(bins)), bins.shape[1]
    padded = np.pad(bins, ((0, 0), (1, 1)), constant_values=-1.0)
    low, high = poc.copy(), poc.copy()
    held, wanted = bins[rows, poc], VALUE_AREA * np.vecdot(bins, np.ones(count))
    for _ in range(count - 1):
        below, above = padded[rows, low], padded[rows, high + 2]
        more = held < wanted
        if not more.any():
            break
        up = more & (above >= below)
        down = more & ~up
        held = held + np.where(up, above, 0.0) + np.where(down, below, 0.0)
        high, low = high + up, low - down
    return low, high


def _volume_profile(a: Arguments) -> Recipe:
    bars, bins, wanted = a["bars"], a["bins"], a.output
    ones = np.ones(bars)

    def reduce(high: Floats, low: Floats, volume: Floats) -> Floats:
        known = np.isfinite(np.vecdot(high + low + volume, ones))
        if not known.all():
            high, low, volume = (np.where(known[:, None], x, 0.0) for x in (high, low, volume))
        profile, bottom, height = _profile(high, low, volume, bins)
        fullest = profile.max(axis=1)
        poc = np.argmax(profile >= TIE * fullest[:, None], axis=1)
        place = poc + 0.5
        if wanted != "poc":
            first, last = _value_area(profile, poc)
            place = last + 1.0 if wanted == "value_area_high" else first + 0.0
        return np.where(known & (fullest > 0.0), bottom + place * height, np.nan)

    inputs = (Input(HIGH, bars), Input(LOW, bars), Input(VOLUME, bars))
    return Recipe(inputs, lambda x, k: rolling(reduce, bars, k, *x))


_BINS = Param(name="bins", default=24, low=2, high=200)
VOLUME_PROFILE = Function(
    name="volume_profile",
    doc="prices at which most was traded over n candles: the point of control and the bounds of the value area",
    formula="Steidlmayer 1984: middle of the (lowest) fullest of `bins` price bins, and 70 % of the volume around it",
    params=(length(100, name="bars"), _BINS),
    outputs=("poc", "value_area_high", "value_area_low"),
    build=_volume_profile,
)


def _near(a: Arguments) -> Recipe:
    poc = call(f"volume_profile({a['bars']}, {a['bins']}).poc", _volume_profile(Arguments(a.values, "poc")))
    near = a.factor("tolerance") / 100.0
    return Recipe((Input(poc, 1), Input(CLOSE, 1)), lambda x, _: flag(np.abs(x[1] - x[0]) <= near * x[1], *x))


NEAR_HIGH_VOLUME_NODE = Function(
    name="near_high_volume_node",
    doc="whether the close is within a tolerance, in percent, of the price at which most was traded",
    formula="|close - volume_profile.poc| <= tolerance % of the close",
    params=(length(100, name="bars"), factor("tolerance", 0.5, high=100.0), _BINS),
    condition=True,
    build=_near,
)
FUNCTIONS = (VWAP, ANCHORED_VWAP, VOLUME_PROFILE, NEAR_HIGH_VOLUME_NODE)
