"""Trade intents in Supabase: each method is one SQL function, one transaction, safe to repeat."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from postgrest import SyncPostgrestClient

from shared.adapters.supabase.client import call
from shared.adapters.supabase.trading_rows import BOOK_VIEW, INTENT, LEAVING, read, write
from shared.domain.trading.intents import Intent
from shared.domain.trading.records import BookView, Leaving
from shared.domain.trading.states import IntentState


@dataclass(frozen=True, slots=True)
class SupabaseIntentStore:
    """Intents as rows of `trade_intents`; the database's clock decides leases, the market's the rest."""

    client: SyncPostgrestClient

    def raise_intent(self, intent: Intent, *, actor: str, person: str | None = None) -> Intent:
        """Store an intent, or return the one of the same id; a person only into a book of theirs."""
        values = {"p_intent": write(INTENT, intent), "p_actor": actor, "p_person": person}
        return self._intent("raise_intent", values, intent.intent_id)

    def view(self, intent_id: str, *, now_ms: int, holder: str, lease_ms: int) -> BookView | None:
        """Lease a pending intent and return it with its book; None when not pending or somebody else's."""
        lease = {"p_now_ms": now_ms, "p_lease_ms": lease_ms, "p_holder": holder}
        data = call(self.client, "view_intent", {"p_intent_id": intent_id} | lease)
        return None if data is None else read(BOOK_VIEW, data, intent_id)

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
        values = {
            "p_risk_version": risk_version,
            "p_qty": None if qty is None else str(qty),
            "p_reference_price": None if intent.reference_price is None else str(intent.reference_price),
            "p_decision": decision,
        }
        return self._intent("decide_intent", values | _step(intent, state, actor, reason), intent.intent_id)

    def pending(self, *, limit: int, now_ms: int) -> Sequence[str]:
        """Return the ids of pending intents nobody has leased, oldest first, after expiring those past their time."""
        found: list[str] = call(self.client, "pending_intents", {"p_limit": limit, "p_now_ms": now_ms})
        return found

    def unfinished(self, *, limit: int) -> Sequence[str]:
        """Return the ids of approved, modified and executing intents, those looked at longest ago first."""
        found: list[str] = call(self.client, "unfinished_intents", {"p_limit": limit})
        return found

    def leaving(self, book_id: str, venue: str, symbol: str) -> Sequence[Leaving]:
        """Return the exits of a position that are approved or executing, oldest first."""
        found = call(self.client, "leaving_intents", {"p_book_id": book_id, "p_venue": venue, "p_symbol": symbol})
        return read(LEAVING, found, book_id)

    def finish(self, intent: Intent, state: IntentState, *, actor: str, reason: str) -> Intent:
        """End an intent that was executing, or expire one that never was."""
        return self._intent("finish_intent", _step(intent, state, actor, reason), intent.intent_id)

    def withdraw(self, intent: Intent, *, actor: str, reason: str) -> Intent:
        """Take an intent back; one that has ended, or was withdrawn before, is returned as it is."""
        values = {
            "p_intent_id": intent.intent_id,
            "p_version": intent.version,
            "p_actor": actor,
            "p_reason": reason,
        }
        return self._intent("withdraw_intent", values, intent.intent_id)

    def trace(self, correlation_id: str) -> Sequence[Mapping[str, object]]:
        """Return every step of everything with a correlation id, oldest first."""
        found: list[dict[str, object]] = call(self.client, "trace", {"p_correlation_id": correlation_id})
        return found

    def _intent(self, function: str, values: dict[str, Any], intent_id: str) -> Intent:
        return read(INTENT, call(self.client, function, values), f"no intent {intent_id!r}")


def _step(intent: Intent, state: IntentState, actor: str, reason: str) -> dict[str, Any]:
    return {
        "p_intent_id": intent.intent_id,
        "p_version": intent.version,
        "p_state": state.value,
        "p_actor": actor,
        "p_reason": reason,
    }
