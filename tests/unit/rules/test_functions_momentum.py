"""Momentum functions against TA-Lib where it has them, else against the definition written out."""

from collections.abc import Callable

import numpy as np
import pytest
import talib

from shared.domain.candles import Floats
from tests.unit.rules.golden import WILDER_14, Columns, check_golden, ema_line, tail, warmup

EMA_9 = warmup(2 / 10)


def ppo(c: Columns) -> Floats:
    line = 100 * (ema_line(c["close"], 12, EMA_9) / ema_line(c["close"], 26, EMA_9) - 1)
    signal = talib.EMA(line, 9)[-1]
    return np.array([line[-1], signal, line[-1] - signal])


def tsi_line(x: Floats, long: int, short: int, bars: int) -> Floats:
    inner = bars - 1 + warmup(2 / (short + 1))
    moves = np.diff(x)
    up, size = (ema_line(ema_line(part, long, inner), short, bars) for part in (moves, np.abs(moves)))
    return 100 * up / size


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
    "tsi(25, 13, 7).tsi": lambda c: tsi_line(c["close"], 25, 13, 1)[-1],
    "tsi(25, 13, 7).signal": lambda c: ema_line(tsi_line(c["close"], 25, 13, warmup(2 / 8)), 7, 1)[-1],
    "awesome_oscillator()": awesome,
}


@pytest.mark.parametrize("expression", GOLDEN)
def test_an_oscillator_is_what_its_definition_says(expression: str) -> None:
    check_golden(expression, GOLDEN[expression], rel=1e-8)
