"""Tell how something came about: from the signal, or the wish, to the position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.domain.errors import NotFoundError
from shared.usecases.risk_desk import value_positions

if TYPE_CHECKING:
    from shared.domain.trading.status import Valued
    from shared.domain.trading.told import IntentStory
    from shared.ports import TickerBoard
    from shared.trading_reads import TradingReads


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The steps under a correlation id, the intents among them, and what their books hold of those symbols now."""

    correlation_id: str
    steps: Sequence[Mapping[str, object]]
    stories: Sequence[IntentStory]
    positions: Sequence[Valued]


def trace(wanted_id: str, *, reads: TradingReads, tickers: TickerBoard) -> Trace:
    """Return everything under a correlation id, or what one intent came from and led to when it is an intent's.

    Raise `NotFoundError` when there is nothing of either that one may see.
    """
    steps = reads.trace(wanted_id)
    correlation_id, only = wanted_id, None
    if not steps:
        only = reads.intent(wanted_id)
        correlation_id = only.told.intent.correlation_id
        steps = [step for step in reads.trace(correlation_id) if _is_of(step, only)]
    ids = dict.fromkeys(str(step["id"]) for step in steps if step["subject"] == "intent")
    stories = [only] if only else [reads.intent(intent_id) for intent_id in ids]
    if not steps and not stories:
        raise NotFoundError(f"nothing is known under {wanted_id!r}")
    places = {(order.book_id, order.venue, order.symbol) for story in stories for order in story.orders}
    held = [
        each
        for book_id in sorted({book_id for book_id, _, _ in places})
        for each in reads.positions(book_id=book_id, flat_too=True)
        if (book_id, each.position.venue, each.position.symbol) in places
    ]
    return Trace(
        correlation_id=correlation_id, steps=steps, stories=stories, positions=value_positions(held, tickers=tickers)
    )


def _is_of(step: Mapping[str, object], story: IntentStory) -> bool:
    intent = story.told.intent
    if step["subject"] == "signal":
        return step["id"] == intent.signal_id
    return step["intent_id"] == intent.intent_id
