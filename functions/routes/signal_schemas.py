"""What the API answers about signals and candles."""

from typing import TYPE_CHECKING

from pydantic import Field

from functions.routes.schemas import EXAMPLE_ID, EXAMPLE_TIME, Schema
from shared.domain.timeframe import Timeframe
from shared.domain.traders import PositionSide

if TYPE_CHECKING:
    from shared.domain.outcomes import Outcome


class SignalOut(Schema):
    """One firing of a trader."""

    signal_id: str = Field(description="Its id.", examples=[EXAMPLE_ID])
    trader_id: str = Field(description="Who fired.", examples=[EXAMPLE_ID])
    venue: str = Field(description="Where its candle comes from.", examples=["binance"])
    symbol: str = Field(description="Unified symbol.", examples=["BTC/USDT"])
    timeframe: Timeframe = Field(description="Length of the candle.", examples=["5m"])
    close_time: int = Field(description="Close of the candle (epoch ms).", examples=[EXAMPLE_TIME])
    side: PositionSide = Field(description="The side it speaks for.", examples=["long"])
    price: float = Field(description="The candle's closing price, in the quote currency.", examples=[46_377.0])
    rule_hash: str = Field(description="Identity of the rule that fired.", examples=["5f0c6d1b9a3e7c42"])
    values: dict[str, float] = Field(description="The rule's leaves there.", examples=[{"rsi(close, 14)": 28.4}])
    correlation_id: str = Field(description="Follows the boundary through the logs.", examples=["9f2c4e6a8b0d"])
    recorded_at_ms: int = Field(
        description="When it was stored (epoch ms, database clock).", examples=[EXAMPLE_TIME + 180]
    )


class SignalPage(Schema):
    """Signals, newest first."""

    items: list[SignalOut] = Field(description="The signals.")
    next: str | None = Field(
        description="Pass as `cursor` for the next page; null on the last.", examples=["MTY0MDk5NQ"]
    )


class CandleOut(Schema):
    """One closed candle."""

    open_time: int = Field(description="Open (epoch ms).", examples=[EXAMPLE_TIME - 60_000])
    close_time: int = Field(description="Close (epoch ms), the next candle's open.", examples=[EXAMPLE_TIME])
    open: float = Field(description="First price.", examples=[46_319.0])
    high: float = Field(description="Highest price.", examples=[46_385.0])
    low: float = Field(description="Lowest price.", examples=[46_319.0])
    close: float = Field(description="Last price.", examples=[46_377.0])
    volume: float | None = Field(description="Base volume.", examples=[49.6])
    quote_volume: float | None = Field(description="Quote volume; null when unknown.", examples=[2_300_413.7])
    trades: float | None = Field(description="Number of trades; null when unknown.", examples=[812])
    taker_buy_volume: float | None = Field(
        description="Base volume bought by takers; null when unknown.", examples=[27.1]
    )
    filled: bool = Field(description="True when nobody traded and the previous close is repeated.", examples=[False])


class CandlesOut(Schema):
    """The newest candles of a symbol, ascending."""

    venue: str = Field(description="Where they come from.", examples=["binance"])
    symbol: str = Field(description="Unified symbol.", examples=["BTC/USDT"])
    timeframe: Timeframe = Field(description="Their length.", examples=["1m"])
    candles: list[CandleOut] = Field(description="Closed candles, oldest first.")


class OutcomeOut(Schema):
    """What became of a signal after some bars, in the direction of its side; null when the candles are unknown."""

    bars: int = Field(description="After so many bars.", examples=[20])
    return_percent: float | None = Field(description="Return at the last of them.", examples=[0.42])
    favourable_percent: float | None = Field(description="How far the price went for it at best.", examples=[1.1])
    adverse_percent: float | None = Field(description="How far it went against it at worst.", examples=[-0.7])

    @classmethod
    def of(cls, outcome: "Outcome") -> "OutcomeOut":
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
