"""Functions across the market, against numbers worked out by hand."""

import numpy as np
import pytest

from shared.domain.candles import Floats
from shared.domain.rules import Market, View, compile_rule
from shared.domain.timeframe import Timeframe
from tests.unit.rules.conftest import random_frame
from tests.unit.rules.golden import last

M1 = Timeframe.M1


def closes(*rows: list[float]) -> Market:
    """Return a market of the given closes, a row a symbol: S0/USDT, S1/USDT, …"""
    candles = random_frame(symbols=len(rows), bars=len(rows[0]))
    candles.values[3] = rows
    return Market({M1: candles})


def value(expression: str, market: Market, **options: object) -> list[float]:
    rule = compile_rule(f"{expression} >= 0")
    view = market.view(M1, market.frames[M1].close_time, **options)  # type: ignore[arg-type]
    return list(map(float, rule.values(view)[rule.leaves[0].text][:, -1]))


NAN = float("nan")
GOLDEN: dict[str, list[float | None]] = {
    "rank(close)": [3.0, 1.0, 1.0, NAN],
    "percentile(close)": [0.0, 100.0, 100.0, NAN],
    "breadth(close > 2)": [2 / 3] * 4,
    'beta("S1/USDT", 3)': [None, 1.0, None, NAN],
    'relative_strength("S1/USDT", 3)': [None, 0.0, None, NAN],
}


@pytest.mark.parametrize("expression", GOLDEN)
def test_by_hand(expression: str) -> None:
    market = closes([1.0, 1.1, 1.0, 1.2], [2.0, 4.0, 3.0, 6.0], [3.0, 3.0, 3.0, 6.0], [1.0, 2.0, NAN, NAN])
    market.frames[M1].values[:, 3, -1] = NAN
    for got, want in zip(value(expression, market), GOLDEN[expression], strict=True):
        assert want is None or got == pytest.approx(want, nan_ok=True)


def test_beta_is_the_slope_of_a_regression() -> None:
    candles = random_frame(symbols=3, bars=120, seed=4)
    returns = candles.column("close")[:, 1:] / candles.column("close")[:, :-1] - 1
    for row, got in enumerate(last('beta("S1/USDT", 50)', candles)):
        assert got == pytest.approx(np.polyfit(returns[1, -50:], returns[row, -50:], 1)[0], rel=1e-9)


def test_relative_strength_compares_growth() -> None:
    candles = random_frame(symbols=2, bars=60, seed=4)
    growth = candles.column("close")[:, -1] / candles.column("close")[:, -21]
    want = 100 * (growth[0] / growth[1] - 1)
    assert last('relative_strength("S1/USDT", 20)', candles)[0] == pytest.approx(want, rel=1e-9)


def test_only_the_universe_counts() -> None:
    market = closes([1.0], [2.0], [3.0], [4.0])

    def peers(view: View, bars: int) -> Floats:
        return np.repeat(np.array([[True], [True], [True], [False]]), bars, axis=1)

    assert value("rank(close)", market) == [4.0, 3.0, 2.0, 1.0]
    assert value("rank(close)", market, peers=peers) == [3.0, 2.0, 1.0, 1.0]
    assert value("breadth(close > 2)", market, peers=peers) == [1 / 3] * 4


def test_of_is_the_same_for_everybody_and_unknown_where_there_is_no_such_symbol() -> None:
    market = closes([1.0, 2.0], [5.0, 7.0])
    assert value('of("S1/USDT", change(1))', market) == [2.0, 2.0]
    view = market.view(M1, market.frames[M1].close_time)
    assert compile_rule('of("S1/USDT", close > close[1])').truth(view).yes.all()
    assert not compile_rule('of("NO/USDT", close > close[1])').truth(view).known.any()
    assert not compile_rule('of("NO/USDT", close) > 1').truth(view).known.any()


def test_some_rows_of_a_view_still_see_the_whole_market() -> None:
    market = closes([1.0, 2.0], [5.0, 7.0], [3.0, 1.0])
    view = market.view(M1, market.frames[M1].close_time).of(np.array([2], dtype=np.intp))
    rule = compile_rule('rank(close) > 0 and of("S1/USDT", close) > 0')
    assert [cells.tolist() for cells in rule.values(view).values()] == [[[3.0]], [[7.0]]]


def test_heikin_ashi_is_worked_out_candle_by_candle() -> None:
    candles = random_frame(symbols=1, bars=80, seed=6)
    o, h, low, c = candles.values[:4, 0]
    close = (o + h + low + c) / 4
    opened = o[0]
    for bar in range(1, 80):
        opened = (opened + close[bar - 1]) / 2
    assert last("ha(close)", candles)[0] == pytest.approx(close[-1], rel=1e-12)
    assert last("ha(open)", candles)[0] == pytest.approx(opened, rel=1e-5)
    assert last("ha(high)", candles)[0] == pytest.approx(max(h[-1], opened, close[-1]), rel=1e-5)
    assert last("ha(low)", candles)[0] == pytest.approx(min(low[-1], opened, close[-1]), rel=1e-5)
    assert last("ha(volume)", candles)[0] == candles.column("volume")[0, -1]
