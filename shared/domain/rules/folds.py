"""What can be known of the last n values from what is known of the last n − 1: sums, spreads and extremes.

Prices are summed as distances from the newest value: a flat market is then exactly flat, and a variance loses at most
log10 n digits, because the value the distances are counted from is itself one of the n.
"""

from collections.abc import Iterator
from functools import partial
from itertools import pairwise

import numpy as np

from shared.domain.candles import Floats
from shared.domain.rules.indicators import Call, Folded, Input, Recipe, call, folded
from shared.domain.rules.nodes import Number


def _accumulated(step: np.ufunc, windows: Floats) -> Floats:
    for newer, older in pairwise(windows):
        step(newer, older, out=older)
    return windows


def _totals(windows: Floats) -> Floats:
    return _accumulated(np.add, windows)


def _apart(windows: Floats) -> Floats:
    distances: Floats = windows - windows[0]
    return distances


def _squares(windows: Floats) -> Floats:
    return _totals(np.square(_apart(windows)))


def _ramps(windows: Floats) -> Floats:
    return _totals(_totals(_apart(windows)))


def _largest(windows: Floats) -> Floats:
    return _accumulated(np.maximum, windows)


def _smallest(windows: Floats) -> Floats:
    return _accumulated(np.minimum, windows)


def _slide(pick: np.ufunc, cells: Floats, length: int) -> Floats:
    """Return the extreme of each window: of two halves that overlap, each of them found in the same way."""
    reach = 1
    while 2 * reach <= length:
        cells = pick(cells[:, :-reach], cells[:, reach:])
        reach *= 2
    rest = length - reach
    found: Floats = pick(cells[:, : cells.shape[1] - rest], cells[:, rest:]) if rest else cells
    return found


def _ages(cells: Floats, length: int) -> Iterator[Floats]:
    """Yield the value of each age at all bars, from the newest on: the order in which tables add them up."""
    bars = cells.shape[1] - length + 1
    for age in range(length):
        start = length - 1 - age
        yield cells[:, start : start + bars]


def _slide_total(cells: Floats, length: int) -> Floats:
    ages = _ages(cells, length)
    found = next(ages).copy()
    for values in ages:
        found += values
    return found


def _slide_distance(cells: Floats, length: int) -> Floats:
    newest, *older = _ages(cells, length)
    found, apart = newest - newest, np.empty_like(newest)
    for values in older:
        found += np.subtract(values, newest, out=apart)
    return found


def _slide_squares(cells: Floats, length: int) -> Floats:
    newest, *older = _ages(cells, length)
    found, apart = np.square(newest - newest), np.empty_like(newest)
    for values in older:
        np.subtract(values, newest, out=apart)
        found += np.square(apart, out=apart)
    return found


def _slide_ramp(cells: Floats, length: int) -> Floats:
    newest, *older = _ages(cells, length)
    reached, apart = newest - newest, np.empty_like(newest)
    found = reached.copy()
    for values in older:
        reached += np.subtract(values, newest, out=apart)
        found += reached
    return found


def total(node: Number, length: int) -> Folded:
    """Return Σ x over the last `length` values."""
    return folded("total", _totals, node, length, _slide_total)


def summed(node: Number, length: int) -> Recipe:
    """Return Σ x over the last `length` values as an indicator of its own."""
    return Recipe((Input(total(node, length), 1),), lambda x, _: x[0])


def ratio(above: Number, below: Number, length: int) -> Recipe:
    """Return Σ above / Σ below over the last `length` values; no value where nothing lies below."""
    return Recipe((Input(total(above, length), 1), Input(total(below, length), 1)), lambda x, _: x[0] / x[1])


def highest(node: Number, length: int) -> Folded:
    """Return the largest of the last `length` values."""
    return folded("largest", _largest, node, length, partial(_slide, np.maximum))


def lowest(node: Number, length: int) -> Folded:
    """Return the smallest of the last `length` values."""
    return folded("smallest", _smallest, node, length, partial(_slide, np.minimum))


def distance(node: Number, length: int) -> Folded:
    """Return Σ (xₐ − x₀), with xₐ the value a bars ago: n times how far the mean lies above the newest value."""
    return folded("distance", lambda windows: _totals(_apart(windows)), node, length, _slide_distance)


def mean(node: Number, length: int) -> Recipe:
    """Return the mean of the last `length` values: x₀ + Σ (xₐ − x₀) / n, with xₐ the value a bars ago."""
    inputs = (Input(distance(node, length), 1), Input(node, 1))
    return Recipe(inputs, lambda x, _: x[1] + x[0] / length)


def sma(node: Number, length: int) -> Call:
    """Return the simple moving average."""
    return call(f"sma({node.text}, {length})", mean(node, length))


def ramp_mean(node: Number, length: int) -> Recipe:
    """Return the mean weighted n for the newest of `length` values down to 1 for the oldest.

    Σ (n − a)(xₐ − x₀) is the sum of the sums over 1, 2, … n values.
    """
    weight = length * (length + 1) / 2
    inputs = (Input(folded("ramp", _ramps, node, length, _slide_ramp), 1), Input(node, 1))
    return Recipe(inputs, lambda x, _: x[1] + x[0] / weight)


def deviation(node: Number, length: int) -> Recipe:
    """Return the population standard deviation of the last `length` values; of equal ones it is exactly zero."""

    def compute(x: list[Floats], _: int) -> Floats:
        squares, distance = x
        variance = squares / length - np.square(distance / length)
        return np.sqrt(np.maximum(variance, 0.0))

    return Recipe(
        (Input(folded("squares", _squares, node, length, _slide_squares), 1), Input(distance(node, length), 1)), compute
    )


def stdev(node: Number, length: int) -> Call:
    """Return the population standard deviation as a node."""
    return call(f"stdev({node.text}, {length})", deviation(node, length))
