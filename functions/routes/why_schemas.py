"""What the API answers to "why": the rule's tree with values, thresholds and margins."""

from pydantic import Field

from functions.routes.schemas import EXAMPLE_ID, EXAMPLE_TIME, Schema
from shared.domain.explain import Kind, Reason
from shared.domain.timeframe import Timeframe
from shared.domain.why import Verdict
from shared.usecases.why import Explained, Standing


class SideOut(Schema):
    """A number that was compared."""

    text: str = Field(description="The number as the desk reads it.", examples=["rsi(close, 14)"])
    value: float | None = Field(description="Its value there; null when it had none.", examples=[27.91])


class ReasonOut(Schema):
    """A condition of the rule and what it came to."""

    text: str = Field(description="The condition as the desk reads it.", examples=["rsi(close, 14) < 30"])
    kind: Kind = Field(description="What it is: a comparison, a crossing, …", examples=["compare"])
    holds: bool | None = Field(description="Whether it held; null when that is unknown.", examples=[True])
    decided: bool = Field(description="Whether the rule's verdict rests on it.", examples=[True])
    marks: list[str] = Field(description="What stands between its sides.", examples=[["<"]])
    sides: list[SideOut] = Field(description="The numbers it compares.")
    margin: float | None = Field(
        description="By how much it held, or missed when below 0, in the units of its sides.", examples=[2.09]
    )
    parts: list["ReasonOut"] = Field(description="The conditions it is made of.", examples=[[]])

    @classmethod
    def of(cls, reason: Reason) -> "ReasonOut":
        """Describe a part of a rule."""
        return cls(
            text=reason.text,
            kind=reason.kind,
            holds=reason.holds,
            decided=reason.decided,
            marks=list(reason.marks),
            sides=[SideOut(text=side.text, value=side.value) for side in reason.sides],
            margin=reason.margin,
            parts=[cls.of(part) for part in reason.parts],
        )


class WhyOut(Schema):
    """Why a trader fired on a symbol at a close, or why not."""

    trader_id: str = Field(description="The trader.", examples=[EXAMPLE_ID])
    symbol: str = Field(description="Unified symbol.", examples=["BTC/USDT"])
    timeframe: Timeframe = Field(description="Length of the candle.", examples=["5m"])
    close_time: int = Field(description="Close of the candle (epoch ms).", examples=[EXAMPLE_TIME])
    version: int | None = Field(
        description="The version of the trader that decided; null when it is the present one.", examples=[2]
    )
    rule_hash: str = Field(description="Identity of the rule.", examples=["5f0c6d1b9a3e7c42"])
    verdict: Verdict = Field(
        description="`fired`; `false`; `already_true` (the edge was earlier); `cooling_down`; `insufficient` history; "
        "`outside` the trader's universe.",
        examples=["fired"],
    )
    sentence: str = Field(
        description="What decided, in words.", examples=["RSI(14) 27.912 < 30 and close 43,120 above EMA(200) 42,880"]
    )
    price: float | None = Field(description="The candle's close; null when there is none.", examples=[43_120.0])
    standing: Standing = Field(
        description="`same`: bit for bit what the desk decided then; `different`: the trader or a candle has changed; "
        "`unrecorded`: no run of that close is on record.",
        examples=["same"],
    )
    rule: ReasonOut | None = Field(description="The rule's tree; null when the rule was not asked.")

    @classmethod
    def of(cls, found: Explained) -> "WhyOut":
        """Describe an explanation."""
        told = found.why
        return cls(
            trader_id=found.trader.trader_id,
            symbol=told.symbol,
            timeframe=found.trader.timeframe,
            close_time=told.close_time,
            version=found.version,
            rule_hash=found.rule_hash,
            verdict=told.verdict,
            sentence=told.sentence,
            price=told.price,
            standing=found.standing,
            rule=None if told.reason is None else ReasonOut.of(told.reason),
        )
