"""Volume, volume-by-price and order-flow functions against their definitions written out."""

from collections.abc import Callable

import numpy as np
import pytest
import talib

from shared.domain.candles import Floats
from shared.domain.rules import Market, compile_rule
from shared.domain.timeframe import Timeframe
from tests.unit.rules.conftest import random_frame
from tests.unit.rules.golden import Columns, check_golden, columns_of, ema_line, last, warmup

M5 = Timeframe.M5


def placed(c: Columns) -> Floats:
    return c["volume"] * (2 * c["close"] - c["high"] - c["low"]) / (c["high"] - c["low"])


def adosc(c: Columns) -> float:
    window = warmup(2 / 11)
    line = talib.AD(*(c[name][-window:] for name in ("high", "low", "close", "volume")))
    return float(ema_line(line, 3, 1)[0] - ema_line(line, 10, 1)[0])


def index(c: Columns, *, up: bool) -> float:
    value = 1000.0
    for bar in range(len(c["close"]) - 50, len(c["close"])):
        more = c["volume"][bar] - c["volume"][bar - 1]
        if (more > 0.0) if up else (more < 0.0):
            value *= float(c["close"][bar] / c["close"][bar - 1])
    return value


def anchored(c: Columns) -> float:
    price = (c["high"] + c["low"] + c["close"]) / 3
    return float((price * c["volume"])[-30:].sum() / c["volume"][-30:].sum())


def profile(c: Columns, output: int, bars: int = 60, bins: int = 24) -> float:
    """Spread each candle over the bins one by one, then let the value area grow from the fullest bin."""
    high, low, volume = (c[name][-bars:] for name in ("high", "low", "volume"))
    bottom, height = low.min(), (high.max() - low.min()) / bins
    held = np.zeros(bins)
    for h, l, v in zip(high, low, volume, strict=True):  # noqa: E741 - high, low, volume
        for place in range(bins):
            edge = bottom + place * height
            held[place] += v * max(0.0, min(h, edge + height) - max(l, edge)) / (h - l)
    first = last = poc = int(np.argmax(held))
    while held[first : last + 1].sum() < 0.7 * held.sum():
        above = held[last + 1] if last + 1 < bins else -1.0
        below = held[first - 1] if first else -1.0
        first, last = (first, last + 1) if above >= below else (first - 1, last)
    return float([bottom + (poc + 0.5) * height, bottom + (last + 1) * height, bottom + first * height][output])


GOLDEN: dict[str, Callable[[Columns], float]] = {
    "ad(40)": lambda c: placed(c)[-40:].sum(),
    "adosc()": adosc,
    "cmf(20)": lambda c: placed(c)[-20:].sum() / c["volume"][-20:].sum(),
    "force_index(13)": lambda c: ema_line(np.diff(c["close"]) * c["volume"][1:], 13, 1)[0],
    "pvi(50)": lambda c: index(c, up=True),
    "nvi(50)": lambda c: index(c, up=False),
    "anchored_vwap(30)": anchored,
    "volume_profile(60).poc": lambda c: profile(c, 0),
    "volume_profile(60).value_area_high": lambda c: profile(c, 1),
    "volume_profile(60).value_area_low": lambda c: profile(c, 2),
    "delta()": lambda c: 2 * c["taker_buy_volume"][-1] - c["volume"][-1],
    "cumulative_delta(25)": lambda c: (2 * c["taker_buy_volume"] - c["volume"])[-25:].sum(),
    "taker_ratio(5)": lambda c: c["taker_buy_volume"][-5:].sum() / c["volume"][-5:].sum(),
    "trade_size(5)": lambda c: c["volume"][-5:].sum() / c["trades"][-5:].sum(),
}
APART = {"vwap", "near_high_volume_node"}


@pytest.mark.parametrize("expression", GOLDEN)
def test_a_volume_is_what_its_definition_says(expression: str) -> None:
    check_golden(expression, GOLDEN[expression], rel=1e-8)


def test_the_session_average_starts_at_midnight() -> None:
    candles = random_frame(M5, symbols=3, bars=900, seed=4, start=1_704_067_200_000 - 300 * M5.ms)
    view = Market({M5: candles}).view(M5, candles.close_time)
    got = compile_rule("vwap(288) > 0").values(view, 600)["vwap(288)"]
    for row in range(3):
        c = columns_of(candles, row)
        price = (c["high"] + c["low"] + c["close"]) / 3
        for bar in (300, 301, 587, 588, 589, 700, 899):  # midnight is at 300 and 588
            start = 300 + (bar - 300) // 288 * 288
            want = (price * c["volume"])[start : bar + 1].sum() / c["volume"][start : bar + 1].sum()
            assert got[row, bar - 300] == pytest.approx(want, rel=1e-12)


def test_a_session_longer_than_its_bars_is_insufficient() -> None:
    candles = random_frame(M5, symbols=1, bars=400, seed=4, start=1_704_067_200_000)
    view = Market({M5: candles}).view(M5, candles.close_time)
    got = compile_rule("vwap(100) > 0").values(view, 300)["vwap(100)"][0]
    hours = [bar % 288 for bar in range(100, 400)]
    assert [not np.isnan(value) for value in got] == [bar < 100 for bar in hours]


def test_near_the_price_most_was_traded_at() -> None:
    candles = random_frame(symbols=30, bars=150, seed=2)
    poc, close = last("volume_profile(100).poc", candles), candles.column("close")[:, -1]
    view = Market({Timeframe.M1: candles}).view(Timeframe.M1, candles.close_time)
    yes = compile_rule("near_high_volume_node(100, 0.5)").truth(view).yes[:, 0]
    assert yes.tolist() == (np.abs(close - poc) <= 0.005 * close).tolist()
    assert 0 < yes.sum() < 30
