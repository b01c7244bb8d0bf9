"""Stores of a storm: watched as they change, and used by processes that die, lose answers and are overtaken."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from shared.domain.errors import TransientError
from shared.domain.trading.intents import Intent
from shared.domain.trading.records import BookView, Order
from shared.domain.trading.states import IntentState, TradingState, strictest
from tests.fakes.intents import MemoryIntentStore
from tests.fakes.orders import MemoryOrderStore
from tests.storm.venue import Dice, Killed


@dataclass(slots=True)
class WatchedIntents(MemoryIntentStore):
    """Intents; `approved` is told of each that was, `viewed` of the book each is decided on."""

    approved: Callable[[Intent, TradingState], None] = lambda *_: None
    viewed: Callable[[str, str], None] = lambda *_: None

    def view(self, intent_id: str, *, now_ms: int, holder: str, lease_ms: int) -> BookView | None:
        """View, then tell."""
        view = MemoryIntentStore.view(self, intent_id, now_ms=now_ms, holder=holder, lease_ms=lease_ms)
        if view is not None:
            self.viewed(intent_id, view.book.book_id)
        return view

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
        """Store a decision, then tell."""
        known = self.database.trading.intents[intent.intent_id].intent
        scopes = self.database.states_of(known.book_id, known.venue, known.symbol, known.trader_id)
        stored = MemoryIntentStore.decide(
            self, intent, state, risk_version=risk_version, qty=qty, decision=decision, actor=actor, reason=reason
        )
        if stored.state in (IntentState.APPROVED, IntentState.MODIFIED) and known.state is IntentState.PENDING:
            self.approved(stored, strictest(scopes)[0])
        return stored


@dataclass(slots=True)
class WatchedOrders(MemoryOrderStore):
    """Orders; `submitted` is told of each that may be sent from now on."""

    submitted: Callable[[Order, TradingState], None] = lambda *_: None

    def submit(self, order_id: str, *, now_ms: int, lease_ms: int, actor: str) -> Order | None:
        """Submit, then tell."""
        sent = MemoryOrderStore.submit(self, order_id, now_ms=now_ms, lease_ms=lease_ms, actor=actor)
        if sent is not None:
            scopes = self.database.states_of(sent.book_id, sent.venue, sent.symbol, None)
            self.submitted(sent, strictest(scopes)[0])
        return sent


class Mortal:
    """A store as seen by a process that may die at any call, wait for an answer in vain, or be overtaken."""

    def __init__(self, store: Any, dice: Dice, overtake: Callable[[], None]) -> None:
        self._store, self._dice, self._overtake = store, dice, overtake

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def call(*given: Any, **named: Any) -> Any:
            if self._dice.roll("overtaken", 0.01):
                self._overtake()
            if self._dice.roll("killed_before_store", 0.0015):
                raise Killed
            if self._dice.roll("store_away", 0.002):
                raise TransientError("the database is away")
            answer = method(*given, **named)
            if self._dice.roll("killed_after_store", 0.0015):
                raise Killed
            if self._dice.roll("store_answer_lost", 0.002):
                raise TransientError("the database did not answer")
            return answer

        return call
