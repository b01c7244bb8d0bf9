"""A month is a UTC calendar month, and what it comes to is told only when there is a rate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.usage import STEADY_MS, MonthUsage, Usage, month_end, month_of, month_start

DAY_MS = 86_400_000
NOVEMBER = 1_793_491_200_000  # 2026-11-01T00:00Z


@given(st.integers(0, 4_102_444_800_000))
def test_every_instant_is_in_its_month(time_ms: int) -> None:
    month = month_of(time_ms)
    assert month_start(month) <= time_ms < month_end(month)
    assert month_of(month_end(month) - 1) == month
    assert month_of(month_end(month)) != month


def test_months_know_their_ends() -> None:
    assert month_of(NOVEMBER) == "2026-11"
    assert month_of(NOVEMBER - 1) == "2026-10"
    assert month_end("2026-11") - month_start("2026-11") == 30 * DAY_MS
    assert month_end("2026-12") == month_start("2027-01")
    assert month_end("2028-02") - month_start("2028-02") == 29 * DAY_MS


@pytest.mark.parametrize(
    ("since_ms", "now_ms", "expected"),
    [
        (NOVEMBER, NOVEMBER + 15 * DAY_MS, 200),  # half of it took a hundred
        (NOVEMBER + 10 * DAY_MS, NOVEMBER + 20 * DAY_MS, 200),  # what was before counting began stays unknown
        (NOVEMBER - 5 * DAY_MS, NOVEMBER + 15 * DAY_MS, 200),  # a month has only its own days
        (NOVEMBER, NOVEMBER + 30 * DAY_MS, 100),
    ],
)
def test_a_month_comes_to_its_rate_times_its_days(since_ms: int, now_ms: int, expected: int) -> None:
    used = MonthUsage(month="2026-11", since_ms=since_ms, used=Usage(commands=100, bytes=1_000))
    assert used.projected(now_ms) == Usage(commands=expected, bytes=10 * expected)


def test_a_first_backfill_is_no_rate() -> None:
    used = MonthUsage(month="2026-11", since_ms=NOVEMBER, used=Usage(commands=6_000))
    assert used.projected(NOVEMBER + STEADY_MS - 1) is None
    assert used.projected(NOVEMBER + STEADY_MS) is not None
