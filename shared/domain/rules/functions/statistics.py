"""Where a value stands among its own past, how two move together, and how often something was so."""

import numpy as np

from shared.domain.candles import Floats
from shared.domain.rules.conditions import Mark
from shared.domain.rules.definition import Arguments, Condition, Function, Param, Source, length, series
from shared.domain.rules.folds import distance, highest, lowest, stdev, summed
from shared.domain.rules.functions.averages import LINREG_SLOPE
from shared.domain.rules.indicators import Input, Recipe
from shared.domain.rules.kernels import rolling
from shared.domain.rules.parts import flag, steps


def _zscore(a: Arguments) -> Recipe:
    bars = a["length"]
    inputs = (Input(distance(a.source, bars), 1), Input(stdev(a.source, bars), 1))
    return Recipe(inputs, lambda x, _: -x[0] / bars / x[1])


ZSCORE = Function(
    name="zscore",
    doc="how many standard deviations a value lies above its mean",
    formula="(x - sma)/stdev over n values; no value when flat",
    params=(series(), length(20, low=2)),
    build=_zscore,
)


def _percentile_rank(a: Arguments) -> Recipe:
    bars = a["length"]

    def reduce(values: Floats) -> Floats:
        below = np.count_nonzero(values[:, :-1] < values[:, -1:], axis=1)
        return np.where(np.isnan(values).any(axis=1), np.nan, 100.0 * below / bars)

    return Recipe((Input(a.source, bars + 1),), lambda x, k: rolling(reduce, bars + 1, k, x[0]))


PERCENTILE_RANK = Function(
    name="percentile_rank",
    doc="share of the n values before that are smaller, 0 to 100",
    formula="100 × how many of the n values before are below this one / n (Connors 2012)",
    params=(series(), length(100)),
    build=_percentile_rank,
)


def _correlation(a: Arguments) -> Recipe:
    bars = a["length"]
    equal = np.full(bars, 1.0 / bars)

    def reduce(x: Floats, y: Floats) -> Floats:
        x, y = x - x[:, -1:], y - y[:, -1:]
        x, y = x - np.vecdot(x, equal)[:, None], y - np.vecdot(y, equal)[:, None]
        together: Floats = np.vecdot(x, y) / np.sqrt(np.vecdot(x, x) * np.vecdot(y, y))
        return np.clip(together, -1.0, 1.0)

    inputs = (Input(a.number("a"), bars), Input(a.number("b"), bars))
    return Recipe(inputs, lambda x, k: rolling(reduce, bars, k, *x))


CORRELATION = Function(
    name="correlation",
    doc="how two values move together, -1 to 1",
    formula="Pearson 1895, over n candles; no value when either is flat",
    params=(Source(name="a"), Source(name="b"), length(20, low=2)),
    build=_correlation,
    example="correlation(close, volume, 20)",
)


def _sorted_at(a: Arguments, share: float) -> Recipe:
    """Return the quantile of a window by linear interpolation between its neighbours (Hyndman and Fan's type 7)."""
    bars = a["length"]
    place = (bars - 1) * share
    low = int(place)
    high, part = min(low + 1, bars - 1), place - low

    def reduce(values: Floats) -> Floats:
        ranked = np.sort(values, axis=1)  # NaN comes last, and then the window has no value
        between = ranked[:, low] + part * (ranked[:, high] - ranked[:, low])
        return np.where(np.isnan(ranked[:, -1]), np.nan, between)

    return Recipe((Input(a.source, bars),), lambda x, k: rolling(reduce, bars, k, x[0]))


MEDIAN = Function(
    name="median",
    doc="the middle one of the last n values",
    formula="mean of the middle two when n is even",
    params=(series(), length(20)),
    build=lambda a: _sorted_at(a, 0.5),
)
QUANTILE = Function(
    name="quantile",
    doc="the value below which a share q of the last n values lies",
    formula="linear between neighbours (Hyndman and Fan 1996, type 7)",
    params=(series(), length(20), Param(name="q", default=0.9, low=0.0, high=1.0, whole=False)),
    build=lambda a: _sorted_at(a, a.factor("q")),
)
SLOPE = Function(
    name="slope",
    doc="slope of the least-squares line through n values, per candle",
    formula="as linreg_slope",
    params=LINREG_SLOPE.params,
    build=LINREG_SLOPE.build,
)
RISING = Function(
    name="rising",
    doc="whether a value rose n candles in a row",
    formula="x > x[1] > … > x[n]",
    params=(series(), length(3)),
    condition=True,
    build=lambda a: Recipe((Input(lowest(steps(a.source), a["length"]), 1),), lambda x, _: flag(x[0] > 0.0, x[0])),
)
FALLING = Function(
    name="falling",
    doc="whether a value fell n candles in a row",
    formula="x < x[1] < … < x[n]",
    params=(series(), length(3)),
    condition=True,
    build=lambda a: Recipe((Input(highest(steps(a.source), a["length"]), 1),), lambda x, _: flag(x[0] < 0.0, x[0])),
)
COUNT = Function(
    name="count",
    doc="at how many of the last n candles a condition held",
    formula="this candle included; insufficient when it is unknown at any of them",
    params=(Condition(), length(20)),
    build=lambda a: summed(Mark.of(a.condition()), a["length"]),
    example="count(close > open, 20)",
)
ALL_OF = Function(
    name="all_of",
    doc="whether a condition held at each of the last n candles",
    formula="this candle included",
    params=(Condition(), length(3)),
    condition=True,
    build=lambda a: Recipe((Input(lowest(Mark.of(a.condition()), a["length"]), 1),), lambda x, _: x[0]),
    example="all_of(close > open, 3)",
)
ANY_OF = Function(
    name="any_of",
    doc="whether a condition held at one of the last n candles",
    formula="this candle included",
    params=(Condition(), length(3)),
    condition=True,
    build=lambda a: Recipe((Input(highest(Mark.of(a.condition()), a["length"]), 1),), lambda x, _: x[0]),
    example="any_of(close > open, 3)",
)


def _bars_since(a: Arguments) -> Recipe:
    most = a["most"]

    def reduce(marks: Floats) -> Floats:
        newest_first = marks[:, ::-1] == 1.0
        ago = np.where(newest_first.any(axis=1), np.argmax(newest_first, axis=1), most)
        return np.where(np.isnan(marks).any(axis=1), np.nan, ago)

    return Recipe((Input(Mark.of(a.condition()), most),), lambda x, k: rolling(reduce, most, k, x[0]))


BARS_SINCE = Function(
    name="bars_since",
    doc="how many candles ago a condition last held, 0 at this one",
    formula="`most` when it did not hold at any of the last `most` candles",
    params=(Condition(), length(100, name="most")),
    build=_bars_since,
    example="bars_since(close > open)",
)
FUNCTIONS = (
    ZSCORE,
    PERCENTILE_RANK,
    CORRELATION,
    MEDIAN,
    QUANTILE,
    SLOPE,
    RISING,
    FALLING,
    COUNT,
    ALL_OF,
    ANY_OF,
    BARS_SINCE,
)
