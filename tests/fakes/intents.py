"""Trade intents in memory; passes the same contract suite as the Supabase adapter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from shared.domain.errors import ConflictError, ForbiddenError, InvalidMessageError
from shared.domain.trading.intents import Intent, Purpose, Source
from shared.domain.trading.money import ZERO, total
from shared.domain.trading.records import BookView, Leaving, Role
from shared.domain.trading.states import AT_RISK, IntentState, OrderState, is_final
from tests.fakes.books import book_view
from tests.fakes.stores import MemoryDatabase
from tests.fakes.trading_tables import (
    APPROVED,
    UNFINISHED,
    IntentRow,
    advance_intent,
    check_version,
    checked_step,
    require_trading,
    stored_intent,
)

ENDS = frozenset({IntentState.EXECUTED, IntentState.FAILED, IntentState.EXPIRED})


@dataclass(slots=True)
class MemoryIntentStore:
    """Intents of a database."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)

    def raise_intent(self, intent: Intent, *, actor: str, person: str | None = None) -> Intent:
        """Store an intent, or return the one of the same id; a person only into a book of theirs."""
        tables = self.database.trading
        known = tables.intents.get(intent.intent_id)
        book = tables.books.get(known.intent.book_id if known else intent.book_id)
        if person is not None and (book is None or book.owner_id != person):
            raise ForbiddenError(f"book {intent.book_id!r} is not yours")
        if known:
            return known.intent
        if intent.source is Source.PERSON:
            self.database.people.refuse_viewer(actor)
        self._check(intent)
        if intent.purpose is Purpose.ENTER and book is not None:
            self.database.people.require_mode(book.owner_id, intent.mode)
        tables.intents[intent.intent_id] = IntentRow(intent)
        tables.note("intent", intent, None, actor, "")
        return intent

    def view(self, intent_id: str, *, now_ms: int, holder: str, lease_ms: int) -> BookView | None:
        """Lease a pending intent and return it with its book; None when not pending or somebody else's."""
        row, now = self.database.trading.intents.get(intent_id), self.database.clock.now_ms()
        if (
            row is None
            or row.intent.state is not IntentState.PENDING
            or (row.lease_until > now and row.lease_holder != holder)
        ):
            return None
        row.lease_until, row.lease_holder = now + lease_ms, holder
        return book_view(self.database, row.intent.book_id, now_ms, row.intent)

    def decide(
        self,
        intent: Intent,
        state: IntentState,
        *,
        risk_version: int,
        qty: Decimal | None,
        decision: Mapping[str, object],
        actor: str,
        reason: str,
    ) -> Intent:
        """Store a decision; approving one needs the book's risk version it was made on."""
        tables, row = self.database.trading, stored_intent(self.database.trading, intent.intent_id)
        stored = row.intent
        if stored.version == intent.version + 1 and (stored.state, stored.qty, row.decision) == (state, qty, decision):
            return stored
        check_version("the intent", stored.version, intent.version)
        if state not in APPROVED | {IntentState.DENIED}:
            raise ConflictError(f"{state} is no decision")
        checked_step(stored.state, state)
        if state in APPROVED:
            price = stored.reference_price or intent.reference_price
            if price is None:
                raise InvalidMessageError("reference_price", "expected the price it was decided at")
            if qty is None or not qty.is_finite() or qty <= 0:
                raise InvalidMessageError("qty", f"expected a quantity, got {qty}")
            book = tables.books[stored.book_id]
            check_version("the book", book.risk_version, risk_version)
            states = self.database.states_of(stored.book_id, stored.venue, stored.symbol, stored.trader_id)
            where = (stored.book_id, stored.venue, stored.symbol)
            reduces = tables.reduces(*where, side=stored.side, qty=qty, guard=Role.SLICE)
            require_trading(states, reduces=reduces)
            tables.books[book.book_id] = replace(book, risk_version=risk_version + 1)
            row.intent = replace(stored, reference_price=price)
        row.decision = decision
        return advance_intent(tables, row, state, actor=actor, reason=reason, qty=qty)

    def pending(self, *, limit: int, now_ms: int) -> Sequence[str]:
        """Return the ids of pending intents nobody has leased, oldest first, after expiring those past their time."""
        tables, now = self.database.trading, self.database.clock.now_ms()
        free = [
            row for row in tables.intents.values() if row.intent.state is IntentState.PENDING and row.lease_until <= now
        ]
        for row in free:
            if row.intent.expires_at_ms <= now_ms:
                advance_intent(tables, row, IntentState.EXPIRED, actor="sweep", reason="not decided in time")
        waiting = [row.intent for row in free if row.intent.state is IntentState.PENDING]
        waiting.sort(key=lambda intent: (intent.raised_at_ms, intent.intent_id))
        return [intent.intent_id for intent in waiting[:limit]]

    def unfinished(self, *, limit: int) -> Sequence[str]:
        """Return the ids of approved, modified and executing intents, those looked at longest ago first."""
        tables = self.database.trading
        rows = sorted(
            (row for row in tables.intents.values() if row.intent.state in UNFINISHED), key=lambda row: row.looked_at
        )[:limit]
        for row in rows:
            tables.looks += 1
            row.looked_at = tables.looks
        return [row.intent.intent_id for row in rows]

    def leaving(self, book_id: str, venue: str, symbol: str) -> Sequence[Leaving]:
        """Return the exits of a position that are approved or executing, oldest first."""
        tables = self.database.trading
        exits = [
            intent
            for intent in (row.intent for row in tables.intents.values())
            if (intent.book_id, intent.symbol, intent.purpose) == (book_id, symbol, Purpose.EXIT)
            and intent.venue in {None, venue}
            and intent.state in UNFINISHED
        ]
        exits.sort(key=lambda intent: (intent.raised_at_ms, intent.intent_id))
        posted = {
            intent.intent_id: total(row.posted_qty for row in tables.slices_of(intent.intent_id)) for intent in exits
        }
        return [Leaving(intent=each, qty=(each.qty or ZERO) - posted[each.intent_id]) for each in exits]

    def finish(self, intent: Intent, state: IntentState, *, actor: str, reason: str) -> Intent:
        """End an intent that was executing, or expire one that never was."""
        tables, row = self.database.trading, stored_intent(self.database.trading, intent.intent_id)
        if row.intent.version == intent.version + 1 and row.intent.state is state:
            return row.intent
        check_version("the intent", row.intent.version, intent.version)
        if state not in ENDS:
            raise ConflictError(f"{state} is no end")
        for part in tables.slices_of(intent.intent_id):
            order = part.order
            if order.state in AT_RISK | {OrderState.NEW} or order.filled_qty > part.posted_qty:
                raise ConflictError(f"order {order.order_id} has not ended, or its fills are not posted")
        return advance_intent(tables, row, state, actor=actor, reason=reason)

    def withdraw(self, intent: Intent, *, actor: str, reason: str) -> Intent:
        """Take an intent back; one that has ended, or was withdrawn before, is returned as it is."""
        tables, row = self.database.trading, stored_intent(self.database.trading, intent.intent_id)
        if row.intent.withdrawn is not None or is_final(row.intent.state):
            return row.intent
        check_version("the intent", row.intent.version, intent.version)
        if not reason:
            raise InvalidMessageError("withdrawn", "expected a reason")
        row.intent = replace(row.intent, withdrawn=reason)
        if row.intent.state is not IntentState.EXECUTING:
            return advance_intent(tables, row, IntentState.EXPIRED, actor=actor, reason=reason)
        row.intent = replace(row.intent, version=row.intent.version + 1)
        tables.note("intent", row.intent, IntentState.EXECUTING, actor, reason, after="withdrawn")
        return row.intent

    def trace(self, correlation_id: str) -> Sequence[Mapping[str, object]]:
        """Return every step of everything with a correlation id, signals first."""
        signals = [
            {"subject": "signal", "id": row.signal_id, "before": None, "after": "recorded"}
            for row in self.database.signals.values()
            if row.correlation_id == correlation_id
        ]
        return [*signals, *(step for step in self.database.trading.steps if step["correlation_id"] == correlation_id)]

    def _check(self, intent: Intent) -> None:
        book = self.database.trading.books.get(intent.book_id)
        if book is None:
            raise InvalidMessageError("book_id", f"no book {intent.book_id!r}")
        if intent.state is not IntentState.PENDING:
            raise ConflictError(f"an intent begins as pending, not {intent.state}")
        if book.mode is not intent.mode:
            raise InvalidMessageError("mode", f"book {book.book_id} is a {book.mode} book")
        if not intent.sizing.value.is_finite() or intent.sizing.value <= 0:
            raise InvalidMessageError("sizing", f"expected a size, got {intent.sizing.value}")
        if intent.expires_at_ms <= intent.raised_at_ms:
            raise InvalidMessageError("expires_at_ms", "expected it to expire after it was raised")
