"""Averages and what is made of them."""

from functools import lru_cache

import numpy as np

from shared.domain.candles import Floats
from shared.domain.rules.definition import Arguments, Function, factor, length, series
from shared.domain.rules.folds import deviation, mean, ramp_mean, sma
from shared.domain.rules.indicators import Input, Recipe, call
from shared.domain.rules.kernels import ema_weights
from shared.domain.rules.parts import linear

SMA = Function(
    name="sma",
    doc="simple moving average",
    formula="mean of the last n values",
    params=(
        series(),
        length(),
    ),
    build=lambda a: mean(a.source, a["length"]),
)
EMA = Function(
    name="ema",
    doc="exponential moving average",
    formula="α = 2/(n+1), seeded with the mean of n values, over floor(3.45 (n+1)) candles",
    params=(
        series(),
        length(),
    ),
    build=lambda a: linear(a.source, ema_weights, a["length"]),
)
WMA = Function(
    name="wma",
    doc="linearly weighted moving average",
    formula="weights 1 … n, newest heaviest",
    params=(
        series(),
        length(),
    ),
    build=lambda a: ramp_mean(a.source, a["length"]),
)


def _older(weights: Floats, window: int) -> Floats:
    return np.concatenate((np.zeros(window - len(weights)), weights))


@lru_cache(maxsize=1024)
def _macd_line(fast: int, slow: int) -> Floats:
    quick, calm = ema_weights(fast), ema_weights(slow)
    window = max(len(quick), len(calm))
    return _older(quick, window) - _older(calm, window)


@lru_cache(maxsize=1024)
def _macd_signal(fast: int, slow: int, signal: int) -> Floats:
    return np.convolve(_macd_line(fast, slow), ema_weights(signal))


@lru_cache(maxsize=1024)
def _macd_histogram(fast: int, slow: int, signal: int) -> Floats:
    smooth = _macd_signal(fast, slow, signal)
    return _older(_macd_line(fast, slow), len(smooth)) - smooth


def _macd(a: Arguments) -> Recipe:
    fast, slow, signal = a["fast"], a["slow"], a["signal"]
    if a.output == "macd":
        return linear(a.source, _macd_line, fast, slow)
    return linear(a.source, _macd_signal if a.output == "signal" else _macd_histogram, fast, slow, signal)


MACD = Function(
    name="macd",
    doc="moving average convergence/divergence",
    formula="macd = ema(fast) - ema(slow), signal = ema of macd, histogram = macd - signal",
    params=(series(), length(12, name="fast"), length(26, name="slow"), length(9, name="signal")),
    outputs=("macd", "signal", "histogram"),
    check=lambda p: None if p["fast"] < p["slow"] else f"fast is below slow, got {p['fast']:g} and {p['slow']:g}",
    build=_macd,
)
STDEV = Function(
    name="stdev",
    doc="standard deviation",
    formula="population: divided by n",
    params=(
        series(),
        length(low=2),
    ),
    build=lambda a: deviation(a.source, a["length"]),
)


def _bbands(a: Arguments) -> Recipe:
    bars, width = a["length"], a.factor("width") * (1 if a.output == "upper" else -1)
    if a.output == "middle":
        return mean(a.source, bars)
    wide = call(f"stdev({a.source.text}, {bars})", deviation(a.source, bars))
    return Recipe((Input(wide, 1), Input(sma(a.source, bars), 1)), lambda x, _: x[1] + width * x[0])


BBANDS = Function(
    name="bbands",
    doc="Bollinger bands",
    formula="sma(n) ± width × stdev(n)",
    params=(series(), length(20, low=2), factor("width", 2.0, high=100.0)),
    outputs=("upper", "middle", "lower"),
    build=_bbands,
)
FUNCTIONS = (SMA, EMA, WMA, MACD, BBANDS, STDEV)
