"""How far prices move, whichever way."""

import math

import numpy as np

from shared.domain.rules.definition import Arguments, Function, Param, factor, length, series
from shared.domain.rules.folds import deviation, highest, lowest, mean, sma, stdev, total
from shared.domain.rules.indicators import Call, Input, Recipe
from shared.domain.rules.nodes import Number
from shared.domain.rules.parts import CLOSE, HIGH, LOW, atr, each_bar, ema, flag, true_range, wilder

TRUE_RANGE = Function(
    name="true_range",
    doc="range of the candle, the gap to the close before included, in quote units",
    formula="Wilder 1978: max(high, close[1]) - min(low, close[1])",
    build=lambda _: Recipe((Input(true_range(), 1),), lambda x, _: x[0]),
)
ATR = Function(
    name="atr",
    doc="average true range, in quote units",
    formula="Wilder 1978: average of the true range with α = 1/n",
    params=(length(14),),
    build=lambda a: wilder(true_range(), a["length"]),
)
NATR = Function(
    name="natr",
    doc="average true range in percent of the close",
    formula="Forman 2006: 100 atr/close",
    params=(length(14),),
    build=lambda a: Recipe((Input(atr(a["length"]), 1), Input(CLOSE, 1)), lambda x, _: 100.0 * x[0] / x[1]),
)
STDEV = Function(
    name="stdev",
    doc="standard deviation",
    formula="population: divided by n",
    params=(series(), length(low=2)),
    build=lambda a: deviation(a.source, a["length"]),
)


def _band(output: str, middle: Number, spread: Number, width: float, source: Number) -> Recipe:
    """Return an output of a channel: middle ± width × spread, and what can be said of a value in it."""
    inputs = [Input(spread, 1), Input(middle, 1), Input(source, 1)]
    outputs = {
        "upper": lambda x, _: x[1] + width * x[0],
        "middle": lambda x, _: x[1],
        "lower": lambda x, _: x[1] - width * x[0],
        "width": lambda x, _: 2.0 * width * x[0] / x[1],
        "percent_b": lambda x, _: 0.5 + (x[2] - x[1]) / (2.0 * width * x[0]),
    }
    return Recipe(inputs if output == "percent_b" else inputs[:2], outputs[output])


def _bbands(a: Arguments) -> Recipe:
    if a.output == "middle":
        return mean(a.source, a["length"])
    middle, spread = sma(a.source, a["length"]), stdev(a.source, a["length"])
    return _band(a.output, middle, spread, a.factor("width"), a.source)


BBANDS = Function(
    name="bbands",
    doc="Bollinger bands; width is that of the bands by the middle, percent_b 0 at the lower and 1 at the upper one",
    formula="Bollinger 1983: sma(n) ± width × stdev(n); no percent_b in a flat range",
    params=(series(), length(20, low=2), factor("width", 2.0, low=0.01, high=100.0)),
    outputs=("upper", "middle", "lower", "width", "percent_b"),
    build=_bbands,
)


def _keltner(a: Arguments) -> Recipe:
    middle, spread = ema(CLOSE, a["length"]), atr(a["atr_length"])
    if a.output == "middle":
        return Recipe((Input(middle, 1),), lambda x, _: x[0])
    return _band(a.output, middle, spread, a.factor("multiplier"), CLOSE)


KELTNER = Function(
    name="keltner",
    doc="Keltner channel",
    formula="Raschke 1994: ema(close, n) ± multiplier × atr",
    params=(length(20), factor("multiplier", 2.0, low=0.01, high=100.0), length(10, name="atr_length")),
    outputs=("upper", "middle", "lower"),
    build=_keltner,
)


def _donchian(a: Arguments) -> Recipe:
    top, bottom = highest(HIGH, a["length"]), lowest(LOW, a["length"])
    if a.output == "middle":
        return Recipe((Input(top, 1), Input(bottom, 1)), lambda x, _: (x[0] + x[1]) / 2.0)
    return Recipe((Input(top if a.output == "upper" else bottom, 1),), lambda x, _: x[0])


DONCHIAN = Function(
    name="donchian",
    doc="Donchian channel; this candle included, donchian(20).upper[1] leaves it out",
    formula="Donchian 1960: highest high and lowest low of n candles, middle is their mean",
    params=(length(20),),
    outputs=("upper", "middle", "lower"),
    build=_donchian,
)


def _chop(a: Arguments) -> Recipe:
    bars = a["length"]
    inputs = (Input(total(true_range(), bars), 1), Input(highest(HIGH, bars), 1), Input(lowest(LOW, bars), 1))
    return Recipe(inputs, lambda x, _: 100.0 * np.log10(x[0] / (x[1] - x[2])) / math.log10(bars))


CHOP = Function(
    name="chop",
    doc="choppiness index: high when prices go nowhere, low in a trend",
    formula="Dreiss 1993: 100 log10(Σ true range / (highest high - lowest low)) / log10(n); no value in a flat range",
    params=(length(14, low=2),),
    build=_chop,
)


def _log_returns(source: Number) -> Call:
    return each_bar(f"log_returns({source.text})", lambda x: np.log(x[:, 1:] / x[:, :-1]), Input(source, 2))


def _historical_volatility(a: Arguments) -> Recipe:
    bars, scale = a["length"], 100.0 * math.sqrt(a["bars_per_year"])
    spread = stdev(_log_returns(a.source), bars)
    sample = math.sqrt(bars / (bars - 1))
    return Recipe((Input(spread, 1),), lambda x, _: scale * sample * x[0])


HISTORICAL_VOLATILITY = Function(
    name="historical_volatility",
    doc="annualised standard deviation of log returns, in percent; bars_per_year is 365 for daily candles, 8760 for 1h",
    formula="100 √bars_per_year × sample deviation of ln(x/x[1])",
    params=(
        series(),
        length(20, low=2),
        Param(name="bars_per_year", default=365, high=600_000),
    ),
    build=_historical_volatility,
)


def _squeeze(a: Arguments) -> Recipe:
    ranges, spread = sma(true_range(), a["length"]), stdev(CLOSE, a["length"])
    bollinger, keltner = a.factor("width"), a.factor("multiplier")
    return Recipe((Input(ranges, 1), Input(spread, 1)), lambda x, _: flag(bollinger * x[1] < keltner * x[0], *x))


SQUEEZE = Function(
    name="squeeze",
    doc="whether the Bollinger bands lie inside the Keltner channel: the market holds its breath",
    formula="Carter 2005: width × stdev < multiplier × mean true range, both around sma(close, n)",
    params=(length(20, low=2), factor("width", 2.0, high=100.0), factor("multiplier", 1.5, high=100.0)),
    condition=True,
    build=_squeeze,
)
FUNCTIONS = (TRUE_RANGE, ATR, NATR, STDEV, BBANDS, KELTNER, DONCHIAN, CHOP, HISTORICAL_VOLATILITY, SQUEEZE)
