"""What each function costs: two bars of 200 symbols, nothing shared with other rules; the dearest first.

The calls are those of the reference, one for each output, made from the registry. The market holds 500 bars, or one
more than the function looks back.
"""

from typing import Any

from bench.rule_texts import calls
from bench.synthetic import BARS, market, timed
from shared.domain.rules import compile_rule
from shared.domain.rules.definition import Function
from shared.domain.rules.registry import FAMILIES
from shared.domain.timeframe import Timeframe

REPEATS = 7


def run() -> list[dict[str, Any]]:
    """Return one row per function and output."""
    rows = [
        _cost(family, function, call)
        for family, functions in FAMILIES.items()
        for function in functions
        for call in calls(function)
    ]
    return sorted(rows, key=lambda row: -row["median_ms"])


def _cost(family: str, function: Function, call: str) -> dict[str, Any]:
    rule = compile_rule(call if function.condition else f"{call} > 0")
    candles = market(bars=max(BARS, rule.lookback + 1))
    close_time = candles.frames[Timeframe.M1].close_time
    row = timed(lambda: rule.truth(candles.view(Timeframe.M1, close_time), 2), REPEATS)
    return {"function": call, "family": family, **row, "lookback": rule.lookback}
