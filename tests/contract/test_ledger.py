"""What every Ledger keeps, in memory and in Supabase."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.errors import ConflictError, InvalidMessageError, NotFoundError
from shared.domain.trading.books import Book
from shared.domain.trading.flows import Flow, FlowKind, FundingPayment, flows_of
from shared.domain.trading.instruments import Side
from shared.domain.trading.intents import Guard
from shared.domain.trading.ledger import refold
from shared.domain.trading.orders import Fill
from shared.domain.trading.positions import Position
from shared.domain.trading.records import Order
from shared.domain.trading.states import Mode, OrderState
from shared.usecases.posting import post_fills
from tests.contract.stores import CLOSE, Stores
from tests.contract.trading import (
    BTC,
    HOUR_MS,
    PRICE,
    SWAP,
    a_fill,
    a_point,
    a_report,
    an_exit,
    an_intent,
    executing,
    hold,
    moved,
    open_book,
    submit,
)

NOTHING = {f"{kind}-{n}": Decimal(0) for kind in "tx" for n in range(1, 4)}
"""What opening realises, by trade id."""


def traded(stores: Stores, symbol: str = BTC) -> tuple[Book, Order, Position]:
    """Return a book with an order, and its position before anything has filled."""
    book = open_book(stores)
    (order,) = executing(stores, an_intent(book, symbol=symbol), "10")
    return book, order, stores.ledger().position(book.book_id, "binance", symbol).position


def test_fills_and_the_position_they_make_are_posted_together(stores: Stores) -> None:
    book, order, flat = traded(stores)
    assert flat == Position(book_id=book.book_id, venue="binance", symbol=BTC)
    one = a_fill(order, "t-1", "0.1", event_time=CLOSE + 3)
    two = a_fill(order, "t-2", "0.20000000000000001", fee_qty=Decimal("-0.01"), is_maker=True)
    after = moved(flat, one, two)

    posted = stores.ledger().post(book.book_id, after, [one, two], NOTHING)

    assert posted == replace(after, version=1)
    held = stores.ledger().position(book.book_id, "binance", BTC)
    assert (held.position, held.guard, held.best_price, held.last_fill_ms) == (posted, Guard(), None, CLOSE + 3)
    assert list(stores.ledger().fills(book.book_id, "binance", BTC)) == [two, one]  # oldest first
    asked = [(BTC, "t-1"), (BTC, "t-3"), (SWAP, "t-1")]
    assert stores.ledger().known("binance", book.book_id, asked) == {(BTC, "t-1")}
    assert stores.ledger().known("okx", book.book_id, asked) == frozenset()
    assert stores.ledger().known("binance", book.book_id, []) == frozenset()
    assert list(stores.ledger().open_positions()) == [held] == list(stores.ledger().open_positions(venue="binance"))
    assert list(stores.ledger().open_positions(venue="okx")) == []


def test_a_fill_is_posted_once(stores: Stores) -> None:
    book, order, flat = traded(stores)
    fill = a_fill(order, "t-1", "0.1")
    posted = stores.ledger().post(book.book_id, moved(flat, fill), [fill], NOTHING)
    assert stores.ledger().post(book.book_id, moved(flat, fill), [fill], NOTHING) == posted  # as after a lost answer
    other = a_fill(order, "t-2", "0.1")
    for stale in (moved(flat, other), moved(flat, fill, other)):
        with pytest.raises(ConflictError):
            stores.ledger().post(book.book_id, stale, [other], NOTHING)
    both = [fill, other]
    with pytest.raises(ConflictError):
        stores.ledger().post(book.book_id, moved(posted, *both), both, NOTHING)
    with pytest.raises(ConflictError):
        stores.ledger().post(book.book_id, moved(posted, other, other), [other, other], NOTHING)
    assert stores.ledger().position(book.book_id, "binance", BTC).position == posted
    assert stores.ledger().post(book.book_id, moved(posted, other), [other], NOTHING).version == 2


@pytest.mark.parametrize(
    ("field", "wrong"), [("qty", {"qty": Decimal("0.2")}), ("fees", {"fees": Decimal(0)}), ("account", {})]
)
def test_a_position_moves_by_its_fills_alone(stores: Stores, field: str, wrong: dict[str, Any]) -> None:
    book, order, flat = traded(stores)
    fill = a_fill(order, "t-1", "0.1")
    account = "live" if field == "account" else book.book_id
    with pytest.raises(InvalidMessageError) as refused:
        stores.ledger().post(account, replace(moved(flat, fill), **wrong), [fill], NOTHING)
    assert refused.value.field == field
    assert stores.ledger().fills(book.book_id, "binance", BTC) == []
    assert stores.ledger().position(book.book_id, "binance", BTC).position == flat


def test_a_fee_in_the_base_asset_is_taken_from_what_is_held(stores: Stores) -> None:
    book, order, flat = traded(stores)
    fill = a_fill(order, "t-1", "1", fee_qty=Decimal("0.001"), fee_asset="BTC", fee_notional=Decimal("50.0005"))
    wrong = moved(flat, fill)
    with pytest.raises(InvalidMessageError):
        stores.ledger().post(book.book_id, wrong, [fill], NOTHING)
    right = replace(wrong, qty=Decimal("0.999"), fees=Decimal("0.001") * PRICE)
    assert stores.ledger().post(book.book_id, right, [fill], NOTHING).qty == Decimal("0.999")


def test_a_guard_is_set_for_the_position_that_was_seen_and_goes_with_it(stores: Stores) -> None:
    book = open_book(stores)
    position = hold(stores, book, "1")
    guard = Guard(stop_price=Decimal("49000.1"), hold_ms=60_000, trailing_rate=Decimal("0.01"))
    for best in (Decimal("51000.2"), Decimal("51000.3")):
        stores.ledger().guard(position, guard, best_price=best)
    held = stores.ledger().position(book.book_id, "binance", BTC)
    assert (held.guard, held.best_price, held.position) == (guard, Decimal("51000.3"), position)
    with pytest.raises(ConflictError):
        stores.ledger().guard(replace(position, version=0), guard, best_price=None)
    with pytest.raises(NotFoundError):
        stores.ledger().guard(replace(position, symbol=SWAP), guard, best_price=None)
    (order,) = executing(stores, an_exit(book), "1")
    partly, rest = a_fill(order, "x-1", "0.4"), a_fill(order, "x-2", "0.6")
    position = stores.ledger().post(book.book_id, moved(position, partly), [partly], NOTHING)
    assert stores.ledger().position(book.book_id, "binance", BTC).guard == guard
    stores.ledger().post(book.book_id, moved(position, rest), [rest], NOTHING)
    held = stores.ledger().position(book.book_id, "binance", BTC)
    assert (held.guard, held.best_price, held.position.qty) == (Guard(), None, Decimal(0))


def test_losses_in_a_row_count_closed_positions(stores: Stores) -> None:
    book, order, position = traded(stores)
    number = 0

    def round_trip(earned: str, *, flip: bool = False) -> int:
        nonlocal position, number
        for side, realised in ((Side.BUY, "0"), (Side.SELL, earned)):
            number += 1
            qty = "2" if flip and side is Side.SELL else "1"
            fill = a_fill(order, f"t-{number}", qty, side=side)
            after = moved(position, fill, realised=realised)
            position = stores.ledger().post(book.book_id, after, [fill], {fill.trade_id: Decimal(realised)})
        return stores.books().view(book.book_id, now_ms=CLOSE).losses_in_a_row

    assert round_trip("-5") == 1
    assert round_trip("0.9") == 2  # less than its fees of 1
    assert round_trip("1") == 2  # neither
    assert round_trip("1.1") == 0
    assert round_trip("-1", flip=True) == 1  # a turn closes too


def test_an_account_holds_what_it_opened_with_and_what_its_fills_moved(stores: Stores) -> None:
    book, order, flat = traded(stores)
    ledger, account = stores.ledger(), book.book_id
    with pytest.raises(NotFoundError):
        ledger.holdings("binance", account)
    opening = {"USDT": Decimal("100000.10"), "BNB": Decimal(1)}
    assert ledger.open_account("binance", account, opening) == opening
    assert ledger.open_account("binance", account, {"USDT": Decimal(5)}) == opening  # the first one stays
    assert ledger.holdings("binance", account) == opening
    fills = [
        a_fill(order, "t-1", "1"),
        a_fill(order, "t-2", "1", fee_qty=Decimal("0.01"), fee_asset="BNB", fee_notional=Decimal(6)),
    ]
    after = replace(moved(flat, *fills), fees=Decimal("6.5"))
    ledger.post(account, after, fills, NOTHING)
    assert ledger.holdings("binance", account) == {
        "USDT": Decimal("100000.10") - 2 * PRICE - Decimal("0.5"),
        "BNB": Decimal("0.99"),
        "BTC": Decimal(2),
    }
    with pytest.raises(InvalidMessageError):
        ledger.open_account("binance", "other", {"USDT": Decimal("NaN")})


def test_a_future_moves_its_fees_and_what_it_realised(stores: Stores) -> None:
    book, order, flat = traded(stores, SWAP)
    stores.ledger().open_account("binance", book.book_id, {"USDT": Decimal(1_000)})

    def post(position: Position, fill: Fill, realised: str) -> Position:
        after = moved(position, fill, realised=realised)
        return stores.ledger().post(book.book_id, after, [fill], {fill.trade_id: Decimal(realised)})

    position = post(flat, a_fill(order, "t-1"), "0")
    assert stores.ledger().holdings("binance", book.book_id) == {"USDT": Decimal("999.5")}
    post(position, a_fill(order, "t-2", side=Side.SELL), "-20")
    assert stores.ledger().holdings("binance", book.book_id) == {"USDT": Decimal(979)}


def test_equity_is_marked_once_a_minute_and_a_day_starts_with_the_last_of_yesterday(stores: Stores) -> None:
    book = open_book(stores)
    midnight = CLOSE - CLOSE % 86_400_000

    def mark(at_ms: int, equity: str) -> None:
        stores.ledger().mark_equities({book.book_id: a_point(at_ms, equity)})

    def day_start(now_ms: int) -> Decimal:
        return stores.books().view(book.book_id, now_ms=now_ms).day_start_equity

    mark(midnight + 60_000, "9000")
    assert day_start(CLOSE) == book.capital
    mark(midnight - 120_000, "9500")
    mark(midnight, "9600.10")
    mark(midnight + 1, "9600.20")  # the same minute: the last one stays
    assert day_start(CLOSE) == Decimal("9600.20")
    assert day_start(midnight - 1) == book.capital
    assert day_start(midnight + 86_400_000) == 9_000


def test_a_fill_that_names_only_the_venues_order_is_the_orders(stores: Stores) -> None:
    book, order, flat = traded(stores)
    sent = stores.orders().advance(submit(stores, order), a_report(order, OrderState.FILLED, "10"), actor="test")
    fill = a_fill(sent, "t-1", "10", client_order_id="")
    stores.ledger().post(book.book_id, moved(flat, fill), [fill], NOTHING)
    known = replace(fill, client_order_id=order.client_order_id)
    assert stores.orders().execution(order.intent_id).fills == (known,)
    assert stores.orders().unsettled(venue="binance", account=book.book_id) == []


def test_fills_that_are_folded_post_in_whatever_order_they_come(stores: Stores) -> None:
    book, order, flat = traded(stores)
    prices = ("50000.1", "49000.3", "51000.7", "48000.9", "50500.5")
    fills = [
        a_fill(
            order,
            f"{n}",
            "0.30001",
            side=Side.BUY if n % 2 else Side.SELL,
            price=Decimal(price),
            event_time=CLOSE + n,
            fee_asset="BTC" if n == 1 else "USDT",
            fee_qty=Decimal("0.0003"),
        )
        for n, price in enumerate(prices)
    ]
    whole = refold(flat, fills).position
    where = {"book_id": book.book_id, "venue": "binance", "account": book.book_id, "symbol": BTC}
    for batch, new in (([3, 1], [3, 1]), ([4], [4]), ([0, 1, 2], [0, 2]), ([0, 1, 2, 3, 4], [])):
        posted = post_fills([fills[n] for n in batch], ledger=stores.ledger(), **where)
        assert list(posted) == [fills[n] for n in new]
    held = stores.ledger().position(book.book_id, "binance", BTC).position
    assert held == replace(whole, version=3)
    assert list(stores.ledger().fills(book.book_id, "binance", BTC)) == fills


def a_flow(qty: str, **changes: Any) -> Flow:
    """Return funding of the swap that is not posted yet; nobody's."""
    values: dict[str, Any] = {
        "flow_id": "f-1",
        "kind": FlowKind.FUNDING,
        "symbol": SWAP,
        "asset": "USDT",
        "qty": Decimal(qty),
        "event_time": CLOSE + HOUR_MS,
        "actor": "execution-agent",
    }
    return Flow(**(values | changes))


def an_adjustment(qty: str, **changes: Any) -> Flow:
    """Return a difference somebody has adopted."""
    return a_flow(qty, **{"flow_id": "a-1", "kind": FlowKind.ADJUSTMENT, "symbol": None, "reason": "deposit"} | changes)


def holding(stores: Stores) -> tuple[Book, Position]:
    """Return a book long one swap, bought at the first boundary, on an account that opened with 1,000 USDT."""
    book, order, flat = traded(stores, SWAP)
    stores.ledger().open_account("binance", book.book_id, {"USDT": Decimal(1_000)})
    fill = a_fill(order, "t-1", event_time=CLOSE)
    return book, stores.ledger().post(book.book_id, moved(flat, fill), [fill], NOTHING)


def test_flows_are_held_and_posted_once(stores: Stores) -> None:
    book, position = holding(stores)
    ledger, account = stores.ledger(), book.book_id
    funding = a_flow("-1.25", book_id=book.book_id)
    deposit = an_adjustment("500.1", asset="BNB", event_time=CLOSE + 2 * HOUR_MS)
    assert ledger.post_flows("binance", account, []) == 0
    assert ledger.post_flows("binance", account, [funding, deposit]) == 2
    assert ledger.post_flows("binance", account, [deposit, funding]) == 0
    assert (
        ledger.post_flows("binance", account, [replace(funding, qty=Decimal(9), book_id=None)]) == 0
    )  # the first stays
    assert ledger.holdings("binance", account) == {"USDT": Decimal("998.25"), "BNB": Decimal("500.1")}
    assert list(ledger.flows("binance", account, limit=10)) == [deposit, funding]
    assert list(ledger.flows("binance", account, limit=1)) == [deposit]
    assert list(ledger.flows("okx", account, limit=1)) == []
    held = ledger.position(book.book_id, "binance", SWAP).position
    assert held == replace(position, funding=Decimal("-1.25"))  # whoever has seen it before may still post


def test_fills_leave_the_funding_of_a_position_as_it_is(stores: Stores) -> None:
    book, position = holding(stores)
    stores.ledger().post_flows("binance", book.book_id, [a_flow("-1.25", book_id=book.book_id)])
    (order,) = executing(stores, an_exit(book, symbol=SWAP), "1")
    early, leaving = (
        a_fill(order, "x-0", side=Side.BUY, event_time=CLOSE - 5),
        a_fill(order, "x-1", side=Side.SELL, event_time=CLOSE + 9),
    )
    where = {"book_id": book.book_id, "venue": "binance", "account": book.book_id, "symbol": SWAP}
    for fill in (leaving, early):  # folded on what is stored, then made anew from all fills
        post_fills([fill], ledger=stores.ledger(), **where)
    held = stores.ledger().position(book.book_id, "binance", SWAP).position
    assert (held.qty, held.funding, held.version) == (Decimal(1), Decimal("-1.25"), position.version + 2)
    assert stores.books().view(book.book_id, now_ms=CLOSE).positions[0].position == held


def test_a_payment_is_shared_by_books_that_held_the_symbol_on_the_account(stores: Stores) -> None:
    book, _ = holding(stores)
    other = open_book(stores)
    for stranger in (other.book_id, "nobody"):
        with pytest.raises(InvalidMessageError):
            stores.ledger().post_flows("binance", book.book_id, [a_flow("1", book_id=stranger)])
    assert stores.ledger().holdings("binance", book.book_id) == {"USDT": Decimal("999.5")}


def test_what_is_expected_of_an_account_is_checked_when_flows_are_posted(stores: Stores) -> None:
    book, _ = holding(stores)
    ledger, account = stores.ledger(), book.book_id
    before = {"USDT": Decimal("999.5"), "BNB": Decimal(0)}
    first = [an_adjustment("100"), an_adjustment("3", flow_id="a-2", asset="BNB")]
    assert ledger.post_flows("binance", account, first, expected=before) == 2
    assert ledger.post_flows("binance", account, first, expected=before) == 0  # as after a lost answer
    with pytest.raises(ConflictError):
        ledger.post_flows("binance", account, [an_adjustment("100", flow_id="a-3")], expected=before)
    assert ledger.holdings("binance", account) == {"USDT": Decimal("1099.5"), "BNB": Decimal(3)}


def test_from_when_on_funding_may_be_missing(stores: Stores) -> None:
    book, _ = holding(stores)
    ledger, account = stores.ledger(), book.book_id

    def since(filled_since_ms: int = CLOSE + 1) -> object:
        return ledger.funding_since("binance", account, filled_since_ms=filled_since_ms)

    assert since() == {"USDT": CLOSE}  # it is held
    ledger.post_flows("binance", account, [a_flow("-1", event_time=CLOSE + 60_000, book_id=book.book_id)])
    assert since() == {"USDT": CLOSE}  # never before the first fill
    ledger.post_flows("binance", account, [a_flow("-1", flow_id="f-2", event_time=CLOSE + 3 * HOUR_MS)])
    assert since() == {"USDT": CLOSE + 2 * HOUR_MS}
    ledger.post_flows("binance", account, [an_adjustment("5", event_time=CLOSE + 4 * HOUR_MS, asset="BNB")])
    assert since() == {"USDT": CLOSE + 2 * HOUR_MS}
    ledger.post_flows("binance", account, [an_adjustment("5", flow_id="a-2", event_time=CLOSE + 4 * HOUR_MS)])
    assert since() == {"USDT": CLOSE + 4 * HOUR_MS + 1}
    (order,) = executing(stores, an_exit(book, symbol=SWAP), "1")
    leaving = a_fill(order, "x-1", side=Side.SELL, event_time=CLOSE + 5)
    post_fills([leaving], ledger=ledger, book_id=book.book_id, venue="binance", account=account, symbol=SWAP)
    assert since(CLOSE + 5) == {"USDT": CLOSE + 4 * HOUR_MS + 1}
    assert since(CLOSE + 6) == {} == ledger.funding_since("okx", account, filled_since_ms=0)


def test_what_books_held_at_a_moment(stores: Stores) -> None:
    book, _ = holding(stores)
    (order,) = executing(stores, an_exit(book, symbol=SWAP), "0.4")
    leaving = a_fill(order, "x-1", "0.4", side=Side.SELL, event_time=CLOSE + 9)
    where = {"book_id": book.book_id, "venue": "binance", "account": book.book_id, "symbol": SWAP}
    post_fills([leaving], ledger=stores.ledger(), **where)
    moments = [(SWAP, CLOSE - 1), (SWAP, CLOSE), (SWAP, CLOSE + 9), (BTC, CLOSE + 9)]
    assert stores.ledger().held_at("binance", book.book_id, moments) == {
        (SWAP, CLOSE - 1): {},
        (SWAP, CLOSE): {book.book_id: Decimal(1)},
        (SWAP, CLOSE + 9): {book.book_id: Decimal("0.6")},
        (BTC, CLOSE + 9): {},
    }
    assert stores.ledger().held_at("binance", book.book_id, []) == {}
    assert stores.ledger().held_at("okx", book.book_id, moments[1:2]) == {(SWAP, CLOSE): {}}


def test_live_books_share_what_their_account_was_paid(stores: Stores) -> None:
    books = [open_book(stores, mode=Mode.LIVE) for _ in range(2)]
    ledger = stores.ledger()
    ledger.open_account("binance", "live", {"USDT": Decimal(1_000)})
    for n, (book, qty) in enumerate(zip(books, ("3", "1"), strict=True)):
        (order,) = executing(stores, an_intent(book, symbol=SWAP), qty)
        fill = a_fill(
            order, f"live-{book.book_id}-{n}", qty, event_time=CLOSE, fee_qty=Decimal(0), fee_notional=Decimal(0)
        )
        post_fills([fill], ledger=ledger, book_id=book.book_id, venue="binance", account="live", symbol=SWAP)
    before = ledger.holdings("binance", "live")["USDT"]
    payment = FundingPayment(
        payment_id=f"p-{books[0].book_id}", symbol=SWAP, asset="USDT", qty=Decimal(-8), event_time=CLOSE + 1
    )
    held = ledger.held_at("binance", "live", [(SWAP, CLOSE + 1)])[SWAP, CLOSE + 1]
    own = {book_id: qty for book_id, qty in held.items() if book_id in {book.book_id for book in books}}
    assert ledger.post_flows("binance", "live", flows_of(payment, own, actor="test")) == 2
    paid = [ledger.position(book.book_id, "binance", SWAP).position.funding for book in books]
    assert paid == [Decimal(-6), Decimal(-2)]
    assert ledger.holdings("binance", "live")["USDT"] == before - 8
