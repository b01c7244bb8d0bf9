"""Turning points, divergences and bars beside bars, against tables one can check by eye and slow definitions."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import talib

from shared.domain.candles import CandleFrame, Floats
from shared.domain.rules import Market, compile_rule
from tests.unit.rules.conftest import random_frame
from tests.unit.rules.golden import Columns, check_golden

NAN = float("nan")


def prices(closes: Sequence[float], spread: float = 0.0) -> CandleFrame:
    """Return one symbol whose candles reach `spread` beyond given closes."""
    candles = random_frame(symbols=1, bars=len(closes))
    candles.values[:4] = np.array(closes, dtype=float)
    candles.values[1] += spread
    candles.values[2] -= spread
    return candles


def line(expression: str, candles: CandleFrame, bars: int) -> list[float]:
    """Return an expression's last values for the first symbol; a condition's are 1 and 0."""
    view = Market({candles.timeframe: candles}).view(candles.timeframe, candles.close_time)
    if ">" not in expression and expression.startswith(("higher", "lower", "inside", "outside")):
        truth = compile_rule(expression).truth(view, bars)
        return list(np.where(truth.known, truth.yes, NAN)[0])
    rule = compile_rule(f"{expression} > 0")
    return list(rule.values(view, bars)[rule.leaves[0].text][0])


def newest_turn(x: Floats, left: int, right: int, bars: int, *, top: bool) -> list[int]:
    """Return the places of the turning points confirmed within the last bars, oldest first."""
    x = x if top else -x
    return [
        turn
        for turn in range(len(x) - bars - right, len(x) - right)
        if x[turn] > x[turn - left : turn].max() and x[turn] >= x[turn + 1 : turn + right + 1].max()
    ]


def pivot(name: str, *, top: bool) -> Callable[[Columns], float]:
    return lambda c: c[name][newest_turn(c[name], 3, 2, 60, top=top)[-1]]


def divergence(c: Columns, kind: str) -> float:
    rsi = np.full(len(c["close"]), NAN)
    for bar in range(len(rsi) - 80, len(rsi)):
        rsi[bar] = talib.RSI(c["close"][bar - 96 : bar + 1], 14)[-1]
    for top in (False, True):
        turns = newest_turn(rsi, 3, 1, 41, top=top)
        if len(turns) < 2 or turns[-1] != len(rsi) - 2:
            continue
        price = c["high" if top else "low"][turns[-2:]]
        way = 1.0 if top else -1.0
        higher = way * (price[1] - price[0]), way * (rsi[turns[-1]] - rsi[turns[-2]])
        if (higher[0] > 0 > higher[1]) if kind == "regular" else (higher[0] < 0 < higher[1]):
            return -way
    return 0.0


GOLDEN: dict[str, Callable[[Columns], float]] = {
    "pivot_high(3, 2, 60)": pivot("high", top=True),
    "pivot_low(3, 2, 60)": pivot("low", top=False),
    "divergence(rsi(14), 40, left=3, right=1)": lambda c: divergence(c, "regular"),
    'divergence(rsi(14), 40, "hidden", left=3, right=1)': lambda c: divergence(c, "hidden"),
}
APART = {"higher_high", "lower_high", "higher_low", "lower_low", "inside_bar", "outside_bar", "gap"}


@pytest.mark.parametrize("expression", GOLDEN)
def test_a_shape_is_what_its_definition_says(expression: str) -> None:
    check_golden(expression, GOLDEN[expression])


@pytest.mark.parametrize("kind", ["regular", "hidden"])
def test_divergences_are_found_both_ways_wherever_they_are(kind: str) -> None:
    candles = random_frame(symbols=1, bars=1_000, seed=5)
    got = line(f'divergence(rsi(14), 40, "{kind}", left=3, right=1)', candles, 700)
    columns = {name: candles.column(name)[0] for name in ("high", "low", "close")}
    want = [divergence({name: x[: 301 + bar] for name, x in columns.items()}, kind) for bar in range(700)]
    assert got == want
    assert {-1.0, 0.0, 1.0} == set(got)


CLOSES = [5, 5, 6, 9, 7, 6, 8, 7, 6, 5, 4, 5, 6, 7]  # tops: the 9, known at its second 6, then the 8; lows: 6, then 4


def test_a_turning_point_is_known_once_confirmed_and_for_as_long_as_asked() -> None:
    candles = prices(CLOSES, spread=0.5)
    highs, lows = line("pivot_high(2, 2, 4)", candles, 7), line("pivot_low(2, 2, 4)", candles, 7)
    assert np.array_equal(highs, [9.5, 8.5, 8.5, 8.5, 8.5, NAN, NAN], equal_nan=True)
    assert np.array_equal(lows, [5.5, 5.5, 5.5, 5.5, NAN, 3.5, 3.5], equal_nan=True)


def test_the_first_of_equal_highs_is_the_turning_point() -> None:
    assert line("pivot_high(2, 2, 2)", prices([1, 2, 5, 5, 1, 1]), 1) == [5.0]
    assert np.isnan(line("pivot_high(2, 2, 2)", prices([1, 2, 5, 5, 1, 1, 1]), 1)[0])


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("higher_high(2, 2, 9)", 0.0),
        ("lower_high(2, 2, 9)", 1.0),
        ("higher_low(2, 2, 9)", 0.0),
        ("lower_low(2, 2, 9)", 1.0),
        ("lower_high(2, 2, 3)", 0.0),  # neither top was confirmed in the last three candles
        ("lower_low(2, 2, 4)", 0.0),  # only one low was
    ],
)
def test_a_trend_compares_the_last_two_turning_points(expression: str, holds: float) -> None:
    assert line(expression, prices(CLOSES, spread=0.5), 1) == [holds]


def test_bars_beside_bars() -> None:
    candles = prices([10] * 6)
    candles.values[1, 0] = [12, 11, 13, 13, 15, 9]
    candles.values[2, 0] = [8, 9, 7, 7, 14, 8]
    candles.values[3, 0] = [10, 10, 10, 12, 14.5, 8.5]
    assert line("inside_bar()", candles, 5) == [1, 0, 0, 0, 0]
    assert line("outside_bar()", candles, 5) == [0, 1, 0, 0, 0]
    assert line("gap()", candles, 5) == [0, 0, 0, 1, -1]
    assert line("gap(8)", candles, 5) == [0, 0, 0, 1, -1]  # 14 - 13 is 8.3 % of 12
    assert line("gap(10)", candles, 5) == [0, 0, 0, 0, -1]  # 14 - 9 is 34 % of 14.5
