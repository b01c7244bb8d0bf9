"""At which prices the volume was traded: volume-weighted prices and the volume profile."""

import sys
from dataclasses import dataclass
from typing import Final

import numpy as np

from shared.domain.candles import Floats
from shared.domain.rules.definition import Arguments, Function, Made, Param, factor, length
from shared.domain.rules.folds import total
from shared.domain.rules.indicators import Call, Input, Recipe, call
from shared.domain.rules.kernels import in_parts, rolling
from shared.domain.rules.market import Values, View
from shared.domain.rules.nodes import ATOM, Number, checked
from shared.domain.rules.parts import CLOSE, HIGH, HLC3, LOW, VOLUME, each_bar, flag

DAY_MS: Final = 86_400_000
VALUE_AREA: Final = 0.7


def _turnover() -> Call:
    return each_bar("turnover", lambda price, volume: price * volume, Input(HLC3, 1), Input(VOLUME, 1))


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
            known = view.memo[self.text] = checked(self._sessions(view, k))
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
    build=lambda a: Recipe(
        (Input(total(_turnover(), a["bars"]), 1), Input(total(VOLUME, a["bars"]), 1)), lambda x, _: x[0] / x[1]
    ),
)


def _profile(high: Floats, low: Floats, volume: Floats, bins: int) -> tuple[Floats, Floats, Floats]:
    """Return the volume in each price bin of each row's window (rows × bins), the lowest price and a bin's height.

    A candle's volume is spread evenly over its range; one without a range falls into the bin of its price.
    """
    bottom, top = low.min(axis=1), high.max(axis=1)
    height = (top - bottom) / bins
    span = high - low
    flat = span == 0.0
    any_flat, scale = flat.any(), 1.0 / np.where(flat, 1.0, span)
    # What lies below an edge is linear in its number: two passes over the windows an edge, not a division.
    first, step, share = (bottom[:, None] - low) * scale, height[:, None] * scale, np.empty_like(scale)
    below = np.zeros((len(high), bins + 1))
    for edge in range(1, bins):
        np.add(np.multiply(step, float(edge), out=share), first, out=share)
        np.minimum(np.maximum(share, 0.0, out=share), 1.0, out=share)
        if any_flat:
            np.copyto(share, low < (bottom + edge * height)[:, None], where=flat)
        below[:, edge] = np.vecdot(share, volume)
    below[:, bins] = np.vecdot(np.ones_like(share), volume)
    return np.diff(below, axis=1), bottom, height


def _value_area(bins: Floats, poc: Floats) -> tuple[Floats, Floats]:
    """Return the lowest and the highest bin of the value area: from the fullest bin on, the fuller neighbour joins."""
    rows, count = np.arange(len(bins)), bins.shape[1]
    padded = np.pad(bins, ((0, 0), (1, 1)), constant_values=-1.0)
    low, high = poc.copy(), poc.copy()
    held, wanted = bins[rows, poc], VALUE_AREA * np.vecdot(bins, np.ones(count))
    for _ in range(count - 1):
        below, above = padded[rows, low], padded[rows, high + 2]
        more = held < wanted
        up = more & (above >= below)
        down = more & ~up
        held = held + np.where(up, above, 0.0) + np.where(down, below, 0.0)
        high, low = high + up, low - down
    return low, high


def _volume_profile(a: Arguments) -> Recipe:
    bars, bins, wanted = a["bars"], a["bins"], a.output

    def reduce(high: Floats, low: Floats, volume: Floats) -> Floats:
        known = np.isfinite(np.vecdot(high + low + volume, np.ones(bars)))
        profile, bottom, height = _profile(high, low, volume, bins)
        poc = np.argmax(profile, axis=1)
        first, last = _value_area(profile, poc)
        place = {"poc": poc + 0.5, "value_area_high": last + 1.0, "value_area_low": first + 0.0}[wanted]
        return np.where(known & (profile.max(axis=1) > 0.0), bottom + place * height, np.nan)

    inputs = (Input(HIGH, bars), Input(LOW, bars), Input(VOLUME, bars))
    return Recipe(inputs, lambda x, k: rolling(in_parts(reduce, bars), bars, k, *x))


_BINS = Param(name="bins", default=24, low=2, high=200)
VOLUME_PROFILE = Function(
    name="volume_profile",
    doc="prices at which most was traded over n candles: the point of control and the bounds of the value area",
    formula="Steidlmayer 1984: the middle of the fullest of `bins` price bins, and 70 % of the volume around it",
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
