"""Candlestick patterns against TA-Lib over a long market, on whole prices, where its running sums are exact."""

from functools import cache

import numpy as np
import pytest
import talib

from shared.domain.candles import CandleFrame, Floats
from shared.domain.rules.definition import Function
from shared.domain.rules.functions.patterns import FUNCTIONS
from shared.domain.timeframe import Timeframe
from tests.unit.rules.conftest import START
from tests.unit.rules.golden import last

Places = np.ndarray[tuple[int], np.dtype[np.signedinteger]]
GOLDEN = {function.call: function.formula.split()[1] for function in FUNCTIONS}
BARS = 15  # as many as the longest pattern reads
MAT_HOLD = [(10, 20, 9, 19), (21, 22, 20, 20.5), (19, 20, 18, 18.5), (18, 19, 17, 17.5), (18, 26, 17, 25)]


@cache
def market() -> tuple[Floats, ...]:
    """Return open, high, low and close of moody candles of few sizes, so that prices often meet."""
    rng, bars = np.random.default_rng(1), 200_000
    size = rng.choice([-9, -7, -5, -3, -2, -1, 0, 0, 1, 2, 3, 5, 7, 9], bars)
    mood = np.repeat(rng.choice([-1, 1], bars // 3 + 1), 3)[:bars]
    body = np.where(rng.random(bars) < 0.6, np.abs(size) * mood, size).tolist()
    step = rng.choice([-6, -2, -1, 0, 0, 0, 1, 2, 6], bars).tolist()
    from_close = (rng.random(bars) < 0.7).tolist()
    opened, closed = [0], [body[0]]
    for bar in range(1, bars):
        opened.append((closed[-1] if from_close[bar] else opened[-1]) + step[bar])
        closed.append(opened[-1] + body[bar])
    above, below = rng.choice([0, 0, 0, 1, 2, 6, 12], (2, bars))
    o, c = np.array(opened, dtype=float), np.array(closed, dtype=float)
    h, low = np.maximum(o, c) + above, np.minimum(o, c) - below
    return tuple(prices + 1_000.0 - low.min() for prices in (o, h, low, c))


def windows(ends: Places) -> CandleFrame:
    """Return the candles up to each of some bars of the market, a symbol each."""
    places = ends[:, None] + np.arange(1 - BARS, 1)
    values = np.ones((8, len(ends), BARS))
    values[:4] = [prices[places] for prices in market()]
    return CandleFrame(
        timeframe=Timeframe.M1,
        symbols=tuple(f"S{row}/USDT" for row in range(len(ends))),
        open_times=START + np.arange(BARS, dtype=np.int64) * Timeframe.M1.ms,
        values=values,
        filled=np.zeros((len(ends), BARS), dtype=np.bool_),
    )


def test_there_are_as_many_patterns_as_ta_lib_has() -> None:
    assert set(GOLDEN.values()) == {name for name in dir(talib) if name.startswith("CDL")}
    assert len(FUNCTIONS) == 61


@pytest.mark.parametrize("expression", GOLDEN)
def test_a_pattern_is_what_ta_lib_says(expression: str) -> None:
    verdicts = np.sign(getattr(talib, GOLDEN[expression])(*market()))
    places = [np.flatnonzero(verdicts[BARS:] == sign)[:30] + BARS for sign in (1, -1, 0)]
    ends = np.concatenate(places)
    assert last(expression, windows(ends)).tolist() == verdicts[ends].tolist()


@pytest.mark.parametrize("function", [pytest.param(f, id=f.name) for f in FUNCTIONS if f.name != "mat_hold"])
def test_a_pattern_points_where_its_description_says(function: Function) -> None:
    verdicts = getattr(talib, GOLDEN[function.call])(*market())
    assert (("+1" in function.doc), ("-1" in function.doc)) == (bool((verdicts > 0).any()), bool((verdicts < 0).any()))


def test_a_mat_hold_by_hand() -> None:
    candles = windows(np.full(2, 100))
    small = (11.0, 12.0, 10.0, 11.5)
    candles.values[:4, 0] = np.array([*[small] * 10, *MAT_HOLD]).T
    candles.values[:4, 1] = np.array([*[small] * 10, *MAT_HOLD[:-1], (18, 26, 17, 21)]).T
    assert last("mat_hold()", candles).tolist() == [1.0, 0.0]


def test_how_deep_a_star_must_fall_can_be_said() -> None:
    long_rise, star = (10.0, 21.0, 9.5, 20.0), (22.0, 23.0, 21.5, 22.5)
    candles = windows(np.full(1, 100))
    candles.values[:4, 0] = np.array([*[(10.0, 13.0, 9.0, 12.0)] * 12, long_rise, star, (21.0, 21.5, 15.0, 16.0)]).T
    assert last("evening_star(penetration=0.3)", candles)[0] == -1.0
    assert last("evening_star(penetration=0.6)", candles)[0] == 0.0
