"""Conditions: comparisons and crossings of numbers, and what `and`, `or`, `not`, lags and timeframes make of them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from shared.domain.candles import Bools, Floats
from shared.domain.rules.market import Values, View
from shared.domain.rules.nodes import (
    ADD,
    AND,
    ATOM,
    COMPARE,
    NOT,
    OR,
    Boolean,
    Number,
    Truth,
    bracket,
    either,
    together,
)
from shared.domain.rules.numeric import higher_columns, lag_number, on_number, on_reads
from shared.domain.timeframe import Timeframe

COMPARISONS: Final[dict[str, Callable[[Floats, Floats], Bools]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}


def _unknown(left: Values, right: Values) -> Bools | None:
    return None if left.whole and right.whole else np.isnan(left.cells - right.cells)


@dataclass(frozen=True, slots=True, eq=False)
class Compare(Boolean):
    """A chain of comparisons, `a < b < c`; unknown where any side has no value."""

    marks: tuple[str, ...]
    sides: tuple[Number, ...]

    def leaves(self) -> tuple[Number, ...]:
        """Return the leaves of every side."""
        return tuple(leaf for side in self.sides for leaf in side.leaves())

    def truth(self, view: View, k: int) -> Truth:
        """Return where every comparison of the chain holds."""
        left, right = self.sides[0].values(view, k), self.sides[1].values(view, k)
        yes, unknown = COMPARISONS[self.marks[0]](left.cells, right.cells), _unknown(left, right)
        for mark, side in zip(self.marks[1:], self.sides[2:], strict=True):
            left, right = right, side.values(view, k)
            yes, unknown = yes & COMPARISONS[mark](left.cells, right.cells), either(unknown, _unknown(left, right))
        return Truth(yes, unknown)


def compare(marks: Sequence[str], sides: Sequence[Number]) -> Compare:
    """Return a chain of comparisons."""
    text = bracket(sides[0], ADD) + "".join(
        f" {mark} {bracket(side, ADD)}" for mark, side in zip(marks, sides[1:], strict=True)
    )
    reads = together([side.reads for side in sides])
    return Compare(text, COMPARE, reads, tuple(marks), tuple(sides))


@dataclass(frozen=True, slots=True, eq=False)
class Cross(Boolean):
    """One number crossing another between the previous bar and this one."""

    above: bool
    left: Number
    right: Number

    def leaves(self) -> tuple[Number, ...]:
        """Return the leaves of both sides."""
        return self.left.leaves() + self.right.leaves()

    def truth(self, view: View, k: int) -> Truth:
        """Return where a > b now and a ≤ b one bar ago (or the mirror image)."""
        left, right = self.left.values(view, k + 1), self.right.values(view, k + 1)
        over = left.cells > right.cells if self.above else left.cells < right.cells
        unknown = _unknown(left, right)
        now_not_before = over[:, 1:] > over[:, :-1]
        return Truth(now_not_before, None if unknown is None else unknown[:, 1:] | unknown[:, :-1])


def cross(name: str, left: Number, right: Number) -> Cross:
    """Return `crosses_above(left, right)` or `crosses_below(left, right)`."""
    reads = together((left.reads, right.reads)).shifted(1)
    text = f"{name}({left.text}, {right.text})"
    return Cross(text, ATOM, reads, name == "crosses_above", left, right)


@dataclass(frozen=True, slots=True, eq=False)
class Junction(Boolean):
    """Conditions joined by `and` or `or`; unknown where any of them is, whatever the others say."""

    every: bool
    parts: tuple[Boolean, ...]

    def leaves(self) -> tuple[Number, ...]:
        """Return the leaves of every part."""
        return tuple(leaf for part in self.parts for leaf in part.leaves())

    def truth(self, view: View, k: int) -> Truth:
        """Return where all parts hold, or any."""
        yes, unknown = self.parts[0].truth(view, k)
        for part in self.parts[1:]:
            other = part.truth(view, k)
            yes = yes & other.yes if self.every else yes | other.yes
            unknown = either(unknown, other.unknown)
        return Truth(yes, unknown)


def junction(word: str, parts: Sequence[Boolean]) -> Junction:
    """Return conditions joined by a word; a junction inside a like one dissolves."""
    every, rank = (True, AND) if word == "and" else (False, OR)
    flat: list[Boolean] = []
    for part in parts:
        flat += part.parts if isinstance(part, Junction) and part.every is every else (part,)
    text = f" {word} ".join(bracket(part, rank + 1) for part in flat)
    reads = together([part.reads for part in flat])
    return Junction(text, rank, reads, every, tuple(flat))


@dataclass(frozen=True, slots=True, eq=False)
class Not(Boolean):
    """The opposite of a condition; unknown stays unknown."""

    node: Boolean

    def leaves(self) -> tuple[Number, ...]:
        """Return the condition's leaves."""
        return self.node.leaves()

    def truth(self, view: View, k: int) -> Truth:
        """Return where the condition does not hold."""
        yes, unknown = self.node.truth(view, k)
        return Truth(~yes, unknown)


def negation(node: Boolean) -> Boolean:
    """Return the opposite of a condition; twice is not at all."""
    if isinstance(node, Not):
        return node.node
    return Not(f"not {bracket(node, NOT)}", NOT, node.reads, node)


@dataclass(frozen=True, slots=True, eq=False)
class TruthLag(Boolean):
    """A condition some bars ago."""

    node: Boolean
    bars: int

    def leaves(self) -> tuple[Number, ...]:
        """Return the condition's leaves, as they were then."""
        return tuple(lag_number(leaf, self.bars) for leaf in self.node.leaves())

    def truth(self, view: View, k: int) -> Truth:
        """Return the truth of `bars` bars earlier."""
        return self.node.truth(view, k + self.bars).bars(slice(k))


def lag_truth(node: Boolean, bars: int) -> Boolean:
    """Return a condition `bars` bars ago."""
    if isinstance(node, TruthLag):
        return lag_truth(node.node, bars + node.bars)
    text = f"{bracket(node, ATOM)}[{bars}]"
    return TruthLag(text, ATOM, node.reads.shifted(bars), node, bars) if bars else node


@dataclass(frozen=True, slots=True, eq=False)
class TruthOn(Boolean):
    """A condition on a higher timeframe."""

    timeframe: Timeframe
    node: Boolean

    def leaves(self) -> tuple[Number, ...]:
        """Return the condition's leaves, on that timeframe."""
        return tuple(on_number(self.timeframe, leaf) for leaf in self.node.leaves())

    def truth(self, view: View, k: int) -> Truth:
        """Return the higher truth each bar sees."""
        bars, places = higher_columns(view, self.timeframe, k)
        yes, unknown = self.node.truth(view.higher(self.timeframe), bars)
        return Truth(yes[:, places], None if unknown is None else unknown[:, places])


def on_truth(timeframe: Timeframe, node: Boolean) -> TruthOn:
    """Return a condition as of the last closed candle of a timeframe."""
    return TruthOn(f'on("{timeframe}", {node.text})', ATOM, on_reads(timeframe, node.reads), timeframe, node)


@dataclass(frozen=True, slots=True, eq=False)
class Flag(Boolean):
    """A function whose values 1 and 0 mean true and false; unknown where it has none."""

    node: Number

    @classmethod
    def of(cls, node: Number) -> Flag:
        """Return the condition a number stands for."""
        return cls(node.text, ATOM, node.reads, node)

    def leaves(self) -> tuple[Number, ...]:
        """Return the number's leaves."""
        return self.node.leaves()

    def truth(self, view: View, k: int) -> Truth:
        """Return where the number is not zero."""
        cells, whole = self.node.values(view, k)
        return Truth(cells != 0.0, None if whole else np.isnan(cells))


@dataclass(frozen=True, slots=True, eq=False)
class Mark(Number):
    """A condition as a number, so that functions can count and remember it: 1, 0, or no value where unknown."""

    node: Boolean

    @classmethod
    def of(cls, node: Boolean) -> Mark:
        """Return the number that stands for a condition."""
        return cls(node.text, node.rank, node.reads, node)

    def leaves(self) -> tuple[Number, ...]:
        """Return the condition's leaves."""
        return self.node.leaves()

    def values(self, view: View, k: int) -> Values:
        """Return 1 where the condition holds."""
        yes, unknown = self.node.truth(view, k)
        cells = yes.astype(np.float64)
        if unknown is not None:
            cells[unknown] = np.nan
        return Values(cells, unknown is None)
