"""What is expected of a venue is what it did, drawn towards nothing while it has done little."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import RejectedError
from shared.domain.trading.instruments import Side
from shared.domain.trading.measures import DOUBT, VenueMeasure, is_telling, measures_of, offer_of
from shared.domain.trading.routing import route
from shared.domain.trading.states import Mode
from tests.unit.domain.trading.offers import DEEP, an_instrument

D = Decimal


def measure(venue: str = "one", *, answered: int, refused: int = 0, median_ms: int | None = 200) -> VenueMeasure:
    return VenueMeasure(venue=venue, mode=Mode.PAPER, answered=answered, refused=refused, median_ms=median_ms)


def test_as_many_answers_as_doubts_are_believed_by_half() -> None:
    found = measure(answered=DOUBT)
    assert (found.latency_ms, found.reject_rate) == (100, D(0))
    assert measure(answered=DOUBT, refused=DOUBT, median_ms=None).reject_rate == D("0.5")


def test_one_slow_call_or_refusal_moves_little_and_two_hundred_are_believed() -> None:
    assert measure(answered=1, median_ms=5_000).latency_ms == 238
    assert measure(answered=1, refused=1, median_ms=None).reject_rate < D("0.05")
    assert measure(answered=10 * DOUBT, median_ms=5_000).latency_ms == 4_545
    assert measure(answered=10 * DOUBT, refused=5 * DOUBT).reject_rate > D("0.45")


@given(st.integers(1, 10**6), st.data())
def test_no_record_closes_a_venue_or_is_worse_than_what_was_measured(answered: int, data: st.DataObject) -> None:
    refused, median_ms = data.draw(st.integers(0, answered)), data.draw(st.integers(0, 10**6))
    found = measure(answered=answered, refused=refused, median_ms=median_ms if refused < answered else None)
    assert 0 <= found.reject_rate < 1
    assert found.reject_rate <= D(refused) / answered
    assert 0 <= found.latency_ms <= median_ms
    offer = offer_of(an_instrument(), DEEP, {"one": found})
    assert route(D(1), Side.SELL, [offer]).unplaced_qty == 0


def test_a_venue_without_a_record_is_offered_as_if_it_had_none_against_it() -> None:
    found = measures_of(Mode.PAPER, [measure(answered=20), measure("two", answered=20)])
    assert (offer_of(an_instrument("one"), DEEP, found).latency_ms, *found) == (100, "one", "two")
    new = offer_of(an_instrument("three"), DEEP, found)
    assert (new.latency_ms, new.reject_rate) == (0, D(0))
    assert measures_of(Mode.LIVE, [measure(answered=20)]) == {}


@pytest.mark.parametrize(
    ("reason", "tells"),
    [("insufficient_funds", False), ("invalid_order", False), ("order_immediately_fillable", False),
     ("operation_rejected", True), ("no", True)],
)  # fmt: skip
def test_a_refusal_for_the_orders_own_sake_tells_nothing_of_the_venue(reason: str, tells: bool) -> None:
    assert is_telling(RejectedError(reason, "words")) is tells
