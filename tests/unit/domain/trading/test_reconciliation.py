"""What follows from each difference between the desk and a venue."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.domain.trading.accounts import Balance, VenuePosition
from shared.domain.trading.instruments import Side
from shared.domain.trading.orders import OrderKind, OrderReport
from shared.domain.trading.reconciliation import (
    Finding,
    Settled,
    compare_balances,
    compare_positions,
    foreign_orders,
    settle,
    sort_fills,
)
from shared.domain.trading.records import Order
from shared.domain.trading.states import Mode, OrderState
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


def test_an_order_the_venue_once_had_is_never_taken_for_unplaced() -> None:
    for state in (OrderState.OPEN, OrderState.PARTIALLY_FILLED, OrderState.CANCEL_PENDING):
        assert settle(replace(ORDER, state=state), None, now_ms=10**12, accepts_for_ms=5_000) is Settled.WAIT


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
