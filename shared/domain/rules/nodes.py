"""The compiled form of a rule: nodes that know their text, how far back they read, and how to compute themselves.

A number node answers `value(view, k)`: its values at the last k bars as (rows × k), NaN where it has none. A truth node
answers `truth(view, k)` with what is true and what is known. A node asks its children for exactly the bars it needs,
and each value depends only on a fixed number of candles that end at its own bar: so one boundary, a history and a
backtest compute the same bits.
"""

from __future__ import annotations

import operator
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from shared.domain.candles import COLUMNS, Bools, Floats
from shared.domain.rules.market import View
from shared.domain.timeframe import Timeframe

OR, AND, NOT, COMPARE, ADD, MULTIPLY, SIGN, ATOM = range(8)


class Truth(NamedTuple):
    """What holds and what is known, both (rows × k); `yes` means nothing where `known` is False."""

    yes: Bools
    known: Bools


class Span(NamedTuple):
    """How a higher timeframe is read: `reach` of its bars, as of up to `offset` base bars ago."""

    offset: int
    reach: int


class Reads(NamedTuple):
    """How many bars a node reads to give one value: on its own timeframe, and on higher ones.

    The work of k values is at most `per_bar * k + fixed` numbers looked at per symbol.
    """

    bars: int
    higher: Mapping[Timeframe, Span]
    per_bar: int = 0
    fixed: int = 0

    def shifted(self, bars: int) -> Reads:
        """Return what is read when values up to `bars` earlier are wanted, too."""
        higher = {timeframe: Span(span.offset + bars, span.reach) for timeframe, span in self.higher.items()}
        return Reads(self.bars + bars if self.bars else 0, higher, self.per_bar, self.fixed + self.per_bar * bars)


NOTHING: Final = Reads(0, {})


def together(parts: Sequence[Reads]) -> Reads:
    """Return what covers every part."""
    bars, higher = 0, dict[Timeframe, Span]()
    for part in parts:
        bars = max(bars, part.bars)
        for timeframe, span in part.higher.items():
            known = higher.get(timeframe, Span(0, 0))
            higher[timeframe] = Span(max(known.offset, span.offset), max(known.reach, span.reach))
    return Reads(bars, higher, sum(part.per_bar for part in parts), sum(part.fixed for part in parts))


@dataclass(frozen=True, slots=True, eq=False)
class Node(ABC):
    """A part of a rule; `text` is its normal form and its identity, `rank` how tightly that text binds."""

    text: str
    rank: int
    reads: Reads

    @abstractmethod
    def leaves(self) -> tuple[Number, ...]:
        """Return the outermost series and functions, whose values explain a match."""


@dataclass(frozen=True, slots=True, eq=False)
class Number(Node):
    """A node with a numeric value."""

    @abstractmethod
    def value(self, view: View, k: int) -> Floats:
        """Return the values at the last k bars as (rows × k)."""


@dataclass(frozen=True, slots=True, eq=False)
class Boolean(Node):
    """A node that is true or false, or unknown."""

    @abstractmethod
    def truth(self, view: View, k: int) -> Truth:
        """Return the truth at the last k bars, (rows × k)."""


def bracket(node: Node, rank: int) -> str:
    """Return a node's text, in brackets when it binds less tightly than its place asks."""
    return node.text if node.rank >= rank else f"({node.text})"


@dataclass(frozen=True, slots=True, eq=False)
class Constant(Number):
    """A plain number; its value broadcasts."""

    number: np.float64

    def leaves(self) -> tuple[Number, ...]:
        """Return none."""
        return ()

    def value(self, view: View, k: int) -> Floats:  # noqa: ARG002 - the same everywhere
        """Return the number as a scalar, which broadcasts against every shape."""
        return self.number  # type: ignore[return-value]


def constant(number: float) -> Constant:
    """Return a number, written as briefly as it reads back exactly."""
    number = number or 0.0
    text = str(int(number)) if number.is_integer() else repr(number)
    return Constant(sys.intern(text), SIGN if number < 0 else ATOM, NOTHING, np.float64(number))


@dataclass(frozen=True, slots=True, eq=False)
class Series(Number):
    """A column of the candles."""

    column: int

    def leaves(self) -> tuple[Number, ...]:
        """Return itself."""
        return (self,)

    def value(self, view: View, k: int) -> Floats:
        """Return the candles' own values, without a copy where the market has them all."""
        return view.column(self.column, k)


SERIES: Final = {name: Series(name, ATOM, Reads(1, {}), column) for column, name in enumerate(COLUMNS)}

Compute = Callable[[list[Floats], int], Floats]


class Input(NamedTuple):
    """A number a function reads, and how many of its values for one value of the function."""

    node: Number
    window: int


@dataclass(frozen=True, slots=True, eq=False)
class Call(Number):
    """An indicator: a row-wise function of windows of other numbers."""

    inputs: tuple[Input, ...]
    compute: Compute

    def leaves(self) -> tuple[Number, ...]:
        """Return itself."""
        return (self,)

    def value(self, view: View, k: int) -> Floats:
        """Return the indicator, computed once per view for everybody who asks."""
        known = view.memo.get(self.text)
        if known is not None:
            held: int = known.shape[1]
            if held >= k:
                return known if held == k else known[:, held - k :]
        out = finite(self.compute([node.value(view, window + k - 1) for node, window in self.inputs], k))
        view.memo[self.text] = out
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Step(Call):
    """A call that is cheap a bar and wanted at many lengths, so it answers generously the first time."""

    def value(self, view: View, k: int) -> Floats:
        """Return the values, computing twice what was asked as far as the market reaches."""
        known = view.memo.get(self.text)
        if known is None or known.shape[1] < k:
            return Call.value(self, view, max(k, min(2 * k, view.depth - self.reads.bars + 1)))[:, -k:]
        return known[:, known.shape[1] - k :]


def call(text: str, inputs: Sequence[Input], compute: Compute, *, step: bool = False) -> Call:
    """Return an indicator over its inputs; the furthest-reaching input comes first: it is asked first."""
    parts = [node.reads.shifted(window - 1) for node, window in inputs]
    reads = together(parts)._replace(
        # Inputs of one indicator share their sources, so the dearest stands for all.
        per_bar=sum(window for _, window in inputs) + max(part.per_bar for part in parts),
        fixed=max(part.fixed for part in parts),
    )
    return (Step if step else Call)(sys.intern(text), ATOM, reads, tuple(inputs), compute)


@dataclass(frozen=True, slots=True, eq=False)
class Lag(Number):
    """A number some bars ago."""

    node: Number
    bars: int

    def leaves(self) -> tuple[Number, ...]:
        """Return itself."""
        return (self,)

    def value(self, view: View, k: int) -> Floats:
        """Return the values of `bars` bars earlier."""
        return self.node.value(view, k + self.bars)[:, :k]


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
        yes, known = self.node.truth(view, k + self.bars)
        return Truth(yes[:, :k], known[:, :k])


def lag_number(node: Number, bars: int) -> Number:
    """Return a number `bars` bars ago; a lag of a lag is one lag."""
    if isinstance(node, Lag):
        return lag_number(node.node, bars + node.bars)
    text = sys.intern(f"{bracket(node, ATOM)}[{bars}]")
    return Lag(text, ATOM, node.reads.shifted(bars), node, bars) if bars else node


def lag_truth(node: Boolean, bars: int) -> Boolean:
    """Return a condition `bars` bars ago."""
    if isinstance(node, TruthLag):
        return lag_truth(node.node, bars + node.bars)
    text = f"{bracket(node, ATOM)}[{bars}]"
    return TruthLag(text, ATOM, node.reads.shifted(bars), node, bars) if bars else node


_ARITHMETIC: Final[dict[str, tuple[Callable[[Floats, Floats], Floats], int]]] = {
    "+": (np.add, ADD),
    "-": (np.subtract, ADD),
    "*": (np.multiply, MULTIPLY),
    "/": (np.divide, MULTIPLY),
}


def finite(values: Floats) -> Floats:
    """Turn infinities into NaN in place: a value is finite or there is none."""
    values += values - values
    return values


@dataclass(frozen=True, slots=True, eq=False)
class Arithmetic(Number):
    """Two numbers combined; a division by zero has no value."""

    combine: Callable[[Floats, Floats], Floats]
    left: Number
    right: Number

    def leaves(self) -> tuple[Number, ...]:
        """Return the leaves of both sides."""
        return self.left.leaves() + self.right.leaves()

    def value(self, view: View, k: int) -> Floats:
        """Return the combination."""
        return finite(self.combine(self.left.value(view, k), self.right.value(view, k)))


def arithmetic(mark: str, left: Number, right: Number) -> Number:
    """Return a combination of two numbers; the caller folds constants."""
    combine, rank = _ARITHMETIC[mark]
    text = f"{bracket(left, rank)} {mark} {bracket(right, rank + 1)}"
    reads = together((left.reads, right.reads))
    return Arithmetic(text, rank, reads, combine, left, right)


@dataclass(frozen=True, slots=True, eq=False)
class Negative(Number):
    """A number with its sign turned."""

    node: Number

    def leaves(self) -> tuple[Number, ...]:
        """Return the number's leaves."""
        return self.node.leaves()

    def value(self, view: View, k: int) -> Floats:
        """Return the negated values."""
        return -self.node.value(view, k)


def negative(node: Number) -> Number:
    """Return a number with its sign turned; twice is not at all."""
    if isinstance(node, Negative):
        return node.node
    return Negative(f"-{bracket(node, SIGN)}", SIGN, node.reads, node)


_COMPARE: Final[dict[str, Callable[[Floats, Floats], Bools]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}


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
        values = [side.value(view, k) for side in self.sides]
        truth = _link(self.marks[0], values[0], values[1])
        for mark, left, right in zip(self.marks[1:], values[1:], values[2:], strict=False):
            yes, known = _link(mark, left, right)
            truth = Truth(truth.yes & yes, truth.known & known)
        return truth


def _link(mark: str, left: Floats, right: Floats) -> Truth:
    apart = left - right
    return Truth(_COMPARE[mark](left, right), apart == apart)  # noqa: PLR0124 - NaN differs from itself


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
        left, right = self.left.value(view, k + 1), self.right.value(view, k + 1)
        high, low = (left, right) if self.above else (right, left)
        apart = high - low
        over = apart > 0
        known = apart == apart  # noqa: PLR0124 - NaN differs from itself
        return Truth(over[:, 1:] & ~over[:, :-1], known[:, 1:] & known[:, :-1])


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
        yes, known = self.parts[0].truth(view, k)
        for part in self.parts[1:]:
            other = part.truth(view, k)
            yes = yes & other.yes if self.every else yes | other.yes
            known = known & other.known
        return Truth(yes, known)


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
        yes, known = self.node.truth(view, k)
        return Truth(~yes, known)


def negation(node: Boolean) -> Boolean:
    """Return the opposite of a condition; twice is not at all."""
    if isinstance(node, Not):
        return node.node
    return Not(f"not {bracket(node, NOT)}", NOT, node.reads, node)


def _columns(view: View, timeframe: Timeframe, k: int) -> tuple[int, list[int]]:
    """Return how many higher bars cover the last k bars, and which of them each bar sees closed."""
    newest = view.time // timeframe.ms
    seen = [(view.time - back * view.timeframe.ms) // timeframe.ms - newest for back in range(k - 1, -1, -1)]
    return 1 - seen[0], [place - seen[0] for place in seen]


@dataclass(frozen=True, slots=True, eq=False)
class On(Number):
    """A number on a higher timeframe: at each bar, on the last higher candle closed by then."""

    timeframe: Timeframe
    node: Number

    def leaves(self) -> tuple[Number, ...]:
        """Return the number's leaves, on that timeframe."""
        return tuple(on_number(self.timeframe, leaf) for leaf in self.node.leaves())

    def value(self, view: View, k: int) -> Floats:
        """Return the higher values each bar sees."""
        higher = view.higher(self.timeframe)
        if k == 1:
            return self.node.value(higher, 1)
        bars, places = _columns(view, self.timeframe, k)
        return np.ascontiguousarray(self.node.value(higher, bars)[:, places])


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
        bars, places = _columns(view, self.timeframe, k)
        yes, known = self.node.truth(view.higher(self.timeframe), bars)
        return Truth(yes[:, places], known[:, places])


def on_number(timeframe: Timeframe, node: Number) -> On:
    """Return a number as of the last closed candle of a timeframe."""
    reads = Reads(0, {timeframe: Span(0, node.reads.bars)}, node.reads.per_bar, node.reads.fixed)
    return On(sys.intern(f'on("{timeframe}", {node.text})'), ATOM, reads, timeframe, node)


def on_truth(timeframe: Timeframe, node: Boolean) -> TruthOn:
    """Return a condition as of the last closed candle of a timeframe."""
    reads = Reads(0, {timeframe: Span(0, node.reads.bars)}, node.reads.per_bar, node.reads.fixed)
    return TruthOn(f'on("{timeframe}", {node.text})', ATOM, reads, timeframe, node)
