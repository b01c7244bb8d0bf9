"""Numbers made of numbers: lags, arithmetic, and the same on a higher timeframe."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from shared.domain.candles import Floats
from shared.domain.rules.market import Values, View
from shared.domain.rules.nodes import ADD, ATOM, MULTIPLY, SIGN, Number, Reads, Span, bracket, checked, together
from shared.domain.timeframe import Timeframe


@dataclass(frozen=True, slots=True, eq=False)
class Lag(Number):
    """A number some bars ago."""

    node: Number
    bars: int

    def leaves(self) -> tuple[Number, ...]:
        """Return itself."""
        return (self,)

    def values(self, view: View, k: int) -> Values:
        """Return the values of `bars` bars earlier."""
        return self.node.past(view, k, self.bars)


def lag_number(node: Number, bars: int) -> Number:
    """Return a number `bars` bars ago; a lag of a lag is one lag."""
    if isinstance(node, Lag):
        return lag_number(node.node, bars + node.bars)
    text = sys.intern(f"{bracket(node, ATOM)}[{bars}]")
    return Lag(text, ATOM, node.reads.shifted(bars), node, bars) if bars else node


_ARITHMETIC: Final[dict[str, tuple[Callable[[Floats, Floats], Floats], int]]] = {
    "+": (np.add, ADD),
    "-": (np.subtract, ADD),
    "*": (np.multiply, MULTIPLY),
    "/": (np.divide, MULTIPLY),
}


@dataclass(frozen=True, slots=True, eq=False)
class Arithmetic(Number):
    """Two numbers combined; a division by zero has no value."""

    combine: Callable[[Floats, Floats], Floats]
    left: Number
    right: Number

    def leaves(self) -> tuple[Number, ...]:
        """Return the leaves of both sides."""
        return self.left.leaves() + self.right.leaves()

    def values(self, view: View, k: int) -> Values:
        """Return the combination."""
        return checked(self.combine(self.left.values(view, k).cells, self.right.values(view, k).cells))


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

    def values(self, view: View, k: int) -> Values:
        """Return the negated values."""
        cells, whole = self.node.values(view, k)
        return Values(-cells, whole)


def negative(node: Number) -> Number:
    """Return a number with its sign turned; twice is not at all."""
    if isinstance(node, Negative):
        return node.node
    return Negative(f"-{bracket(node, SIGN)}", SIGN, node.reads, node)


def higher_columns(view: View, timeframe: Timeframe, k: int) -> tuple[int, list[int]]:
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

    def values(self, view: View, k: int) -> Values:
        """Return the higher values each bar sees."""
        higher = view.higher(self.timeframe)
        if k == 1:
            return self.node.values(higher, 1)
        bars, places = higher_columns(view, self.timeframe, k)
        cells, whole = self.node.values(higher, bars)
        return Values(np.ascontiguousarray(cells[:, places]), whole)


def on_reads(timeframe: Timeframe, reads: Reads) -> Reads:
    """Return what is read when a node is asked on a higher timeframe."""
    return reads._replace(bars=0, higher={timeframe: Span(0, max(reads.bars, 1))})


def on_number(timeframe: Timeframe, node: Number) -> On:
    """Return a number as of the last closed candle of a timeframe."""
    text = sys.intern(f'on("{timeframe}", {node.text})')
    return On(text, ATOM, on_reads(timeframe, node.reads), timeframe, node)
