"""What rules with one meaning share: one normal form and hash, in every process, and one evaluation."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from shared.domain.builtins import BUILTINS
from shared.domain.candles import CandleFrame
from shared.domain.decision import CompiledTrader, compile_trader, decide
from shared.domain.rules import Market, Truth, View, compile_rule, reference
from shared.domain.rules.nodes import Boolean, Number
from shared.domain.timeframe import Timeframe
from shared.domain.traders import Trader

M1 = Timeframe.M1
Frames = Callable[..., CandleFrame]
WRITINGS: Final = (
    "rsi(14) < 30 and close > ema(20)",
    "rsi(source=close, length=14)<30.0 and (close > ema(close, 20))",
    "\n(rsi() < 3e1)\n  and not not close[0] > ema(length=20)",
)
CHILD: Final = """
import json, sys
from shared.domain.rules import compile_rule
rules = [compile_rule(text) for text in json.load(sys.stdin)]
print(json.dumps([[rule.normal_form, rule.rule_hash, [leaf.text for leaf in rule.leaves]] for rule in rules]))
"""


def test_another_process_reads_a_rule_alike_whatever_its_hash_seed() -> None:
    examples = [entry.example if entry.gives == "condition" else f"{entry.example} > 0" for entry in reference() if entry.example]  # fmt: skip # noqa: E501
    texts = [*WRITINGS, *(trader.rule for trader in BUILTINS), *examples]
    here = [compile_rule(text) for text in texts]
    known = [[rule.normal_form, rule.rule_hash, [leaf.text for leaf in rule.leaves]] for rule in here]
    for seed in ("1", "4242"):
        child = subprocess.run(
            [sys.executable, "-c", CHILD],
            input=json.dumps(texts),
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(child.stdout) == known


def test_what_is_stored_under_a_hash_keeps_it() -> None:
    """Signals name the hash of their rule: a change of it would tear a trader's history in two."""
    assert {compile_rule(text).rule_hash for text in WRITINGS} == {"c2f1dbd7401922c8"}


@dataclass(frozen=True, slots=True, eq=False)
class Counted(Boolean):
    """A condition that notes how often it is worked out."""

    node: Boolean
    asked: list[str]

    def leaves(self) -> tuple[Number, ...]:
        """Return the condition's leaves."""
        return self.node.leaves()

    def truth(self, view: View, k: int) -> Truth:
        """Note the question, and answer it."""
        self.asked.append(self.text)
        return self.node.truth(view, k)


def counted(text: str, asked: list[str]) -> CompiledTrader:
    """Return a trader whose rule counts."""
    trader = Trader(trader_id=f"t{len(text)}", owner_id=None, name="", description="", rule=text, timeframe=M1)
    compiled = compile_trader(trader)
    root = compiled.rule.root
    return replace(compiled, rule=replace(compiled.rule, root=Counted(root.text, root.rank, root.reads, root, asked)))


def test_equal_rules_are_worked_out_once_for_all_their_traders(frame: Frames) -> None:
    candles = frame(symbols=3, bars=300)
    asked: list[str] = []
    shard = [counted(text, asked) for text in (*WRITINGS, "rsi(14) < 31 and close > ema(20)")]
    decision = decide(shard, Market({M1: candles}), M1, candles.close_time)
    assert decision.evaluations == 4 * 3
    assert sorted(asked) == [f"rsi(close, 14) < {level} and close > ema(close, 20)" for level in (30, 31)]


def test_differently_written_functions_are_computed_once(frame: Frames) -> None:
    candles = frame(symbols=3, bars=300)
    view = Market({M1: candles}).view(M1, candles.close_time)
    first, *others = (compile_rule(text) for text in WRITINGS)
    first.truth(view, 2)
    held = dict(view.memo)
    assert "rsi(close, 14)" in held
    for rule in others:
        rule.truth(view, 2)
    assert view.memo.keys() == held.keys()
    assert all(view.memo[text] is values for text, values in held.items())
