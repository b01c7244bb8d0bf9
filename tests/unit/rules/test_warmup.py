"""What a recursive function leaves out of its window does not matter: on recorded minutes it meets the full history."""

import csv
import gzip
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import talib

from shared.domain.candles import CandleFrame, Floats
from shared.domain.rules import Market, compile_rule
from shared.domain.timeframe import Timeframe
from tests.unit.rules.golden import Columns, columns_of
from tests.unit.rules.test_functions_trend import supertrend

RECORDED = Path(__file__).parents[2] / "recorded" / "btc_perp_1m_20220101.csv.gz"
MIDNIGHT = 1_640_995_200_000
BARS = 500  # compared, each with at least ten times its lookback before it


@cache
def btc() -> CandleFrame:
    """Return the recorded minutes of BTC; who bought is not recorded, and not asked here."""
    with gzip.open(RECORDED, "rt") as lines:
        prices = np.array([[float(cell) for cell in row] for row in list(csv.reader(lines))[1:]]).T
    base = prices[4] / prices[3]
    values = np.stack([*prices[:4], base, prices[4], np.ones_like(base), base / 2])[:, None, :]
    return CandleFrame(
        timeframe=Timeframe.M1,
        symbols=("BTC/USDT",),
        open_times=MIDNIGHT + np.arange(values.shape[2], dtype=np.int64) * Timeframe.M1.ms,
        values=values,
        filled=np.zeros(values.shape[1:], dtype=np.bool_),
    )


def hlc(function: Callable[..., Floats], *names: str, **params: float) -> Callable[[Columns], Floats]:
    return lambda c: function(c["high"], c["low"], c["close"], *(c[name] for name in names), **params)


def close(function: Callable[..., Floats], **params: float) -> Callable[[Columns], Floats]:
    return lambda c: function(c["close"], **params)


def macd(output: int) -> Callable[[Columns], Floats]:
    return lambda c: talib.MACD(c["close"])[output]


def zlema(c: Columns) -> Floats:
    x = c["close"]
    return talib.EMA(2 * x[9:] - x[:-9], 20)


def tsi(c: Columns) -> Floats:
    moves = np.diff(c["close"])
    up, size = (talib.EMA(talib.EMA(part, 25)[24:], 13) for part in (moves, np.abs(moves)))
    return 100 * up / size


FULL: dict[str, Callable[[Columns], Floats]] = {
    "ema(20)": close(talib.EMA, timeperiod=20),
    "ema(50)": close(talib.EMA, timeperiod=50),
    "ema(volume, 20)": lambda c: talib.EMA(c["volume"], 20),
    "dema(20)": close(talib.DEMA, timeperiod=20),
    "tema(20)": close(talib.TEMA, timeperiod=20),
    "zlema(20)": zlema,
    "kama(10)": close(talib.KAMA, timeperiod=10),
    "trix(15)": close(talib.TRIX, timeperiod=15),
    "rsi(14)": close(talib.RSI, timeperiod=14),
    "cmo(14)": close(talib.CMO, timeperiod=14),
    "stochrsi(14, 14, 3).k": lambda c: talib.STOCHRSI(c["close"], 14, 14, 3)[0],
    "stochrsi(14, 14, 3).d": lambda c: talib.STOCHRSI(c["close"], 14, 14, 3)[1],
    "macd(12, 26, 9).macd": macd(0),
    "macd(12, 26, 9).signal": macd(1),
    "macd(12, 26, 9).histogram": macd(2),
    "ppo(12, 26, 9).ppo": close(talib.PPO, fastperiod=12, slowperiod=26, matype=1),
    "tsi(25, 13, 13).tsi": tsi,
    "atr(14)": hlc(talib.ATR, timeperiod=14),
    "natr(14)": hlc(talib.NATR, timeperiod=14),
    "plus_di(14)": hlc(talib.PLUS_DI, timeperiod=14),
    "minus_di(14)": hlc(talib.MINUS_DI, timeperiod=14),
    "dmi(14).dx": hlc(talib.DX, timeperiod=14),
    "adx(14)": hlc(talib.ADX, timeperiod=14),
    "adosc(3, 10)": hlc(talib.ADOSC, "volume"),
    "force_index(13)": lambda c: talib.EMA(np.diff(c["close"]) * c["volume"][1:], 13),
    "keltner(20, 2, 10).upper": lambda c: talib.EMA(c["close"], 20) + 2 * hlc(talib.ATR, timeperiod=10)(c),
    "psar()": lambda c: talib.SAR(c["high"], c["low"], 0.02, 0.2),
    "supertrend(10, 3).value": lambda c: supertrend(c, 10, 3.0)[0],
}


@pytest.mark.parametrize("expression", FULL)
def test_a_window_says_what_the_whole_history_says(expression: str) -> None:
    candles = btc()
    rule = compile_rule(f"{expression} > 0")
    assert 10 * rule.lookback <= len(candles.open_times) - BARS
    view = Market({candles.timeframe: candles}).view(candles.timeframe, candles.close_time)
    got = rule.values(view, BARS)[rule.leaves[0].text][0]
    want = FULL[expression](columns_of(candles, 0))[-BARS:]
    # Near a zero crossing a value is judged by its usual size.
    size = np.maximum(np.abs(want), np.sqrt(np.mean(want**2)))
    assert np.max(np.abs(got - want) / size) < 1e-4
