"""Books in Supabase; the client's key or token decides whose are seen, only the desk's key writes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from postgrest import SyncPostgrestClient

from shared.adapters.supabase.client import call
from shared.adapters.supabase.trading_rows import BOOK, BOOK_VIEW, BOOKS, OBSERVED, WATCHED, read, write
from shared.domain.errors import NotFoundError
from shared.domain.trading.books import Book
from shared.domain.trading.records import BookView, Observed, WatchedBook
from shared.domain.trading.states import TradingState


@dataclass(frozen=True, slots=True)
class SupabaseBookStore:
    """Books as rows of `books`."""

    client: SyncPostgrestClient

    def get(self, book_id: str) -> Book:
        """Return a book; raise `NotFoundError`."""
        found = read(BOOKS, call(self.client, "get_books", {"p_book_id": book_id}), "no books")
        if not found:
            raise NotFoundError(f"no book {book_id!r}")
        return found[0]

    def list(self) -> Sequence[Book]:
        """Return the books one may see, by name."""
        return read(BOOKS, call(self.client, "get_books", {}), "no books")

    def create(self, book: Book) -> Book:
        """Store a new book; raise `ConflictError` when its id exists."""
        return read(BOOK, call(self.client, "create_book", {"p_book": write(BOOK, book)}), "no book")

    def update(self, book: Book, *, expected_version: int) -> Book:
        """Replace name, limits, breakers, venues and mode; raise `NotFoundError`, or `ConflictError` when it moved."""
        values = {"p_book": write(BOOK, book), "p_expected_version": expected_version}
        return read(BOOK, call(self.client, "update_book", values), f"no book {book.book_id!r}")

    def view(self, book_id: str, *, now_ms: int) -> BookView:
        """Return everything the desk knows of a book as of a time; raise `NotFoundError`."""
        found = call(self.client, "view_book", {"p_book_id": book_id, "p_now_ms": now_ms})
        return read(BOOK_VIEW, found, f"no book {book_id!r}")

    def observe(self, book_id: str, *, since_ms: int) -> Observed:
        """Return what a book's orders were like since an instant."""
        found = call(self.client, "observe_book", {"p_book_id": book_id, "p_since_ms": since_ms})
        return read(OBSERVED, found, f"no book {book_id!r}")

    def watched(self, *, now_ms: int, after: str | None = None, limit: int) -> Sequence[WatchedBook]:
        """Return the books that need watching as of a time, by id, from after one on."""
        asked = {"p_now_ms": now_ms, "p_after": after, "p_limit": limit}
        return read(WATCHED, call(self.client, "watched_books", asked), "no books")

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
        """Store that a breaker tripped, make the book at least as strict, and return its state."""
        event = {"p_breaker": breaker, "p_state": state.value, "p_at_ms": at_ms, "p_details": details}
        stored = call(self.client, "trip_breaker", {"p_book_id": book_id, "p_reason": reason} | event)
        if stored is None:
            raise NotFoundError(f"no book {book_id!r}")
        return TradingState(stored)
