"""How fast and how one-sidedly prices move."""

import numpy as np

from shared.domain.candles import Floats
from shared.domain.rules.definition import Arguments, Function, Recipe, length
from shared.domain.rules.kernels import equal_weights, highest, in_parts, lowest, rolling, weighted, wilder_weights
from shared.domain.rules.nodes import Call, Input, Number, call
from shared.domain.rules.parts import CLOSE, HIGH, HLC3, LOW, each_bar, linear, sizes, steps


def _rsi(source: Number, bars: int) -> Recipe:
    weights = wilder_weights(bars)
    moves = steps(source)

    def compute(arrays: list[Floats], k: int) -> Floats:
        size, move = weighted(arrays[0], weights, k), weighted(arrays[1], weights, k)
        return 50.0 * (1.0 + move / size)  # 100 G/(G+L) with G+L the mean size and G-L the mean move

    return Recipe((Input(sizes(moves), len(weights)), Input(moves, len(weights))), compute)


RSI = Function(
    name="rsi",
    doc="relative strength index, 0 to 100",
    formula="Wilder 1978: 100 G/(G+L), averages with α = 1/n; no value when nothing moved (TA-Lib says 0)",
    params=(length(14, low=2),),
    series="close",
    build=lambda a: _rsi(a.source, a["length"]),
)


def _extreme(name: str, source: Number, bars: int) -> Call:
    kernel = highest if name == "highest" else lowest
    text = f"{name}({source.text}, {bars})"
    return call(text, (Input(source, bars),), lambda arrays, k: kernel(arrays[0], bars, k))


def _extreme_recipe(name: str, a: Arguments) -> Recipe:
    node = _extreme(name, a.source, a["length"])
    return Recipe(node.inputs, node.compute)


HIGHEST = Function(
    name="highest",
    doc="largest of the last n values",
    formula="this candle included; highest(20)[1] leaves it out",
    params=(length(),),
    series="high",
    build=lambda a: _extreme_recipe("highest", a),
)
LOWEST = Function(
    name="lowest",
    doc="smallest of the last n values",
    formula="this candle included; lowest(20)[1] leaves it out",
    params=(length(),),
    series="low",
    build=lambda a: _extreme_recipe("lowest", a),
)


def _place_in_range(top: Number, bottom: Number, source: Number, bars: int) -> Call:
    """Return where a value stands between the extremes of n candles, 0 to 100; nowhere when they coincide."""
    high, low = _extreme("highest", top, bars), _extreme("lowest", bottom, bars)
    return call(
        f"place({top.text}, {bottom.text}, {source.text}, {bars})",
        (Input(high, 1), Input(low, 1), Input(source, 1)),
        lambda x, _: 100.0 * (x[2] - x[1]) / (x[0] - x[1]),
    )


def _averaged(node: Call, bars: int) -> Call:
    recipe = linear(node, equal_weights, bars)
    return call(f"sma({node.text}, {bars})", recipe.inputs, recipe.compute)


def _recipe(node: Call) -> Recipe:
    return Recipe(node.inputs, node.compute)


def _stoch(a: Arguments) -> Recipe:
    k_line = _averaged(_place_in_range(HIGH, LOW, CLOSE, a["length"]), a["smooth"])
    return _recipe(k_line if a.output == "k" else _averaged(k_line, a["signal"]))


STOCH = Function(
    name="stoch",
    doc="slow stochastic, 0 to 100",
    formula="k = sma of 100 (close - lowest)/(highest - lowest), d = sma of k; no value in a flat range",
    params=(length(14), length(3, name="smooth"), length(3, name="signal")),
    outputs=("k", "d"),
    build=_stoch,
)


def _stochrsi(a: Arguments) -> Recipe:
    recipe = _rsi(a.source, a["length"])
    rsi = call(f"rsi({a.source.text}, {a['length']})", recipe.inputs, recipe.compute)
    k_line = _place_in_range(rsi, rsi, rsi, a["window"])
    return _recipe(k_line if a.output == "k" else _averaged(k_line, a["signal"]))


STOCHRSI = Function(
    name="stochrsi",
    doc="where rsi stands in its own range, 0 to 100",
    formula="k = 100 (rsi - lowest)/(highest - lowest) over the window, d = sma of k (Chande and Kroll 1994)",
    params=(length(14, low=2), length(14, name="window", low=2), length(3, name="signal")),
    series="close",
    outputs=("k", "d"),
    build=_stochrsi,
)


def _willr(a: Arguments) -> Recipe:
    place = _place_in_range(HIGH, LOW, CLOSE, a["length"])
    return Recipe((Input(place, 1),), lambda x, _: x[0] - 100.0)


WILLR = Function(
    name="willr",
    doc="Williams %R, -100 to 0",
    formula="-100 (highest - close)/(highest - lowest); no value in a flat range",
    params=(length(14),),
    build=_willr,
)


def _cci(a: Arguments) -> Recipe:
    bars = a["length"]
    mean = equal_weights(bars)

    def reduce(values: Floats) -> Floats:
        apart = values - values[:, -1:]
        middle = np.vecdot(apart, mean)
        spread = np.vecdot(np.abs(apart - middle[:, None]), mean)
        result: Floats = -middle / (0.015 * spread)
        return result

    return Recipe((Input(HLC3, bars),), lambda x, k: rolling(in_parts(reduce, bars), bars, k, x[0]))


CCI = Function(
    name="cci",
    doc="commodity channel index",
    formula="Lambert 1980: (hlc3 - mean)/(0.015 × mean absolute deviation); no value when flat",
    params=(length(20, low=2),),
    build=_cci,
)
ROC = Function(
    name="roc",
    doc="rate of change in percent",
    formula="100 (x/x[n] - 1)",
    params=(length(10),),
    series="close",
    build=lambda a: Recipe(
        (Input(a.source, a["length"] + 1),),
        lambda x, k: 100.0 * (x[0][:, -k:] / x[0][:, :k] - 1.0),
    ),
)
CHANGE = Function(
    name="change",
    doc="difference to n candles ago",
    formula="x - x[n]",
    params=(length(1),),
    series="close",
    build=lambda a: Recipe((Input(a.source, a["length"] + 1),), lambda x, k: x[0][:, -k:] - x[0][:, :k]),
)


def _directional(up: bool) -> Call:
    """Return Wilder's directional movement: the larger of the two one-sided extensions of the range, the other zero."""

    def combine(h: Floats, low: Floats) -> Floats:
        rise, fall = h[:, 1:] - h[:, :-1], low[:, :-1] - low[:, 1:]
        ours, theirs = (rise, fall) if up else (fall, rise)
        return np.where((ours > theirs) & (ours > 0), ours, 0.0 * (ours + theirs))  # NaN stays NaN

    return each_bar(f"directional({'up' if up else 'down'})", combine, Input(HIGH, 2), Input(LOW, 2))


def _adx(a: Arguments) -> Recipe:
    bars = a["length"]
    smooth = wilder_weights(bars)
    first, window = len(smooth), len(smooth) + len(smooth) - 1
    keep = 1.0 - 1.0 / bars
    ages = np.arange(window, dtype=np.float64)
    # Wilder's sum keeps (1 - 1/n) of itself each bar; its first n - 1 terms count in full, as in TA-Lib.
    grow = keep ** -np.maximum(ages, bars - 2)

    def reduce(up: Floats, down: Floats) -> Floats:
        plus = np.cumsum(up * grow, axis=1)[:, first - 1 :]
        minus = np.cumsum(down * grow, axis=1)[:, first - 1 :]
        whole = plus + minus
        plus -= minus
        np.abs(plus, out=plus)
        plus /= whole
        average: Floats = 100.0 * np.vecdot(plus, smooth)
        return average

    inputs = (Input(_directional(up=True), window), Input(_directional(up=False), window))
    return Recipe(inputs, lambda arrays, k: rolling(in_parts(reduce, window), window, k, *arrays))


ADX = Function(
    name="adx",
    doc="average directional index, 0 to 100: strength of the trend, not its direction",
    formula="Wilder 1978: average of 100 |+DM - -DM|/(+DM + -DM); the true range of +DI and -DI cancels",
    params=(length(14, low=2),),
    build=_adx,
)


FUNCTIONS = (RSI, STOCH, STOCHRSI, WILLR, CCI, ROC, CHANGE, ADX, HIGHEST, LOWEST)
