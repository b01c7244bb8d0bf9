"""What people read of trading in Supabase; the client's key or token decides whose is seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from postgrest import SyncPostgrestClient

from shared.adapters.row_type import RowType
from shared.adapters.supabase.client import call
from shared.adapters.supabase.trading_rows import BOOK_VIEW, HELD_MANY, ORDERS, read
from shared.domain.trading.records import BookView, HeldPosition, Order
from shared.domain.trading.states import IntentState, OrderState
from shared.domain.trading.told import EquityPoint, IntentStory, PostedFill, ToldIntent, TrippedBreaker

_INTENTS: Final = RowType(list[ToldIntent])
_STORY: Final = RowType(IntentStory)
_FILLS: Final = RowType(list[PostedFill])
_EQUITY: Final = RowType(list[EquityPoint])
_TRIPS: Final = RowType(list[TrippedBreaker])


@dataclass(frozen=True, slots=True)
class SupabaseTradingReads:
    """Trading as sql/0023 tells it, under row security where the client speaks for a person."""

    client: SyncPostgrestClient

    def intents(
        self,
        *,
        limit: int,
        before: tuple[int, str] | None = None,
        state: IntentState | None = None,
        book_id: str | None = None,
        trader_id: str | None = None,
    ) -> Sequence[ToldIntent]:
        """Return intents by when they were raised, newest first."""
        asked = _page(limit, before) | {"p_state": _word(state), "p_book_id": book_id, "p_trader_id": trader_id}
        return read(_INTENTS, call(self.client, "list_intents", asked), "no intents")

    def intent(self, intent_id: str) -> IntentStory:
        """Return an intent with everything that came of it; raise `NotFoundError`."""
        found = call(self.client, "tell_intent", {"p_intent_id": intent_id})
        return read(_STORY, found, f"no intent {intent_id!r}")

    def orders(
        self,
        *,
        limit: int,
        before: tuple[int, str] | None = None,
        state: OrderState | None = None,
        book_id: str | None = None,
        intent_id: str | None = None,
    ) -> Sequence[Order]:
        """Return orders by when they are due, the last first."""
        asked = _page(limit, before) | {"p_state": _word(state), "p_book_id": book_id, "p_intent_id": intent_id}
        return read(ORDERS, call(self.client, "list_orders", asked), "no orders")

    def fills(
        self,
        *,
        limit: int,
        before: tuple[int, str] | None = None,
        book_id: str | None = None,
        symbol: str | None = None,
    ) -> Sequence[PostedFill]:
        """Return fills by when they happened, newest first."""
        asked = _page(limit, before) | {"p_book_id": book_id, "p_symbol": symbol}
        return read(_FILLS, call(self.client, "list_fills", asked), "no fills")

    def positions(self, *, book_id: str | None = None, flat_too: bool = False) -> Sequence[HeldPosition]:
        """Return positions by book, venue and symbol."""
        found = call(self.client, "list_positions", {"p_book_id": book_id, "p_flat_too": flat_too})
        return read(HELD_MANY, found, "no positions")

    def book(self, book_id: str, *, now_ms: int) -> BookView:
        """Return everything the desk knows of a book as of a time; raise `NotFoundError`."""
        found = call(self.client, "view_book", {"p_book_id": book_id, "p_now_ms": now_ms})
        return read(BOOK_VIEW, found, f"no book {book_id!r}")

    def equity(self, book_id: str, *, since_ms: int, limit: int) -> Sequence[EquityPoint]:
        """Return the newest points of a book's equity curve from a time on, oldest first."""
        asked = {"p_book_id": book_id, "p_since_ms": since_ms, "p_limit": limit}
        return read(_EQUITY, call(self.client, "equity_curve", asked), "no equity")

    def trips(self, book_id: str) -> Sequence[TrippedBreaker]:
        """Return the newest event of each breaker of a book, newest first."""
        return read(_TRIPS, call(self.client, "last_trips", {"p_book_id": book_id}), "no breakers")

    def trace(self, correlation_id: str) -> Sequence[Mapping[str, object]]:
        """Return every step of everything with a correlation id, oldest first."""
        found: list[dict[str, object]] = call(self.client, "trace", {"p_correlation_id": correlation_id})
        return found


def _page(limit: int, before: tuple[int, str] | None) -> dict[str, Any]:
    at_ms, row_id = before or (None, None)
    return {"p_limit": limit, "p_before_ms": at_ms, "p_before_id": row_id}


def _word(state: StrEnum | None) -> str | None:
    return None if state is None else state.value
