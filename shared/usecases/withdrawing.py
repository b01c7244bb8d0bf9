"""Withdraw intents: what has not begun expires, what is executing is wound down at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.domain.errors import ConflictError, ForbiddenError, TransientError
from shared.domain.trading.states import IntentState
from shared.trading_messages import IntentDecided

if TYPE_CHECKING:
    from shared.book_ports import BookStore
    from shared.domain.trading.intents import Intent
    from shared.domain.trading.told import ToldIntent
    from shared.ports import Queue
    from shared.trading_ports import IntentStore, OrderStore
    from shared.trading_reads import TradingReads
    from shared.usecases.books import Caller

_ATTEMPTS: Final = 5


def withdraw(
    intent_id: str, *, actor: str, reason: str, intents: IntentStore, orders: OrderStore, orders_queue: Queue
) -> Intent:
    """Withdraw an intent and have execution cancel what rests of it; return it as it is then, ended or not.

    One that has ended is returned as it ended. Raise `NotFoundError`; `TransientError` while it changes too fast.
    """
    for _ in range(_ATTEMPTS):
        intent = orders.execution(intent_id).intent
        try:
            withdrawn = intents.withdraw(intent, actor=actor, reason=reason)
        except ConflictError:
            continue  # it has just been decided, started or ended: what it is now is withdrawn
        if withdrawn.state is IntentState.EXECUTING:
            message = IntentDecided(intent_id=intent_id, correlation_id=withdrawn.correlation_id)
            orders_queue.send([message.model_dump_json()])
        return withdrawn
    raise TransientError(f"intent {intent_id!r} changes faster than it can be withdrawn")


def withdraw_intent(
    intent_id: str,
    *,
    reason: str,
    caller: Caller,
    seen: TradingReads,
    books: BookStore,
    intents: IntentStore,
    orders: OrderStore,
    orders_queue: Queue,
) -> ToldIntent:
    """Withdraw an intent for its book's owner or an operator, and return it as it is told then.

    Raise `NotFoundError` for one the caller cannot see (`seen`), `ForbiddenError` for one in somebody else's book.
    """
    book = books.get(seen.intent(intent_id).told.intent.book_id)
    if not (caller.operates or caller.may_change(book)):
        raise ForbiddenError(f"intent {intent_id!r} is not yours")
    withdraw(intent_id, actor=caller.actor, reason=reason, intents=intents, orders=orders, orders_queue=orders_queue)
    return seen.intent(intent_id).told
