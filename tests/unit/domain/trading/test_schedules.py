"""Shares add up, chance repeats itself, and the volume of a time of day is that of the days before."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.candles import VOLUME, empty_frame
from shared.domain.errors import InvalidMessageError
from shared.domain.timeframe import Timeframe
from shared.domain.trading.algorithms import follows_volume, volume_timeframe
from shared.domain.trading.intents import Algorithm, AlgorithmName
from shared.domain.trading.schedules import (
    DAY_MS,
    Span,
    VolumeHistory,
    allocate,
    draw,
    merged,
    openings,
    spans,
    varied,
    volume_history,
)
from tests.unit.domain.trading.offers import START_MS

D = Decimal
HOUR_MS = 3_600_000


def test_chance_is_the_same_for_a_seed_and_another_for_another() -> None:
    assert draw("a", "size", 1) == draw("a", "size", 1)
    drawn = {draw(seed, of, number) for seed in "abc" for of in ("size", "time") for number in range(50)}
    assert len(drawn) == 300
    assert all(0 <= value < 1 for value in drawn)
    assert abs(sum(drawn, D(0)) / 300 - D("0.5")) < D("0.05")


@given(st.integers(0, 10**12), st.integers(1, 10**8), st.integers(1, 60), st.text(max_size=5))
def test_each_slice_opens_within_its_own_span(start_ms: int, duration_ms: int, count: int, seed: str) -> None:
    among = spans(start_ms, duration_ms, count)
    assert (among[0].start_ms, among[-1].end_ms) == (start_ms, start_ms + duration_ms)
    opens = openings(seed, among)
    assert opens[0] == start_ms
    assert all(
        span.start_ms <= at <= max(span.start_ms, span.end_ms - 1) for span, at in zip(among, opens, strict=True)
    )


@given(
    st.integers(0, 10**9),
    st.lists(st.tuples(st.integers(0, 50), st.one_of(st.none(), st.integers(0, 10**6))), max_size=12),
)
def test_shares_add_up_within_their_caps_and_only_caps_leave_anything(
    units: int, parts: list[tuple[int, int | None]]
) -> None:
    weights, caps = [weight for weight, _ in parts], [cap for _, cap in parts]
    shares = allocate(units, weights, caps)
    assert all(cap is None or share <= cap for share, cap in zip(shares, caps, strict=True))
    assert all(share == 0 for share, weight in zip(shares, weights, strict=True) if not weight)
    full = all(share == cap for share, weight, cap in zip(shares, weights, caps, strict=True) if weight)
    assert sum(shares) == units or (full and sum(shares) < units)


def test_shares_follow_their_weights() -> None:
    assert allocate(10, [1, 1, 3], [None] * 3) == (2, 2, 6)
    assert allocate(10, [1, 1, 3], [None, None, 4]) == (3, 3, 4)
    assert allocate(1, [1, 2, 3], [None] * 3) == (0, 0, 1)


@given(st.lists(st.integers(0, 20), max_size=15), st.integers(1, 30))
def test_joined_shares_keep_their_sum_and_reach_the_size_unless_all_of_it_is_smaller(
    shares: list[int], smallest: int
) -> None:
    groups = merged(shares, smallest)
    assert sum(size for size, _ in groups) == sum(shares)
    assert all(size >= smallest for size, _ in groups) or len(groups) == 1
    assert all(size == sum(shares[number] for number in numbers) for size, numbers in groups)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=20), st.text(max_size=5))
def test_variation_stays_within_a_fifth(weights: list[int], seed: str) -> None:
    largest = max(weights) or 1
    for weight, made in zip(weights, varied(seed, [D(weight) for weight in weights]), strict=True):
        plain = weight * 10**9 // largest
        assert plain * 8 // 10 - 1 <= made <= plain * 12 // 10 + 2


def test_expected_volume_is_the_mean_of_the_same_time_on_the_days_before() -> None:
    bars = [(START_MS - day * DAY_MS + hour * HOUR_MS, D(day * 10 + hour)) for day in (2, 1) for hour in range(3)]
    past = VolumeHistory(bar_ms=HOUR_MS, bars=tuple(bars))
    first, second = Span(START_MS, START_MS + HOUR_MS), Span(START_MS + HOUR_MS, START_MS + 2 * HOUR_MS)
    assert past.expected([first, second]) == (D(15), D(16))
    half = Span(START_MS + HOUR_MS // 2, START_MS + HOUR_MS)
    assert past.expected([half]) == (D("7.5"),)


def test_a_time_of_day_nobody_knows_trades_as_the_average() -> None:
    past = VolumeHistory(bar_ms=HOUR_MS, bars=((START_MS - 5 * HOUR_MS, D(4)), (START_MS - 4 * HOUR_MS, D(8))))
    assert past.expected([Span(START_MS, START_MS + HOUR_MS)]) == (D(6),)
    assert VolumeHistory(bar_ms=HOUR_MS, bars=()).expected([Span(0, 1)]) is None


def test_volumes_are_read_from_candles_without_those_that_are_missing() -> None:
    frame = empty_frame(Timeframe("1h"))
    assert volume_history(frame, "BTC/USDT").bars == ()
    values = np.full((8, 1, 3), np.nan)
    values[VOLUME, 0] = [0.1, np.nan, 0.0]
    times = np.array([0, HOUR_MS, 2 * HOUR_MS], dtype=np.int64)
    frame = type(frame)(
        timeframe=frame.timeframe,
        symbols=("BTC/USDT",),
        open_times=times,
        values=values,
        filled=np.zeros((1, 3), dtype=np.bool_),
    )
    assert volume_history(frame, "BTC/USDT").bars == ((0, D("0.1")), (2 * HOUR_MS, D("0.0")))


M1, M5, M15, M30, H1, H4 = (Timeframe(word) for word in ("1m", "5m", "15m", "30m", "1h", "4h"))


@pytest.mark.parametrize(
    ("name", "span_ms", "collected", "chosen"),
    [
        (AlgorithmName.VWAP, 60_000, (M1, M5, M15, H1), M15),
        (AlgorithmName.VWAP, 60_000, (H1, M5, M1), M5),
        (AlgorithmName.VWAP, 2 * HOUR_MS, (M30, H1, H4), M30),
        (AlgorithmName.TWAP, 60_000, (M1, M15), M15),
        (AlgorithmName.POV, 10_000, (M1, M5), M1),
        (AlgorithmName.POV, HOUR_MS, (M5, M15), M5),
        (AlgorithmName.POV, HOUR_MS, (H4, H1), H1),
    ],
)
def test_volume_is_told_by_the_candles_an_algorithm_can_use(
    name: AlgorithmName, span_ms: int, collected: tuple[Timeframe, ...], chosen: Timeframe
) -> None:
    algorithm = Algorithm(name=name, duration_ms=4 * span_ms, slices=4, participation_rate=Decimal("0.1"))
    assert follows_volume(algorithm)
    assert volume_timeframe(algorithm, collected) is chosen


@pytest.mark.parametrize(
    ("name", "span_ms", "collected", "said"),
    [
        (AlgorithmName.VWAP, 60_000, (M30, H1), "vwap needs candles of 15m or shorter, collected are 30m, 1h"),
        (AlgorithmName.VWAP, HOUR_MS, (H4,), "vwap needs candles of 1h or shorter, collected are 4h"),
        (AlgorithmName.POV, 60_000, (M5,), "pov needs candles of 1m or shorter, collected are 5m"),
        (AlgorithmName.POV, 60_000, (), "pov needs candles of 1m or shorter, collected are none"),
    ],
)
def test_candles_that_are_missing_are_named(
    name: AlgorithmName, span_ms: int, collected: tuple[Timeframe, ...], said: str
) -> None:
    algorithm = Algorithm(name=name, duration_ms=4 * span_ms, slices=4, participation_rate=Decimal("0.1"))
    with pytest.raises(InvalidMessageError, match=said):
        volume_timeframe(algorithm, collected)
