"""Raise intents and have them decided at once."""

from shared.domain.trading.intents import Intent
from shared.domain.trading.states import IntentState
from shared.messages import IntentRaised
from shared.ports import Queue
from shared.trading_ports import IntentStore


def raise_and_announce(
    intent: Intent, *, actor: str, intents: IntentStore, queue: Queue, person: str | None = None
) -> Intent:
    """Store an intent, or find the one of the same id, and queue it unless it is decided; return it as it is stored."""
    stored = intents.raise_intent(intent, actor=actor, person=person)
    if stored.state is IntentState.PENDING:
        message = IntentRaised(intent_id=stored.intent_id, correlation_id=stored.correlation_id)
        queue.send([message.model_dump_json()])
    return stored
