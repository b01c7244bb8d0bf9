"""The clock repairs what announcements missed, and never what was before the desk."""

from shared.domain.runs import ClosedBoundary
from shared.domain.sweeping import expected_boundaries, unclaimed
from shared.domain.timeframe import Timeframe
from shared.domain.venues import Venue

MINUTE = 60_000
NOON = 1_640_995_200_000 + 12 * 60 * MINUTE
BINANCE = Venue(venue="binance", timeframes=(Timeframe.M1, Timeframe.M5, Timeframe.H4))


def at(timeframe: Timeframe, close_time: int) -> ClosedBoundary:
    return ClosedBoundary(venue="binance", timeframe=timeframe, close_time=close_time)


def test_the_last_quarter_of_an_hour_and_the_newest_long_close_are_expected() -> None:
    expected = expected_boundaries([BINANCE], NOON + 10_000)
    ones = [b.close_time for b in expected if b.timeframe is Timeframe.M1]
    assert ones == list(range(NOON - 14 * MINUTE, NOON + 1, MINUTE))
    assert [b.close_time for b in expected if b.timeframe is Timeframe.M5] == [
        NOON - 10 * MINUTE,
        NOON - 5 * MINUTE,
        NOON,
    ]
    assert [b for b in expected if b.timeframe is Timeframe.H4] == [at(Timeframe.H4, NOON)]


def test_a_boundary_that_closed_just_now_is_left_to_the_collector() -> None:
    assert at(Timeframe.M1, NOON) not in expected_boundaries([BINANCE], NOON + 9_999)


def test_a_long_timeframe_is_repaired_even_hours_later() -> None:
    assert at(Timeframe.H4, NOON) in expected_boundaries([BINANCE], NOON + 3 * 60 * MINUTE)


def test_longer_timeframes_come_first_at_a_shared_boundary() -> None:
    last = [b.timeframe for b in expected_boundaries([BINANCE], NOON + 10_000) if b.close_time == NOON]
    assert last == [Timeframe.H4, Timeframe.M5, Timeframe.M1]


def test_a_hole_between_claims_is_due() -> None:
    expected = expected_boundaries([Venue(venue="binance", timeframes=(Timeframe.M1,))], NOON + 10_000)
    claimed = {b for b in expected if b.close_time not in {NOON - 3 * MINUTE, NOON}}
    assert unclaimed(expected, claimed) == (at(Timeframe.M1, NOON - 3 * MINUTE), at(Timeframe.M1, NOON))


def test_what_closed_before_the_first_claim_is_history() -> None:
    expected = expected_boundaries([Venue(venue="binance", timeframes=(Timeframe.M1,))], NOON + 10_000)
    assert unclaimed(expected, {at(Timeframe.M1, NOON - MINUTE)}) == (at(Timeframe.M1, NOON),)
    assert unclaimed(expected, set()) == (at(Timeframe.M1, NOON),)


def test_nothing_is_due_when_everything_is_claimed() -> None:
    expected = expected_boundaries([BINANCE], NOON + 10_000)
    assert unclaimed(expected, set(expected)) == ()
