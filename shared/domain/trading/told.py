"""What the desk tells of trading: rows as people read them, with what was decided and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from shared.domain.trading.intents import Intent
from shared.domain.trading.orders import Fill
from shared.domain.trading.records import Order
from shared.domain.trading.states import TradingState


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldIntent:
    """An intent with what risk decided of it (None before), and who said the last word of it, when (epoch ms)."""

    intent: Intent
    decision: Mapping[str, object] | None
    actor: str
    reason: str
    updated_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedFill:
    """A fill with where it was posted; `realised` is what it earned before fees, in quote units.

    `fill_id` is its identity as one text, `order_id` is None where no order of the desk is known for it.
    """

    fill_id: str
    book_id: str
    venue: str
    account: str
    order_id: str | None
    realised: Decimal
    fill: Fill


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentStory:
    """An intent with its execution plan (None before), its orders as they are due, and their fills."""

    told: ToldIntent
    plan: Mapping[str, object] | None
    orders: tuple[Order, ...]
    fills: tuple[PostedFill, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityPoint:
    """What a book was worth at a minute (market time), all in quote units."""

    at_ms: int
    equity: Decimal
    realised: Decimal
    fees: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TrippedBreaker:
    """A breaker of a book that went off at an instant (market time), and the state it asked for."""

    breaker: str
    at_ms: int
    state: TradingState
    reason: str
