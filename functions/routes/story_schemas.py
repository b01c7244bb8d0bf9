"""What the API answers about one signal: in words, with its candles and its outcomes."""

from pydantic import Field

from functions.routes.schemas import CandleOut, Schema, SignalOut
from shared.domain.outcomes import Outcome


class OutcomeOut(Schema):
    """What became of a signal after some bars, in the direction of its side; null when the candles are unknown."""

    bars: int = Field(description="After so many bars.", examples=[20])
    return_percent: float | None = Field(description="Return at the last of them.", examples=[0.42])
    favourable_percent: float | None = Field(description="How far the price went for it at best.", examples=[1.1])
    adverse_percent: float | None = Field(description="How far it went against it at worst.", examples=[-0.7])

    @classmethod
    def of(cls, outcome: Outcome) -> "OutcomeOut":
        """Describe an outcome."""
        percent = [None if share is None else 100 * share for share in outcome[2:]]
        return cls(
            bars=outcome.bars,
            return_percent=percent[0],
            favourable_percent=percent[1],
            adverse_percent=percent[2],
        )


class SignalStoryOut(Schema):
    """Everything about one signal."""

    signal: SignalOut = Field(description="The signal as recorded.")
    sentence: str = Field(
        description="What decided, in words.", examples=["RSI(14) 27.912 < 30 and close 43,120 above EMA(200) 42,880"]
    )
    candles: list[CandleOut] = Field(
        description="The last 120 candles up to its own, oldest first; empty when they have left the log."
    )
    outcomes: list[OutcomeOut] = Field(description="What became of it, as far as that is known by now.")
