"""Values that look beyond one symbol's candles: at another symbol, at the whole universe, or at averaged candles."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shared.domain.candles import Bools, Floats
from shared.domain.rules.market import AVERAGED_BARS, Values, View
from shared.domain.rules.nodes import ATOM, Boolean, Number, Reads, Truth


@dataclass(frozen=True, slots=True, eq=False)
class Of(Number):
    """A number of one symbol, the same for everybody; no value where the market does not have the symbol."""

    symbol: str
    node: Number

    def leaves(self) -> tuple[Number, ...]:
        """Return the number's leaves, of that symbol."""
        return tuple(of_number(self.symbol, leaf) for leaf in self.node.leaves())

    def values(self, view: View, k: int) -> Values:
        """Return the symbol's values on every row."""
        alone = view.alone(self.symbol)
        if alone is None:
            return Values(np.full((k, view.rows), np.nan).T, whole=False)
        cells, whole = self.node.values(alone, k)
        return Values(np.repeat(cells.T, view.rows, axis=1).T, whole)


@dataclass(frozen=True, slots=True, eq=False)
class TruthOf(Boolean):
    """A condition of one symbol, the same for everybody."""

    symbol: str
    node: Boolean

    def leaves(self) -> tuple[Number, ...]:
        """Return the condition's leaves, of that symbol."""
        return tuple(of_number(self.symbol, leaf) for leaf in self.node.leaves())

    def truth(self, view: View, k: int) -> Truth:
        """Return the symbol's truth on every row; unknown where the market does not have it."""
        alone = view.alone(self.symbol)
        if alone is None:
            nobody = np.zeros((view.rows, k), dtype=np.bool_)
            return Truth(nobody, ~nobody)
        yes, unknown = self.node.truth(alone, k)
        return Truth(
            np.repeat(yes, view.rows, axis=0), None if unknown is None else np.repeat(unknown, view.rows, axis=0)
        )


def of_number(symbol: str, node: Number) -> Of:
    """Return a number of one symbol."""
    return Of(sys.intern(f'of("{symbol}", {node.text})'), ATOM, node.reads, symbol, node)


def of_truth(symbol: str, node: Boolean) -> TruthOf:
    """Return a condition of one symbol."""
    return TruthOf(f'of("{symbol}", {node.text})', ATOM, node.reads, symbol, node)


Survey = Callable[[Floats, Bools], Floats]
"""Turns the values of every symbol and who counts, both (symbols × bars), into a value for every symbol."""


@dataclass(frozen=True, slots=True, eq=False)
class Wide(Number):
    """A value that depends on the whole universe: everybody's number is looked at together.

    Symbols of the universe without a value do not count, so that a coin listed yesterday does not silence the others.
    """

    node: Number
    survey: Survey

    def leaves(self) -> tuple[Number, ...]:
        """Return itself."""
        return (self,)

    def values(self, view: View, k: int) -> Values:
        """Return the values of the rows asked for, computed once per view for everybody."""
        everybody = view.everybody
        known = everybody.memo.get(self.text)
        if known is None or known.cells.shape[1] < k:
            cells = self.node.values(everybody, k).cells
            counts = everybody.peers(k) & ~np.isnan(cells)
            known = everybody.remember(self.text, Values(self.survey(cells, counts), whole=False))
        return Values(known.cells[view.place, known.cells.shape[1] - k :], known.whole)


def wide(text: str, node: Number, survey: Survey) -> Wide:
    """Return what a survey of the universe says of a number."""
    reads = node.reads._replace(wide=True, per_bar=node.reads.per_bar + 1)
    return Wide(sys.intern(text), ATOM, reads, node, survey)


def _averaged_reads(reads: Reads) -> Reads:
    return reads._replace(bars=reads.bars + AVERAGED_BARS)


@dataclass(frozen=True, slots=True, eq=False)
class Averaged(Number):
    """A number of Heikin-Ashi candles."""

    node: Number

    def leaves(self) -> tuple[Number, ...]:
        """Return the number's leaves, of those candles."""
        return tuple(averaged_number(leaf) for leaf in self.node.leaves())

    def values(self, view: View, k: int) -> Values:
        """Return the values that averaged candles have."""
        return self.node.values(view.averaged(), k)


@dataclass(frozen=True, slots=True, eq=False)
class TruthAveraged(Boolean):
    """A condition on Heikin-Ashi candles."""

    node: Boolean

    def leaves(self) -> tuple[Number, ...]:
        """Return the condition's leaves, of those candles."""
        return tuple(averaged_number(leaf) for leaf in self.node.leaves())

    def truth(self, view: View, k: int) -> Truth:
        """Return the truth about averaged candles."""
        return self.node.truth(view.averaged(), k)


def averaged_number(node: Number) -> Averaged:
    """Return a number of Heikin-Ashi candles."""
    return Averaged(sys.intern(f"ha({node.text})"), ATOM, _averaged_reads(node.reads), node)


def averaged_truth(node: Boolean) -> TruthAveraged:
    """Return a condition on Heikin-Ashi candles."""
    return TruthAveraged(f"ha({node.text})", ATOM, _averaged_reads(node.reads), node)
