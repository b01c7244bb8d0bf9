"""What people read of trading; whose is seen is decided by the credentials a store was made with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from shared.domain.trading.records import BookView, HeldPosition, Order
    from shared.domain.trading.states import IntentState, OrderState
    from shared.domain.trading.told import EquityPoint, IntentStory, PostedFill, ToldIntent, TrippedBreaker


class TradingReads(Protocol):
    """Intents, orders, fills, positions, equity and breakers of the books one may see.

    Lists are newest first; `before` is the (time, id) of the last row of the page before.
    """

    def intents(
        self,
        *,
        limit: int,
        before: tuple[int, str] | None = None,
        state: IntentState | None = None,
        book_id: str | None = None,
        trader_id: str | None = None,
    ) -> Sequence[ToldIntent]:
        """Return intents by when they were raised."""
        ...

    def intent(self, intent_id: str) -> IntentStory:
        """Return an intent with everything that came of it; raise `NotFoundError`."""
        ...

    def orders(
        self,
        *,
        limit: int,
        before: tuple[int, str] | None = None,
        state: OrderState | None = None,
        book_id: str | None = None,
        intent_id: str | None = None,
    ) -> Sequence[Order]:
        """Return orders by when they are due."""
        ...

    def fills(
        self,
        *,
        limit: int,
        before: tuple[int, str] | None = None,
        book_id: str | None = None,
        symbol: str | None = None,
    ) -> Sequence[PostedFill]:
        """Return fills by when they happened."""
        ...

    def positions(self, *, book_id: str | None = None, flat_too: bool = False) -> Sequence[HeldPosition]:
        """Return positions by book, venue and symbol."""
        ...

    def book(self, book_id: str, *, now_ms: int) -> BookView:
        """Return everything the desk knows of a book as of `now_ms` (market time); raise `NotFoundError`."""
        ...

    def equity(self, book_id: str, *, since_ms: int, limit: int) -> Sequence[EquityPoint]:
        """Return the newest points of a book's equity curve from a time on, oldest first."""
        ...

    def trips(self, book_id: str) -> Sequence[TrippedBreaker]:
        """Return the newest event of each breaker of a book, newest first."""
        ...

    def trace(self, correlation_id: str) -> Sequence[Mapping[str, object]]:
        """Return every step of everything with a correlation id, oldest first: signals, intents, orders, fills."""
        ...
