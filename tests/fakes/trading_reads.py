"""What people read of trading, in memory; passes the same contract suite as the Supabase adapter."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from shared.domain.errors import NotFoundError
from shared.domain.trading.records import BookView, FillKey, HeldPosition, Order
from shared.domain.trading.states import IntentState, OrderState
from shared.domain.trading.told import EquityPoint, IntentStory, PostedFill, ToldIntent, TrippedBreaker
from tests.fakes.books import MemoryBookStore
from tests.fakes.intents import MemoryIntentStore
from tests.fakes.stores import MemoryDatabase, owns
from tests.fakes.trading_tables import FillRow, IntentRow, TradingTables

Row = TypeVar("Row")


@dataclass(slots=True)
class MemoryTradingReads:
    """Trading as the desk (`user_id` None) or one person may see it."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    user_id: str | None = None

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
        rows = [
            self._told(row)
            for row in self.database.trading.intents.values()
            if state in {None, row.intent.state}
            and book_id in {None, row.intent.book_id}
            and trader_id in {None, row.intent.trader_id}
            and self._sees(row.intent.book_id)
        ]
        return _page(rows, lambda row: (row.intent.raised_at_ms, row.intent.intent_id), before, limit)

    def intent(self, intent_id: str) -> IntentStory:
        """Return an intent with everything that came of it; raise `NotFoundError`."""
        tables = self.database.trading
        row = tables.intents.get(intent_id)
        if row is None or not self._sees(row.intent.book_id):
            raise NotFoundError(f"no intent {intent_id!r}")
        orders = tuple(part.order for part in tables.orders_of(intent_id))
        ours = {order.order_id for order in orders}
        fills = [_posted(key, known) for key, known in tables.fills.items() if known.order_id in ours]
        return IntentStory(
            told=self._told(row),
            plan=row.plan,
            orders=orders,
            fills=tuple(sorted(fills, key=lambda posted: (posted.fill.event_time, posted.fill.trade_id))),
        )

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
        rows = [
            row.order
            for row in self.database.trading.orders.values()
            if state in {None, row.order.state}
            and book_id in {None, row.order.book_id}
            and intent_id in {None, row.order.intent_id}
            and self._sees(row.order.book_id)
        ]
        return _page(rows, lambda row: (row.due_at_ms, row.order_id), before, limit)

    def fills(
        self,
        *,
        limit: int,
        before: tuple[int, str] | None = None,
        book_id: str | None = None,
        symbol: str | None = None,
    ) -> Sequence[PostedFill]:
        """Return fills by when they happened, newest first."""
        rows = [
            _posted(key, row)
            for key, row in self.database.trading.fills.items()
            if book_id in {None, row.book_id} and symbol in {None, key.symbol} and self._sees(row.book_id)
        ]
        return _page(rows, lambda row: (row.fill.event_time, row.fill_id), before, limit)

    def positions(self, *, book_id: str | None = None, flat_too: bool = False) -> Sequence[HeldPosition]:
        """Return positions by book, venue and symbol."""
        rows = sorted(self.database.trading.positions.items())
        return [
            row.held
            for (of, _, _), row in rows
            if book_id in {None, of} and (flat_too or row.held.position.qty) and self._sees(of)
        ]

    def book(self, book_id: str, *, now_ms: int) -> BookView:
        """Return everything the desk knows of a book; raise `NotFoundError`."""
        return MemoryBookStore(self.database, self.user_id).view(book_id, now_ms=now_ms)

    def equity(self, book_id: str, *, since_ms: int, limit: int) -> Sequence[EquityPoint]:
        """Return the newest points of a book's equity curve from a time on, oldest first."""
        points = sorted(self.database.trading.equity.items())
        found = [point for (of, at), point in points if of == book_id and at >= since_ms and self._sees(of)]
        return found[-limit:]

    def trips(self, book_id: str) -> Sequence[TrippedBreaker]:
        """Return the newest event of each breaker of a book, newest first."""
        newest: dict[str, TrippedBreaker] = {}
        events = self.database.trading.trips.items()
        for (of, breaker, _, _), event in sorted(events, key=lambda each: (each[1].at_ms, each[1].state == "halted")):
            if of == book_id and self._sees(of):
                newest[breaker] = event
        return sorted(newest.values(), key=lambda event: (-event.at_ms, event.breaker))

    def trace(self, correlation_id: str) -> Sequence[Mapping[str, object]]:
        """Return the steps of what one sees, oldest first."""
        tables = self.database.trading
        signals = [
            {"subject": "signal", "id": row.signal_id, "before": None, "after": "recorded", "intent_id": None}
            for row in self.database.signals.values()
            if row.correlation_id == correlation_id and self._sees_signal(row.signal.trader_id)
        ]
        steps = [_with_its_intent(step, tables) for step in MemoryIntentStore(self.database).trace(correlation_id)]
        return [
            *signals,
            *(step for step in steps if step["subject"] != "signal" and self._sees(_book_of(step, tables))),
        ]

    def _told(self, row: IntentRow) -> ToldIntent:
        steps = [step for step in self.database.trading.steps if step["id"] == row.intent.intent_id]
        return ToldIntent(
            intent=row.intent,
            decision=row.decision,
            actor=str(steps[-1]["actor"]),
            reason=str(steps[-1]["reason"]),
            updated_at_ms=self.database.clock.now_ms(),
        )

    def _sees(self, book_id: str) -> bool:
        return self.user_id is None or self.database.trading.books[book_id].owner_id in {None, self.user_id}

    def _sees_signal(self, trader_id: str) -> bool:
        known = self.database.traders.get(trader_id) or self.database.deleted.get(trader_id)
        return known is not None and owns(self.user_id, known)


def _with_its_intent(step: Mapping[str, object], tables: TradingTables) -> Mapping[str, object]:
    """Return a step, that of a proposal with the intent the proposal has by now."""
    if step["subject"] != "proposal":
        return step
    return {**step, "intent_id": tables.proposals[str(step["id"])].intent_id}


def _book_of(step: Mapping[str, object], tables: TradingTables) -> str:
    """Return the book a step of a proposal, an intent or an order is of."""
    return str(step.get("book_id") or tables.intents[str(step["intent_id"])].intent.book_id)


def _posted(key: FillKey, row: FillRow) -> PostedFill:
    return PostedFill(
        fill_id=" ".join((key.venue, key.account, key.symbol, key.trade_id)),
        book_id=row.book_id,
        venue=key.venue,
        account=key.account,
        order_id=row.order_id,
        realised=row.realised,
        fill=row.fill,
    )


def _page(
    rows: Iterable[Row], place: Callable[[Row], tuple[int, str]], before: tuple[int, str] | None, limit: int
) -> list[Row]:
    return sorted((row for row in rows if before is None or place(row) < before), key=place, reverse=True)[:limit]
