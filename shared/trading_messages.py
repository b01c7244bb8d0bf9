"""The messages of trading, from a decided intent to its orders, and the answers of the functions that work them."""

from typing import Annotated, Final, Literal

from pydantic import Discriminator, Field, StringConstraints, Tag, TypeAdapter

from shared.domain.agents import Memory
from shared.domain.trading.states import IntentState, is_final
from shared.messages import (
    READ_LATE,
    AssetName,
    CorrelationId,
    CronTick,
    IntentRaised,
    Message,
    Uuid,
    VenueName,
    failures_of,
    new_id,
)


class IntentDecided(Message):
    """An intent was approved and waits to be worked."""

    schema_version: Literal[1] = 1
    event_id: CorrelationId = Field(default_factory=new_id)
    intent_id: Uuid
    correlation_id: CorrelationId


class SliceDue(Message):
    """The time of an intent's order has come, or an order's outcome is to be asked for."""

    schema_version: Literal[1] = 1
    event_id: CorrelationId = Field(default_factory=new_id)
    intent_id: Uuid
    order_id: Uuid
    slice_no: int = Field(ge=1)
    correlation_id: CorrelationId


class TickersWritten(Message):
    """Fresh prices of a venue are on the board: whatever the desk protects there is looked at."""

    tickers_of: VenueName
    correlation_id: CorrelationId = Field(default_factory=new_id)


class AdoptBalances(Message):
    """An operator takes what balances of a venue's live account differ by (of one asset, or all) for paid in or out."""

    schema_version: Literal[1] = 1
    event_id: CorrelationId = Field(default_factory=new_id)
    adopt_at: VenueName
    asset: AssetName | None = None
    actor: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class RiskResult(Message):
    """What became of intents, by id: their states, and the words they were decided with; which books' breakers went off
    and why; what could not be done."""

    decided: dict[str, str] = Field(default_factory=dict)
    why: dict[str, str] = Field(default_factory=dict)
    tripped: dict[str, list[str]] = Field(default_factory=dict)
    errors: dict[str, str] = Field(default_factory=dict)

    def memories(self) -> list[Memory]:
        """Return the decisions that were made, and the breakers that went off."""
        found = [
            Memory(event_type="decided", data={"intent_id": known, "state": self.decided[known], "why": why})
            for known, why in self.why.items()
        ]
        found += [
            Memory(event_type="tripped", data={"book_id": known, "why": why}) for known, why in self.tripped.items()
        ]
        return found + failures_of(self.errors)


class ExecutionResult(Message):
    """What became of intents, by id, how many orders were sent and fills posted, what was protected and reconciled,
    adopted (quantity by asset), and what could not be; `skipped` says why nothing else was done."""

    skipped: str | None = None
    worked: dict[str, str] = Field(default_factory=dict)
    orders: int = 0
    fills: int = 0
    exits: list[str] = Field(default_factory=list)
    settled: int = 0
    adopted: dict[str, str] = Field(default_factory=dict)
    differences: list[str] = Field(default_factory=list)
    errors: dict[str, str] = Field(default_factory=dict)

    def memories(self) -> list[Memory]:
        """Return the intents that ended, exits, what was settled and adopted, and what differs."""
        ended = {intent_id: how for intent_id, how in self.worked.items() if how.startswith(_ENDS)}
        found = [Memory(event_type="ended", data={"intent_id": known, "how": how}) for known, how in ended.items()]
        found += [Memory(event_type="exit", data={"intent_id": intent_id}) for intent_id in self.exits]
        if self.settled:
            found.append(Memory(event_type="settled", data={"orders_and_postings": self.settled}))
        if self.adopted:
            found.append(Memory(event_type="adopted", data=self.adopted))
        if self.differences:
            found.append(Memory(event_type="differs", data={"differences": self.differences}))
        return found + failures_of(self.errors)


_ENDS: Final = tuple(f"{state}: " for state in IntentState if is_final(state))
"""How the words begin that say an intent has just ended."""


def _kind_of_risk(payload: object) -> str:
    return "cron" if isinstance(payload, dict) and "trigger" in payload else "intent"


def _kind_of_order(payload: object) -> str:
    keys = payload if isinstance(payload, dict) else {}
    return next((kind for key, kind in _ORDER_KINDS.items() if key in keys), "intent")


_ORDER_KINDS = {"trigger": "cron", "order_id": "slice", "tickers_of": "tickers", "adopt_at": "adoption"}

RiskRequest: TypeAdapter[CronTick | IntentRaised] = TypeAdapter(
    Annotated[Annotated[CronTick, Tag("cron")] | Annotated[IntentRaised, Tag("intent")], Discriminator(_kind_of_risk)],
    config=READ_LATE,
)
ExecutionRequest: TypeAdapter[CronTick | SliceDue | TickersWritten | AdoptBalances | IntentDecided] = TypeAdapter(
    Annotated[
        Annotated[CronTick, Tag("cron")]
        | Annotated[SliceDue, Tag("slice")]
        | Annotated[TickersWritten, Tag("tickers")]
        | Annotated[AdoptBalances, Tag("adoption")]
        | Annotated[IntentDecided, Tag("intent")],
        Discriminator(_kind_of_order),
    ],
    config=READ_LATE,
)
