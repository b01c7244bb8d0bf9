"""Averages and what is made of them."""

import math
from functools import lru_cache

import numpy as np
import talib

from shared.domain.candles import Floats
from shared.domain.rules.definition import Arguments, Function, length, ordered, series
from shared.domain.rules.folds import mean, ramp_mean, sma
from shared.domain.rules.indicators import ANCHOR_BARS, Input, Recipe, along, call
from shared.domain.rules.kernels import ema_weights, rolling
from shared.domain.rules.parts import VOLUME, linear

SMA = Function(
    name="sma",
    doc="simple moving average",
    formula="mean of the last n values",
    params=(series(), length()),
    build=lambda a: mean(a.source, a["length"]),
)
EMA = Function(
    name="ema",
    doc="exponential moving average",
    formula="α = 2/(n+1), seeded with the mean of n values, over its warm-up",
    params=(series(), length()),
    build=lambda a: linear(a.source, ema_weights, a["length"]),
)
WMA = Function(
    name="wma",
    doc="linearly weighted moving average",
    formula="weights 1 … n, newest heaviest",
    params=(series(), length()),
    build=lambda a: ramp_mean(a.source, a["length"]),
)


def _older(weights: Floats, window: int) -> Floats:
    return np.concatenate((np.zeros(window - len(weights)), weights))


def _sum(*weights: tuple[float, Floats]) -> Floats:
    """Return a combination of weights that end at the same candle."""
    window = max(len(part) for _, part in weights)
    total: Floats = np.sum([times * _older(part, window) for times, part in weights], axis=0)
    return total


@lru_cache(maxsize=1024)
def _dema_weights(bars: int) -> Floats:
    once = ema_weights(bars)
    return _sum((2.0, once), (-1.0, np.convolve(once, once)))


@lru_cache(maxsize=1024)
def triple_weights(bars: int) -> Floats:
    """Return the weights of an EMA of an EMA of an EMA."""
    once = ema_weights(bars)
    return np.convolve(np.convolve(once, once), once)


@lru_cache(maxsize=1024)
def _tema_weights(bars: int) -> Floats:
    once = ema_weights(bars)
    return _sum((3.0, once), (-3.0, np.convolve(once, once)), (1.0, triple_weights(bars)))


def _ramp(bars: int) -> Floats:
    return np.arange(1.0, bars + 1) / (bars * (bars + 1) / 2)


@lru_cache(maxsize=1024)
def _hma_weights(bars: int) -> Floats:
    return np.convolve(_sum((2.0, _ramp(max(bars // 2, 1))), (-1.0, _ramp(bars))), _ramp(math.isqrt(bars)))


@lru_cache(maxsize=1024)
def _zlema_weights(bars: int) -> Floats:
    ahead = np.zeros((bars - 1) // 2 + 1)
    ahead[0] -= 1.0
    ahead[-1] += 2.0
    return np.convolve(ahead, ema_weights(bars))


DEMA = Function(
    name="dema",
    doc="double exponential moving average",
    formula="Mulloy 1994: 2 ema - ema(ema)",
    params=(series(), length(low=2)),
    build=lambda a: linear(a.source, _dema_weights, a["length"]),
)
TEMA = Function(
    name="tema",
    doc="triple exponential moving average",
    formula="Mulloy 1994: 3 ema - 3 ema(ema) + ema(ema(ema))",
    params=(series(), length(low=2)),
    build=lambda a: linear(a.source, _tema_weights, a["length"]),
)
HMA = Function(
    name="hma",
    doc="Hull moving average",
    formula="Hull 2005: wma over floor(√n) of 2 wma(floor(n/2)) - wma(n)",
    params=(series(), length(low=2)),
    build=lambda a: linear(a.source, _hma_weights, a["length"]),
)
ZLEMA = Function(
    name="zlema",
    doc="zero-lag exponential moving average",
    formula="Ehlers and Way 2010: ema of 2 x - x[floor((n-1)/2)]",
    params=(series(), length(low=2)),
    build=lambda a: linear(a.source, _zlema_weights, a["length"]),
)
KAMA_PATH = 600  # on 2,500 random walks (lengths 2 to 60) the path of the full history was 1.5e-5 away at most


def _kama(a: Arguments) -> Recipe:
    bars = a["length"]

    def compute(arrays: list[Floats], k: int) -> Floats:
        rows = np.ascontiguousarray(arrays[0])
        return np.array([talib.KAMA(row, bars)[-k:] for row in rows]).reshape(len(rows), k)

    return along(KAMA_PATH, compute, a.source)


KAMA = Function(
    name="kama",
    doc="Kaufman's adaptive moving average",
    formula=f"Kaufman 1995, fast 2, slow 30, started {KAMA_PATH} to {KAMA_PATH + ANCHOR_BARS - 1} candles ago",
    params=(series(), length(10, low=2)),
    build=_kama,
)


def _vwma(a: Arguments) -> Recipe:
    bars = a["length"]
    ones = np.ones(bars)

    def reduce(values: Floats, volumes: Floats) -> Floats:
        newest = values[:, -1]
        apart = values - newest[:, None]
        average: Floats = newest + np.vecdot(apart, volumes) / np.vecdot(volumes, ones)
        return average

    return Recipe((Input(a.source, bars), Input(VOLUME, bars)), lambda x, k: rolling(reduce, bars, k, *x))


VWMA = Function(
    name="vwma",
    doc="volume-weighted moving average",
    formula="Σ x × volume / Σ volume over n candles; no value without volume",
    params=(series(), length()),
    build=_vwma,
)


def _linreg(a: Arguments, *, slope: bool) -> Recipe:
    bars = a["length"]
    heavy = call(f"wma({a.source.text}, {bars})", ramp_mean(a.source, bars))
    inputs = (Input(heavy, 1), Input(sma(a.source, bars), 1))
    if slope:
        return Recipe(inputs, lambda x, _: 6.0 * (x[0] - x[1]) / (bars - 1))
    return Recipe(inputs, lambda x, _: x[0] + 2.0 * (x[0] - x[1]))


LINREG = Function(
    name="linreg",
    doc="where the least-squares line through n values stands now",
    formula="3 wma - 2 sma, which is the same",
    params=(series(), length(14, low=2)),
    build=lambda a: _linreg(a, slope=False),
)
LINREG_SLOPE = Function(
    name="linreg_slope",
    doc="slope of the least-squares line through n values, per candle",
    formula="6 (wma - sma)/(n - 1), which is the same",
    params=(series(), length(14, low=2)),
    build=lambda a: _linreg(a, slope=True),
)


@lru_cache(maxsize=1024)
def macd_weights(fast: int, slow: int) -> Floats:
    """Return the weights of a fast minus a slow EMA."""
    return _sum((1.0, ema_weights(fast)), (-1.0, ema_weights(slow)))


@lru_cache(maxsize=1024)
def _macd_signal(fast: int, slow: int, signal: int) -> Floats:
    return np.convolve(macd_weights(fast, slow), ema_weights(signal))


@lru_cache(maxsize=1024)
def _macd_histogram(fast: int, slow: int, signal: int) -> Floats:
    return _sum((1.0, macd_weights(fast, slow)), (-1.0, _macd_signal(fast, slow, signal)))


def _macd(a: Arguments) -> Recipe:
    fast, slow, signal = a["fast"], a["slow"], a["signal"]
    if a.output == "macd":
        return linear(a.source, macd_weights, fast, slow)
    return linear(a.source, _macd_signal if a.output == "signal" else _macd_histogram, fast, slow, signal)


MACD = Function(
    name="macd",
    doc="moving average convergence/divergence",
    formula="macd = ema(fast) - ema(slow), signal = ema of macd, histogram = macd - signal",
    params=(series(), length(12, name="fast"), length(26, name="slow"), length(9, name="signal")),
    outputs=("macd", "signal", "histogram"),
    check=ordered("fast", "slow"),
    build=_macd,
)
FUNCTIONS = (SMA, EMA, WMA, DEMA, TEMA, HMA, ZLEMA, KAMA, VWMA, LINREG, LINREG_SLOPE, MACD)
