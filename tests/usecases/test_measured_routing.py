"""How venues have answered decides where the next orders go, and the plan says so."""

import pytest

from shared.adapters.remembered import MEASURED_MS
from shared.domain.errors import OutcomeUnknownError, RejectedError, TransientError
from shared.domain.trading.measures import DOUBT, WINDOW_MS
from shared.domain.trading.states import Mode
from tests.usecases.two_venues import TwoVenues


@pytest.fixture
def desk() -> TwoVenues:
    return TwoVenues()


def test_a_venue_that_is_slow_loses_the_route(desk: TwoVenues) -> None:
    desk.takes_s["binance"] = 0.8
    assert desk.went_to(desk.wish()) == ["binance"]  # where all is equal, the first by name
    (found,) = desk.trading.orders.measured(since_ms=0)
    assert (found.venue, found.mode, found.answered, found.median_ms) == ("binance", Mode.PAPER, 1, 800)
    desk.trading.clock.advance(MEASURED_MS)
    plan = desk.plan(desk.wish())
    assert [part.venue for part in plan.slices] == ["okx"]
    slow, quick = plan.table
    assert (slow.venue, quick.venue) == ("binance", "okx")
    assert quick.latency == 0
    assert slow.latency == slow.cost - quick.cost > 0
    assert "for being slow" in plan.why


def test_a_venue_that_refuses_loses_the_route_and_wins_it_back_a_day_later(desk: TwoVenues) -> None:
    desk.fails["binance"] = RejectedError("operation_rejected", "not today")
    assert desk.went_to(desk.wish()) == ["binance", "okx"]  # tried elsewhere at once
    desk.trading.clock.advance(MEASURED_MS)
    plan = desk.plan(desk.wish())
    assert [part.venue for part in plan.slices] == ["okx"]
    assert plan.table[0].rejects > 0
    assert "for what it refuses" in plan.why
    desk.trading.clock.advance(WINDOW_MS)
    assert [part.venue for part in desk.plan(desk.wish()).slices] == ["binance"]


def test_what_was_measured_is_remembered_for_minutes(desk: TwoVenues) -> None:
    desk.fails["binance"] = TransientError("too many requests")
    desk.wish()
    assert desk.went_to(desk.wish())[0] == "binance"
    desk.trading.clock.advance(MEASURED_MS)
    assert desk.went_to(desk.wish()) == ["okx"]


@pytest.mark.parametrize(
    "failure", [RejectedError("insufficient_funds", "you have none"), OutcomeUnknownError("timeout")]
)
def test_the_desks_own_faults_and_what_nobody_answered_are_not_held_against_a_venue(
    desk: TwoVenues, failure: Exception
) -> None:
    desk.fails["binance"] = failure
    assert desk.went_to(desk.wish())[0] == "binance"
    assert [each.venue for each in desk.trading.orders.measured(since_ms=0)] in ([], ["okx"])


def test_a_venue_that_always_refuses_still_takes_an_exit(desk: TwoVenues) -> None:
    entered = desk.wish()
    held = desk.trading.view(entered).intent.qty
    assert held is not None
    measured = desk.trading.orders.measured(since_ms=0)
    for _ in range(DOUBT):
        desk.fails["binance"] = RejectedError("operation_rejected", "not today")
        desk.wish(venue="binance")
    desk.fails.clear()
    desk.trading.clock.advance(MEASURED_MS)
    left = desk.trading.leave(held, venue="binance")
    desk.pass_time()
    assert measured[0].refused == 0
    assert desk.trading.orders.measured(since_ms=0)[0].refused >= DOUBT
    assert desk.trading.view(left).orders[-1].filled_qty == held
