from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.candles import Candle, CandleFrame, frame_of, no_trade_candle
from shared.domain.errors import InvalidMessageError
from shared.domain.resample import resample
from shared.domain.timeframe import Timeframe

START = 1_700_000_100_000 // Timeframe.H1.ms * Timeframe.H1.ms


def bar(minute: int, close: float = 10.0, *, volume: float = 1.0) -> Candle:
    open_time, quote_volume = START + minute * 60_000, round(close * volume, 7)
    return Candle(open_time, close, close + 1, close - 1, close, volume, quote_volume, 2.0, round(volume / 2, 6))


@st.composite
def minute_frames(draw: st.DrawFn) -> CandleFrame:
    """Frames of minutes as a venue prints them: prices in cents, volumes in lots, some candles missing."""
    first, count = draw(st.integers(0, 20)), draw(st.integers(1, 50))
    series: dict[str, Sequence[Candle]] = {}
    for symbol in ("BTC/USDT", "ETH/USDT"):
        closes = draw(st.lists(st.integers(200, 10**6), min_size=count, max_size=count))
        volumes = draw(st.lists(st.integers(0, 10**7), min_size=count, max_size=count))
        missing = draw(st.sets(st.integers(0, count - 1), max_size=2))
        series[symbol] = [
            bar(first + minute, close / 100, volume=volume / 100_000)
            for minute, (close, volume) in enumerate(zip(closes, volumes, strict=True))
            if minute not in missing or minute in (0, count - 1)
        ]
    return frame_of(Timeframe.M1, series)


def test_one_longer_candle_is_first_open_greatest_high_least_low_last_close_and_sums() -> None:
    frame = frame_of(Timeframe.M1, {"BTC/USDT": [bar(0, 10.0), bar(1, 13.0), bar(2, 7.0)]})
    assert resample(frame, Timeframe.M3).candles("BTC/USDT") == [
        Candle(START, 10.0, 14.0, 6.0, 7.0, 3.0, 30.0, 6.0, 1.5)
    ]


def test_sums_are_those_of_the_decimals_and_not_of_their_doubles() -> None:
    frame = frame_of(Timeframe.M1, {"BTC/USDT": [bar(0, volume=0.1), bar(1, volume=0.2), bar(2, volume=0.0)]})
    assert resample(frame, Timeframe.M3).column("volume").tolist() == [[0.3]]


def test_partial_buckets_at_both_ends_are_dropped() -> None:
    frame = frame_of(Timeframe.M1, {"BTC/USDT": [bar(minute) for minute in range(4, 14)]})
    assert resample(frame, Timeframe.M5).open_times.tolist() == [START + 5 * 60_000]


def test_a_bucket_with_a_missing_part_is_missing_for_that_symbol_alone() -> None:
    whole, holed = [bar(minute) for minute in range(5)], [bar(minute) for minute in range(5) if minute != 2]
    frame = resample(frame_of(Timeframe.M1, {"BTC/USDT": whole, "ETH/USDT": holed}), Timeframe.M5)
    assert len(frame.candles("BTC/USDT")) == 1
    assert np.isnan(frame.values[:, 1]).all()


@pytest.mark.parametrize("traded", [True, False])
def test_a_candle_is_filled_only_if_all_its_parts_are(traded: bool) -> None:
    minutes = [bar(0) if traded else no_trade_candle(START, 10.0)]
    minutes += [no_trade_candle(START + minute * 60_000, 10.0) for minute in range(1, 5)]
    (candle,) = resample(frame_of(Timeframe.M1, {"BTC/USDT": minutes}), Timeframe.M5).candles("BTC/USDT")
    assert candle.filled is not traded


@pytest.mark.parametrize(("source", "target"), [(Timeframe.M5, Timeframe.M1), (Timeframe.M3, Timeframe.M5)])
def test_a_timeframe_that_is_no_multiple_is_refused(source: Timeframe, target: Timeframe) -> None:
    with pytest.raises(InvalidMessageError, match="multiple of"):
        resample(frame_of(source, {"BTC/USDT": [bar(0)]}), target)


@settings(max_examples=40, deadline=None)
@given(minute_frames())
def test_joining_in_two_steps_is_joining_in_one(frame: CandleFrame) -> None:
    direct, by_fives = resample(frame, Timeframe.M15), resample(resample(frame, Timeframe.M5), Timeframe.M15)
    assert direct.open_times.tolist() == by_fives.open_times.tolist()
    np.testing.assert_array_equal(direct.values, by_fives.values)
    np.testing.assert_array_equal(direct.filled, by_fives.filled)


@settings(max_examples=40, deadline=None)
@given(minute_frames())
def test_volume_is_conserved_and_the_range_contains_every_part(frame: CandleFrame) -> None:
    longer = resample(frame, Timeframe.M5)
    for bucket, open_time in enumerate(longer.open_times.tolist()):
        parts = frame.values[:, :, np.searchsorted(frame.open_times, open_time) :][:, :, :5]
        for symbol in range(len(frame.symbols)):
            joined, mine = longer.values[:, symbol, bucket], parts[:, symbol]
            if np.isnan(mine).any():
                assert np.isnan(joined).all()
                continue
            assert round(joined[4] * 1e5) == sum(round(volume * 1e5) for volume in mine[4])
            assert joined[1] == mine[1].max()
            assert joined[2] == mine[2].min()
            assert (joined[0], joined[3]) == (mine[0, 0], mine[3, -1])
