"""The benchmarks' rules are rules: what is refused is drawn again, and a seed draws the same ones."""

import random

import pytest

from bench.rule_texts import _distinct, everyday_rules, library_rules
from shared.domain.rules import RuleError, compile_rule
from shared.domain.rules.registry import FUNCTIONS

TOO_MUCH = "count(sma(sma(close, 300), 300) > 1, 300) > 1"


def test_a_rule_that_looks_at_too_much_is_drawn_again() -> None:
    with pytest.raises(RuleError, match="numbers a symbol"):
        compile_rule(TOO_MUCH)
    drawn = iter([[TOO_MUCH], ["close > 1"], ["close > 1"], ["close > 2"]])
    assert _distinct(2, random.Random(1), lambda _: next(drawn)) == ["close > 1", "close > 2"]


@pytest.mark.parametrize("usual", [True, False])
def test_library_rules_use_every_function_that_fits(usual: bool) -> None:
    rules = library_rules(400, usual=usual)
    assert rules == library_rules(400, usual=usual)
    assert len({compile_rule(rule).rule_hash for rule in rules}) == 400
    text = " ".join(rules)
    assert [name for name in FUNCTIONS if f"{name}(" not in text] == ["kama"]  # reads more than the market holds


def test_everyday_rules_are_distinct() -> None:
    assert len({compile_rule(rule).rule_hash for rule in everyday_rules(300)}) == 300
