"""Volatility functions against TA-Lib where it has them, else against the definition written out."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import talib

from shared.domain.rules import Market, compile_rule
from shared.domain.timeframe import Timeframe
from tests.unit.rules.conftest import random_frame
from tests.unit.rules.golden import WILDER_14, Columns, check_golden, ema_line, last, tail, warmup
from tests.unit.rules.test_functions_trend import true_ranges


def atr(c: Columns, length: int) -> float:
    bars = warmup(1 / length) + 1
    return float(talib.ATR(c["high"][-bars:], c["low"][-bars:], c["close"][-bars:], length)[-1])


def band(c: Columns) -> tuple[float, float]:
    return float(c["close"][-20:].mean()), float(c["close"][-20:].std())


def chop(c: Columns) -> float:
    span = c["high"][-14:].max() - c["low"][-14:].min()
    return 100 * math.log10(true_ranges(c)[-14:].sum() / span) / math.log10(14)


def annual(c: Columns) -> float:
    return float(100 * np.std(np.diff(np.log(c["close"]))[-20:], ddof=1) * math.sqrt(8_760))


GOLDEN: dict[str, Callable[[Columns], float]] = {
    "true_range()": lambda c: true_ranges(c)[-1],
    "natr(14)": tail(WILDER_14, talib.NATR, "high", "low", "close", timeperiod=14),
    "bbands(20, 2).width": lambda c: 4 * band(c)[1] / band(c)[0],
    "bbands(20, 2).percent_b": lambda c: (c["close"][-1] - band(c)[0] + 2 * band(c)[1]) / (4 * band(c)[1]),
    "bbands(20, 2).lower": lambda c: band(c)[0] - 2 * band(c)[1],
    "keltner(20, 2, 10).upper": lambda c: ema_line(c["close"], 20, 1)[0] + 2 * atr(c, 10),
    "keltner(20, 2, 10).middle": lambda c: ema_line(c["close"], 20, 1)[0],
    "keltner(20, 2, 10).lower": lambda c: ema_line(c["close"], 20, 1)[0] - 2 * atr(c, 10),
    "donchian(20).upper": lambda c: c["high"][-20:].max(),
    "donchian(20).middle": lambda c: (c["high"][-20:].max() + c["low"][-20:].min()) / 2,
    "donchian(20).lower": lambda c: c["low"][-20:].min(),
    "chop(14)": chop,
    "historical_volatility(20, 8760)": annual,
    "squeeze()": lambda c: float(2 * band(c)[1] < 1.5 * true_ranges(c)[-20:].mean()),
}


@pytest.mark.parametrize("expression", [text for text in GOLDEN if text != "squeeze()"])
def test_a_spread_is_what_its_definition_says(expression: str) -> None:
    check_golden(expression, GOLDEN[expression], rel=1e-8)


def test_a_squeeze_is_bollinger_inside_keltner() -> None:
    candles = random_frame(symbols=40, bars=60, seed=8)
    candles.values[3, 20:] += np.linspace(0, 0.02, 60) * candles.values[3, 20:]  # half of them trend
    candles.values[1] = np.maximum(candles.values[1], candles.values[3])
    candles.values[2] = np.minimum(candles.values[2], candles.values[3])
    view = Market({Timeframe.M1: candles}).view(Timeframe.M1, candles.close_time)
    yes = compile_rule("squeeze()").truth(view).yes[:, 0]
    by_parts = 2 * last("stdev(20)", candles) < 1.5 * last("sma(true_range(), 20)", candles)
    assert yes.tolist() == by_parts.tolist()
    assert 0 < yes.sum() < 40
