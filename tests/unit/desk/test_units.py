"""Durations and sizes read as people say them."""

from collections.abc import Callable

import pytest

from desk.units import size, span, wait


@pytest.mark.parametrize(
    ("show", "value", "expected"),
    [
        (span, -5, "0 s"),
        (span, 59_999, "59 s"),
        (span, 192_000, "3 min 12 s"),
        (span, 7_500_000, "2 h 5 min"),
        (span, 90_000_000, "1 d 1 h"),
        (wait, 9_999, "9,999 ms"),
        (wait, 77_496, "1 min 17 s"),
        (size, 999, "999 B"),
        (size, 1_000, "1.0 kB"),
        (size, 10_000_000_000, "10.0 GB"),
    ],
)
def test_numbers_are_for_people(show: Callable[[int], str], value: int, expected: str) -> None:
    assert show(value) == expected
