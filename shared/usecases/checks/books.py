"""The monitor's check of what is held: whether it is watched and priced, and which limits it is beyond."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from shared.book_ports import BookStore
from shared.domain.alerts import Alert
from shared.domain.judging_desk import figures_of, judge_book, judge_marks, judge_prices
from shared.domain.monitoring import Looked, MonitorSettings, Occasion, Task
from shared.domain.settling import DATABASE
from shared.domain.tickers import VenueNow
from shared.domain.trading.limits import Caps, capped, scaled
from shared.domain.trading.market import MarketView, marks_of
from shared.domain.trading.portfolio import Portfolio, places_of, portfolio_of
from shared.domain.trading.records import BookView
from shared.monitor_ports import MonitorStore
from shared.ports import TickerBoard

PAGE: Final = 200
TOLD: Final = 20
"""Of how many books the figures are told one by one."""


def check_books(
    occasion: Occasion,
    *,
    books: BookStore,
    tickers: TickerBoard,
    store: MonitorStore,
    tier: int,
    caps: Caps,
    settings: MonitorSettings,
) -> Looked:
    """Judge every book that risk-agent watches, by the prices of this moment; breakers are risk-agent's to trip.

    A book is unwatched when that was seen at the run before too: one that has just begun to trade is marked within the
    minute.
    """
    views = {view.book.book_id: view for view in _watched(books, occasion.now_ms)}
    board = _board(views.values(), tickers)
    worth = {book_id: _worth(view, board, occasion.now_ms) for book_id, view in views.items()}
    priced = [book_id for book_id, portfolio in worth.items() if portfolio.equity is not None]
    marked = store.marked(priced, since_ms=occasion.now_ms - settings.book_mark_ms) if priced else frozenset()

    alerts: list[Alert] = []
    for book_id, view in views.items():
        alerts += judge_book(
            book_id, view.book.name, worth[book_id], capped(scaled(view.book.limits, tier), caps), settings
        )
        alerts += judge_prices(book_id, view.book.name, worth[book_id], board)
    unmarked = sorted({*priced} - marked)
    alerts += judge_marks([views[each].book.name for each in unmarked if each in _unmarked_before(occasion)])

    return Looked(
        checked=len(views),
        details={
            "open_positions": sum(bool(each.position.qty) for view in views.values() for each in view.positions),
            "unpriced": sorted({*views} - {*priced}),
            "unmarked": unmarked,
            "books": {each: _figures(worth[each], views[each], tier, caps) for each in [*views][:TOLD]},
        },
        alerts=tuple(alerts),
        prefixes=("position:",),
        answered=frozenset({DATABASE}),
        skipped_reason=None if views else "no book needs watching",
    )


def _watched(books: BookStore, now_ms: int) -> list[BookView]:
    found: list[BookView] = []
    page = books.watched(now_ms=now_ms, limit=PAGE)
    while page:
        found += [each.view for each in page]
        last = found[-1].book.book_id
        page = books.watched(now_ms=now_ms, after=last, limit=PAGE) if len(page) == PAGE else ()
    return found


def _board(views: Iterable[BookView], tickers: TickerBoard) -> Mapping[str, VenueNow]:
    """Return what venues trade at where something is held or approved, in one question."""
    places = {place for view in views for place in places_of(view, None)}
    return tickers.now(sorted({venue for venue, _ in places if venue is not None})) if places else {}


def _worth(view: BookView, board: Mapping[str, VenueNow], now_ms: int) -> Portfolio:
    marks = marks_of(board, {symbol for _, symbol in places_of(view, None)})
    return portfolio_of(view, MarketView(now_ms=now_ms, instrument=None, marks=marks))


def _unmarked_before(occasion: Occasion) -> Sequence[object]:
    told = occasion.last.details_of(Task.POSITION_RISK).get("unmarked") if occasion.last else None
    return told if isinstance(told, list | tuple) else ()


def _figures(portfolio: Portfolio, view: BookView, tier: int, caps: Caps) -> dict[str, object]:
    limits = capped(scaled(view.book.limits, tier), caps)
    return {
        name: {"value": None if value is None else f"{value:.4f}", "limit": f"{limit.normalize():f}"}
        for name, value, limit in figures_of(portfolio, limits)
    }
