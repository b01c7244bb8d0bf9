"""What the API answers about how good a trader's signals were."""

from pydantic import Field

from functions.routes.schemas import EXAMPLE_ID, EXAMPLE_TIME, Schema
from shared.domain.scorecard import ENOUGH, Score, Scorecard


class ScoreOut(Schema):
    """What some signals came to."""

    symbol: str | None = Field(None, description="Of this symbol alone; null otherwise.", examples=["BTC/USDT"])
    hour: int | None = Field(None, description="Of closes in this hour of the day (UTC) alone.", examples=[14])
    signals: int = Field(description="Signals given.", examples=[240])
    measured: int = Field(description="Those whose outcome is known.", examples=[233])
    enough: bool = Field(
        description=f"Whether at least {ENOUGH} are measured; what follows is null otherwise.", examples=[True]
    )
    hit_rate: float | None = Field(description="Share of returns above zero.", examples=[0.58])
    hit_rate_low: float | None = Field(description="Lower end of its 95 % interval (Wilson).", examples=[0.516])
    hit_rate_high: float | None = Field(description="Upper end of its 95 % interval.", examples=[0.641])
    expectancy_percent: float | None = Field(description="Mean return, before fees.", examples=[0.42])
    expectancy_after_fee_percent: float | None = Field(
        description="Mean return when the fee is paid in and out.", examples=[0.22]
    )
    favourable_percent: float | None = Field(
        description="Mean of how far prices went for the signal at best.", examples=[1.1]
    )
    adverse_percent: float | None = Field(
        description="Mean of how far prices went against it at worst; below zero.", examples=[-0.7]
    )

    @classmethod
    def of(cls, score: Score) -> "ScoreOut":
        """Describe a score."""
        tally = score.tally
        return cls(
            symbol=tally.symbol,
            hour=tally.hour,
            signals=tally.signals,
            measured=tally.measured,
            enough=score.enough,
            hit_rate=score.hit_rate,
            hit_rate_low=score.hit_rate_low,
            hit_rate_high=score.hit_rate_high,
            expectancy_percent=score.expectancy_percent,
            expectancy_after_fee_percent=score.expectancy_after_fee_percent,
            favourable_percent=score.favourable_percent,
            adverse_percent=score.adverse_percent,
        )


class PerformanceOut(Schema):
    """A trader's scorecard."""

    trader_id: str = Field(description="The trader.", examples=[EXAMPLE_ID])
    bars: int = Field(description="Outcomes are those after so many bars.", examples=[20])
    fee_bps: float = Field(description="Fee of one trade, in hundredths of a percent of its value.", examples=[10.0])
    verdict: str = Field(
        description=f"`measured`, or `not enough signals` below {ENOUGH} measured ones.", examples=["measured"]
    )
    signals_per_day: float | None = Field(
        description="Since the first signal; null when there are not enough.", examples=[3.4]
    )
    first_close_time: int | None = Field(description="Close of the first signal (epoch ms).", examples=[EXAMPLE_TIME])
    last_close_time: int | None = Field(description="Close of the last signal (epoch ms).", examples=[EXAMPLE_TIME])
    total: ScoreOut = Field(description="All signals.")
    by_symbol: list[ScoreOut] = Field(description="By symbol, most signals first.")
    by_hour: list[ScoreOut] = Field(description="By hour of the day of the close (UTC).")

    @classmethod
    def of(cls, trader_id: str, card: Scorecard, *, bars: int, fee_bps: float) -> "PerformanceOut":
        """Describe a scorecard."""
        whole = card.total.tally
        return cls(
            trader_id=trader_id,
            bars=bars,
            fee_bps=fee_bps,
            verdict="measured" if card.total.enough else "not enough signals",
            signals_per_day=card.signals_per_day,
            first_close_time=whole.first_close_time or None,
            last_close_time=whole.last_close_time or None,
            total=ScoreOut.of(card.total),
            by_symbol=[ScoreOut.of(score) for score in card.by_symbol],
            by_hour=[ScoreOut.of(score) for score in card.by_hour],
        )
