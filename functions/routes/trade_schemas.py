"""What the API reads and answers about how a trader's signals are traded."""

from dataclasses import asdict
from decimal import Decimal
from typing import Annotated, Final

from pydantic import Field, StringConstraints, TypeAdapter

from functions.routes.schemas import Schema
from shared.domain.trading.intents import AlgorithmName, Completion, SizingMethod
from shared.domain.trading.orders import TimeInForce
from shared.domain.trading.terms import HORIZON_MS, MAX_HOLD_BARS, MAX_RATE, TradeTerms

BookId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
_Amount = Annotated[Decimal, Field(gt=0, le=Decimal("1e18"), max_digits=38, decimal_places=18)]
_Share = Annotated[Decimal, Field(gt=0, le=1, decimal_places=18)]
_Distance = Annotated[Decimal, Field(gt=0, le=MAX_RATE, decimal_places=18)]
_TERMS: Final = TypeAdapter(TradeTerms)


class SizingBody(Schema):
    """How much to trade."""

    method: SizingMethod = Field(description="What `value` means.", examples=["notional"])
    value: _Amount = Field(
        description="`notional`: quote units; `qty`: base units; `risk`: the fraction of equity lost at the stop;"
        " `volatility`: the fraction one average true range may move; `kelly`: the fraction of the Kelly bet.",
        examples=["1000"],
    )
    win_rate: _Share | None = Field(None, description="Share of winners, for `kelly`.", examples=["0.55"])
    payoff: Annotated[Decimal, Field(gt=0, le=1_000_000, decimal_places=18)] | None = Field(
        None, description="Average win over average loss, for `kelly`.", examples=["1.5"]
    )


class GuardBody(Schema):
    """What protects the position: distances as fractions of the signal's price."""

    stop_rate: _Distance | None = Field(None, description="Distance of the stop.", examples=["0.02"])
    take_profit_rate: _Distance | None = Field(None, description="Distance of the profit taken.", examples=["0.04"])
    trailing_rate: _Distance | None = Field(None, description="Distance from the best price since.", examples=["0.01"])
    hold_bars: int | None = Field(None, ge=1, le=MAX_HOLD_BARS, description="Longest hold, in bars.", examples=[60])


class AlgorithmBody(Schema):
    """How a quantity is worked."""

    name: AlgorithmName = Field(AlgorithmName.MARKET, description="The algorithm.", examples=["twap"])
    duration_ms: int = Field(0, ge=0, lt=10**9, description="From the start to the deadline.", examples=[300_000])
    slices: int = Field(1, ge=1, lt=10_000, description="Parts it is cut into.", examples=[5])
    limit_price: _Amount | None = Field(None, description="Never crossed, quote units.", examples=["50000"])
    time_in_force: TimeInForce = Field(TimeInForce.GTC, description="How long an order waits.", examples=["gtc"])
    participation_rate: _Share | None = Field(None, description="Cap on a slice's share of volume.", examples=["0.1"])
    shown_rate: _Share | None = Field(None, description="Share of an iceberg that is shown.", examples=["0.1"])
    completion: Completion = Field(Completion.CANCEL, description="What happens at the deadline.", examples=["cancel"])


class TradeBody(Schema):
    """How a trader's signals are traded."""

    sizing: SizingBody = Field(description="How much.")
    guard: GuardBody = Field(default_factory=lambda: GuardBody.model_validate({}), description="What protects it.")
    algorithm: AlgorithmBody = Field(
        default_factory=lambda: AlgorithmBody.model_validate({}), description="How it is worked."
    )
    horizon_ms: int = Field(
        60_000, ge=HORIZON_MS.start, lt=HORIZON_MS.stop, description="How long a signal is of use.", examples=[60_000]
    )
    edge_rate: Annotated[Decimal, Field(gt=-1, le=1, decimal_places=18)] | None = Field(
        None, description="The return it expects, as a fraction.", examples=["0.01"]
    )

    def terms(self) -> TradeTerms:
        """Return the terms this body describes."""
        return _TERMS.validate_python(self.model_dump())

    @classmethod
    def of(cls, terms: TradeTerms | None) -> "TradeBody | None":
        """Describe stored terms; the database holds them to the limits of a body."""
        return None if terms is None else cls.model_validate(asdict(terms))
