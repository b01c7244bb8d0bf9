"""An explanation decides exactly as the rule does, and says what decided in words one can check."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.domain.candles import COLUMNS, CandleFrame
from shared.domain.explain import Kind, Reason, explain, seen_in, stored_as
from shared.domain.resample import resample
from shared.domain.rules import Market, Rule, View, compile_rule
from shared.domain.sentences import sentence
from shared.domain.timeframe import Timeframe
from tests.unit.rules.conftest import random_frame, rules

M1, M5 = Timeframe.M1, Timeframe.M5
__all__ = ["rules"]


def view_of(candles: CandleFrame, row: int = 0) -> View:
    market = Market({M1: candles, M5: resample(candles, M5)})
    return market.view(M1, candles.close_time).of(np.array([row], dtype=np.intp))


def leaves(rule: Rule, view: View) -> Mapping[str, float]:
    return {text: float(cells[0, -1]) for text, cells in rule.values(view).items()}


def answer(rule: Rule, view: View) -> bool | None:
    with np.errstate(all="ignore"):
        truth = rule.root.truth(view, 1)
    return bool(truth.yes[0, 0]) if truth.known[0, 0] else None


def told(text: str, **columns: list[float]) -> Reason:
    """Explain a rule on one symbol's candles; columns not given are ones."""
    bars = len(next(iter(columns.values())))
    candles = random_frame(symbols=1, bars=bars)
    for number, name in enumerate(COLUMNS):
        candles.values[number, 0] = columns.get(name, [1.0] * bars)
    return explain(compile_rule(text).root, seen_in(view_of(candles)))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_an_explanation_says_what_the_rule_says(data: st.DataObject, rules: st.SearchStrategy[str]) -> None:
    rule = compile_rule(data.draw(rules))
    candles = random_frame(symbols=3, bars=data.draw(st.sampled_from((40, 1_200))), seed=data.draw(st.integers(0, 9)))
    view = view_of(candles, row=1)
    reason = explain(rule.root, seen_in(view))
    assert reason.holds is answer(rule, view)
    assert sentence(reason)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_the_leaves_of_a_signal_say_it_again(data: st.DataObject, rules: st.SearchStrategy[str]) -> None:
    rule = compile_rule(data.draw(rules))
    assume("cross" not in rule.normal_form)
    view = view_of(random_frame(symbols=2, bars=1_200, seed=data.draw(st.integers(0, 9))))
    assert explain(rule.root, stored_as(leaves(rule, view))) == explain(rule.root, seen_in(view))


def test_a_comparison_has_its_margin() -> None:
    reason = told("close > 2 * open", close=[9.0], open=[4.0])
    assert (reason.kind, reason.holds, reason.margin, reason.marks) == (Kind.COMPARE, True, 1.0, (">",))
    assert [(side.text, side.value) for side in reason.sides] == [("close", 9.0), ("2 * open", 8.0)]
    assert told("3 < close <= 9", close=[9.5]).margin == -0.5
    assert told("close == 9", close=[9.5]).margin == -0.5
    assert told("close != 9", close=[9.5]).margin == 0.5


def test_a_crossing_holds_by_the_smaller_of_its_two_sides() -> None:
    assert told("crosses_above(close, open)", close=[4.0, 9.0], open=[5.0, 5.0]).margin == 1.0
    assert told("crosses_above(close, open)", close=[6.0, 9.0], open=[5.0, 5.0]).margin == -1.0
    assert told("crosses_below(close, open)", close=[6.0, 3.0], open=[5.0, 5.0]).holds is True


def deciding(reason: Reason) -> list[str]:
    """Return the conditions at the ends of the tree that decided."""
    if not reason.parts:
        return [reason.text] if reason.decided else []
    return [text for part in reason.parts for text in deciding(part)]


@pytest.mark.parametrize(
    ("rule", "texts"),
    [
        ("close > 1 and open > 1", ["close > 1", "open > 1"]),
        ("close > 1 and open > 5", ["open > 5"]),
        ("close > 9 or open > 1", ["open > 1"]),
        ("close > 9 or open > 9", ["close > 9", "open > 9"]),
        ("not (close > 9 and open > 1)", ["close > 9"]),
        ("close > 1 and sma(50) > 1", ["sma(close, 50) > 1"]),  # it is not known, so nothing else decides
    ],
)
def test_the_parts_that_decided_are_marked(rule: str, texts: list[str]) -> None:
    assert deciding(told(rule, close=[2.0], open=[3.0])) == texts


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("close < 30 and close > sma(open, 2)", "close 27.9 < 30 and close 27.9 above SMA(open, 2) 20"),
        ("close < 20", "close 27.9 is not < 20"),
        ("close < open", "close 27.9 not below open 20"),
        ("sma(9) > 1", "SMA(9) cannot be told yet"),
        ("20 < close < 30", "20 < close 27.9 < 30"),
        ("crosses_above(close, open)", "close 27.9 crossed above open 20"),
        ("crosses_below(close, open)", "close 27.9 did not cross below open 20"),
        ("not rising(1)", "rising(1)"),
        ("outside_bar()", "not outside_bar()"),
        ("close > sma(1)", "close 27.9 not above SMA(1) 27.9"),
        ("close > open or close > 2 * open", "close 27.9 above open 20"),
        ("(close > 1)[1]", "close[1] 15 > 1"),
        ("volume > 1234567", "volume 98,765,432 > 1234567"),
    ],
)
def test_a_sentence(rule: str, words: str) -> None:
    columns = {"close": [15.0, 27.9], "open": [20.0, 20.0], "volume": [1.0, 98_765_432.1]}
    assert sentence(told(rule, **columns)) == words
