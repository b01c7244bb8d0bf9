"""The shape of the market: turning points once they are confirmed, what they say, and bars beside bars."""

from collections.abc import Callable
from typing import Final

import numpy as np

from shared.domain.candles import Bools, Floats
from shared.domain.rules.definition import Arguments, Function, Param, Source, Word, factor, length
from shared.domain.rules.folds import highest, lowest
from shared.domain.rules.indicators import Call, Input, Recipe, call
from shared.domain.rules.kernels import rolling
from shared.domain.rules.nodes import Number
from shared.domain.rules.numeric import lag_number
from shared.domain.rules.parts import CLOSE, HIGH, LOW, flag

SIDES: Final[tuple[Param, ...]] = (length(5, name="left"), length(5, name="right"))


def _turns(source: Number, a: Arguments, *, top: bool) -> Call:
    """Mark with 1 each bar that confirms the value `right` bars ago as a turning point, the others with 0."""
    left, right = a["left"], a["right"]
    extreme = highest if top else lowest

    def confirmed(before: Floats, turn: Floats, after: Floats) -> Floats:
        found = (turn > before) & (turn >= after) if top else (turn < before) & (turn <= after)
        return flag(found, before, turn, after)

    inputs = (
        Input(lag_number(extreme(source, left), right + 1), 1),
        Input(lag_number(source, right), 1),
        Input(extreme(source, right), 1),
    )
    name = f"{'top' if top else 'bottom'}({source.text}, {left}, {right})"
    return call(name, Recipe(inputs, lambda x, _: confirmed(*x)))


def _newest_two(marks: Floats, *series: Floats) -> tuple[list[tuple[Floats, Floats]], Bools, Bools]:
    """Return what each series was at the newest mark and at the one before, and whether there are that many."""
    found, rows, bars = marks == 1.0, np.arange(len(marks)), marks.shape[1]
    newest = bars - 1 - np.argmax(found[:, ::-1], axis=1)
    one = found[rows, newest]
    older = found & (np.arange(bars) < newest[:, None])
    before = bars - 1 - np.argmax(older[:, ::-1], axis=1)
    return [(x[rows, newest], x[rows, before]) for x in series], one, older[rows, before]


Answer = Callable[[Floats, Floats, Bools, Bools], Floats | Bools]
"""Makes a value of the price at the newest turning point, that at the one before, and whether there are one, two."""


def _points(a: Arguments, answer: Answer, *, top: bool) -> Recipe:
    """Return what there is to say of the turning points confirmed at the last `bars` candles."""
    bars, price = a["bars"], HIGH if top else LOW

    def reduce(marks: Floats, prices: Floats) -> Floats:
        [(newest, before)], one, two = _newest_two(marks, prices)
        return np.where(np.isnan(marks).any(axis=1), np.nan, answer(newest, before, one, two))

    inputs = (Input(_turns(price, a, top=top), bars), Input(lag_number(price, a["right"]), bars))
    return Recipe(inputs, lambda x, k: rolling(reduce, bars, k, *x))


def _pivot(name: str, extreme: str, *, top: bool) -> Function:
    return Function(
        name=name,
        doc=f"{extreme} of the last turning point confirmed in the last `bars` candles; no value without one",
        formula=f"beyond the {extreme}s of `left` candles before, not within those of `right` after; known only then",
        params=(*SIDES, length(100, low=2, name="bars")),
        build=lambda a: _points(a, lambda newest, _, one, __: np.where(one, newest, np.nan), top=top),
    )


def _trend(name: str, doc: str, compare: Callable[[Floats, Floats], Bools], *, top: bool) -> Function:
    return Function(
        name=name,
        doc=f"whether the last confirmed {doc} the one before",
        formula=f"pivot_{'high' if top else 'low'} of the last two; false with fewer than two in `bars` candles",
        params=(*SIDES, length(100, low=2, name="bars")),
        condition=True,
        build=lambda a: _points(a, lambda newest, before, _, two: two & compare(newest, before), top=top),
    )


def _divergence(a: Arguments) -> Recipe:
    bars, right, hidden = a["bars"] + 1, a["right"], a.word("kind") == "hidden"

    def apart(marks: Floats, prices: Floats, values: Floats, way: float) -> Floats:
        """Return 1 where this bar confirms a turning point at which price and value went apart."""
        [(price, price_before), (value, value_before)], _, two = _newest_two(marks, prices, values)
        further, back = way * (price - price_before), way * (value_before - value)
        found = (further < 0) & (back < 0) if hidden else (further > 0) & (back > 0)
        return flag(found & two & (marks[:, -1] == 1.0), marks.sum(axis=1))

    def reduce(bottoms: Floats, tops: Floats, lows: Floats, highs: Floats, values: Floats) -> Floats:
        return apart(bottoms, lows, values, -1.0) - apart(tops, highs, values, 1.0)

    source = a.source
    turns = (_turns(source, a, top=top) for top in (False, True))
    inputs = [Input(node, bars) for node in (*turns, *(lag_number(x, right) for x in (LOW, HIGH, source)))]
    return Recipe(inputs, lambda x, k: rolling(reduce, bars, k, *x))


DIVERGENCE = Function(
    name="divergence",
    doc="+1 where an indicator's confirmed low and the price's diverge upward, -1 for highs downward, else 0",
    formula=(
        "at the candle that confirms a turning point of the source at most `bars` after the one before it; "
        "regular: price lower and source higher (+1); hidden: price higher and source lower (+1); mirrored for highs"
    ),
    params=(
        Source(),
        length(60, low=2, name="bars"),
        Word(name="kind", choices=("regular", "hidden"), default="regular"),
        *SIDES,
    ),
    build=_divergence,
    example="divergence(rsi(14))",
)


def _beside(name: str, doc: str, compare: Callable[[Floats, Floats, Floats, Floats], Bools]) -> Function:
    def combine(h: Floats, low: Floats) -> Floats:
        now, before = (h[:, 1:], low[:, 1:]), (h[:, :-1], low[:, :-1])
        return flag(compare(*now, *before), *now, *before)

    return Function(
        name=name,
        doc=doc,
        formula="compares the range with that of the candle before",
        condition=True,
        build=lambda _: Recipe((Input(HIGH, 2), Input(LOW, 2)), lambda x, _: combine(*x)),
    )


def _gap(a: Arguments) -> Recipe:
    least = a.factor("percent") / 100.0

    def combine(x: list[Floats], _: int) -> Floats:
        h, low, close = x
        up, down = low[:, 1:] - h[:, :-1], low[:, :-1] - h[:, 1:]
        size = np.maximum(up, down) / close[:, :-1]
        return np.where(up > down, 1.0, -1.0) * flag((size > 0.0) & (size >= least), size)

    return Recipe((Input(HIGH, 2), Input(LOW, 2), Input(CLOSE, 2)), combine)


GAP = Function(
    name="gap",
    doc="+1 when the candle's range lies wholly above the one before, -1 when wholly below, else 0",
    formula="the empty space between the ranges is at least `percent` of the close before",
    params=(factor("percent", 0.0, high=100.0),),
    build=_gap,
)
FUNCTIONS = (
    _pivot("pivot_high", "high", top=True),
    _pivot("pivot_low", "low", top=False),
    _trend("higher_high", "high is above", np.greater, top=True),
    _trend("lower_high", "high is below", np.less, top=True),
    _trend("higher_low", "low is above", np.greater, top=False),
    _trend("lower_low", "low is below", np.less, top=False),
    DIVERGENCE,
    _beside("inside_bar", "whether the range lies within the one before", lambda h, lo, ph, pl: (h < ph) & (lo > pl)),
    _beside("outside_bar", "whether the range exceeds the one before", lambda h, lo, ph, pl: (h > ph) & (lo < pl)),
    GAP,
)
