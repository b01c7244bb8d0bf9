"""Momentum functions against TA-Lib where it has them, else against the definition written out."""

from collections.abc import Callable

import numpy as np
import pytest
import talib

from shared.domain.candles import Floats
from shared.domain.rules.indicators import ANCHOR_BARS
from tests.unit.rules.golden import WILDER_14, Columns, check_golden, ema_line, tail, warmup

LONGEST = ANCHOR_BARS - 1  # the tests look where a path is that much longer than it must be


def ppo(c: Columns) -> Floats:
    last = 100 * (ema_line(c["close"], 12, 1) / ema_line(c["close"], 26, 1) - 1)[0]
    x = c["close"][-(warmup(2 / 27) + warmup(2 / 10) + LONGEST) :]
    signal = talib.EMA(100 * (talib.EMA(x, 12) / talib.EMA(x, 26) - 1)[25:], 9)[-1]
    return np.array([last, signal, last - signal])


def tsi(c: Columns) -> float:
    inner = warmup(2 / 14)
    moves = np.diff(c["close"])
    up, size = (ema_line(ema_line(part, 25, inner), 13, 1) for part in (moves, np.abs(moves)))
    return float(100 * up[0] / size[0])


def tsi_signal(c: Columns) -> float:
    path = warmup(2 / 26) + warmup(2 / 14) + warmup(2 / 8) + 1
    moves = np.diff(c["close"][-(path + LONGEST) :])
    up, size = (talib.EMA(talib.EMA(part, 25)[24:], 13)[12:] for part in (moves, np.abs(moves)))
    return float(talib.EMA(100 * up / size, 7)[-1])


def awesome(c: Columns) -> float:
    middle = (c["high"] + c["low"]) / 2
    return float(middle[-5:].mean() - middle[-34:].mean())


GOLDEN: dict[str, Callable[[Columns], float]] = {
    "ppo().ppo": lambda c: ppo(c)[0],
    "ppo().signal": lambda c: ppo(c)[1],
    "ppo().histogram": lambda c: ppo(c)[2],
    "mom(10)": tail(11, talib.MOM, "close", timeperiod=10),
    "cmo(14)": tail(WILDER_14, talib.CMO, "close", timeperiod=14),
    "ultosc()": tail(29, talib.ULTOSC, "high", "low", "close", timeperiod1=7, timeperiod2=14, timeperiod3=28),
    "tsi(25, 13, 7).tsi": tsi,
    "tsi(25, 13, 7).signal": tsi_signal,
    "awesome_oscillator()": awesome,
}


@pytest.mark.parametrize("expression", GOLDEN)
def test_an_oscillator_is_what_its_definition_says(expression: str) -> None:
    check_golden(expression, GOLDEN[expression], rel=1e-8)
