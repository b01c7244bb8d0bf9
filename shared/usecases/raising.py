"""Raise intents and have them decided at once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared.domain.errors import TransientError
from shared.domain.trading.states import IntentState
from shared.messages import IntentRaised

if TYPE_CHECKING:
    from shared.domain.trading.intents import Intent
    from shared.ports import Queue
    from shared.trading_ports import IntentStore

logger = logging.getLogger(__name__)


def raise_and_announce(
    intent: Intent, *, actor: str, intents: IntentStore, queue: Queue, person: str | None = None
) -> Intent:
    """Store an intent, or find the one of the same id, and queue it unless it is decided; return it as it is stored."""
    stored = intents.raise_intent(intent, actor=actor, person=person)
    if stored.state is IntentState.PENDING:
        message = IntentRaised(intent_id=stored.intent_id, correlation_id=stored.correlation_id)
        queue.send([message.model_dump_json()])
    return stored


def announce_intents(intent_ids: Sequence[str], correlation_id: str, *, queue: Queue) -> None:
    """Have intents decided now. They are stored: when the queue does not take them, risk-agent's sweep finds them."""
    messages = [IntentRaised(intent_id=intent_id, correlation_id=correlation_id) for intent_id in intent_ids]
    try:
        if messages:
            queue.send([message.model_dump_json() for message in messages])
    except TransientError as error:
        logger.warning("%d intents are left to the sweep: %s", len(messages), error)
