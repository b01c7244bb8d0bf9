"""Averages against TA-Lib where it has them, else against the definition written out."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import talib

from shared.domain.candles import Floats
from tests.unit.rules.conftest import random_frame
from tests.unit.rules.golden import Columns, check_golden, columns_of, ema_line, last, longest, tail, warmup


def emas(x: Floats, length: int) -> tuple[float, float, float]:
    """Return the EMA, the EMA of it and the EMA of that, each over its own warm-up."""
    window = warmup(2 / (length + 1))
    once = ema_line(x, length, 2 * window)
    twice = ema_line(once, length, window)
    return once[-1], twice[-1], ema_line(twice, length, 1)[0]


def dema(c: Columns) -> float:
    once, twice, _ = emas(c["close"], 9)
    return 2 * once - twice


def tema(c: Columns) -> float:
    once, twice, thrice = emas(c["close"], 9)
    return 3 * once - 3 * twice + thrice


def hma(c: Columns) -> float:
    raw = 2 * talib.WMA(c["close"], 10) - talib.WMA(c["close"], 20)
    return float(talib.WMA(raw[-4:], math.isqrt(20))[-1])


def zlema(c: Columns) -> float:
    x = c["close"]
    ahead = 2 * x[4:] - x[:-4]
    return float(ema_line(ahead, 10, 1)[0])


def vwma(c: Columns) -> float:
    return float(np.sum(c["close"][-15:] * c["volume"][-15:]) / np.sum(c["volume"][-15:]))


GOLDEN: dict[str, Callable[[Columns], float]] = {
    "dema(9)": dema,
    "tema(9)": tema,
    "hma(20)": hma,
    "zlema(10)": zlema,
    "vwma(15)": vwma,
    "linreg(14)": tail(14, talib.LINEARREG, "close", timeperiod=14),
    "linreg(volume, 30)": tail(30, talib.LINEARREG, "volume", timeperiod=30),
    "linreg_slope(14)": tail(14, talib.LINEARREG_SLOPE, "close", timeperiod=14),
}
APART = {"kama"}


@pytest.mark.parametrize("expression", GOLDEN)
def test_an_average_is_what_its_definition_says(expression: str) -> None:
    check_golden(expression, GOLDEN[expression], rel=1e-8)


@pytest.mark.parametrize("length", [2, 10, 30, 60])
def test_kama_has_met_the_path_of_the_full_history(length: int) -> None:
    candles = random_frame(symbols=40, bars=3_000, seed=length)
    got = last(f"kama({length})", candles)
    for row in range(40):
        close = columns_of(candles, row)["close"]
        assert got[row] == pytest.approx(talib.KAMA(close, length)[-1], rel=1e-4)


def test_kama_on_the_candles_it_reads() -> None:
    candles = longest("kama(10)", symbols=4, seed=3, bars=700)
    got = last("kama(10)", candles)
    for row in range(4):
        assert got[row] == talib.KAMA(columns_of(candles, row)["close"][-663:], 10)[-1]


def test_averages_of_a_straight_line_stand_on_it() -> None:
    candles = random_frame(symbols=1, bars=200)
    candles.values[3, 0] = np.arange(200.0) + 100.0
    assert last("linreg(20)", candles)[0] == pytest.approx(299.0, rel=1e-12)
    assert last("linreg_slope(20)", candles)[0] == pytest.approx(1.0, rel=1e-12)
    assert last("hma(16)", candles)[0] == pytest.approx(299.0 + 1 / 3 - 1.0, rel=1e-12)  # wma(n) lags by (n - 1)/3
    assert last("zlema(9)", candles)[0] == pytest.approx(299.0, abs=0.02)
