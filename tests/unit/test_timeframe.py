"""Timeframes are aligned to the UTC epoch; candles are half-open."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import InvalidMessageError
from shared.domain.timeframe import Timeframe, closing_at, parse_timeframe

TIMES = st.integers(min_value=0, max_value=4_102_444_800_000)


@given(TIMES, st.sampled_from(Timeframe))
def test_every_instant_lies_in_exactly_one_candle(time_ms: int, timeframe: Timeframe) -> None:
    open_time = timeframe.open_time(time_ms)
    assert open_time <= time_ms < timeframe.close_time(time_ms) == open_time + timeframe.ms
    assert timeframe.is_boundary(open_time)


@given(TIMES, st.sampled_from(Timeframe))
def test_the_last_close_is_never_in_the_future(now_ms: int, timeframe: Timeframe) -> None:
    assert timeframe.last_close(now_ms) <= now_ms < timeframe.last_close(now_ms) + timeframe.ms


def test_lengths_are_what_they_are_called() -> None:
    assert [tf.ms // 60_000 for tf in Timeframe] == [1, 3, 5, 15, 30, 60, 120, 240, 360, 720, 1440]


def test_longer_timeframes_close_first_at_a_shared_boundary() -> None:
    hour = 3_600_000
    watched = (Timeframe.M1, Timeframe.M5, Timeframe.H1, Timeframe.H4)
    assert closing_at(hour, watched) == (Timeframe.H1, Timeframe.M5, Timeframe.M1)
    assert closing_at(hour + 60_000, watched) == (Timeframe.M1,)


def test_an_unknown_timeframe_is_named_with_the_choices() -> None:
    with pytest.raises(InvalidMessageError, match=r"timeframe: unknown timeframe '7m', expected one of 1m, 3m"):
        parse_timeframe("7m")
