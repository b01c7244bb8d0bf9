"""Indicators: numbers computed from windows of other numbers, once per view for everybody who asks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from shared.domain.candles import Bools, Floats
from shared.domain.rules.kernels import newest_first
from shared.domain.rules.market import Values, View
from shared.domain.rules.nodes import ATOM, Number, Reads, Series, checked, together

Compute = Callable[[list[Floats], int], Floats]
ANCHOR_BARS: Final = 64


class Input(NamedTuple):
    """A number a function reads, and how many of its values for one value of the function."""

    node: Number
    window: int


class Recipe(NamedTuple):
    """What a call reads and how it computes; the input read furthest comes first, so that the rest is remembered.

    `path` says over how many bars at least the way to a value is followed, 0 where only its window matters.
    """

    inputs: Sequence[Input]
    compute: Compute
    path: int = 0


def along(path: int, compute: Compute, *nodes: Number) -> Recipe:
    """Return the recipe of an indicator that depends on its path over the same bars of some numbers."""
    return Recipe([Input(node, path + ANCHOR_BARS - 1) for node in nodes], compute, path)


@dataclass(frozen=True, slots=True, eq=False)
class Call(Number):
    """An indicator: a row-wise function of windows of other numbers."""

    inputs: tuple[Input, ...]
    compute: Compute

    def leaves(self) -> tuple[Number, ...]:
        """Return itself."""
        return (self,)

    def values(self, view: View, k: int) -> Values:
        """Return the indicator, computed once per view for everybody who asks."""
        known = view.memo.get(self.text)
        held = 0
        if known is not None:
            held = known.cells.shape[1]
            if held >= k:
                return known if held == k else Values(known.cells[:, held - k :], known.whole)
        if known is None:
            out = checked(self.fresh(view, k, 0))
        else:  # only the older bars are new
            older = checked(self.fresh(view, k - held, held))
            cells = np.empty((view.rows, k), order="F" if known.cells.flags.f_contiguous else "C")
            cells[:, : k - held], cells[:, k - held :] = older.cells, known.cells
            out = Values(cells, older.whole and known.whole)
        return view.remember(self.text, out)

    def past(self, view: View, k: int, ago: int) -> Values:
        """Return the values at k bars long ago without those between then and now, unless they are known."""
        known = view.memo.get(self.text)
        if ago <= 2 * k or (known is not None and known.cells.shape[1] >= k + ago):
            return Number.past(self, view, k, ago)
        key = f"{self.text}[{ago}]"
        found = view.memo.get(key)
        if found is None or found.cells.shape[1] < k:
            found = view.remember(key, checked(self.fresh(view, k, ago)))
        return Values(found.cells[:, found.cells.shape[1] - k :], found.whole)

    def fresh(self, view: View, k: int, ago: int) -> Floats:
        """Compute the values at k bars, the last of them `ago` bars before now."""
        arrays = [node.past(view, window + k - 1, ago).cells for node, window in self.inputs]
        return self.compute(arrays, k)


@dataclass(frozen=True, slots=True, eq=False)
class Step(Call):
    """A call that is cheap a bar and wanted at many lengths, so it answers generously the first time."""

    def values(self, view: View, k: int) -> Values:
        """Return the values, computing twice what was asked as far as the market reaches."""
        known = view.memo.get(self.text)
        if known is None or known.cells.shape[1] < k:
            known = Call.values(self, view, max(k, min(2 * k, view.depth - self.reads.bars + 1)))
        return Values(known.cells[:, known.cells.shape[1] - k :], known.whole)

    def past(self, view: View, k: int, ago: int) -> Values:
        """Return the values from all there are."""
        return Number.past(self, view, k, ago)


@dataclass(frozen=True, slots=True, eq=False)
class Anchored(Call):
    """An indicator whose value depends on the path to it: it sets out at fixed places in time.

    Each value's path starts at a multiple of ANCHOR_BARS, counted from the epoch, at least `path` bars back: so it is a
    function of the candles alone, and the values up to the next such place share one pass. `compute` gets the inputs
    from the start on, and returns the last k values; what it makes of a missing one does not count.
    """

    path: int

    def past(self, view: View, k: int, ago: int) -> Values:
        """Return the values from all there are, as many of them cost as much as one."""
        return Number.past(self, view, k, ago)

    def fresh(self, view: View, k: int, ago: int) -> Floats:
        """Compute the values at k bars, those with a common start together."""
        window = self.path + ANCHOR_BARS - 1
        inputs = [node.values(view, window + k - 1 + ago) for node, _ in self.inputs]
        arrays = [values.cells[:, : window + k - 1] for values in inputs]
        stop = view.time // view.timeframe.ms - ago
        oldest = stop - k - window + 1
        out = np.empty((k, view.rows)).T
        bar = stop - k
        while bar < stop:
            start = (bar - self.path + 1) // ANCHOR_BARS * ANCHOR_BARS
            until = min(start + ANCHOR_BARS + self.path - 1, stop)
            values = self.compute([cells[:, start - oldest : until - oldest] for cells in arrays], until - bar)
            out[:, bar - stop + k : until - stop + k] = values
            bar = until
        if not all(values.whole for values in inputs):
            out[_any_missing(arrays, window)] = np.nan
        return out


def _any_missing(arrays: Sequence[Floats], window: int) -> Bools:
    """Return where a value is missing within the window of a bar, wherever its path begins."""
    missing = np.logical_or.reduce([np.isnan(cells) for cells in arrays])
    found: Bools = np.logical_or.reduce(sliding_window_view(missing, window, axis=1), axis=2)
    return found


def _reads(inputs: Sequence[Input]) -> Reads:
    parts = [node.reads.shifted(window - 1) for node, window in inputs]
    return together(parts)._replace(
        # Inputs of one indicator share their sources, so the dearest stands for all.
        per_bar=sum(window for _, window in inputs) + max(part.per_bar for part in parts),
        fixed=max(part.fixed for part in parts),
    )


def call(text: str, recipe: Recipe, *, step: bool = False) -> Call:
    """Return an indicator over its inputs; the furthest-reaching input comes first: it is asked first."""
    text, inputs = sys.intern(text), tuple(recipe.inputs)
    if recipe.path:
        return Anchored(text, ATOM, _reads(inputs), inputs, recipe.compute, recipe.path)
    return (Step if step else Call)(text, ATOM, _reads(inputs), inputs, recipe.compute)


TABLE_CELLS: Final = 2_000_000
TABLE_BARS: Final = 16
CACHED: Final = 40_000

Fold = Callable[[Floats], Floats]
"""Turns windows, newest value first (ages × bars × rows), into what has accumulated up to each age."""
Slide = Callable[[Floats, int], Floats]
"""Turns values (rows × bars + length - 1) into what has accumulated over `length` of them at each bar (rows × bars)."""


@dataclass(frozen=True, slots=True, eq=False)
class Folded(Number):
    """What accumulates over a number's last n values, from the newest back.

    The fold of n values is a step on the way to that of n + 1, so one table a view answers every length asked of the
    same number; and as each cell is reached in the same order whatever the table's size, so are its bits.
    """

    name: str
    fold: Fold
    node: Number
    length: int
    slide: Slide

    def leaves(self) -> tuple[Number, ...]:
        """Return itself."""
        return (self,)

    def values(self, view: View, k: int) -> Values:
        """Return the fold of `length` values at each bar; bar by bar in memory, as most rules look at two bars."""
        cheap = isinstance(self.node, Series | Step)
        width = 1 << (k - 1).bit_length() if cheap else k  # more bars than asked where the values cost nothing
        key = (self.name, width)
        table = view.tables.get(key)
        if table is None or table.shape[0] < self.length:
            reach = view.depth - self.node.reads.bars - width + 2
            ages = max(self.length, min(2 * self.length, reach)) if cheap else self.length
            if width > TABLE_BARS or ages * width * view.rows > TABLE_CELLS:
                return Values(self._alone(view, k), whole=False)
            table = self.fold(newest_first(self.node.values(view, ages + width - 1).cells, ages, width))
            view.tabled(key, table)
        return Values(table[self.length - 1, width - k :].T, whole=False)

    def past(self, view: View, k: int, ago: int) -> Values:
        """Return the fold at k bars long ago at this length only."""
        if ago <= 2 * k:
            return Number.past(self, view, k, ago)
        return Values(self._alone(view, k, ago), whole=False)

    def _alone(self, view: View, k: int, ago: int = 0) -> Floats:
        """Return many bars at this length only, some at a time, so that they stay in the cache."""
        cells = self.node.past(view, self.length + k - 1, ago).cells
        step = max(CACHED // view.rows, 1)
        if k <= step:
            return self.slide(cells, self.length)
        out = np.empty((view.rows, k))
        for bar in range(0, k, step):
            bars = min(step, k - bar)
            out[:, bar : bar + bars] = self.slide(cells[:, bar : bar + self.length + bars - 1], self.length)
        return out


def folded(name: str, fold: Fold, node: Number, length: int, slide: Slide) -> Folded:
    """Return a fold of the last `length` values of a number; `name` tells folds of one number apart.

    `slide` says the same at many bars, to the last bit.
    """
    table = sys.intern(f"{name}({node.text})")
    return Folded(
        f"{name}({node.text}, {length})", ATOM, _reads([Input(node, length)]), table, fold, node, length, slide
    )
