"""What holds for every function of the language, whatever it computes."""

import numpy as np
import pytest

from shared.domain.candles import CandleFrame, Floats
from shared.domain.rules import Market, Rule, compile_rule
from shared.domain.rules.definition import Function
from shared.domain.rules.registry import FUNCTIONS
from shared.domain.timeframe import Timeframe
from tests.unit.rules.conftest import random_frame

M1 = Timeframe.M1
ACROSS = {"rank", "percentile", "breadth", "beta", "relative_strength"}
PARAMETERS = [pytest.param(function, id=name) for name, function in FUNCTIONS.items()]
every_function = pytest.mark.parametrize("function", PARAMETERS)


def calls(function: Function) -> list[str]:
    """Return the example of a function, once for each of its outputs."""
    if not function.outputs:
        return [function.call]
    stem = function.call.rpartition(".")[0]
    return [f"{stem}.{output}" for output in function.outputs]


def rule_of(function: Function) -> Rule:
    """Return a rule that looks at every output of a function."""
    conditions = calls(function) if function.condition else [f"{call} > 0" for call in calls(function)]
    return compile_rule(" and ".join(conditions))


def seen(rule: Rule, candles: CandleFrame, close_time: int, bars: int = 1) -> Floats:
    """Return all leaves at the last bars, (leaves × symbols × bars)."""
    view = Market({M1: candles}).view(M1, close_time)
    rule.truth(view, bars)
    return np.stack([np.broadcast_to(x, (view.rows, bars)) for x in rule.values(view, bars).values()])


@every_function
def test_bars_one_by_one_and_together_give_the_same_bits(function: Function) -> None:
    rule = rule_of(function)
    candles = random_frame(symbols=3, bars=rule.lookback + 120, seed=21)
    together = seen(rule, candles, candles.close_time, 100)
    for ago in range(100):
        alone = seen(rule, candles.until(candles.close_time - ago * M1.ms), candles.close_time - ago * M1.ms)
        assert np.array_equal(alone[:, :, 0], together[:, :, 99 - ago], equal_nan=True), ago


@every_function
def test_other_symbols_change_nothing(function: Function) -> None:
    if function.name in ACROSS:
        pytest.skip("looks across the market")
    rule = rule_of(function)
    candles = random_frame(symbols=7, bars=rule.lookback + 40, seed=22)
    everybody = seen(rule, candles, candles.close_time, 20)
    chosen = [5, 1, 2]
    some = candles.select([candles.symbols[row] for row in chosen])
    assert np.array_equal(seen(rule, some, candles.close_time, 20), everybody[:, chosen], equal_nan=True)


@every_function
def test_exactly_the_lookback_is_enough_and_one_less_is_not(function: Function) -> None:
    rule = rule_of(function)
    candles = random_frame(symbols=2, bars=rule.lookback, seed=23)
    view = Market({M1: candles}).view(M1, candles.close_time)
    if function.name not in {"beta", "relative_strength"}:
        assert rule.truth(view).known.any()
    short = candles.tail(rule.lookback - 1)
    assert not rule.truth(Market({M1: short}).view(M1, candles.close_time)).known.any()


@every_function
def test_ten_times_the_lookback_says_what_the_lookback_says(function: Function) -> None:
    rule = rule_of(function)
    candles = random_frame(symbols=3, bars=10 * rule.lookback, seed=25)
    short = candles.tail(rule.lookback)
    plenty, enough = (seen(rule, known, candles.close_time) for known in (candles, short))
    assert np.array_equal(plenty, enough, equal_nan=True)


@every_function
@pytest.mark.parametrize("market", ["flat", "no volume", "one bar", "holes", "nothing", "huge", "tiny"])
def test_no_market_is_too_strange(function: Function, market: str) -> None:
    rule = rule_of(function)
    candles = random_frame(symbols=3, bars=1 if market == "one bar" else rule.lookback + 30, seed=24)
    if market == "flat":
        candles.values[:4] = 7.5
    elif market == "no volume":
        candles.values[4:] = 0.0
    elif market == "holes":
        candles.values[:, 1, ::17] = np.nan
    elif market == "nothing":
        candles.values[:] = np.nan
    elif market == "huge":
        candles.values[:] *= 1e150
    elif market == "tiny":
        candles.values[:] *= 1e-150
    values = seen(rule, candles, candles.close_time, 3)
    assert not np.isinf(values).any()
