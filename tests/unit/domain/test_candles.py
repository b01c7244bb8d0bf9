"""Frames hold candles on one unbroken grid; a hole is a hole, a quiet bar is marked, an impossible bar is refused."""

from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.candles import (
    Boundary,
    Candle,
    Gap,
    check_candle,
    empty_frame,
    frame_of,
    gaps,
    no_trade_candle,
)
from shared.domain.errors import InvalidMessageError
from shared.domain.timeframe import Timeframe

M1 = Timeframe.M1
STEP = M1.ms
GOOD = Candle(STEP, 10.0, 12.0, 9.0, 11.0, 5.0, 55.0, 3.0, 2.5)


def flat(bar: int, price: float = 1.0) -> Candle:
    return Candle(bar * STEP, price, price, price, price, 1.0, price, 1.0, 0.5)


def test_a_frame_returns_the_candles_it_was_made_of() -> None:
    frame = frame_of(M1, {"A/USDT": [flat(3), flat(1)], "B/USDT": [flat(2, 5.0)]})
    assert frame.bars == 3
    assert frame.candles("A/USDT") == [flat(1), flat(3)]
    assert frame.candles("B/USDT") == [flat(2, 5.0)]
    assert frame.close_time == 4 * STEP


def test_until_and_tail_cut_by_closed_bars_only() -> None:
    frame = frame_of(M1, {"A/USDT": [flat(bar) for bar in range(1, 11)]})
    assert frame.until(5 * STEP).close_time == 5 * STEP
    assert frame.until(5 * STEP + STEP - 1).close_time == 5 * STEP
    assert frame.tail(3).open_times.tolist() == [8 * STEP, 9 * STEP, 10 * STEP]
    assert frame.tail(99).bars == 10


def test_has_close_means_a_candle_not_a_hole() -> None:
    frame = frame_of(M1, {"A/USDT": [flat(1), flat(3)]})
    assert [frame.has_close(bar * STEP) for bar in range(1, 6)] == [False, True, False, True, False]
    assert not empty_frame(M1).has_close(STEP)


def test_select_keeps_the_order_asked_for() -> None:
    frame = frame_of(M1, {"A/USDT": [flat(1, 1.0)], "B/USDT": [flat(1, 2.0)], "C/USDT": [flat(1, 3.0)]})
    assert frame.select(["C/USDT", "A/USDT"]).column("close").tolist() == [[3.0], [1.0]]


@given(st.sets(st.integers(0, 40), min_size=1))
def test_gaps_are_exactly_the_missing_bars_after_the_first(present: set[int]) -> None:
    frame = frame_of(M1, {"A/USDT": [flat(bar) for bar in present], "B/USDT": [flat(0), flat(40)]})
    missing = {
        time // STEP for gap in gaps(frame) if gap.symbol == "A/USDT" for time in range(gap.start, gap.stop, STEP)
    }
    assert missing == set(range(min(present), 41)) - present


def test_a_hole_of_exactly_one_candle_is_a_gap() -> None:
    frame = frame_of(M1, {"A/USDT": [flat(1), flat(3)]})
    assert gaps(frame) == [Gap("A/USDT", M1, 2 * STEP, 3 * STEP)]


def test_a_candle_off_the_grid_is_refused() -> None:
    with pytest.raises(InvalidMessageError, match="open_time"):
        frame_of(M1, {"A/USDT": [flat(1), flat(2)._replace(open_time=2 * STEP + 1)]})


def test_a_boundary_refuses_a_candle_of_another_time() -> None:
    with pytest.raises(InvalidMessageError, match=r"B/USDT: expected open_time 60000, got 120000"):
        Boundary.of(M1, STEP, [("A/USDT", flat(1)), ("B/USDT", flat(2))])


def test_a_quiet_bar_repeats_the_close_and_is_marked() -> None:
    quiet = no_trade_candle(STEP, 9.5)
    assert check_candle(quiet) == (STEP, 9.5, 9.5, 9.5, 9.5, 0.0, 0.0, 0.0, 0.0, True)


@pytest.mark.parametrize(
    "bad",
    [
        GOOD._replace(close=nan),
        GOOD._replace(open=0.0),
        GOOD._replace(low=-1.0),
        GOOD._replace(low=11.5),
        GOOD._replace(high=10.5),
        GOOD._replace(high=float("inf")),
        GOOD._replace(volume=-1.0),
        GOOD._replace(taker_buy_volume=float("inf")),
    ],
)
def test_an_impossible_candle_is_refused(bad: Candle) -> None:
    with pytest.raises(InvalidMessageError, match="candle"):
        check_candle(bad)


def test_an_unknown_volume_is_not_an_error() -> None:
    assert check_candle(GOOD._replace(quote_volume=nan)).close == 11.0
