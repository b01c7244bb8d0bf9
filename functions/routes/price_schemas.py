"""What the API answers about prices."""

from pydantic import Field

from functions.routes.common import known
from functions.routes.schemas import EXAMPLE_TIME, Schema
from shared.domain.tickers import Price


class PriceOut(Schema):
    """What a symbol trades at on a venue right now; null where the venue does not say."""

    venue: str = Field(description="Where.", examples=["binance"])
    bid: float | None = Field(
        description="The best price somebody buys at, in the quote currency.", examples=[46_376.9]
    )
    ask: float | None = Field(description="The best price somebody sells at.", examples=[46_377.1])
    last: float | None = Field(description="The price of the last trade.", examples=[46_377.0])
    time: int = Field(description="When the venue was asked (epoch ms).", examples=[EXAMPLE_TIME])
    funding_rate: float | None = Field(
        description="What longs pay shorts at the end of this interval, as a fraction; null for spot.",
        examples=[0.0001],
    )
    funding_due_time: int | None = Field(
        description="When it is paid (epoch ms); null for spot.", examples=[EXAMPLE_TIME + 3_600_000]
    )
    open_interest: float | None = Field(
        description="How much of the future is held, in base units; null for spot.", examples=[80_312.4]
    )

    @classmethod
    def of(cls, price: Price) -> "PriceOut":
        """Describe a price."""
        funding = price.funding
        return cls(
            venue=price.venue,
            bid=known(price.ticker.bid),
            ask=known(price.ticker.ask),
            last=known(price.ticker.last),
            time=price.time_ms,
            funding_rate=known(funding.rate) if funding else None,
            funding_due_time=(funding.due_time or None) if funding else None,
            open_interest=known(funding.open_interest) if funding else None,
        )
