"""What the golden tests of the functions share: random candles, one value, and how closely it must agree."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest
import talib

from shared.domain.candles import COLUMNS, CandleFrame, Floats
from shared.domain.rules import Market, compile_rule
from shared.domain.rules.indicators import ANCHOR_BARS, Anchored, Call
from shared.domain.timeframe import Timeframe
from tests.unit.rules.conftest import random_frame

Columns = Mapping[str, Floats]
BARS = 700


def warmup(alpha: float) -> int:
    """Return how many values an exponential average with smoothing α is made of."""
    return max(math.floor(6.9 / alpha), min(math.floor(13.8 / alpha), 300))


def ema_line(x: Floats, length: int, bars: int) -> Floats:
    """Return TA-Lib's EMA at each of the last bars, each started its own warm-up ago."""
    window = warmup(2 / (length + 1))
    return np.array([talib.EMA(x[len(x) - ago - window : len(x) - ago], length)[-1] for ago in range(bars - 1, -1, -1)])


WILDER_14 = warmup(1 / 14) + 1  # the moves it averages, and the candle before them


def longest(expression: str, *, symbols: int, seed: int, bars: int = BARS) -> CandleFrame:
    """Return random candles at whose last one the path of the expression is as long as it ever is."""
    (leaf, *_) = compile_rule(f"{expression} > 0").leaves
    parts = [leaf, *(node for node, _ in leaf.inputs)] if isinstance(leaf, Call) else []
    path = max((part.path for part in parts if isinstance(part, Anchored)), default=0)
    return random_frame(symbols=symbols, bars=bars, seed=seed, start=(path - bars - 1) % ANCHOR_BARS * Timeframe.M1.ms)


def last(expression: str, frame: CandleFrame) -> Floats:
    """Return an expression's value for each symbol at the last candle of a frame."""
    rule = compile_rule(f"{expression} > 0")
    view = Market({frame.timeframe: frame}).view(frame.timeframe, frame.close_time)
    return rule.values(view)[rule.leaves[0].text][:, -1]


def tail(bars: int, function: Callable[..., Floats], *names: str, **params: float) -> Callable[[Columns], float]:
    """Return TA-Lib's last value over the last `bars` candles."""
    return lambda c: function(*(np.ascontiguousarray(c[name][-bars:]) for name in names), **params)[-1]


def columns_of(frame: CandleFrame, row: int) -> Columns:
    """Return the columns of one symbol by name."""
    return {name: np.ascontiguousarray(frame.column(name)[row]) for name in COLUMNS}


def check_golden(expression: str, reference: Callable[[Columns], float], *, rel: float = 1e-9) -> None:
    """Compare an expression with its reference, which is given the columns of one symbol, on eight random markets."""
    candles = longest(expression, symbols=8, seed=3)
    got = last(expression, candles)
    for row in range(8):
        columns = columns_of(candles, row)
        tolerance = 1e-9 * min(float(columns["close"][-1]), 1.0)
        assert got[row] == pytest.approx(reference(columns), rel=rel, abs=tolerance), (expression, row)
