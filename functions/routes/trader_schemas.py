"""What the API reads and answers about traders."""

from typing import Annotated, Any, Final

from pydantic import Field, StringConstraints

from functions.routes.schemas import EXAMPLE_ID, EXAMPLE_TIME, EpochMs, Schema, Symbol, TraderName, VenueName
from functions.routes.trade_schemas import BookId, TradeBody
from shared.domain.timeframe import Timeframe
from shared.domain.traders import Edge, PositionSide, Trader, Universe, Visibility
from shared.domain.trading.terms import TraderMode

_NESTED: Final = frozenset({"universe", "trade"})
_CLEARABLE: Final = frozenset({"book_id", "trade"})
_RULE: Final = "rsi(14) < 30 and close > ema(200)"


class UniverseBody(Schema):
    """The symbols a trader looks at."""

    quote: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{2,10}$")] = Field(
        "USDT", description="Quote currency of the symbols.", examples=["USDT"]
    )
    min_quote_volume_24h: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="Least volume over the last 24 hours, in the quote currency; 0 takes every symbol.",
        examples=[5_000_000],
    )
    include: tuple[Symbol, ...] = Field(
        (), max_length=500, description="Only these symbols; empty takes all.", examples=[["BTC/USDT", "ETH/USDT"]]
    )
    exclude: tuple[Symbol, ...] = Field(
        (), max_length=500, description="Never these symbols.", examples=[["DOGE/USDT"]]
    )


class TraderBody(Schema):
    """A trader to save."""

    name: TraderName = Field(description="What people call it.", examples=["Oversold in an uptrend"])
    description: str = Field(
        "", max_length=2_000, description="What it is after.", examples=["Buys dips above EMA 200."]
    )
    rule: str = Field(min_length=1, max_length=2_000, description="When it fires; see docs/rules.md.", examples=[_RULE])
    venue: VenueName = Field("binance", description="Where its candles come from.", examples=["binance"])
    timeframe: Timeframe = Field(description="The candles it is evaluated on, at each close.", examples=["5m"])
    universe: UniverseBody = Field(
        default_factory=lambda: UniverseBody.model_validate({}),
        description="The symbols it looks at.",
        examples=[{"quote": "USDT", "min_quote_volume_24h": 5_000_000}],
    )
    side: PositionSide = Field(PositionSide.LONG, description="The side its signals speak for.", examples=["long"])
    edge: Edge = Field(
        Edge.RISING,
        description="`rising` fires on the first bar the rule is true, `level` on every one.",
        examples=["rising"],
    )
    cooldown_bars: int = Field(
        0,
        ge=0,
        le=1_000,
        description="Bars without a trigger that must have passed before it fires again.",
        examples=[10],
    )
    enabled: bool = Field(True, description="Whether it is evaluated.", examples=[True])
    visibility: Visibility = Field(
        Visibility.PRIVATE,
        description="`public` lets everybody signed in read it and its signals; only you change it.",
        examples=["private"],
    )

    mode: TraderMode = Field(
        TraderMode.SIGNALS, description="What its signals do: `paper` and `live` trade them.", examples=["paper"]
    )
    book_id: BookId | None = Field(
        None, description="The book it trades, one of yours and of its mode.", examples=[EXAMPLE_ID]
    )
    trade: TradeBody | None = Field(
        None, description="How it trades.", examples=[{"sizing": {"method": "notional", "value": "1000"}}]
    )

    def trader(self, trader_id: str, owner_id: str | None) -> Trader:
        """Return the trader this body describes."""
        return Trader(
            trader_id=trader_id,
            owner_id=owner_id,
            universe=Universe(**self.universe.model_dump()),
            trade=None if self.trade is None else self.trade.terms(),
            **{name: getattr(self, name) for name in type(self).model_fields if name not in _NESTED},
        )


class TraderPatch(Schema):
    """The fields of a trader to change; what is absent stays, and null takes a book or terms away."""

    name: TraderName | None = Field(None, description="New name.", examples=["Dip buyer"])
    description: str | None = Field(None, max_length=2_000, description="New description.", examples=["Buys dips."])
    rule: str | None = Field(None, min_length=1, max_length=2_000, description="New rule.", examples=[_RULE])
    venue: VenueName | None = Field(None, description="New venue.", examples=["binance"])
    timeframe: Timeframe | None = Field(None, description="New timeframe.", examples=["15m"])
    universe: UniverseBody | None = Field(None, description="New universe.", examples=[{"quote": "USDT"}])
    side: PositionSide | None = Field(None, description="New side.", examples=["short"])
    edge: Edge | None = Field(None, description="New edge.", examples=["level"])
    cooldown_bars: int | None = Field(None, ge=0, le=1_000, description="New cool-down in bars.", examples=[20])
    enabled: bool | None = Field(None, description="Switch it on or off.", examples=[False])
    visibility: Visibility | None = Field(None, description="Publish it or make it private.", examples=["public"])
    mode: TraderMode | None = Field(None, description="What its signals do.", examples=["signals"])
    book_id: BookId | None = Field(None, description="Another book to trade.", examples=[EXAMPLE_ID])
    trade: TradeBody | None = Field(
        None, description="New terms, all of them.", examples=[{"sizing": {"method": "notional", "value": "1000"}}]
    )

    def changes(self) -> dict[str, Any]:
        """Return the fields given, in the domain's types."""
        fields = {name: getattr(self, name) for name in self.model_fields_set}
        given = {name: value for name, value in fields.items() if value is not None or name in _CLEARABLE}
        if self.universe is not None:
            given["universe"] = Universe(**self.universe.model_dump())
        if self.trade is not None:
            given["trade"] = self.trade.terms()
        return given


class CheckOut(Schema):
    """What the compiler found in a rule, and what it did on recorded candles."""

    normal_form: str = Field(description="The rule as the desk reads it.", examples=["rsi(close, 14) < 30"])
    rule_hash: str = Field(description="Identity of the normal form.", examples=["5f0c6d1b9a3e7c42"])
    needs: dict[str, int] = Field(
        description="Candles it looks at, per timeframe, with edge and cool-down.", examples=[{"5m": 694}]
    )
    symbols: int = Field(description="Symbols of its universe in the log.", examples=[200])
    matched: int = Field(description="Symbols it fires on at the last closed candle.", examples=[2])
    insufficient: int = Field(description="Symbols without enough history yet.", examples=[3])
    close_time: int | None = Field(
        description="The candle it was tried on (epoch ms), null when the log is empty.", examples=[EXAMPLE_TIME]
    )


class TraderOut(TraderBody):
    """A trader as stored."""

    trader_id: str = Field(description="Its id.", examples=[EXAMPLE_ID])
    owner_id: str | None = Field(description="Its owner; null for the desk's own.", examples=[EXAMPLE_ID])
    beyond_tier: bool = Field(
        description="Whether it is enabled and not evaluated, since it is more than its owner's tier has.",
        examples=[False],
    )
    created_at_ms: int = Field(description="When it was created (epoch ms).", examples=[EXAMPLE_TIME])
    updated_at_ms: int = Field(description="When it was last changed (epoch ms).", examples=[EXAMPLE_TIME])

    @classmethod
    def of(cls, trader: Trader) -> "TraderOut":
        """Describe a stored trader."""
        return cls.model_construct(**stored_fields(trader, set(cls.model_fields)))


def stored_fields(trader: Trader, names: set[str]) -> dict[str, Any]:
    """Return fields of a stored trader, to be shown as they are.

    What people write to the database past this API is held to wider limits than a body. Checking it again would let one
    odd public trader break everybody's list.
    """
    universe = UniverseBody.model_construct(
        quote=trader.universe.quote,
        min_quote_volume_24h=trader.universe.min_quote_volume_24h,
        include=trader.universe.include,
        exclude=trader.universe.exclude,
    )
    plain = {name: getattr(trader, name) for name in names - _NESTED}
    return plain | {"universe": universe, "trade": TradeBody.of(trader.trade)}


class SavedTraderOut(Schema):
    """A trader just saved, with what its rule did on recorded candles."""

    trader: TraderOut = Field(description="The trader as stored.")
    check: CheckOut = Field(description="What the compiler found and what the rule did on the last closed candle.")


class TraderPage(Schema):
    """Traders in id order."""

    items: list[TraderOut] = Field(description="The traders.")
    next: str | None = Field(description="Pass as `after` for the next page; null on the last.", examples=[EXAMPLE_ID])


class RunOut(Schema):
    """What running one trader now did."""

    close_time: int = Field(description="The closed candle it was evaluated on (epoch ms).", examples=[EXAMPLE_TIME])
    evaluations: int = Field(description="Symbols evaluated.", examples=[200])
    insufficient: int = Field(description="Symbols without enough history.", examples=[3])
    signals: int = Field(description="Signals that were new.", examples=[1])
    signals_duplicate: int = Field(description="Signals that had been recorded before.", examples=[0])
    correlation_id: str = Field(description="Finds this run in the logs and on its signals.", examples=["9f2c4e6a8b0d"])


class HistoryBody(Schema):
    """Which part of the log's history to look at."""

    since: EpochMs | None = Field(None, description="Close times from here on (epoch ms).", examples=[EXAMPLE_TIME])
    until: EpochMs | None = Field(None, description="Close times up to here (epoch ms).", examples=[EXAMPLE_TIME])
    symbol: Symbol | None = Field(None, description="Only this symbol.", examples=["BTC/USDT"])
    limit: int = Field(
        200,
        ge=1,
        le=1_000,
        description="A page ends after the boundary that reaches this many firings.",
        examples=[200],
    )


class FiringOut(Schema):
    """One candle at which the trader would have fired."""

    symbol: str = Field(description="Unified symbol.", examples=["BTC/USDT"])
    open_time: int = Field(description="Open of the candle (epoch ms).", examples=[EXAMPLE_TIME - 60_000])
    close_time: int = Field(description="Close of the candle (epoch ms).", examples=[EXAMPLE_TIME])
    price: float = Field(description="Its closing price, in the quote currency.", examples=[46_377.0])
    values: dict[str, float] = Field(description="The rule's leaves there.", examples=[{"rsi(close, 14)": 28.4}])


class HistoryOut(Schema):
    """Where the trader would have fired, edge and cool-down applied."""

    items: list[FiringOut] = Field(description="Firings, newest first.")
    evaluated: int = Field(description="Candles judged.", examples=[60_000])
    insufficient: int = Field(description="Candles without enough history before them.", examples=[4_200])
    until: int | None = Field(
        description="Pass as `until` for the older ones (epoch ms); null when there are none.", examples=[EXAMPLE_TIME]
    )
