"""Why a rule was true, or was not: its tree with the numbers it looked at, the thresholds and the margins.

One walk serves a candle still in the log, where every number is computed as it was then, and a stored signal, of which
only the leaves' values are left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np

from shared.domain.rules import View
from shared.domain.rules.across import (
    Averaged,
    Of,
    TruthAveraged,
    TruthOf,
    averaged_number,
    averaged_truth,
    of_number,
    of_truth,
)
from shared.domain.rules.conditions import (
    COMPARISONS,
    Compare,
    Cross,
    Flag,
    Junction,
    Not,
    TruthLag,
    TruthOn,
    lag_truth,
    on_truth,
)
from shared.domain.rules.nodes import Boolean, Constant, Node, Number
from shared.domain.rules.numeric import Arithmetic, Lag, Negative, On, lag_number, on_number


class Kind(StrEnum):
    """What a part of a rule is."""

    ALL = "all"
    ANY = "any"
    NOT = "not"
    COMPARE = "compare"
    CROSS = "cross"
    FLAG = "flag"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A number that was compared; `value` is None where it had none, `plain` tells a number written in the rule."""

    text: str
    value: float | None
    plain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A condition of a rule at one candle.

    `holds` is None where it is unknown; `decided` tells that the rule's verdict rests on this part. A comparison has
    its `sides` and the `marks` between them; `margin` is by how much it holds (from 0 up) or misses (below 0), in the
    units of its sides.
    """

    text: str
    kind: Kind
    holds: bool | None
    decided: bool = False
    marks: tuple[str, ...] = ()
    sides: tuple[Side, ...] = ()
    margin: float | None = None
    parts: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Lift:
    """Where in the rule one is: inside a lag, another timeframe, another symbol, averaged candles."""

    number: Callable[[Number], Number]
    truth: Callable[[Boolean], Boolean]

    def then(self, inner: Lift) -> Lift:
        """Return the place one gets to by an inner step."""
        return Lift(lambda node: self.number(inner.number(node)), lambda node: self.truth(inner.truth(node)))


TOP: Final = Lift(lambda node: node, lambda node: node)


class Look(NamedTuple):
    """How to tell a number at a place, None where it has no value; `past` tells that earlier bars are known, too."""

    value: Callable[[Number, Lift], float | None]
    past: bool


def _inner(node: Node) -> Lift | None:
    """Return the step into a node that moves what it holds elsewhere, None for any other."""
    match node:
        case Lag() | TruthLag():
            return _before(node.bars)
        case On() | TruthOn():
            return Lift(partial(on_number, node.timeframe), partial(on_truth, node.timeframe))
        case Of() | TruthOf():
            return Lift(partial(of_number, node.symbol), partial(of_truth, node.symbol))
        case Averaged() | TruthAveraged():
            return Lift(averaged_number, averaged_truth)
    return None


def _before(bars: int) -> Lift:
    return Lift(partial(lag_number, bars=bars), partial(lag_truth, bars=bars))


def seen_in(view: View) -> Look:
    """Return the look at a view of one symbol, at its last bar."""

    def value(node: Number, lift: Lift) -> float | None:
        with np.errstate(all="ignore"):
            found = float(lift.number(node).values(view, 1).cells[0, -1])
        return None if np.isnan(found) else found

    return Look(value, past=True)


def stored_as(values: Mapping[str, float]) -> Look:
    """Return the look at the leaves' values of a signal, by their text.

    The candle before is not among them: what stands beyond a line is taken to have just crossed it, as the rule fired.
    """

    def value(node: Number, lift: Lift) -> float | None:
        known = values.get(lift.number(node).text)
        if known is not None:
            return None if np.isnan(known) else known
        match node:
            case Constant():
                return float(node.number)
            case Negative():
                inner = value(node.node, lift)
                return None if inner is None else -inner
            case Arithmetic():
                return _combined(node, value(node.left, lift), value(node.right, lift))
            case Lag() | On() | Of() | Averaged():
                return value(node.node, lift.then(_inner(node) or TOP))
        return None

    return Look(value, past=False)


def _combined(node: Arithmetic, left: float | None, right: float | None) -> float | None:
    if left is None or right is None:
        return None
    with np.errstate(all="ignore"):
        value = float(node.combine(np.float64(left), np.float64(right)))  # type: ignore[arg-type]  # scalars as well
    return value if np.isfinite(value) else None


def explain(root: Boolean, look: Look) -> Reason:
    """Return the tree of a rule with what each part came to."""
    return _decided(_reason(root, look, TOP))


def _reason(node: Boolean, look: Look, lift: Lift) -> Reason:
    match node:
        case TruthLag() | TruthOn() | TruthOf() | TruthAveraged():
            return _reason(node.node, look, lift.then(_inner(node) or TOP))
        case Junction():
            return _junction(node, look, lift)
        case Not():
            part = _reason(node.node, look, lift)
            holds = None if part.holds is None else not part.holds
            return Reason(text=lift.truth(node).text, kind=Kind.NOT, holds=holds, parts=(part,))
        case Compare():
            return _compare(node, look, lift)
        case Cross():
            return _cross(node, look, lift)
        case Flag():
            value = look.value(node.node, lift)
            return Reason(text=lift.truth(node).text, kind=Kind.FLAG, holds=None if value is None else value != 0.0)
    raise TypeError(f"no way to explain a {type(node).__name__}")


def _junction(node: Junction, look: Look, lift: Lift) -> Reason:
    parts = tuple(_reason(part, look, lift) for part in node.parts)
    answers = [part.holds for part in parts]
    holds = None if None in answers else all(answers) if node.every else any(answers)
    kind = Kind.ALL if node.every else Kind.ANY
    return Reason(text=lift.truth(node).text, kind=kind, holds=holds, parts=parts)


def _side(node: Number, look: Look, lift: Lift) -> Side:
    if isinstance(node, Constant):
        return Side(text=node.text, value=float(node.number), plain=True)
    return Side(text=lift.number(node).text, value=look.value(node, lift))


_HOLDS: Final[Mapping[str, Callable[[Any, Any], Any]]] = COMPARISONS
_DISTANCE: Final[Mapping[str, Callable[[float, float], float]]] = {
    ">": lambda a, b: a - b,
    ">=": lambda a, b: a - b,
    "<": lambda a, b: b - a,
    "<=": lambda a, b: b - a,
    "==": lambda a, b: -abs(a - b),
    "!=": lambda a, b: abs(a - b),
}


def _compare(node: Compare, look: Look, lift: Lift) -> Reason:
    sides = tuple(_side(side, look, lift) for side in node.sides)
    values = [side.value for side in sides if side.value is not None]
    holds = margin = None
    if len(values) == len(sides):
        pairs = list(zip(node.marks, pairwise(values), strict=True))
        holds = all(_HOLDS[mark](a, b) for mark, (a, b) in pairs)
        margin = min(_DISTANCE[mark](a, b) for mark, (a, b) in pairs)
    text = lift.truth(node).text
    return Reason(text=text, kind=Kind.COMPARE, holds=holds, marks=node.marks, sides=sides, margin=margin)


def _apart(mark: str, sides: Sequence[Side]) -> float | None:
    left, right = (side.value for side in sides)
    return None if left is None or right is None else _DISTANCE[mark](left, right)


def _cross(node: Cross, look: Look, lift: Lift) -> Reason:
    mark = ">" if node.above else "<"
    sides = tuple(_side(side, look, lift) for side in (node.left, node.right))
    now = _apart(mark, sides)
    before = lift.then(_before(1))
    then = _apart(mark, [_side(side, look, before) for side in (node.right, node.left)]) if look.past else 0.0
    holds = margin = None
    if now is not None and then is not None:
        holds, margin = now > 0 <= then, min(now, then) if look.past else now
    text = lift.truth(node).text
    return Reason(text=text, kind=Kind.CROSS, holds=holds, marks=(mark,), sides=sides, margin=margin)


def _decided(reason: Reason) -> Reason:
    """Mark what a verdict rests on: of several parts those that say the same, or those that do not know."""
    carry = reason.kind is Kind.NOT
    parts = tuple(_decided(part) if carry or part.holds is reason.holds else part for part in reason.parts)
    return replace(reason, decided=True, parts=parts)
