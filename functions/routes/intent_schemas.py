"""What the API reads and answers about trade intents."""

from dataclasses import fields
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, cast

from pydantic import Field, StringConstraints

from functions.routes.book_schemas import Number
from functions.routes.schemas import EXAMPLE_ID, EXAMPLE_TIME, Schema, VenueName
from functions.routes.trade_schemas import AlgorithmBody, BookId
from shared.domain.traders import PositionSide
from shared.domain.trading.asking import EXPIRES_IN_MS, Ask
from shared.domain.trading.intents import (
    Algorithm,
    AlgorithmName,
    Guard,
    Purpose,
    SizingMethod,
    Source,
)
from shared.domain.trading.orders import TimeInForce
from shared.domain.trading.states import IntentState, Mode

if TYPE_CHECKING:
    from shared.domain.trading.told import ToldIntent

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
    def of(cls, told: "ToldIntent") -> "IntentOut":
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


def shown(kind: type[Schema], value: Any) -> dict[str, Any]:
    """Return the fields of a domain object that a schema has too."""
    return {each.name: getattr(value, each.name) for each in fields(value) if each.name in kind.model_fields}


def picked(kind: type[Out], value: Any) -> Out:
    """Describe a domain object by the fields a schema has of it."""
    return cast("Out", kind.model_construct(**shown(kind, value)))
