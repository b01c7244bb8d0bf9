"""Lost series are found by what REST knows and the streams did not bring, and nothing else looks like one."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.absences import MOST_PATIENT, PATIENCE, Absences
from shared.domain.timeframe import Timeframe

M1, H1 = Timeframe.M1, Timeframe.H1
BTC = "BTC/USD"


def watching(*symbols: str) -> Absences:
    absences = Absences([M1, H1])
    absences.watch(symbols or (BTC,), 0)
    return absences


def miss(absences: Absences, minutes: range, *, symbol: str = BTC) -> None:
    for minute in minutes:
        absences.missed(M1, symbol, minute * M1.ms)


def test_a_series_that_traded_unseen_time_and_again_is_lost_and_told_once() -> None:
    absences = watching(BTC, "ETH/USD")
    miss(absences, range(PATIENCE - 1))
    assert absences.take() == []
    miss(absences, range(PATIENCE))
    assert absences.take() == [BTC]
    assert absences.take() == []


def test_one_that_came_in_between_ends_the_row_however_late() -> None:
    absences = watching()
    miss(absences, range(PATIENCE - 1))
    absences.came(M1, BTC, 0)
    miss(absences, range(PATIENCE - 1, 2 * PATIENCE - 2))
    assert absences.take() == []


def test_another_series_of_the_symbol_is_no_excuse() -> None:
    absences = watching()
    miss(absences, range(PATIENCE))
    absences.came(H1, BTC, 0)
    assert absences.take() == [BTC]


def test_what_opened_before_the_connection_is_no_sign() -> None:
    """After an outage of ten minutes all of it is asked for at once."""
    absences = watching()
    absences.lose([BTC])
    miss(absences, range(10))
    absences.watch([BTC], 10 * M1.ms)
    miss(absences, range(10))
    assert absences.take() == []


def test_what_stays_lost_is_subscribed_to_ever_more_rarely_until_something_comes() -> None:
    absences, told = watching(), []
    for minute in range(3_000):
        miss(absences, range(minute, minute + 1))
        if absences.take():
            told.append(minute)
            absences.watch([BTC], (minute + 1) * M1.ms)
    gaps = [later - earlier for earlier, later in pairwise(told)]
    assert gaps[:4] == [2 * PATIENCE, 4 * PATIENCE, 8 * PATIENCE, 16 * PATIENCE]
    assert set(gaps[6:]) == {MOST_PATIENT}
    absences.came(M1, BTC, 3_000 * M1.ms)
    miss(absences, range(3_001, 3_001 + PATIENCE))
    assert absences.take() == [BTC]


def test_who_has_left_is_forgotten() -> None:
    absences = watching(BTC, "ETH/USD")
    miss(absences, range(PATIENCE))
    absences.retain(["ETH/USD"])
    assert absences.take() == []


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=60))
def test_the_same_answer_again_changes_nothing(events: list[tuple[bool, int]]) -> None:
    """REST is asked for a candle as often as it takes, so an absence counts once."""
    once, twice = watching(), watching()
    for is_missed, minute in events:
        for absences, times in ((once, 1), (twice, 2)):
            for _ in range(times):
                (absences.missed if is_missed else absences.came)(M1, BTC, minute * M1.ms)
        assert once.take() == twice.take()
