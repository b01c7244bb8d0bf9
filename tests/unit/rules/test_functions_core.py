"""Every function against TA-Lib on exactly the candles it reads, and against numbers worked out by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import talib

from shared.domain.candles import COLUMNS, CandleFrame, Floats
from shared.domain.rules import Market, compile_rule
from shared.domain.rules.indicators import ANCHOR_BARS
from shared.domain.timeframe import Timeframe
from tests.unit.rules.golden import BARS, WILDER_14, Columns, check_golden, ema_line, last, tail, warmup


def macd(c: Columns) -> Floats:
    line = ema_line(c["close"], 12, warmup(2 / 10)) - ema_line(c["close"], 26, warmup(2 / 10))
    signal = talib.EMA(line, 9)[-1]
    return np.array([line[-1], signal, line[-1] - signal])


def stochrsi(c: Columns) -> Floats:
    x, window = c["close"], WILDER_14
    rsi = np.array([talib.RSI(x[len(x) - ago - window : len(x) - ago], 14)[-1] for ago in range(15, -1, -1)])
    place = [100 * (rsi[j + 13] - rsi[j : j + 14].min()) / np.ptp(rsi[j : j + 14]) for j in range(3)]
    return np.array([place[-1], np.mean(place)])


ADX_BARS = WILDER_14 + 3 * 14 + ANCHOR_BARS - 1


def adx(c: Columns) -> float:
    """Return Wilder's ADX(14) step by step: sums of directional movement, then the average of DX."""
    high, low = c["high"][-ADX_BARS:], c["low"][-ADX_BARS:]
    rise, fall = np.diff(high), -np.diff(low)
    movements = [np.where((rise > fall) & (rise > 0), rise, 0), np.where((fall > rise) & (fall > 0), fall, 0)]
    plus, minus = (float(m[:13].sum()) for m in movements)
    dx = []
    for up, down in zip(movements[0][13:], movements[1][13:], strict=True):
        plus, minus = plus - plus / 14 + up, minus - minus / 14 + down
        dx.append(100 * abs(plus - minus) / (plus + minus))
    dx = dx[1 - WILDER_14 :]
    average = float(np.mean(dx[:14]))
    for value in dx[14:]:
        average = (average * 13 + value) / 14
    return average


def bollinger(c: Columns) -> float:
    return float(talib.BBANDS(c["close"], timeperiod=20, nbdevup=2.5, nbdevdn=2.5)[0][-1])


def stochastic(output: int) -> Callable[[Columns], float]:
    lengths: dict[str, Any] = {"fastk_period": 14, "slowk_period": 3, "slowd_period": 3}
    return lambda c: talib.STOCH(c["high"], c["low"], c["close"], **lengths)[output][-1]


GOLDEN: dict[str, Callable[[Columns], float]] = {
    "sma(20)": tail(BARS, talib.SMA, "close", timeperiod=20),
    "sma(1)": tail(1, lambda x: x, "close"),
    "ema(14)": tail(warmup(2 / 15), talib.EMA, "close", timeperiod=14),
    "ema(volume, 50)": tail(warmup(2 / 51), talib.EMA, "volume", timeperiod=50),
    "wma(30)": tail(BARS, talib.WMA, "close", timeperiod=30),
    "rsi(14)": tail(WILDER_14, talib.RSI, "close", timeperiod=14),
    "rsi(volume, 5)": tail(70, talib.RSI, "volume", timeperiod=5),
    "macd().macd": lambda c: macd(c)[0],
    "macd().signal": lambda c: macd(c)[1],
    "macd().histogram": lambda c: macd(c)[2],
    "bbands(20, 2.5).upper": bollinger,
    "bbands(20).middle": tail(BARS, talib.SMA, "close", timeperiod=20),
    "stdev(20)": lambda c: float(np.std(c["close"][-20:])),
    "atr(14)": tail(WILDER_14, talib.ATR, "high", "low", "close", timeperiod=14),
    "adx(14)": adx,
    "stoch(14, 3, 3).k": stochastic(0),
    "stoch(14, 3, 3).d": stochastic(1),
    "stochrsi(14, 14, 3).k": lambda c: stochrsi(c)[0],
    "stochrsi(14, 14, 3).d": lambda c: stochrsi(c)[1],
    "cci(20)": tail(BARS, talib.CCI, "high", "low", "close", timeperiod=20),
    "mfi(14)": tail(BARS, talib.MFI, "high", "low", "close", "volume", timeperiod=14),
    "obv(100)": lambda c: talib.OBV(c["close"][-101:], c["volume"][-101:])[-1] - c["volume"][-101],
    "roc(10)": tail(BARS, talib.ROC, "close", timeperiod=10),
    "willr(14)": tail(BARS, talib.WILLR, "high", "low", "close", timeperiod=14),
    "psar(0.02, 0.2)": tail(263, talib.SAR, "high", "low", acceleration=0.02, maximum=0.2),
    "highest(20)": tail(BARS, talib.MAX, "high", timeperiod=20),
    "lowest(20)": tail(BARS, talib.MIN, "low", timeperiod=20),
    "change(3)": tail(BARS, talib.MOM, "close", timeperiod=3),
    "engulfing()": lambda c: float(np.sign(talib.CDLENGULFING(c["open"], c["high"], c["low"], c["close"])[-1])),
}


@pytest.mark.parametrize("expression", GOLDEN)
def test_a_function_is_what_ta_lib_says_on_the_candles_it_reads(expression: str) -> None:
    check_golden(expression, GOLDEN[expression])


@pytest.mark.parametrize(
    ("expression", "reference", "tolerance"),
    [
        ("ema(50)", lambda c: talib.EMA(c["close"], 50)[-1], 1e-5),
        ("ema(200)", lambda c: talib.EMA(c["close"], 200)[-1], 2e-3),
        ("rsi(14)", lambda c: talib.RSI(c["close"], 14)[-1], 1e-4),
        ("atr(14)", lambda c: talib.ATR(c["high"], c["low"], c["close"], 14)[-1], 1e-7),
        ("adx(14)", lambda c: talib.ADX(c["high"], c["low"], c["close"], 14)[-1], 1e-3),
        ("macd().histogram", lambda c: talib.MACD(c["close"])[2][-1], 1e-7),
        ("psar()", lambda c: talib.SAR(c["high"], c["low"], 0.02, 0.2)[-1], 1e-9),
    ],
)
def test_older_history_hardly_matters(
    expression: str,
    reference: Callable[[Columns], float],
    tolerance: float,
    frame: Callable[..., CandleFrame],
) -> None:
    candles = frame(symbols=10, bars=3_000, seed=5)
    candles.values[:4] /= candles.values[3, :, -1][None, :, None]  # every price near 1
    got = last(expression, candles)
    for row in range(10):
        columns = {name: np.ascontiguousarray(candles.column(name)[row]) for name in COLUMNS}
        assert got[row] == pytest.approx(reference(columns), abs=tolerance)


def small(frame: Callable[..., CandleFrame], **columns: list[float]) -> CandleFrame:
    """Return a frame of one symbol with the given columns, the others as drawn."""
    bars = len(next(iter(columns.values())))
    candles = frame(symbols=1, bars=bars)
    for name, values in columns.items():
        candles.values[COLUMNS.index(name), 0] = values
    return candles


@pytest.mark.parametrize(
    ("expression", "closes", "expected"),
    [
        ("sma(3)", [1, 2, 3, 7], 4),
        ("wma(3)", [9, 1, 2, 3], (1 * 1 + 2 * 2 + 3 * 3) / 6),
        ("stdev(4)", [2, 4, 4, 6], 2**0.5),
        ("change(2)", [5, 6, 9], 4),
        ("roc(2)", [5, 6, 10], 100),
        ("highest(close, 3)", [9, 1, 5, 2], 5),
        ("lowest(close, 3)", [0.5, 3, 5, 2], 2),
        ("bbands(4, 2).lower", [2, 4, 4, 6], 4 - 2 * 2**0.5),
        ("rsi(2)", [1.0] * 23 + [2, 3, 4, 5, 6], 100),
        ("rsi(2)", [9.0] * 23 + [8, 7, 6, 5, 4], 0),
    ],
)
def test_numbers_worked_out_by_hand(
    expression: str, closes: list[float], expected: float, frame: Callable[..., CandleFrame]
) -> None:
    assert last(expression, small(frame, close=closes))[0] == pytest.approx(expected, abs=1e-12)


def test_a_flat_market_is_exactly_flat_and_has_no_oscillators(frame: Callable[..., CandleFrame]) -> None:
    price = [0.1] * 300
    flat = small(frame, open=price, high=price, low=price, close=price, volume=[0.0] * 300, quote_volume=[0.0] * 300)
    for average in ("sma(20)", "ema(20)", "wma(20)", "bbands().upper", "psar()", "highest(20)"):
        assert last(average, flat)[0] == 0.1
    for zero in (
        "stdev(20)",
        "atr()",
        "macd().macd",
        "macd().histogram",
        "change(5)",
        "roc(5)",
        "obv()",
        "engulfing()",
    ):
        assert last(zero, flat)[0] == 0.0
    # TA-Lib answers 0 here, which would call every untraded coin oversold.
    for nothing in ("rsi()", "stoch().k", "stochrsi().d", "willr()", "cci()", "mfi()", "adx()"):
        assert np.isnan(last(nothing, flat)[0]), nothing


def test_a_coin_of_tiny_price_has_bands_of_its_own(frame: Callable[..., CandleFrame]) -> None:
    candles = frame(symbols=1, bars=60, seed=2)
    candles.values[:4] *= 1e-8 / candles.values[3, 0, -1]
    closes = candles.column("close")[0]
    assert last("stdev(20)", candles)[0] == pytest.approx(np.std(closes[-20:]), rel=1e-9)
    assert last("bbands().upper", candles)[0] > last("bbands().lower", candles)[0]


@pytest.mark.parametrize("place", [0, 30, 58, 59])
def test_a_lone_outlier_does_not_cost_a_deviation_its_digits(place: int, frame: Callable[..., CandleFrame]) -> None:
    closes = list(np.linspace(100.0, 100.001, 60))
    closes[place] = 1e6
    candles = small(frame, close=closes)
    assert last("stdev(60)", candles)[0] == pytest.approx(np.std(closes), rel=1e-12)
    assert last("sma(60)", candles)[0] == pytest.approx(np.mean(closes), rel=1e-12)


def test_engulfing_agrees_with_ta_lib_on_every_candle(frame: Callable[..., CandleFrame]) -> None:
    rng = np.random.default_rng(4)
    opened, closed = rng.integers(1, 6, (2, 4_000)).astype(float)  # few levels, so that bodies often touch
    high, low = np.maximum(opened, closed), np.minimum(opened, closed)
    candles = small(frame, open=list(opened), high=list(high), low=list(low), close=list(closed))
    rule = compile_rule("engulfing() > 0")
    view = Market({Timeframe.M1: candles}).view(Timeframe.M1, candles.close_time)
    got = rule.values(view, 3_900)["engulfing()"][0]
    want = np.sign(talib.CDLENGULFING(opened, high, low, closed))[-3_900:]
    assert np.array_equal(got, want)
    assert {-1.0, 0.0, 1.0} == set(got)


@pytest.mark.parametrize("expression", GOLDEN)
def test_a_missing_candle_anywhere_in_the_window_leaves_no_value(
    expression: str, frame: Callable[..., CandleFrame]
) -> None:
    candles = frame(symbols=2, bars=BARS, seed=6)
    lookback = compile_rule(f"{expression} > 0").lookback
    candles.values[:, 0, BARS - lookback] = np.nan
    got = last(expression, candles)
    assert np.isnan(got[0])
    assert np.isfinite(got[1])
    candles = frame(symbols=2, bars=BARS, seed=6)
    candles.values[:, 0, : BARS - lookback] = np.nan
    assert np.isfinite(last(expression, candles)).all()
