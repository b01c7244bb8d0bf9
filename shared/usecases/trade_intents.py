"""Raise the trade intent of a person: into a book of theirs, once, and only when nothing speaks against it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import NAMESPACE_URL, uuid4, uuid5

from shared.domain.errors import ConflictError, ForbiddenError, NotFoundError, RefusedError, TransientError
from shared.domain.trading.algorithms import EVERY
from shared.domain.trading.asking import (
    Ask,
    instruments_named,
    intent_of,
    is_same_wish,
    needs_a_price,
    problems_of,
)
from shared.domain.trading.market import Mark, MarketView, marks_of
from shared.usecases.raising import raise_and_announce

if TYPE_CHECKING:
    from shared.book_ports import BookStore
    from shared.domain.trading.books import Book
    from shared.domain.trading.instruments import Instrument
    from shared.domain.trading.intents import AlgorithmName, Intent
    from shared.ports import Clock, Queue, TickerBoard, VenueStore
    from shared.trading_ports import IntentStore
    from shared.trading_reads import TradingReads
    from shared.venue_ports import InstrumentStore

_SPACE: Final = uuid5(NAMESPACE_URL, "https://nightdesk.example/asks")


@dataclass(frozen=True, slots=True, kw_only=True)
class AskingDesk:
    """What raising takes: `seen` and `reads` are what the person may see, the rest is the desk's own.

    `algorithms` are those the desk allows.
    """

    seen: BookStore
    reads: TradingReads
    books: BookStore
    intents: IntentStore
    instruments: InstrumentStore
    tickers: TickerBoard
    venues: VenueStore
    intents_queue: Queue
    clock: Clock
    algorithms: Collection[AlgorithmName] = EVERY


def raise_trade_intent(ask: Ask, *, person: str, book_id: str | None, key: str | None, desk: AskingDesk) -> Intent:
    """Store the intent of a wish and have it decided; return it as it is stored.

    The same `key` of the same person is the same intent, stored once. Raise `RefusedError` with everything that is
    wrong, `ForbiddenError` for somebody else's book, `NotFoundError` for none, `ConflictError` for a key that has asked
    for something else, `TransientError` while the price that a guard is held against is not known.
    """
    book = own_book(book_id, person=person, seen=desk.seen, books=desk.books)
    named = [
        each
        for venue in book.venues
        for each in instruments_named(ask.symbol, desk.instruments.list(venue=venue))
        if ask.venue in {None, venue}
    ]
    symbol = named[0].symbol if named else ask.symbol
    mark = _mark(named, desk.tickers, desk.clock)
    intent_id = str(uuid4() if key is None else uuid5(_SPACE, f"{person} {key}"))
    known = None if key is None else _known(intent_id, desk.reads)

    intent = intent_of(ask, book, symbol=symbol, intent_id=intent_id, mark=mark, now_ms=desk.clock.now_ms())
    if known is not None and not is_same_wish(known, intent):
        raise ConflictError(f"idempotency key {key!r} has asked for something else before, see intent {intent_id}")
    collected = {each.venue: each.timeframes for each in desk.venues.enabled()}
    problems = problems_of(ask, book, named, mark, collected, algorithms=desk.algorithms)
    if known is None and problems:
        raise RefusedError(problems)
    if known is None and mark is None and needs_a_price(ask):
        raise TransientError(f"no current price of {symbol} to hold the stop and the target against")

    return raise_and_announce(intent, actor=person, intents=desk.intents, queue=desk.intents_queue, person=person)


def own_book(book_id: str | None, *, person: str, seen: BookStore, books: BookStore) -> Book:
    """Return a book of a person, the only one they have when none is named.

    Raise `RefusedError` when it is not told which, `ForbiddenError` for one of somebody else's or the desk's,
    `NotFoundError` where there is none.
    """
    if book_id is not None:
        book = books.get(book_id)
        if book.owner_id != person:
            raise ForbiddenError(f"book {book_id!r} is not yours")
        return book
    mine = [book for book in seen.list() if book.owner_id == person]
    if len(mine) != 1:
        names = ", ".join(f"{book.book_id} ({book.name})" for book in mine)
        which = f"expected which of your books: {names}" if mine else "you have no book yet: create one first"
        raise RefusedError([("book_id", which)])
    return mine[0]


def _mark(named: Sequence[Instrument], tickers: TickerBoard, clock: Clock) -> Mark | None:
    """Return the newest mark of an instrument at any of its venues."""
    if not named:
        return None
    symbol = named[0].symbol
    marks = marks_of(tickers.now(sorted({each.venue for each in named})), {symbol})
    return MarketView(now_ms=clock.now_ms(), instrument=None, marks=marks).mark((None, symbol))


def _known(intent_id: str, reads: TradingReads) -> Intent | None:
    try:
        return reads.intent(intent_id).told.intent
    except NotFoundError:
        return None
