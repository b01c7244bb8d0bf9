"""Trend functions against TA-Lib where it has them, else against the definition written out."""

from collections.abc import Callable

import numpy as np
import pytest
import talib

from shared.domain.candles import Floats
from tests.unit.rules.conftest import random_frame
from tests.unit.rules.golden import WILDER_14, Columns, check_golden, columns_of, last, tail
from tests.unit.rules.test_functions_averages import emas


def midpoint(c: Columns, bars: int, ago: int = 0) -> float:
    stop = len(c["high"]) - ago
    return float(c["high"][stop - bars : stop].max() + c["low"][stop - bars : stop].min()) / 2


def true_ranges(c: Columns) -> Floats:
    close = c["close"][:-1]
    return np.maximum(c["high"][1:], close) - np.minimum(c["low"][1:], close)


def vortex(c: Columns, *, up: bool) -> float:
    high, low = c["high"], c["low"]
    moves = np.abs(high[1:] - low[:-1]) if up else np.abs(low[1:] - high[:-1])
    return float(moves[-14:].sum() / true_ranges(c)[-14:].sum())


def trix(c: Columns) -> float:
    now, before = emas(c["close"], 5)[2], emas(c["close"][:-1], 5)[2]
    return 100 * (now / before - 1)


def di(name: str) -> Callable[[Columns], float]:
    return tail(WILDER_14, getattr(talib, name), "high", "low", "close", timeperiod=14)


def dx(c: Columns) -> float:
    plus, minus = di("PLUS_DI")(c), di("MINUS_DI")(c)
    return 100 * abs(plus - minus) / (plus + minus)


def supertrend(c: Columns, length: int, multiplier: float) -> tuple[Floats, Floats]:
    """Return line and direction over a whole history, as its author's formula goes."""
    middle, atr = (c["high"] + c["low"]) / 2, talib.ATR(c["high"], c["low"], c["close"], length)
    close, line, way = c["close"], np.full(len(atr), np.nan), np.ones(len(atr))
    top, bottom = middle + multiplier * atr, middle - multiplier * atr
    for bar in range(length + 1, len(close)):
        if not (top[bar] < top[bar - 1] or close[bar - 1] > top[bar - 1]):
            top[bar] = top[bar - 1]
        if not (bottom[bar] > bottom[bar - 1] or close[bar - 1] < bottom[bar - 1]):
            bottom[bar] = bottom[bar - 1]
        if way[bar - 1] > 0:
            way[bar] = 1.0 if close[bar] >= bottom[bar] else -1.0
        else:
            way[bar] = 1.0 if close[bar] > top[bar] else -1.0
        line[bar] = bottom[bar] if way[bar] > 0 else top[bar]
    return line, way


GOLDEN: dict[str, Callable[[Columns], float]] = {
    "plus_di(14)": di("PLUS_DI"),
    "minus_di(14)": di("MINUS_DI"),
    "dmi(14).plus": di("PLUS_DI"),
    "dmi(14).minus": di("MINUS_DI"),
    "dmi(14).dx": dx,
    "aroon(14).up": lambda c: talib.AROON(c["high"], c["low"], 14)[1][-1],
    "aroon(14).down": lambda c: talib.AROON(c["high"], c["low"], 14)[0][-1],
    "aroon(25).oscillator": tail(26, talib.AROONOSC, "high", "low", timeperiod=25),
    "ichimoku().conversion": lambda c: midpoint(c, 9),
    "ichimoku().base": lambda c: midpoint(c, 26),
    "ichimoku().span_a": lambda c: (midpoint(c, 9, 26) + midpoint(c, 26, 26)) / 2,
    "ichimoku().span_b": lambda c: midpoint(c, 52, 26),
    "trix(5)": trix,
    "vortex(14).plus": lambda c: vortex(c, up=True),
    "vortex(14).minus": lambda c: vortex(c, up=False),
    "supertrend().value": lambda c: supertrend(c, 10, 3.0)[0][-1],
    "supertrend().direction": lambda c: supertrend(c, 10, 3.0)[1][-1],
}


@pytest.mark.parametrize("expression", [text for text in GOLDEN if not text.startswith("supertrend")])
def test_a_trend_is_what_its_definition_says(expression: str) -> None:
    check_golden(expression, GOLDEN[expression], rel=2e-6 if expression.startswith("trix") else 1e-9)


@pytest.mark.parametrize(("length", "multiplier"), [(7, 1.0), (10, 3.0), (14, 4.0)])
def test_a_supertrend_has_met_the_path_of_the_full_history(length: int, multiplier: float) -> None:
    candles = random_frame(symbols=60, bars=2_000, seed=length)
    value = last(f"supertrend({length}, {multiplier}).value", candles)
    way = last(f"supertrend({length}, {multiplier}).direction", candles)
    for row in range(60):
        line, direction = supertrend(columns_of(candles, row), length, multiplier)
        assert value[row] == pytest.approx(line[-1], rel=1e-4)
        assert way[row] == direction[-1]


def test_a_supertrend_by_hand() -> None:
    candles = random_frame(symbols=1, bars=700)
    prices = np.concatenate((np.arange(690.0) + 1000.0, np.full(10, 1500.0)))
    candles.values[0, 0] = candles.values[3, 0] = prices
    candles.values[1, 0], candles.values[2, 0] = prices + 1.0, prices - 1.0
    rising = candles.until(int(candles.open_times[689]) + 60_000)
    assert last("supertrend(10, 3).direction", rising)[0] == 1.0
    # hl2 is 1689, every true range is 2: the stop trails three of them below
    assert last("supertrend(10, 3).value", rising)[0] == pytest.approx(1689.0 - 3 * 2.0, rel=1e-6)
    assert last("supertrend(10, 3).direction", candles)[0] == -1.0
