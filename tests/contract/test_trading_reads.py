"""What every TradingReads keeps, in memory and in Supabase: people see their books and the desk's, nothing else."""

from decimal import Decimal
from uuid import uuid4

import pytest

from shared.domain.errors import NotFoundError
from shared.domain.trading.states import IntentState, OrderState, TradingState
from shared.domain.trading.told import EquityPoint
from shared.trading_reads import TradingReads
from tests.contract.stores import CLOSE, Stores
from tests.contract.trading import BTC, a_point, an_intent, approve, executing, hold, open_book

ALICE, BOB = str(uuid4()), str(uuid4())


def test_everything_is_read_of_ones_own_books_and_the_desks(stores: Stores) -> None:
    books = {owner: open_book(stores, owner) for owner in (ALICE, BOB, None)}
    for book in books.values():
        hold(stores, book)
        stores.ledger().mark_equities({book.book_id: a_point(CLOSE, "9", fees="0.5")})
        stores.books().trip(
            book.book_id, breaker="daily_loss", state=TradingState.REDUCING, at_ms=CLOSE, details={}, reason="lost"
        )
    hers, his, desks = (books[owner].book_id for owner in (ALICE, BOB, None))

    def seen(reads: TradingReads) -> list[set[str]]:
        return [
            {told.intent.book_id for told in reads.intents(limit=9)},
            {order.book_id for order in reads.orders(limit=9)},
            {posted.book_id for posted in reads.fills(limit=9)},
            {held.position.book_id for held in reads.positions()},
            {book_id for book_id in (hers, his, desks) if reads.equity(book_id, since_ms=0, limit=9)},
            {book_id for book_id in (hers, his, desks) if reads.trips(book_id)},
        ]

    assert seen(stores.reads(ALICE)) == [{hers, desks}] * 6
    assert seen(stores.reads()) == [{hers, his, desks}] * 6
    (theirs,) = stores.reads(BOB).intents(limit=9, book_id=his)
    with pytest.raises(NotFoundError):
        stores.reads(ALICE).intent(theirs.intent.intent_id)
    with pytest.raises(NotFoundError):
        stores.reads(ALICE).book(his, now_ms=CLOSE)
    assert stores.reads(ALICE).trace(theirs.intent.correlation_id) == []
    assert stores.reads(BOB).trace(theirs.intent.correlation_id) != []
    mine = stores.reads(ALICE).book(hers, now_ms=CLOSE)
    assert mine == stores.books().view(hers, now_ms=CLOSE)


def test_lists_are_newest_first_and_page_without_losing_or_repeating_one(stores: Stores) -> None:
    book = open_book(stores)
    raised = [stores.intents().raise_intent(an_intent(book, raised_at_ms=CLOSE + n // 2), actor="t") for n in range(5)]
    expected = sorted(((each.raised_at_ms, each.intent_id) for each in raised), reverse=True)
    found: list[tuple[int, str]] = []
    while page := stores.reads().intents(limit=2, before=found[-1] if found else None):
        found += [(told.intent.raised_at_ms, told.intent.intent_id) for told in page]
    assert found == expected


def test_intents_and_orders_are_chosen_by_state_book_and_intent(stores: Stores) -> None:
    book, other = open_book(stores), open_book(stores)
    (order,) = executing(stores, an_intent(book), "1")
    waiting = stores.intents().raise_intent(an_intent(other), actor="alice")
    reads = stores.reads()
    assert [told.intent for told in reads.intents(limit=9, state=IntentState.PENDING)] == [waiting]
    assert [told.actor for told in reads.intents(limit=9, book_id=other.book_id)] == ["alice"]
    assert reads.intents(limit=9, trader_id="nobody") == []
    assert reads.orders(limit=9, state=OrderState.NEW) == [order] == reads.orders(limit=9, intent_id=order.intent_id)
    assert reads.orders(limit=9, book_id=other.book_id) == [] == reads.orders(limit=9, state=OrderState.OPEN)


def test_an_intent_is_told_with_its_decision_plan_orders_and_fills(stores: Stores) -> None:
    book = open_book(stores)
    hold(stores, book, "2")
    (told,) = stores.reads().intents(limit=9)
    story = stores.reads().intent(told.intent.intent_id)
    assert (story.told.intent, story.told.decision) == (told.intent, {"why": ["fits"]})
    assert (story.told.actor, story.told.reason, story.plan) == ("test", "all filled", {"slices": 1})
    (order,), (posted,) = story.orders, story.fills
    assert (order.state, order.filled_qty) == (OrderState.FILLED, Decimal(2))
    assert (posted.order_id, posted.fill.qty, posted.realised) == (order.order_id, Decimal(2), Decimal(0))
    assert posted.fill_id == f"binance {book.book_id} {BTC} {posted.fill.trade_id}"
    assert stores.reads().fills(limit=9, symbol=BTC) == [posted]
    assert stores.reads().fills(limit=9, symbol="ETH/USDT") == []
    assert stores.reads().fills(limit=9, before=(posted.fill.event_time, posted.fill_id)) == []
    undecided = approve(stores, an_intent(book))
    assert stores.reads().intent(undecided.intent_id).orders == ()
    with pytest.raises(NotFoundError):
        stores.reads().intent("nothing")


def test_a_trace_has_what_an_intent_and_an_order_were_when_they_were_new(stores: Stores) -> None:
    (order,) = executing(stores, an_intent(open_book(stores)), "1.5")
    steps = stores.reads().trace(order.correlation_id)
    new = {step["subject"]: step["details"] for step in steps if step["before"] is None}
    assert isinstance(new["intent"], dict)
    assert isinstance(new["order"], dict)
    assert (new["intent"]["intent_id"], new["intent"]["direction"]) == (order.intent_id, "long")
    assert (new["order"]["order_id"], new["order"]["side"], new["order"]["qty"]) == (order.order_id, "buy", "1.5")


def test_the_equity_curve_is_the_newest_points_oldest_first(stores: Stores) -> None:
    book = open_book(stores)
    for n in range(3):
        point = a_point(CLOSE + n * 60_000, str(100 + n), realised=str(n), fees="0.1")
        stores.ledger().mark_equities({book.book_id: point})
    first = EquityPoint(
        at_ms=CLOSE - CLOSE % 60_000 + 60_000, equity=Decimal(101), realised=Decimal(1), fees=Decimal("0.1")
    )
    points = stores.reads().equity(book.book_id, since_ms=0, limit=2)
    assert [point.equity for point in points] == [Decimal(101), Decimal(102)]
    assert points[0] == first
    assert len(stores.reads().equity(book.book_id, since_ms=CLOSE + 61_000, limit=9)) == 1


def test_of_each_breaker_the_newest_event_is_told(stores: Stores) -> None:
    book = open_book(stores)
    for at_ms, breaker in ((CLOSE, "daily_loss"), (CLOSE + 1, "slippage"), (CLOSE + 2, "daily_loss")):
        stores.books().trip(
            book.book_id, breaker=breaker, state=TradingState.REDUCING, at_ms=at_ms, details={}, reason="because"
        )
    trips = stores.reads().trips(book.book_id)
    assert [(trip.breaker, trip.at_ms) for trip in trips] == [("daily_loss", CLOSE + 2), ("slippage", CLOSE + 1)]
    assert {(trip.state, trip.reason) for trip in trips} == {(TradingState.REDUCING, "because")}


def test_a_flat_position_is_told_only_when_asked_for(stores: Stores) -> None:
    book = open_book(stores)
    assert stores.reads().positions(book_id=book.book_id, flat_too=True) == []
    position = hold(stores, book)
    (held,) = stores.reads().positions(book_id=book.book_id)
    assert held.position == position
