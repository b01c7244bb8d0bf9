"""Outcomes measured by hand, mirrored for shorts, and never before their time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.candles import CandleFrame
from shared.domain.outcomes import WAIT_BARS, Awaited, Outcome, measure
from shared.domain.timeframe import Timeframe
from shared.domain.traders import PositionSide
from tests.unit.rules.conftest import random_frame

M1 = Timeframe.M1
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


def market(closes: list[float], highs: list[float], lows: list[float]) -> CandleFrame:
    candles = random_frame(symbols=1, bars=len(closes))
    candles.values[1:4, 0] = highs, lows, closes
    return candles


def after(candles: CandleFrame, bar: int, bars: int, side: PositionSide = LONG, symbol: str = "S0/USDT") -> Awaited:
    """Return the outcome awaited of a signal at the close of a bar."""
    price = float(candles.column("close")[0, bar])
    return Awaited("s", symbol, int(candles.open_times[bar]) + M1.ms, side, price, bars)


HAND = market(closes=[100, 101, 99, 104, 102], highs=[100, 103, 102, 105, 104], lows=[100, 100, 98, 99, 101])


@pytest.mark.parametrize(
    ("bars", "side", "forward", "favourable", "adverse"),
    [
        (1, LONG, 0.01, 0.03, 0.0),
        (2, LONG, -0.01, 0.03, -0.02),
        (4, LONG, 0.02, 0.05, -0.02),
        (2, SHORT, 0.01, 0.02, -0.03),
        (4, SHORT, -0.02, 0.02, -0.05),
    ],
)
def test_an_outcome_by_hand(bars: int, side: PositionSide, forward: float, favourable: float, adverse: float) -> None:
    (outcome,) = measure([after(HAND, 0, bars, side)], HAND)
    assert list(outcome[2:]) == pytest.approx([forward, favourable, adverse])


def test_what_lies_ahead_waits() -> None:
    assert measure([after(HAND, 0, 5)], HAND) == []
    assert measure([after(HAND, 3, 1), after(HAND, 4, 1)], HAND) == measure([after(HAND, 3, 1)], HAND)


def test_a_missing_candle_is_waited_for_and_then_unknown() -> None:
    candles = random_frame(symbols=2, bars=30)
    candles.values[:, 0, 5] = np.nan
    awaited = after(candles, 4, 1)
    assert measure([awaited], candles.tail(30).slice(0, 6 + WAIT_BARS - 1)) == []
    assert measure([awaited], candles.slice(0, 6 + WAIT_BARS)) == [Outcome("s", 1, None, None, None)]
    gone = after(candles, 3, 1, symbol="GONE/USDT")
    assert measure([gone], candles.slice(0, 6)) == []
    assert measure([gone], candles) == [Outcome("s", 1, None, None, None)]


def test_a_hole_on_the_way_does_not_matter() -> None:
    candles = market(closes=[100, 101, 99], highs=[100, 103, 102], lows=[100, 100, 98])
    candles.values[:, 0, 1] = np.nan
    assert measure([after(candles, 0, 2)], candles)[0].favourable == pytest.approx(0.02)


def test_what_the_log_no_longer_reaches_is_unknown() -> None:
    awaited = after(HAND, 0, 1)
    assert measure([awaited], HAND.tail(3)) == [Outcome("s", 1, None, None, None)]
    assert measure([awaited], HAND.tail(0)) == []


@given(seed=st.integers(0, 30), bar=st.integers(0, 99), bars=st.sampled_from((1, 5, 20, 60)))
def test_shorts_mirror_longs_and_excursions_enclose_the_return(seed: int, bar: int, bars: int) -> None:
    candles = random_frame(symbols=1, bars=160, seed=seed)
    (long,), (short,) = (measure([after(candles, bar, bars, side)], candles) for side in (LONG, SHORT))
    assert short[2:] == tuple(0.0 - (value or 0.0) for value in (long.forward_return, long.adverse, long.favourable))
    assert (long.adverse or 0.0) <= (long.forward_return or 0.0) <= (long.favourable or 0.0)
    assert measure([after(candles, bar, bars)], candles.slice(0, bar + bars + 1)) == [long]  # the rest is not looked at
