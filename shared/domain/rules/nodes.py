"""What every part of a compiled rule is: its text, how far back it reads, and the candles' own columns.

A number answers `values(view, k)`: its values at the last k bars as (rows × k), NaN where it has none. A condition
answers `truth(view, k)` with what holds and where that is unknown. A node asks its children for exactly the bars it
needs, and each value depends only on a fixed number of candles that end at its own bar: so one boundary, a history and
a backtest compute the same bits.
"""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from shared.domain.candles import COLUMNS, Bools, Floats
from shared.domain.rules.market import Values, View
from shared.domain.timeframe import Timeframe

OR, AND, NOT, COMPARE, ADD, MULTIPLY, SIGN, ATOM = range(8)


def checked(cells: Floats) -> Values:
    """Return computed numbers without infinities: a value is finite or there is none."""
    if math.isfinite(np.add.reduce(cells, axis=None)):
        return Values(cells, whole=True)
    return Values(np.where(np.isfinite(cells), cells, np.nan), whole=False)


class Truth(NamedTuple):
    """What holds and where that is unknown, both (rows × k).

    `unknown` is None where nothing is; `yes` means nothing where it is unknown.
    """

    yes: Bools
    unknown: Bools | None = None

    @property
    def known(self) -> Bools:
        """Return where the answer is known."""
        return np.ones_like(self.yes) if self.unknown is None else ~self.unknown

    def bars(self, part: slice) -> Truth:
        """Return some of the bars."""
        return Truth(self.yes[:, part], None if self.unknown is None else self.unknown[:, part])


def either(left: Bools | None, right: Bools | None) -> Bools | None:
    """Return where one of two is unknown."""
    if left is None or right is None:
        return right if left is None else left
    return left | right


class Span(NamedTuple):
    """How a higher timeframe is read: `reach` of its bars, as of up to `offset` base bars ago."""

    offset: int
    reach: int


class Reads(NamedTuple):
    """How many bars a node reads to give one value: on its own timeframe, and on higher ones.

    The work of k values is at most `per_bar * k + fixed` numbers looked at per symbol. `wide` tells that the value of
    one symbol depends on which others are in the universe.
    """

    bars: int
    higher: Mapping[Timeframe, Span]
    per_bar: int = 0
    fixed: int = 0
    wide: bool = False

    def shifted(self, bars: int) -> Reads:
        """Return what is read when values up to `bars` earlier are wanted, too."""
        higher = {timeframe: Span(span.offset + bars, span.reach) for timeframe, span in self.higher.items()}
        own = self.bars + bars if self.bars else 0
        return self._replace(bars=own, higher=higher, fixed=self.fixed + self.per_bar * bars)


NOTHING: Final = Reads(0, {})


def together(parts: Sequence[Reads]) -> Reads:
    """Return what covers every part."""
    bars, higher = 0, dict[Timeframe, Span]()
    for part in parts:
        bars = max(bars, part.bars)
        for timeframe, span in part.higher.items():
            known = higher.get(timeframe, Span(0, 0))
            higher[timeframe] = Span(max(known.offset, span.offset), max(known.reach, span.reach))
    work = sum(part.per_bar for part in parts), sum(part.fixed for part in parts)
    return Reads(bars, higher, *work, any(part.wide for part in parts))


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
    def values(self, view: View, k: int) -> Values:
        """Return the values at the last k bars, (rows × k)."""

    def past(self, view: View, k: int, ago: int) -> Values:
        """Return the values at k bars, the last of them `ago` bars before now."""
        cells, whole = self.values(view, k + ago)
        return Values(cells[:, :k], whole)


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

    def values(self, view: View, k: int) -> Values:  # noqa: ARG002 - the same everywhere
        """Return the number as a scalar, which broadcasts against every shape."""
        return Values(self.number, whole=True)  # type: ignore[arg-type]


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

    def values(self, view: View, k: int) -> Values:
        """Return the candles' own values, without a copy where the market has them all."""
        return view.column(self.column, k)


SERIES: Final = {name: Series(name, ATOM, Reads(1, {}), column) for column, name in enumerate(COLUMNS)}
