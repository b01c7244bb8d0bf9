"""The market around a symbol: where it stands among its universe, and how it moves against another symbol."""

import numpy as np

from shared.domain.candles import Bools, Floats
from shared.domain.rules.across import of_number, wide
from shared.domain.rules.conditions import Mark
from shared.domain.rules.definition import Arguments, Condition, Function, Made, Source, Word, length
from shared.domain.rules.indicators import Input, Recipe, call
from shared.domain.rules.kernels import equal_weights, rolling
from shared.domain.rules.nodes import Number
from shared.domain.rules.parts import CLOSE


def _above_and_below(cells: Floats, counts: Bools) -> tuple[Floats, Floats]:
    """Return how many of those that count are larger and smaller than each value, both (symbols × bars)."""
    larger, smaller = np.empty(cells.shape), np.empty(cells.shape)
    for bar in range(cells.shape[1]):
        among = np.sort(cells[counts[:, bar], bar])
        smaller[:, bar] = np.searchsorted(among, cells[:, bar], side="left")
        larger[:, bar] = len(among) - np.searchsorted(among, cells[:, bar], side="right")
    unknown = np.isnan(cells)
    larger[unknown] = smaller[unknown] = np.nan
    return larger, smaller


def _rank(cells: Floats, counts: Bools) -> Floats:
    return 1.0 + _above_and_below(cells, counts)[0]


def _percentile(cells: Floats, counts: Bools) -> Floats:
    larger, smaller = _above_and_below(cells, counts)
    return 100.0 * smaller / (larger + smaller)


def _breadth(cells: Floats, counts: Bools) -> Floats:
    held = np.where(counts, cells, 0.0).sum(axis=0) / counts.sum(axis=0)
    return np.repeat(held[None, :], len(cells), axis=0)


RANK = Function(
    name="rank",
    doc="place of this symbol in its universe by an expression, 1 is the largest",
    formula="1 + how many symbols of the universe have a larger value; equals share a place; those without one are out",
    params=(Source(name="expression"),),
    build=lambda a: lambda text: wide(text, a.number("expression"), _rank),
    example="rank(roc(24))",
)
PERCENTILE = Function(
    name="percentile",
    doc="share of the universe that this symbol beats by an expression, 0 to 100",
    formula="100 smaller/(smaller + larger) over the universe; no value when all are equal",
    params=(Source(name="expression"),),
    build=lambda a: lambda text: wide(text, a.number("expression"), _percentile),
    example="percentile(quote_volume)",
)
BREADTH = Function(
    name="breadth",
    doc="share of the universe for which a condition holds, 0 to 1",
    formula="true/(true + false) over the universe; symbols for which it is insufficient are out",
    params=(Condition(),),
    build=lambda a: lambda text: wide(text, Mark.of(a.condition()), _breadth),
    example="breadth(close > sma(50))",
)


def _returns() -> Number:
    return call("returns", Recipe((Input(CLOSE, 2),), lambda x, _: x[0][:, 1:] / x[0][:, :-1] - 1.0))


def _beta(a: Arguments) -> Made:
    own, bars = _returns(), a["length"]
    equal = equal_weights(bars)

    def reduce(ours: Floats, theirs: Floats) -> Floats:
        apart = theirs - np.vecdot(theirs, equal)[:, None]
        slope: Floats = np.vecdot(apart, ours) / np.vecdot(apart, apart)
        return slope

    inputs = (Input(own, bars), Input(of_number(a.word("symbol"), own), bars))
    return Recipe(inputs, lambda x, k: rolling(reduce, bars, k, *x))


BETA = Function(
    name="beta",
    doc="how much this symbol moves per move of another one",
    formula="covariance of the two simple returns over n candles / variance of the other's (Sharpe 1964)",
    params=(Word(name="symbol"), length(100, low=2)),
    build=_beta,
    example='beta("BTC/USDT", 100)',
)


def _relative_strength(a: Arguments) -> Made:
    bars = a["length"]
    growth = call(f"growth({bars})", Recipe((Input(CLOSE, bars + 1),), lambda x, k: x[0][:, -k:] / x[0][:, :k]))
    other = of_number(a.word("symbol"), growth)
    return Recipe((Input(growth, 1), Input(other, 1)), lambda x, _: 100.0 * (x[0] / x[1] - 1.0))


RELATIVE_STRENGTH = Function(
    name="relative_strength",
    doc="gain over n candles beyond that of another symbol, in percent",
    formula="100 ((close/close[n]) / (other's close/close[n]) - 1)",
    params=(Word(name="symbol"), length(20)),
    build=_relative_strength,
    example='relative_strength("BTC/USDT", 20)',
)
FUNCTIONS = (RANK, PERCENTILE, BREADTH, BETA, RELATIVE_STRENGTH)
