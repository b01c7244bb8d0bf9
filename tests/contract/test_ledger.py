"""What every Ledger keeps, in memory and in Supabase."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.errors import ConflictError, InvalidMessageError, NotFoundError
from shared.domain.trading.books import Book
from shared.domain.trading.instruments import Side
from shared.domain.trading.intents import Guard
from shared.domain.trading.ledger import refold
from shared.domain.trading.orders import Fill
from shared.domain.trading.positions import Position
from shared.domain.trading.records import Order
from shared.domain.trading.states import OrderState
from shared.usecases.posting import post_fills
from tests.contract.stores import CLOSE, Stores
from tests.contract.trading import (
    BTC,
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
    for batch in ([fills[3], fills[1]], [fills[4]], fills[:3], fills):
        where = {"book_id": book.book_id, "venue": "binance", "account": book.book_id, "symbol": BTC}
        post_fills(batch, ledger=stores.ledger(), **where)
    posted = stores.ledger().position(book.book_id, "binance", BTC).position
    assert posted == replace(whole, version=3)
    assert list(stores.ledger().fills(book.book_id, "binance", BTC)) == fills
