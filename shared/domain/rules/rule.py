"""A compiled rule: one condition, its normal form, and how much history it needs."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from shared.domain.candles import Floats
from shared.domain.rules.definition import MAX_LOOKBACK
from shared.domain.rules.errors import RuleError
from shared.domain.rules.market import View
from shared.domain.rules.nodes import Boolean, Number, Truth, either
from shared.domain.rules.parser import parse_rule
from shared.domain.timeframe import Timeframe

MAX_WORK: Final = 200_000
"""How many numbers one decision may look at per symbol: nested windows multiply, and would hold up everybody else."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rule:
    """A condition on candles; rules with the same `rule_hash` decide alike."""

    text: str
    normal_form: str
    rule_hash: str
    root: Boolean
    leaves: tuple[Number, ...]

    @property
    def timeframes(self) -> tuple[Timeframe, ...]:
        """Return the timeframes named by `on(…)`, shortest first."""
        return tuple(sorted(self.root.reads.higher, key=lambda timeframe: timeframe.ms))

    @property
    def lookback(self) -> int:
        """Return how many candles of the trader's own timeframe one decision reads."""
        return max(self.root.reads.bars, 1)

    @property
    def wide(self) -> bool:
        """Tell whether the rule looks across the market, so that its truth depends on the universe."""
        return self.root.reads.wide

    @property
    def work(self) -> int:
        """Return how many numbers one decision may look at per symbol."""
        return self.root.reads.per_bar + self.root.reads.fixed

    def needs(self, base: Timeframe, bars: int = 1) -> dict[Timeframe, int]:
        """Return how many candles of each timeframe the decisions at the last `bars` boundaries read."""
        needs = {base: self.lookback + bars - 1}
        for timeframe, span in self.root.reads.higher.items():
            older = -(-(span.offset + bars - 1) * base.ms // timeframe.ms)
            needs[timeframe] = max(needs.get(timeframe, 0), span.reach + older)
        return needs

    def check_timeframe(self, base: Timeframe, bars: int = 1) -> None:
        """Raise `RuleError` when the rule cannot be read on a timeframe, or needs more history than the log keeps."""
        for timeframe in self.timeframes:
            if timeframe.ms % base.ms:
                problem = "is shorter" if timeframe.ms < base.ms else "is no multiple"
                message = f'on("{timeframe}", …) {problem} than the trader\'s timeframe {base}'
                raise RuleError(message.replace("multiple than", "multiple of"))
        for timeframe, count in self.needs(base, bars).items():
            if count > MAX_LOOKBACK:
                raise RuleError(_too_long(count, f"{timeframe} candles"))

    def truth(self, view: View, bars: int = 1) -> Truth:
        """Return what is true and what is unknown at the last `bars` boundaries, both (rows × bars).

        A boundary at which the symbol has no candle is unknown, whatever the rule reads.
        """
        with np.errstate(all="ignore"):
            yes, unknown = self.root.truth(view, bars)
        return Truth(yes, either(unknown, view.absent(bars)))

    def values(self, view: View, bars: int = 1) -> dict[str, Floats]:
        """Return the value of every leaf at the last `bars` boundaries, each (rows × bars), by its text."""
        with np.errstate(all="ignore"):
            return {leaf.text: leaf.values(view, bars).cells for leaf in self.leaves}


def _too_long(count: int, unit: str) -> str:
    return f"the rule looks back {count:,} {unit}, at most {MAX_LOOKBACK:,}"


@lru_cache(maxsize=20_000)
def compile_rule(text: str) -> Rule:
    """Compile a rule, or raise `RuleError` with the place and the reason."""
    root = parse_rule(text)
    reads = root.reads
    for count, unit in [(reads.bars, "candles"), *((span.reach, f"{tf} candles") for tf, span in reads.higher.items())]:
        if count > MAX_LOOKBACK:
            raise RuleError(_too_long(count, unit), rule=text)
    if reads.per_bar + reads.fixed > MAX_WORK:
        raise RuleError(f"the rule looks at {reads.per_bar + reads.fixed:,} numbers a symbol, at most {MAX_WORK:,}")
    leaves = {leaf.text: leaf for leaf in root.leaves()}
    digest = hashlib.sha256(f"nightdesk rules 1\n{root.text}".encode()).hexdigest()[:16]
    return Rule(text=text, normal_form=root.text, rule_hash=digest, root=root, leaves=tuple(leaves.values()))


def recompile(text: str) -> Rule | None:
    """Compile the rule of an earlier day; None when the language no longer takes it."""
    try:
        return compile_rule(text)
    except RuleError:
        return None
