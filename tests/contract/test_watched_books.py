"""Which books a sweep looks at, and what it is told of each, alike in memory and in Supabase, in a call or two."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from desk.local.supabase_lite import SupabaseLite
from shared.adapters.supabase.client import connect, once
from shared.domain.alerts import Alert, Severity
from shared.domain.tickers import Snapshot, Ticker, VenueNow
from shared.domain.trading.books import Book, BreakerSettings
from shared.domain.trading.instruments import Side
from shared.domain.trading.states import IntentState, Mode, OrderState, TradingState
from shared.usecases.markets_of_books import Market
from shared.usecases.watching import WatchDesk, watch_books
from tests.contract.stores import CLOSE, Stores, SupabaseStores
from tests.contract.trading import (
    BTC,
    PRICE,
    a_book,
    a_fill,
    a_point,
    a_report,
    an_exit,
    an_intent,
    approve,
    executing,
    halt,
    hold,
    moved,
    open_book,
    submit,
)
from tests.fakes.clock import ManualClock
from tests.fakes.counted import Counted
from tests.fakes.hand_market import HandMarket
from tests.usecases.trading_in_memory import HandLog

DAY_MS = 86_400_000


def watched(stores: Stores, now_ms: int = CLOSE + 10) -> list[str]:
    return [seen.view.book.book_id for seen in stores.books().watched(now_ms=now_ms, limit=100)]


def sell_all(stores: Stores, book: Book) -> None:
    """Leave what a book holds."""
    held = stores.ledger().position(book.book_id, "binance", BTC).position
    (order,) = executing(stores, an_exit(book), str(held.qty))
    filled = stores.orders().advance(
        submit(stores, order), a_report(order, OrderState.FILLED, str(held.qty)), actor="test"
    )
    fill = a_fill(filled, "t-out", str(held.qty), side=Side.SELL)
    stores.ledger().post(filled.account, moved(held, fill), [fill], {fill.trade_id: Decimal(0)})
    stores.intents().finish(
        stores.orders().execution(order.intent_id).intent, IntentState.EXECUTED, actor="t", reason=""
    )


def rejected(stores: Stores, book: Book) -> None:
    """Send an order that is refused, and end its intent."""
    (order,) = executing(stores, an_intent(book), "1")
    stores.orders().advance(submit(stores, order), a_report(order, OrderState.REJECTED), actor="test")
    stores.intents().finish(stores.orders().execution(order.intent_id).intent, IntentState.FAILED, actor="t", reason="")


def differs(stores: Stores, book: Book) -> None:
    """Open an alert of a difference from the venue."""
    alert = Alert(
        dedupe_key=f"watched:{book.book_id}", kind="reconciliation", severity=Severity.CRITICAL, sentence="x",
        book_id=book.book_id,
    )  # fmt: skip
    stores.alerts().settle(["watched:"], [alert], at_ms=CLOSE)


def stopped(stores: Stores, book: Book) -> None:
    """Let a breaker stop it."""
    stores.books().trip(
        book.book_id, breaker="slippage", state=TradingState.REDUCING, at_ms=CLOSE, details={}, reason=""
    )


def closed(stores: Stores, book: Book) -> None:
    """Enter and leave a position."""
    hold(stores, book, "2")
    sell_all(stores, book)


@pytest.mark.parametrize(
    ("happens", "longer_than_a_day"),
    [
        (hold, True),
        (lambda stores, book: approve(stores, an_intent(book)), True),
        (lambda stores, book: submit(stores, executing(stores, an_intent(book), "1")[0]), True),
        (stopped, True),
        (differs, True),
        (rejected, False),
        (closed, False),
    ],
    ids=["holds", "approved", "under way", "stopped", "differs", "rejected", "closed"],
)
def test_a_book_is_watched_while_something_may_have_changed(
    stores: Stores, happens: Callable[[Stores, Book], object], longer_than_a_day: bool
) -> None:
    idle, book = open_book(stores), open_book(stores)
    stores.intents().raise_intent(an_intent(idle), actor="test")  # nothing until it is approved
    assert watched(stores) == []
    happens(stores, book)
    assert watched(stores) == [book.book_id]
    assert watched(stores, CLOSE + DAY_MS + 10) == ([book.book_id] if longer_than_a_day else [])
    stores.alerts().settle(["watched:"], [], at_ms=CLOSE + 1)


def test_what_nobody_owns_up_to_is_every_live_books(stores: Stores) -> None:
    live, _ = open_book(stores, mode=Mode.LIVE), open_book(stores)
    alert = Alert(dedupe_key="watched:1", kind="reconciliation", severity=Severity.CRITICAL, sentence="x")
    stores.alerts().settle(["watched:"], [alert], at_ms=CLOSE)
    assert watched(stores) == [live.book_id]
    stores.alerts().settle(["watched:"], [], at_ms=CLOSE + 1)
    assert watched(stores) == []


def test_a_watched_book_is_told_as_by_itself_within_the_window_of_its_breakers(stores: Stores) -> None:
    books = [
        open_book(stores, breakers=BreakerSettings(window_ms=window_ms))
        for window_ms in (BreakerSettings().window_ms, 5)
    ]
    for book in books:
        hold(stores, book)
    for seen in stores.books().watched(now_ms=CLOSE + 10, limit=9):
        book = seen.view.book
        assert seen.view == stores.books().view(book.book_id, now_ms=CLOSE + 10)
        since_ms = CLOSE + 10 - book.breakers.window_ms
        assert seen.observed == stores.books().observe(book.book_id, since_ms=since_ms)
        assert seen.observed.orders == (0 if book.breakers.window_ms == 5 else 1)


def test_a_book_whose_settings_were_never_said_has_the_window_there_is_by_default(clean_supabase: SupabaseLite) -> None:
    stores = SupabaseStores(clean_supabase)
    book = open_book(stores)
    hold(stores, book)
    client = connect(clean_supabase.url, clean_supabase.secret_key)
    once(client.from_("books").update({"breakers": {}}).eq("book_id", book.book_id))
    for passed_ms, orders in ((0, 1), (1, 0)):  # it was sent a millisecond after the boundary
        now_ms = CLOSE + 1 + BreakerSettings().window_ms + passed_ms
        (seen,) = stores.books().watched(now_ms=now_ms, limit=9)
        assert seen.observed.orders == orders


def test_books_are_watched_page_by_page(stores: Stores) -> None:
    books = sorted(open_book(stores).book_id for _ in range(5))
    for book_id in books:
        halt(stores, "book", book_id)
    found: list[str] = []
    after = None
    for size in (2, 2, 1, 0):
        page = stores.books().watched(now_ms=CLOSE, after=after, limit=2)
        assert len(page) == size
        found += [seen.view.book.book_id for seen in page]
        after = found[-1]
    assert found == books


def test_equity_of_many_books_is_marked_at_once(stores: Stores) -> None:
    books = [open_book(stores).book_id for _ in range(3)]
    points = {book_id: a_point(CLOSE, str(100 + n)) for n, book_id in enumerate(books)}
    for _ in range(2):  # the second as after a lost answer
        stores.ledger().mark_equities(points | {"gone": a_point(CLOSE, "1")})
    stores.ledger().mark_equities({})
    for n, book_id in enumerate(books):
        (point,) = stores.reads().equity(book_id, since_ms=0, limit=9)
        assert point == replace(points[book_id], at_ms=CLOSE - CLOSE % 60_000)
        assert point.equity == 100 + n


class Board:
    """Tickers of one price."""

    def now(self, venues: list[str]) -> dict[str, VenueNow]:
        """Return them."""
        price = float(PRICE)
        return {venue: VenueNow(Snapshot(CLOSE, {BTC: Ticker(last=price, bid=price, ask=price)})) for venue in venues}


def test_a_sweep_of_five_hundred_idle_books_and_five_busy_ones_costs_two_calls(stores: Stores) -> None:
    opened = [open_book(stores, name="busy") for _ in range(5)]
    for n in range(500):
        stores.books().create(a_book(name=f"idle {n}"))
    for book in opened:
        hold(stores, book, "0.1")
    market = HandMarket()
    market.clock = ManualClock(CLOSE + 10)
    books, ledger, tickers, candles = map(Counted, (stores.books(), stores.ledger(), Board(), HandLog(market)))
    parts: dict[str, Any] = {"tickers": tickers, "candles": candles}
    seen = Market(instruments=stores.instruments(), venues=stores.venues(), clock=market.clock, **parts)
    desk: Any = WatchDesk(books=books, ledger=ledger, market=seen)
    assert watch_books(desk=desk).errors == {}
    assert (dict(books.calls), dict(ledger.calls)) == ({"watched": 1}, {"mark_equities": 1})
    assert (dict(tickers.calls), dict(candles.calls)) == ({"now": 1}, {"frame": 1})
    marked = [book for book in opened if stores.reads().equity(book.book_id, since_ms=0, limit=9)]
    assert marked == opened
