"""Statistics against numpy and against small tables."""

from collections.abc import Callable

import numpy as np
import pytest
import talib

from shared.domain.rules import Market, compile_rule
from shared.domain.timeframe import Timeframe
from tests.unit.rules.conftest import random_frame
from tests.unit.rules.golden import Columns, check_golden, last, tail

RISES: Callable[[Columns], list[bool]] = lambda c: (c["close"] > c["open"]).tolist()  # noqa: E731 - a name for many
GOLDEN: dict[str, Callable[[Columns], float]] = {
    "zscore(20)": lambda c: (c["close"][-1] - c["close"][-20:].mean()) / c["close"][-20:].std(),
    "percentile_rank(50)": lambda c: 100 * np.mean(c["close"][-51:-1] < c["close"][-1]),
    "correlation(close, volume, 30)": tail(30, talib.CORREL, "close", "volume", timeperiod=30),
    "correlation(high, low, 30)": lambda c: np.corrcoef(c["high"][-30:], c["low"][-30:])[0, 1],
    "median(20)": lambda c: np.median(c["close"][-20:]),
    "median(volume, 7)": lambda c: np.median(c["volume"][-7:]),
    "quantile(50, 0.9)": lambda c: np.quantile(c["close"][-50:], 0.9),
    "slope(14)": tail(14, talib.LINEARREG_SLOPE, "close", timeperiod=14),
    "count(close > open, 30)": lambda c: float(sum(RISES(c)[-30:])),
    "bars_since(close > open, 40)": lambda c: float([*RISES(c)[::-1], True].index(True)),
    "rising(2)": lambda c: float(c["close"][-1] > c["close"][-2] > c["close"][-3]),
    "falling(2)": lambda c: float(c["close"][-1] < c["close"][-2] < c["close"][-3]),
    "all_of(close > open, 2)": lambda c: float(all(RISES(c)[-2:])),
    "any_of(close > open, 2)": lambda c: float(any(RISES(c)[-2:])),
}
CONDITIONS = ("rising(2)", "falling(2)", "all_of(close > open, 2)", "any_of(close > open, 2)")


@pytest.mark.parametrize("expression", [text for text in GOLDEN if text not in CONDITIONS])
def test_a_statistic_is_what_its_definition_says(expression: str) -> None:
    check_golden(expression, GOLDEN[expression], rel=1e-8)


@pytest.mark.parametrize("expression", CONDITIONS)
def test_a_condition_over_time_is_what_its_definition_says(expression: str) -> None:
    candles = random_frame(symbols=40, bars=10, seed=1)
    view = Market({Timeframe.M1: candles}).view(Timeframe.M1, candles.close_time)
    yes = compile_rule(expression).truth(view).yes[:, 0]
    columns = ({name: candles.column(name)[row] for name in ("open", "close")} for row in range(40))
    assert yes.tolist() == [bool(GOLDEN[expression](c)) for c in columns]
    assert 0 < yes.sum() < 40


def test_what_never_happened_is_as_far_away_as_one_looks() -> None:
    candles = random_frame(symbols=1, bars=60)
    candles.values[3] = candles.values[0] / 2
    assert last("bars_since(close > open, 25)", candles)[0] == 25.0
    assert last("count(close > open, 25)", candles)[0] == 0.0


def test_flat_values_have_no_correlation_and_no_score() -> None:
    candles = random_frame(symbols=1, bars=60)
    candles.values[3] = 5.0
    assert np.isnan(last("correlation(close, volume, 20)", candles)[0])
    assert np.isnan(last("zscore(20)", candles)[0])
    assert last("quantile(20, 0.3)", candles)[0] == 5.0
