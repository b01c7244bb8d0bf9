"""Which way the market goes, how strongly, and where it turns."""

from collections.abc import Callable

import numpy as np
import talib

from shared.domain.candles import Floats
from shared.domain.rules.definition import Arguments, Function, factor, length, series
from shared.domain.rules.folds import highest, lowest, ratio
from shared.domain.rules.functions.averages import triple_weights
from shared.domain.rules.indicators import ANCHOR_BARS, Call, Input, Recipe, along, call
from shared.domain.rules.kernels import in_parts, rolling, warmup, weighted, wilder_weights
from shared.domain.rules.nodes import Number
from shared.domain.rules.numeric import lag_number
from shared.domain.rules.parts import CLOSE, HIGH, LOW, each_bar, linear, true_range


def _directional(name: str, combine: Callable[[Floats, Floats], Floats]) -> Call:
    """Combine Wilder's directional movements, up and down: the larger one-sided extension of the range, the other 0."""

    def movements(h: Floats, low: Floats) -> Floats:
        rise, fall = h[:, 1:] - h[:, :-1], low[:, :-1] - low[:, 1:]
        none = 0.0 * (rise + fall)  # NaN stays NaN
        return combine(
            np.where((rise > fall) & (rise > 0), rise, none), np.where((fall > rise) & (fall > 0), fall, none)
        )

    return each_bar(f"directional({name})", movements, Input(HIGH, 2), Input(LOW, 2))


def _adx(a: Arguments) -> Recipe:
    bars = a["length"]
    smooth = wilder_weights(bars)
    # A DX weighs e^(-age/n) and has forgotten all but e^(-path/n) of what lies before it. A head start of 3 n will do:
    # together they leave path/n × e^(-path/n) out, less than the average does by itself.
    path = len(smooth) + 3 * bars
    keep = 1.0 - 1.0 / bars
    # Wilder's sum keeps (1 - 1/n) of itself each bar; its first n - 1 terms count in full, as in TA-Lib.
    grow = keep ** -np.maximum(np.arange(path + ANCHOR_BARS, dtype=np.float64), bars - 2)

    def compute(arrays: list[Floats], k: int) -> Floats:
        wanted = len(smooth) + k - 1

        def one_sidedness(difference: Floats, total: Floats) -> Floats:
            """Return |+DM - -DM| / (+DM + -DM) at the bars to average."""
            weights = grow[: total.shape[1]]
            apart, whole = (np.cumsum(moves * weights, axis=1)[:, -wanted:] for moves in (difference, total))
            return np.abs(apart) / whole

        return 100.0 * weighted(in_parts(one_sidedness, path)(*arrays), smooth, k)

    return along(path, compute, _directional("difference", np.subtract), _directional("total", np.add))


ADX = Function(
    name="adx",
    doc="average directional index, 0 to 100: strength of the trend, not its direction",
    formula="Wilder 1978: average of 100 |+DM - -DM|/(+DM + -DM); the true range of +DI and -DI cancels",
    params=(length(14, low=2),),
    build=_adx,
)


def _moves(name: str) -> Call:
    """Return one of Wilder's directional movements."""
    return _directional(name, (lambda up, _: up) if name == "up" else (lambda _, down: down))


def _wilder_sum(node: Number, bars: int) -> Call:
    """Return Wilder's sum, which keeps (1 - 1/n) of itself each bar; its first n - 1 terms count in full (TA-Lib)."""
    window = len(wilder_weights(bars))
    weights = (1.0 - 1.0 / bars) ** np.minimum(np.arange(window - 1, -1, -1.0), window - bars + 1)
    return call(
        f"wilder_sum({node.text}, {bars})", Recipe((Input(node, window),), lambda x, k: weighted(x[0], weights, k))
    )


def _di(name: str, bars: int) -> Recipe:
    inputs = (Input(_wilder_sum(_moves(name), bars), 1), Input(_wilder_sum(true_range(), bars), 1))
    return Recipe(inputs, lambda x, _: 100.0 * x[0] / x[1])


PLUS_DI = Function(
    name="plus_di",
    doc="positive directional indicator, 0 to 100",
    formula="Wilder 1978: 100 × sum of +DM / sum of true range; no value in a flat range",
    params=(length(14, low=2),),
    build=lambda a: _di("up", a["length"]),
)
MINUS_DI = Function(
    name="minus_di",
    doc="negative directional indicator, 0 to 100",
    formula="Wilder 1978: 100 × sum of -DM / sum of true range; no value in a flat range",
    params=(length(14, low=2),),
    build=lambda a: _di("down", a["length"]),
)


def _dmi(a: Arguments) -> Recipe:
    if a.output != "dx":
        return _di("up" if a.output == "plus" else "down", a["length"])
    plus, minus = (_wilder_sum(_moves(name), a["length"]) for name in ("up", "down"))
    return Recipe((Input(plus, 1), Input(minus, 1)), lambda x, _: 100.0 * np.abs(x[0] - x[1]) / (x[0] + x[1]))


DMI = Function(
    name="dmi",
    doc="directional movement: both indicators and the index dx made of them, each 0 to 100",
    formula="Wilder 1978: plus = plus_di, minus = minus_di, dx = 100 |plus - minus|/(plus + minus)",
    params=(length(14, low=2),),
    outputs=("plus", "minus", "dx"),
    build=_dmi,
)
PSAR_PATH = 200  # from acceleration 0.01 up, 2,500 of 2,500 random walks had met the path of their full history


def _psar(a: Arguments) -> Recipe:
    acceleration, maximum = a.factor("acceleration"), a.factor("maximum")

    def compute(arrays: list[Floats], k: int) -> Floats:
        high, low = (np.ascontiguousarray(prices) for prices in arrays)
        out = np.empty((len(high), k))
        for row, tops in enumerate(high):
            out[row] = talib.SAR(tops, low[row], acceleration, maximum)[-k:]
        return out

    return along(PSAR_PATH, compute, HIGH, LOW)


PSAR = Function(
    name="psar",
    doc="parabolic stop and reverse",
    formula=f"Wilder 1978, started {PSAR_PATH} to {PSAR_PATH + ANCHOR_BARS - 1} candles ago",
    params=(factor("acceleration", 0.02, low=0.01, high=1.0), factor("maximum", 0.2, low=0.01, high=1.0)),
    check=lambda p: None if p["acceleration"] <= p["maximum"] else "acceleration is at most maximum",
    build=_psar,
)


SUPERTREND_PATH = (
    200  # none of 2,500 random walks (lengths 7 to 20, multipliers 1 to 8) was over 1e-4 from the full path
)


def _supertrend(a: Arguments) -> Recipe:
    bars, multiplier, wanted = a["length"], a.factor("multiplier"), a.output
    warm = warmup(1 / bars)

    def compute(arrays: list[Floats], k: int) -> Floats:
        high, low, close = (np.ascontiguousarray(prices) for prices in arrays)
        ranges = np.array([talib.ATR(high[row], low[row], close[row], bars) for row in range(len(close))])
        middle, spread, closes = (high + low)[:, warm:] / 2.0, multiplier * ranges[:, warm:], close[:, warm:]
        # Bar by bar from here on, and only where the range has warmed up. What holds above, holds below with its sign
        # turned: the upper stop and the lower one go down the same way, side by side.
        stops, reached = np.empty((2, closes.shape[1], 2, len(close)))
        stops[:, 0], stops[:, 1] = (middle + spread).T, (spread - middle).T
        reached[:, 0], reached[:, 1] = closes.T, -closes.T
        stop, rising = stops[0].copy(), closes[:, 0] >= middle[:, 0]
        out = np.empty((k, len(close)))
        first, beyond = len(stops) - k, np.empty(stop.shape, dtype=np.bool_)
        for bar in range(1, len(stops)):
            np.greater(reached[bar - 1], stop, out=beyond)
            np.copyto(np.minimum(stop, stops[bar], out=stop), stops[bar], where=beyond)
            np.greater(reached[bar], stop, out=beyond)
            rising = np.where(rising, ~beyond[1], beyond[0])
            if bar >= first:
                out[bar - first] = np.where(rising, -stop[1], stop[0]) if wanted == "value" else 2.0 * rising - 1.0
        return out.T

    return along(SUPERTREND_PATH + warm, compute, HIGH, LOW, CLOSE)


SUPERTREND = Function(
    name="supertrend",
    doc="trailing stop by average true range, and which side the price is on: 1 above it, -1 below",
    formula=f"Seban: hl2 ± multiplier × atr, ratcheted; started {SUPERTREND_PATH} candles and a warm-up ago",
    params=(length(10, low=2), factor("multiplier", 3.0, low=0.1, high=100.0)),
    outputs=("value", "direction"),
    build=_supertrend,
)


def _midpoint(bars: int) -> Call:
    inputs = (Input(highest(HIGH, bars), 1), Input(lowest(LOW, bars), 1))
    return call(f"midpoint({bars})", Recipe(inputs, lambda x, _: (x[0] + x[1]) / 2.0))


def _ichimoku(a: Arguments) -> Recipe:
    if a.output in {"conversion", "base"}:
        return Recipe((Input(_midpoint(a[a.output]), 1),), lambda x, _: x[0])
    if a.output == "span_b":
        return Recipe((Input(lag_number(_midpoint(a["span_b"]), a["base"]), 1),), lambda x, _: x[0])
    lines = (lag_number(_midpoint(a[name]), a["base"]) for name in ("base", "conversion"))
    return Recipe([Input(line, 1) for line in lines], lambda x, _: (x[0] + x[1]) / 2.0)


ICHIMOKU = Function(
    name="ichimoku",
    doc="Ichimoku lines; the spans are those drawn at this candle, so they were known `base` candles ago",
    formula="Hosoda 1969: midpoints of the range of n candles; span_a = (conversion + base)/2; spans lagged by base",
    params=(length(9, name="conversion"), length(26, name="base"), length(52, name="span_b")),
    outputs=("conversion", "base", "span_a", "span_b"),
    build=_ichimoku,
)


def _age(values: Floats) -> Floats:
    """Return how many candles ago the newest of the largest values of each window was."""
    unknown = np.isnan(values).any(axis=1)
    return np.where(unknown, np.nan, np.argmax(values[:, ::-1], axis=1))


def _since(name: str, source: Number, bars: int) -> Call:
    sign = 1.0 if name == "high" else -1.0
    recipe = Recipe((Input(source, bars + 1),), lambda x, k: rolling(_age, bars + 1, k, sign * x[0]))
    return call(f"since_{name}({bars})", recipe)


def _aroon(a: Arguments) -> Recipe:
    bars = a["length"]
    up, down = _since("high", HIGH, bars), _since("low", LOW, bars)
    if a.output == "oscillator":
        return Recipe((Input(up, 1), Input(down, 1)), lambda x, _: 100.0 * (x[1] - x[0]) / bars)
    return Recipe((Input(up if a.output == "up" else down, 1),), lambda x, _: 100.0 * (bars - x[0]) / bars)


AROON = Function(
    name="aroon",
    doc="how lately the highest high and the lowest low were, 0 to 100; oscillator is their difference",
    formula="Chande 1995: 100 (n - candles since the extreme of the last n + 1)/n; the newest of equals counts",
    params=(length(14, low=2),),
    outputs=("up", "down", "oscillator"),
    build=_aroon,
)


def _trix(a: Arguments) -> Recipe:
    smooth = call(f"ema3({a.source.text}, {a['length']})", linear(a.source, triple_weights, a["length"]))
    return Recipe((Input(smooth, 2),), lambda x, _: 100.0 * (x[0][:, 1:] / x[0][:, :-1] - 1.0))


TRIX = Function(
    name="trix",
    doc="rate of change of a triple exponential average, in percent a candle",
    formula="Hutson 1983: 100 (e/e[1] - 1) with e = ema(ema(ema))",
    params=(series(), length(15)),
    build=_trix,
)


def _vortex(a: Arguments) -> Recipe:
    def movement(h: Floats, low: Floats) -> Floats:
        up = a.output == "plus"
        return np.abs(h[:, 1:] - low[:, :-1]) if up else np.abs(low[:, 1:] - h[:, :-1])

    moves = each_bar(f"vortex_{a.output}", movement, Input(HIGH, 2), Input(LOW, 2))
    return ratio(moves, true_range(), a["length"])


VORTEX = Function(
    name="vortex",
    doc="vortex indicator: upward and downward movement by true range, around 1",
    formula="Botes and Siepman 2010: Σ|high - low[1]| and Σ|low - high[1]| over Σ true range; no value in a flat range",
    params=(length(14, low=2),),
    outputs=("plus", "minus"),
    build=_vortex,
)
FUNCTIONS = (ADX, PLUS_DI, MINUS_DI, DMI, PSAR, SUPERTREND, ICHIMOKU, AROON, TRIX, VORTEX)
