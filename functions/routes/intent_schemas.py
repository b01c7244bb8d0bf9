"""What the API reads and answers about trade intents, orders, fills and positions."""

from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import Field, StringConstraints

from functions.routes.book_schemas import Number
from functions.routes.schemas import EXAMPLE_ID, EXAMPLE_TIME, Schema, VenueName
from functions.routes.trade_schemas import AlgorithmBody, BookId
from shared.domain.traders import PositionSide
from shared.domain.trading.asking import EXPIRES_IN_MS, Ask
from shared.domain.trading.instruments import Side
from shared.domain.trading.intents import (
    Algorithm,
    AlgorithmName,
    Guard,
    Purpose,
    SizingMethod,
    Source,
)
from shared.domain.trading.orders import OrderKind, TimeInForce
from shared.domain.trading.records import Order, Role
from shared.domain.trading.states import IntentState, Mode, OrderState
from shared.domain.trading.status import Valued
from shared.domain.trading.told import IntentStory, PostedFill, ToldIntent

AnyNumber = Annotated[Decimal, Field(allow_inf_nan=True)]
"""A number whose sense is judged with everything else of the request, so that all that is wrong is told at once."""
IdempotencyKey = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Out = TypeVar("Out", bound=Schema)


class TradeIntentBody(Schema):
    """A wish to trade."""

    instrument: Annotated[str, StringConstraints(min_length=1, max_length=50)] = Field(
        description="Unified symbol; `BTCUSDT` is read as the spot pair.", examples=["BTC/USDT"]
    )
    direction: PositionSide = Field(description="The side of the position.", examples=["long"])
    size_usd: AnyNumber = Field(description="How much, in the book's quote currency.", examples=[1000])
    confidence: AnyNumber = Field(description="How sure the raiser is, 0 to 1; kept with it.", examples=[0.7])
    stop_loss: AnyNumber | None = Field(None, description="Where it is left at a loss, quote units.", examples=[44000])
    take_profit: AnyNumber | None = Field(
        None, description="Where it is left with profit, quote units.", examples=[48000]
    )
    trailing_rate: AnyNumber | None = Field(
        None, description="Left this fraction below the best price since.", examples=["0.02"]
    )
    hold_ms: int | None = Field(None, description="Left after this time at the latest.", examples=[3_600_000])
    purpose: Purpose = Field(Purpose.ENTER, description="`exit` leaves what is held.", examples=["enter"])
    book_id: BookId | None = Field(
        None, description="The book to trade in; may be left out by who has one alone.", examples=[EXAMPLE_ID]
    )
    venue: VenueName | None = Field(None, description="Where; by default the cheapest.", examples=["binance"])
    algorithm: AlgorithmBody = Field(
        default_factory=lambda: AlgorithmBody.model_validate({}), description="How it is worked; at the market."
    )
    edge_rate: AnyNumber | None = Field(
        None, description="The return it expects, as a fraction; held against costs.", examples=["0.01"]
    )
    expires_in_ms: int = Field(
        EXPIRES_IN_MS, description="How long the wish is of use if it has not begun.", examples=[EXPIRES_IN_MS]
    )
    idempotency_key: IdempotencyKey | None = Field(
        None,
        description="The same key again is the same intent; the header `Idempotency-Key` does it too.",
        examples=["ui-7f3a"],
    )

    def ask(self) -> Ask:
        """Return the wish this body describes."""
        return Ask(
            symbol=self.instrument,
            direction=self.direction,
            purpose=self.purpose,
            size=self.size_usd,
            confidence=self.confidence,
            guard=Guard(
                stop_price=self.stop_loss,
                take_profit_price=self.take_profit,
                trailing_rate=self.trailing_rate,
                hold_ms=self.hold_ms,
            ),
            algorithm=Algorithm(**self.algorithm.model_dump()),
            venue=self.venue,
            edge_rate=self.edge_rate,
            expires_in_ms=self.expires_in_ms,
        )


class QueuedOut(Schema):
    """An intent that waits for its decision."""

    status: Literal["queued"] = Field(description="It is stored and will be decided.", examples=["queued"])
    intent_id: str = Field(description="Ask `/api/v1/intents/{intent_id}` what became of it.", examples=[EXAMPLE_ID])


class WithdrawalBody(Schema):
    """Why an intent is taken back."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)] = Field(
        description="Why, for the record.", examples=["the price ran away"]
    )


class SizingOut(Schema):
    """How much an intent asks for."""

    method: SizingMethod = Field(description="What `value` means.", examples=["notional"])
    value: Number = Field(description="How much.", examples=["1000"])
    win_rate: Number | None = Field(description="Share of winners, of a Kelly bet.", examples=["0.55"])
    payoff: Number | None = Field(description="Average win over average loss, of a Kelly bet.", examples=["1.5"])


class GuardOut(Schema):
    """What protects a position; null where nothing does."""

    stop_price: Number | None = Field(description="Where it is left at a loss.", examples=["44000"])
    take_profit_price: Number | None = Field(description="Where it is left with profit.", examples=["48000"])
    trailing_rate: Number | None = Field(description="Fraction below the best price since.", examples=["0.02"])
    hold_ms: int | None = Field(description="The longest it is held.", examples=[3_600_000])


class AlgorithmOut(Schema):
    """How a quantity is worked."""

    name: AlgorithmName = Field(description="The algorithm.", examples=["twap"])
    duration_ms: int = Field(description="From the start to the deadline.", examples=[300_000])
    slices: int = Field(description="Parts it is cut into.", examples=[5])
    limit_price: Number | None = Field(description="Never crossed, quote units.", examples=["50000"])
    time_in_force: TimeInForce = Field(description="How long an order waits.", examples=["gtc"])
    participation_rate: Number | None = Field(description="Cap on its share of volume.", examples=["0.1"])
    shown_rate: Number | None = Field(description="Share of an iceberg that is shown.", examples=["0.1"])
    completion: str = Field(description="What happens at the deadline.", examples=["cancel"])


class IntentOut(Schema):
    """A trade intent and what was decided of it."""

    intent_id: str = Field(description="Its id.", examples=[EXAMPLE_ID])
    book_id: str = Field(description="The book it trades in.", examples=[EXAMPLE_ID])
    mode: Mode = Field(description="`paper` or `live`.", examples=["paper"])
    source: Source = Field(description="Who raised it.", examples=["signal"])
    trader_id: str | None = Field(description="The trader whose signal raised it.", examples=[EXAMPLE_ID])
    signal_id: str | None = Field(description="The signal that raised it.", examples=[EXAMPLE_ID])
    venue: str | None = Field(description="Where; null leaves it to the router.", examples=["binance"])
    symbol: str = Field(description="Unified symbol.", examples=["BTC/USDT"])
    purpose: Purpose = Field(description="To enter or to leave.", examples=["enter"])
    direction: PositionSide = Field(description="The side of the position.", examples=["long"])
    sizing: SizingOut = Field(description="How much it asks for.")
    guard: GuardOut = Field(description="What is to protect the position.")
    algorithm: AlgorithmOut = Field(description="How it is worked.")
    reference_price: Number | None = Field(description="What its raiser saw, quote units.", examples=["46377"])
    confidence: Number | None = Field(description="How sure its raiser was.", examples=["0.7"])
    edge_rate: Number | None = Field(description="The return it expects.", examples=["0.01"])
    raised_at_ms: int = Field(description="When it was raised (epoch ms).", examples=[EXAMPLE_TIME])
    expires_at_ms: int = Field(description="Until when it may begin (epoch ms).", examples=[EXAMPLE_TIME + 300_000])
    state: IntentState = Field(description="How far it has come.", examples=["executed"])
    qty: Number | None = Field(description="What risk approved, base units.", examples=["0.02156"])
    withdrawn: str | None = Field(
        description="Why it was taken back; null where it was not. What is executing ends once its orders have.",
        examples=["the price ran away"],
    )
    correlation_id: str = Field(description="Follows it through everything.", examples=["9f2c4e6a8b0d"])
    reason: str = Field(description="The last word said of it.", examples=["all of it is filled"])
    reasons: list[dict[str, Any]] = Field(
        description="Why it was denied or made smaller: each with its sentence, value and limit.",
        examples=[[{"reason": "leverage", "sentence": "leverage would be 4, at most 3", "value": "4", "limit": "3"}]],
    )
    updated_at_ms: int = Field(description="When it last changed (epoch ms, database clock).", examples=[EXAMPLE_TIME])

    @classmethod
    def of(cls, told: ToldIntent) -> "IntentOut":
        """Describe an intent."""
        intent = told.intent
        own = shown(cls, intent) | {
            "sizing": picked(SizingOut, intent.sizing),
            "guard": picked(GuardOut, intent.guard),
            "algorithm": picked(AlgorithmOut, intent.algorithm),
        }
        reasons = (told.decision or {}).get("reasons")
        return cls.model_construct(
            **own,
            reason=told.reason,
            reasons=[each for each in reasons if isinstance(each, dict)] if isinstance(reasons, list) else [],
            updated_at_ms=told.updated_at_ms,
        )


class IntentPage(Schema):
    """Intents, newest first."""

    items: list[IntentOut] = Field(description="The intents.")
    next: str | None = Field(description="Pass as `cursor` for the next page; null on the last.", examples=["MTY0MDk5"])


class OrderOut(Schema):
    """One order at one venue."""

    order_id: str = Field(description="Its id.", examples=[EXAMPLE_ID])
    intent_id: str = Field(description="The intent it works.", examples=[EXAMPLE_ID])
    book_id: str = Field(description="The book it trades in.", examples=[EXAMPLE_ID])
    mode: Mode = Field(description="`paper` or `live`.", examples=["paper"])
    venue: str = Field(description="Where.", examples=["binance"])
    symbol: str = Field(description="Unified symbol.", examples=["BTC/USDT"])
    role: Role = Field(description="A slice of the quantity, or protection.", examples=["slice"])
    slice_no: int = Field(description="Which slice of the execution plan.", examples=[1])
    attempt: int = Field(description="Which attempt at it.", examples=[1])
    client_order_id: str = Field(description="The desk's id at the venue.", examples=["nd5f0c6d1b9a3e7c42"])
    venue_order_id: str | None = Field(description="The venue's id.", examples=["123456"])
    side: Side = Field(description="What it does.", examples=["buy"])
    kind: OrderKind = Field(description="What makes it trade.", examples=["market"])
    time_in_force: TimeInForce = Field(description="How long it waits.", examples=["gtc"])
    qty: Number = Field(description="Base units asked for.", examples=["0.02156"])
    limit_price: Number | None = Field(description="The worst price, quote units.", examples=["46400"])
    trigger_price: Number | None = Field(description="The price that makes it trade.", examples=["44000"])
    reduce_only: bool = Field(description="Whether it may only make a position smaller.", examples=[False])
    due_at_ms: int = Field(description="When its time comes (epoch ms).", examples=[EXAMPLE_TIME])
    submitted_at_ms: int | None = Field(description="When it was sent (epoch ms).", examples=[EXAMPLE_TIME + 40])
    state: OrderState = Field(description="How far it has come.", examples=["filled"])
    filled_qty: Number = Field(description="Base units that have filled.", examples=["0.02156"])
    average_price: Number | None = Field(description="At what average price.", examples=["46377.1"])
    reason: str | None = Field(description="Why it ended as it did.", examples=["insufficient_balance"])
    correlation_id: str = Field(description="Follows it through everything.", examples=["9f2c4e6a8b0d"])

    @classmethod
    def of(cls, order: Order) -> "OrderOut":
        """Describe an order."""
        return picked(cls, order)


class OrderPage(Schema):
    """Orders, the last due first."""

    items: list[OrderOut] = Field(description="The orders.")
    next: str | None = Field(description="Pass as `cursor` for the next page; null on the last.", examples=["MTY0MDk5"])


class FillOut(Schema):
    """One execution."""

    trade_id: str = Field(description="The venue's id.", examples=["28457"])
    book_id: str = Field(description="The book it is posted in.", examples=[EXAMPLE_ID])
    order_id: str | None = Field(description="The order it fills.", examples=[EXAMPLE_ID])
    venue: str = Field(description="Where.", examples=["binance"])
    symbol: str = Field(description="Unified symbol.", examples=["BTC/USDT"])
    side: Side = Field(description="What was done.", examples=["buy"])
    qty: Number = Field(description="Base units.", examples=["0.02156"])
    price: Number = Field(description="Quote units.", examples=["46377.1"])
    notional: Number = Field(description="Price times quantity.", examples=["999.89"])
    fee_qty: Number = Field(description="The fee; negative for a rebate.", examples=["0.99989"])
    fee_asset: str = Field(description="What the fee is paid in.", examples=["USDT"])
    fee_notional: Number = Field(description="The fee in quote units.", examples=["0.99989"])
    is_maker: bool = Field(description="Whether it waited in the book.", examples=[False])
    realised: Number = Field(description="What it earned before fees, quote units.", examples=["0"])
    event_time: int = Field(description="When, by the venue's clock (epoch ms).", examples=[EXAMPLE_TIME + 60])

    @classmethod
    def of(cls, posted: PostedFill) -> "FillOut":
        """Describe a fill."""
        own = shown(cls, posted.fill) | shown(cls, posted)
        return cls.model_construct(**own, notional=posted.fill.notional)


class FillPage(Schema):
    """Fills, newest first."""

    items: list[FillOut] = Field(description="The fills.")
    next: str | None = Field(description="Pass as `cursor` for the next page; null on the last.", examples=["MTY0MDk5"])


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
    def of(cls, story: IntentStory) -> "IntentStoryOut":
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


class PositionOut(Schema):
    """What a book holds at a venue, and what it is worth now; null where no current price is known."""

    book_id: str = Field(description="The book.", examples=[EXAMPLE_ID])
    venue: str = Field(description="Where.", examples=["binance"])
    symbol: str = Field(description="Unified symbol.", examples=["BTC/USDT"])
    qty: Number = Field(description="Base units, short is negative.", examples=["0.02156"])
    entry_price: Number | None = Field(description="Average price of what is held.", examples=["46377.1"])
    mark_price: Number | None = Field(description="What it trades at now.", examples=["46500"])
    mark_time_ms: int | None = Field(description="As of when (epoch ms).", examples=[EXAMPLE_TIME])
    notional: Number | None = Field(description="Quantity at the mark price.", examples=["1002.54"])
    unrealised: Number | None = Field(description="What closing would earn before fees.", examples=["2.65"])
    realised: Number = Field(description="Earned by what was closed, before fees.", examples=["0"])
    fees: Number = Field(description="Paid so far, quote units.", examples=["0.99989"])
    opened_at_ms: int | None = Field(description="When it last left zero (epoch ms).", examples=[EXAMPLE_TIME])
    guard: GuardOut = Field(description="What protects it.")

    @classmethod
    def of(cls, valued: Valued) -> "PositionOut":
        """Describe a position."""
        position, mark = valued.held.position, valued.mark
        return cls.model_construct(
            **shown(cls, position),
            entry_price=position.entry_price,
            mark_price=None if mark is None else mark.price,
            mark_time_ms=None if mark is None else mark.time_ms,
            notional=None if mark is None else position.qty * mark.price,
            unrealised=valued.unrealised,
            guard=picked(GuardOut, valued.held.guard),
        )


class PositionPage(Schema):
    """Positions by book, venue and symbol."""

    items: list[PositionOut] = Field(description="The positions.")


class StepOut(Schema):
    """One step of something on its way from signal to position."""

    at: str | None = Field(description="When, database clock.", examples=["2022-01-01T00:01:00.180+00:00"])
    subject: str = Field(description="signal, intent, order or fill.", examples=["intent"])
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


def shown(kind: type[Schema], value: Any) -> dict[str, Any]:
    """Return the fields of a domain object that a schema has too."""
    return {each.name: getattr(value, each.name) for each in fields(value) if each.name in kind.model_fields}


def picked(kind: type[Out], value: Any) -> Out:
    """Describe a domain object by the fields a schema has of it."""
    return cast("Out", kind.model_construct(**shown(kind, value)))
