"""What the API answers about all that came of an intent."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from functions.routes.intent_schemas import IntentOut, shown
from functions.routes.order_schemas import FillOut, OrderOut, PositionOut
from functions.routes.schemas import EXAMPLE_ID, Schema

if TYPE_CHECKING:
    from shared.domain.trading.told import IntentStory


class ToldOrderOut(OrderOut):
    """An order with its fills."""

    fills: list[FillOut] = Field(description="What has filled, oldest first.")


class IntentStoryOut(Schema):
    """An intent with everything that came of it."""

    intent: IntentOut = Field(description="The intent.")
    decision: dict[str, Any] | None = Field(
        description="What risk decided, with every figure it was decided on; null before.",
        examples=[{"state": "approved", "qty": "0.02156", "why": "1000 USDT at 46377 USDT: 0.02156 BTC"}],
    )
    plan: dict[str, Any] | None = Field(
        description="The execution plan, slice by slice; null before.", examples=[{"slices": []}]
    )
    orders: list[ToldOrderOut] = Field(description="Its orders with their fills, as they are due.")

    @classmethod
    def of(cls, story: "IntentStory") -> "IntentStoryOut":
        """Describe an intent with what came of it."""
        orders = [
            ToldOrderOut.model_construct(
                **shown(OrderOut, order),
                fills=[FillOut.of(fill) for fill in story.fills if fill.order_id == order.order_id],
            )
            for order in story.orders
        ]
        decision = None if story.told.decision is None else dict(story.told.decision)
        plan = None if story.plan is None else dict(story.plan)
        return cls.model_construct(intent=IntentOut.of(story.told), decision=decision, plan=plan, orders=orders)


class StepOut(Schema):
    """One step of something on its way from signal to position."""

    at: str | None = Field(description="When, database clock.", examples=["2022-01-01T00:01:00.180+00:00"])
    subject: str = Field(description="signal, proposal, intent, order or fill.", examples=["intent"])
    id: str = Field(description="Its id.", examples=[EXAMPLE_ID])
    intent_id: str | None = Field(description="The intent it belongs to.", examples=[EXAMPLE_ID])
    before: str | None = Field(description="The state before; null for what is new.", examples=["pending"])
    after: str = Field(description="The state after.", examples=["approved"])
    actor: str = Field(description="Who did it.", examples=["risk-agent"])
    reason: str = Field(description="Why.", examples=["1000 USDT at 46377 USDT: 0.02156 BTC"])
    details: dict[str, Any] | None = Field(
        description="The row, decision, plan or fill that goes with it.", examples=[{"qty": "0.02156"}]
    )

    @classmethod
    def of(cls, step: Mapping[str, object]) -> "StepOut":
        """Describe a step as the database tells it."""
        told = {name: step.get(name) for name in cls.model_fields}
        return cls.model_validate(told | {"actor": told["actor"] or "", "reason": told["reason"] or ""})


class TraceOut(Schema):
    """Everything with one correlation id, oldest first."""

    correlation_id: str = Field(description="The id.", examples=["9f2c4e6a8b0d"])
    steps: list[StepOut] = Field(description="Steps of signals, intents, orders and fills.")
    stories: list[IntentStoryOut] = Field(description="The intents among them, with all that came of each.")
    positions: list[PositionOut] = Field(description="What their books hold there now.")
