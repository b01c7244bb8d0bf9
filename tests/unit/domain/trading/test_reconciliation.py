"""What follows from each difference between the desk and a venue."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.trading.accounts import Balance, VenuePosition
from shared.domain.trading.instruments import Side
from shared.domain.trading.orders import OrderKind, OrderReport
from shared.domain.trading.reconciliation import (
    FORGOTTEN_AFTER_MS,
    Finding,
    Settled,
    compare_balances,
    compare_positions,
    end_of_forgotten,
    foreign_orders,
    lost_fills,
    settle,
    sort_fills,
    was_acknowledged,
)
from shared.domain.trading.records import Order
from shared.domain.trading.states import AT_RISK, Mode, OrderState
from tests.unit.domain.trading.test_ledger import a_fill

D = Decimal
ORDER = Order(
    order_id="o", intent_id="i", book_id="b", mode=Mode.LIVE, account="live", venue="binance", symbol="BTC/USDT",
    slice_no=0, client_order_id="nd1", side=Side.SELL, kind=OrderKind.MARKET, qty=D(2), due_at_ms=0,
    state=OrderState.UNKNOWN, submitted_at_ms=10_000, correlation_id="c",
)  # fmt: skip
REPORT = OrderReport(
    client_order_id="nd1", venue_order_id="77", symbol="BTC/USDT", side=Side.SELL, state=OrderState.OPEN, qty=D(2),
    filled_qty=D("0.5"),
)  # fmt: skip


def test_what_the_venue_says_is_taken() -> None:
    assert settle(ORDER, REPORT, now_ms=10_001, accepts_for_ms=5_000) is Settled.REPORTED


@pytest.mark.parametrize("state", [OrderState.SUBMITTING, OrderState.UNKNOWN])
def test_an_order_nobody_knows_may_be_on_its_way_until_it_would_be_refused(state: OrderState) -> None:
    order = replace(ORDER, state=state)
    assert settle(order, None, now_ms=15_000, accepts_for_ms=5_000) is Settled.WAIT
    assert settle(order, None, now_ms=15_001, accepts_for_ms=5_000) is Settled.NEVER_PLACED


@pytest.mark.parametrize(
    "had",
    [
        {"state": OrderState.OPEN},
        {"state": OrderState.PARTIALLY_FILLED},
        {"state": OrderState.CANCEL_PENDING},
        {"venue_order_id": "77"},
        {"filled_qty": D(1)},
        {"posted_qty": D(1)},
    ],
)
def test_an_order_the_venue_once_had_is_never_taken_for_unplaced(had: dict[str, Any]) -> None:
    order = replace(ORDER, **had)
    assert settle(order, None, now_ms=15_000, accepts_for_ms=5_000) is Settled.WAIT
    assert settle(order, None, now_ms=10**12, accepts_for_ms=5_000) is Settled.MISSED


def test_an_order_that_has_ended_stays_as_it_is() -> None:
    for state in (OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED):
        order = replace(ORDER, state=state, filled_qty=D(1), missed_at_ms=1)
        assert settle(order, None, now_ms=10**12, accepts_for_ms=5_000) is Settled.WAIT


@st.composite
def orders(draw: st.DrawFn) -> Order:
    """Draw an order that was sent, whatever is known of it."""
    parts = st.integers(0, 2).map(D)
    return replace(
        ORDER,
        state=draw(st.sampled_from(sorted(AT_RISK))),
        venue_order_id=draw(st.none() | st.just("77")),
        filled_qty=draw(parts),
        posted_qty=draw(parts),
        missed_at_ms=draw(st.none() | st.integers(10_000, 10**6)),
    )


@given(orders(), st.integers(10_000, 10**7), st.integers(1, 10**6))
def test_only_what_is_certain_ends_an_order(order: Order, now_ms: int, accepts_for_ms: int) -> None:
    outcome = settle(order, None, now_ms=now_ms, accepts_for_ms=accepts_for_ms)
    missed_ms = now_ms if order.missed_at_ms is None else order.missed_at_ms
    if now_ms - 10_000 <= accepts_for_ms:
        assert outcome is Settled.WAIT, "it may be on its way"
    elif not was_acknowledged(order):
        assert outcome is Settled.NEVER_PLACED
    elif order.missed_at_ms is None:
        assert outcome is Settled.MISSED
    else:
        has_waited = now_ms - missed_ms > FORGOTTEN_AFTER_MS
        assert outcome is (Settled.FORGOTTEN if has_waited and order.posted_qty >= order.filled_qty else Settled.WAIT)


@given(orders(), st.integers(10_000, 10**7))
def test_a_forgotten_order_ends_with_exactly_what_is_posted(order: Order, now_ms: int) -> None:
    if settle(order, None, now_ms=now_ms, accepts_for_ms=5_000) is not Settled.FORGOTTEN:
        assert bool(lost_fills([order], now_ms=now_ms)) is (
            order.missed_at_ms is not None
            and now_ms - order.missed_at_ms > FORGOTTEN_AFTER_MS
            and order.filled_qty > order.posted_qty
        )
        return
    report = end_of_forgotten(order, now_ms=now_ms)
    assert report.filled_qty == order.posted_qty >= order.filled_qty
    assert report.state is (OrderState.FILLED if order.posted_qty == order.qty else OrderState.CANCELLED)
    assert (report.client_order_id, report.qty) == (order.client_order_id, order.qty)


def test_fills_a_venue_spoke_of_and_does_not_tell_are_named_with_both_numbers() -> None:
    order = replace(ORDER, venue_order_id="77", filled_qty=D("1.5"), posted_qty=D(1), missed_at_ms=10_000)
    (found,) = lost_fills([order, replace(order, filled_qty=D(1))], now_ms=10_001 + FORGOTTEN_AFTER_MS)
    assert (found.finding, found.subject) == (Finding.LOST_FILL, "BTC/USDT 77")
    assert (found.expected, found.actual) == (D(-1), D("-1.5"))


def test_an_order_the_desk_never_made_is_reported_with_its_size() -> None:
    theirs = replace(REPORT, client_order_id="web_1")
    (found,) = foreign_orders("binance", "live", [REPORT, theirs], {"nd1"})
    assert (found.finding, found.subject, found.actual) == (Finding.FOREIGN_ORDER, "BTC/USDT 77", D("-1.5"))


def test_fills_are_sorted_into_ours_and_nobodys() -> None:
    one, two = (replace(a_fill(number, Side.BUY, "1", "100"), client_order_id="nd1") for number in (1, 2))
    theirs = replace(a_fill(3, Side.BUY, "1", "100"), client_order_id="")
    found = sort_fills([one, two, two, theirs], {"1"}, [ORDER])
    assert found.ours == {"b": (two,)}
    assert found.foreign == (theirs,)


def test_a_fill_that_names_only_the_venues_order_is_ours_too() -> None:
    fill = replace(a_fill(1, Side.SELL, "1", "100"), client_order_id="", venue_order_id="77")
    assert sort_fills([fill], (), [ORDER]).foreign == (fill,)
    found = sort_fills([fill], (), [replace(ORDER, venue_order_id="77")])
    assert found.ours == {"b": (replace(fill, client_order_id="nd1"),)}


def test_balances_differ_by_asset_with_both_numbers() -> None:
    expected = {"USDT": D("99.5"), "BTC": D(1), "BNB": D(0)}
    balances = [Balance(asset="USDT", total=D("99.4"), locked=D(0)), Balance(asset="ETH", total=D(2), locked=D(0))]
    found = compare_balances("binance", "live", expected, balances)
    assert [(each.subject, each.expected, each.actual) for each in found] == [
        ("BTC", 1, 0), ("ETH", 0, 2), ("USDT", D("99.5"), D("99.4"))
    ]  # fmt: skip
    assert found[2].sentence == "balance USDT on binance: the desk has 99.5, the venue 99.4"
    assert compare_balances("binance", "live", expected, balances, only=["BNB"]) == ()


def test_futures_differ_by_symbol() -> None:
    theirs = [VenuePosition(symbol="BTC/USDT:USDT", qty=D(-1), entry_price=D(100))]
    (found,) = compare_positions("okx_swap", "live", {}, theirs)
    assert (found.finding, found.expected, found.actual) == (Finding.POSITION, D(0), D(-1))
    assert compare_positions("okx_swap", "live", {"BTC/USDT:USDT": D(-1)}, theirs) == ()
