"""How venues have answered is measured alike in memory and in Supabase."""

from dataclasses import replace

from shared.domain.trading.books import Book
from shared.domain.trading.measures import VenueMeasure
from shared.domain.trading.states import Mode, OrderState
from tests.contract.stores import CLOSE, Stores
from tests.contract.trading import a_report, an_intent, executing, open_book, submit


def answered(stores: Stores, book: Book, answer_ms: int | None, state: OrderState = OrderState.OPEN) -> None:
    """Send an order of a book that the venue answers in a time."""
    (order,) = executing(stores, an_intent(book), "1")
    stores.orders().advance(submit(stores, order), a_report(order, state, answer_ms=answer_ms), actor="test")


def test_venues_are_measured_by_how_they_answered_slices(stores: Stores) -> None:
    assert list(stores.orders().measured(since_ms=0)) == []
    book = open_book(stores)
    for answer_ms in (10, 400, 31):
        answered(stores, book, answer_ms)
    answered(stores, book, 9_000, OrderState.REJECTED)
    answered(stores, book, None, OrderState.REJECTED)  # for the order's own sake
    (lost,) = executing(stores, an_intent(book), "1")
    stores.orders().mark(submit(stores, lost), OrderState.UNKNOWN, actor="test", reason="timeout")
    executing(stores, an_intent(book), "1")
    assert list(stores.orders().measured(since_ms=CLOSE + 1)) == [
        VenueMeasure(venue="binance", mode=Mode.PAPER, answered=4, refused=1, median_ms=31)
    ]
    assert list(stores.orders().measured(since_ms=CLOSE + 2)) == []


def test_an_answer_is_measured_once_and_stays_with_its_order(stores: Stores) -> None:
    book = open_book(stores)
    (order,) = executing(stores, an_intent(book), "1")
    sent = submit(stores, order)
    report = a_report(sent, OrderState.OPEN, answer_ms=25)
    resting = stores.orders().advance(sent, report, actor="test")
    assert stores.orders().advance(sent, replace(report, answer_ms=99), actor="test") == resting  # said again
    stores.orders().advance(resting, a_report(sent, OrderState.FILLED, "1"), actor="test")
    (found,) = stores.orders().measured(since_ms=0)
    assert (found.answered, found.refused, found.median_ms) == (1, 0, 25)


def test_modes_are_measured_apart(stores: Stores) -> None:
    for mode, answer_ms in ((Mode.PAPER, 40), (Mode.LIVE, 150)):
        answered(stores, open_book(stores, mode=mode), answer_ms)
    answered(stores, open_book(stores, mode=Mode.LIVE), 7, OrderState.REJECTED)
    live, paper = sorted(stores.orders().measured(since_ms=0), key=lambda each: each.mode)
    assert (live.mode, live.answered, live.refused, live.median_ms) == (Mode.LIVE, 2, 1, 150)
    assert (paper.mode, paper.answered, paper.refused, paper.median_ms) == (Mode.PAPER, 1, 0, 40)
