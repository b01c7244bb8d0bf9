"""How fast and how one-sidedly prices move."""

import numpy as np

from shared.domain.candles import Floats
from shared.domain.rules.definition import Arguments, Function, length, ordered, series
from shared.domain.rules.folds import highest, lowest, sma, total
from shared.domain.rules.indicators import Call, Input, Recipe, call
from shared.domain.rules.kernels import equal_weights, in_parts, rolling, weighted, wilder_weights
from shared.domain.rules.nodes import Number
from shared.domain.rules.parts import CLOSE, HIGH, HLC3, LOW, each_bar, sizes, steps, true_range, wilder


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
    params=(
        series(),
        length(14, low=2),
    ),
    build=lambda a: _rsi(a.source, a["length"]),
)


HIGHEST = Function(
    name="highest",
    doc="largest of the last n values",
    formula="this candle included; highest(20)[1] leaves it out",
    params=(
        series("high"),
        length(),
    ),
    build=lambda a: Recipe((Input(highest(a.source, a["length"]), 1),), lambda x, _: x[0]),
)
LOWEST = Function(
    name="lowest",
    doc="smallest of the last n values",
    formula="this candle included; lowest(20)[1] leaves it out",
    params=(
        series("low"),
        length(),
    ),
    build=lambda a: Recipe((Input(lowest(a.source, a["length"]), 1),), lambda x, _: x[0]),
)


def _place_in_range(top: Number, bottom: Number, source: Number, bars: int) -> Call:
    """Return where a value stands between the extremes of n candles, 0 to 100; nowhere when they coincide."""
    return call(
        f"place({top.text}, {bottom.text}, {source.text}, {bars})",
        Recipe(
            (Input(highest(top, bars), 1), Input(lowest(bottom, bars), 1), Input(source, 1)),
            lambda x, _: 100.0 * (x[2] - x[1]) / (x[0] - x[1]),
        ),
    )


def _recipe(node: Call) -> Recipe:
    return Recipe(node.inputs, node.compute)


def _stoch(a: Arguments) -> Recipe:
    k_line = sma(_place_in_range(HIGH, LOW, CLOSE, a["length"]), a["smooth"])
    return _recipe(k_line if a.output == "k" else sma(k_line, a["signal"]))


STOCH = Function(
    name="stoch",
    doc="slow stochastic, 0 to 100",
    formula="k = sma of 100 (close - lowest)/(highest - lowest), d = sma of k; no value in a flat range",
    params=(length(14), length(3, name="smooth"), length(3, name="signal")),
    outputs=("k", "d"),
    build=_stoch,
)


def _stochrsi(a: Arguments) -> Recipe:
    rsi = call(f"rsi({a.source.text}, {a['length']})", _rsi(a.source, a["length"]))
    k_line = _place_in_range(rsi, rsi, rsi, a["window"])
    return _recipe(k_line if a.output == "k" else sma(k_line, a["signal"]))


STOCHRSI = Function(
    name="stochrsi",
    doc="where rsi stands in its own range, 0 to 100",
    formula="k = 100 (rsi - lowest)/(highest - lowest) over the window, d = sma of k (Chande and Kroll 1994)",
    params=(series(), length(14, low=2), length(14, name="window", low=2), length(3, name="signal")),
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
    params=(
        series(),
        length(10),
    ),
    build=lambda a: Recipe(
        (Input(a.source, a["length"] + 1),),
        lambda x, k: 100.0 * (x[0][:, -k:] / x[0][:, :k] - 1.0),
    ),
)
CHANGE = Function(
    name="change",
    doc="difference to n candles ago",
    formula="x - x[n]",
    params=(
        series(),
        length(1),
    ),
    build=lambda a: Recipe((Input(a.source, a["length"] + 1),), lambda x, k: x[0][:, -k:] - x[0][:, :k]),
)


MOM = Function(
    name="mom",
    doc="momentum: difference to n candles ago",
    formula="x - x[n]",
    params=(series(), length(10)),
    build=CHANGE.build,
)


def _cmo(a: Arguments) -> Recipe:
    moves = steps(a.source)
    size, move = (call(f"wilder({x.text}, {a['length']})", wilder(x, a["length"])) for x in (sizes(moves), moves))
    return Recipe((Input(size, 1), Input(move, 1)), lambda x, _: 100.0 * x[1] / x[0])


CMO = Function(
    name="cmo",
    doc="Chande momentum oscillator, -100 to 100",
    formula="Chande 1994, smoothed as TA-Lib does (α = 1/n): 100 (G - L)/(G + L); no value when nothing moved",
    params=(series(), length(14, low=2)),
    build=_cmo,
)


def _ultosc(a: Arguments) -> Recipe:
    pressure = each_bar(
        "buying_pressure", lambda c, low: c[:, 1:] - np.minimum(low[:, 1:], c[:, :-1]), Input(CLOSE, 2), Input(LOW, 2)
    )
    spans = ("long", "middle", "short")
    inputs = [Input(total(node, a[span]), 1) for span in spans for node in (pressure, true_range())]

    def compute(x: list[Floats], _: int) -> Floats:
        return 100.0 * (4.0 * x[4] / x[5] + 2.0 * x[2] / x[3] + x[0] / x[1]) / 7.0

    return Recipe(inputs, compute)


ULTOSC = Function(
    name="ultosc",
    doc="ultimate oscillator, 0 to 100",
    formula="Williams 1976: buying pressure over true range of three spans, weighted 4, 2, 1; no value in a flat range",
    params=(length(7, name="short"), length(14, name="middle"), length(28, name="long")),
    check=ordered("short", "middle", "long"),
    build=_ultosc,
)


FUNCTIONS = (
    RSI,
    STOCH,
    STOCHRSI,
    WILLR,
    CCI,
    ROC,
    CHANGE,
    MOM,
    CMO,
    ULTOSC,
    HIGHEST,
    LOWEST,
)
