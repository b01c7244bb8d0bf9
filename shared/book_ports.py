"""What trading needs of books: books, and what may be traded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from shared.domain.trading.books import Book
    from shared.domain.trading.records import BookView, Observed, WatchedBook
    from shared.domain.trading.states import Scope, StateEntry, TradingState


class Books(Protocol):
    """Books by their id."""

    def get(self, book_id: str) -> Book:
        """Return a book; raise `NotFoundError`."""
        ...


class BookStore(Books, Protocol):
    """Books. Whose are seen is decided by the credentials the store was made with."""

    def list(self) -> Sequence[Book]:
        """Return the books one may see, by name."""
        ...

    def create(self, book: Book) -> Book:
        """Store a new book; raise `ConflictError` when its id exists."""
        ...

    def update(self, book: Book, *, expected_version: int) -> Book:
        """Replace name, limits, breakers, venues and mode.

        Raise `NotFoundError`, or `ConflictError` when it moved, or is traded already and its mode would change.
        """
        ...

    def view(self, book_id: str, *, now_ms: int) -> BookView:
        """Return everything the desk knows of a book as of `now_ms` (market time); raise `NotFoundError`."""
        ...

    def observe(self, book_id: str, *, since_ms: int) -> Observed:
        """Return what a book's orders were like since an instant (market time)."""
        ...

    def watched(self, *, now_ms: int, after: str | None = None, limit: int) -> Sequence[WatchedBook]:
        """Return the books that need watching as of `now_ms` (market time), by id, from after one on.

        Those that hold something, have something under way, have sent or filled an order within a day, differ from a
        venue, or are not active. Any other is what it was when it was looked at last.
        """
        ...

    def trip(
        self,
        book_id: str,
        *,
        breaker: str,
        state: TradingState,
        at_ms: int,
        details: Mapping[str, object],
        reason: str,
    ) -> TradingState:
        """Store that a breaker tripped at `at_ms`, make the book at least as strict, and return its state.

        The same event again changes nothing: what a person has released stays released. Raise `NotFoundError`.
        """
        ...


class DeskStates(Protocol):
    """Trading states: of the desk, and of each book, venue, symbol and trader."""

    def read(self) -> TradingState:
        """Return the desk's own state; `halted` when it cannot be read for any reason but a `TransientError`."""
        ...

    def set(self, scope: str, key: str, state: TradingState, *, actor: str, reason: str) -> TradingState:
        """Set a state and return what the database reads back; raise `NotFoundError`.

        Scope is desk (any key), book, venue, symbol (key `venue:symbol`) or trader.
        """
        ...

    def entry(self, scope: Scope, key: str) -> StateEntry:
        """Return a state with who set it, when and why (the desk's key is `desk`); raise `NotFoundError`."""
        ...

    def restrained(self) -> Sequence[StateEntry]:
        """Return every book, venue, symbol and living trader that is not active, by scope and key."""
        ...
