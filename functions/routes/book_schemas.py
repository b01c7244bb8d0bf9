"""What the API reads and answers about books."""

from dataclasses import asdict, fields, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import Field, PlainSerializer, StringConstraints

from functions.routes.schemas import EXAMPLE_ID, EXAMPLE_TIME, Schema, VenueName
from shared.domain.trading.books import Book, BreakerSettings, Limits, VarPolicy
from shared.domain.trading.decisions import plain
from shared.domain.trading.states import Mode, TradingState

if TYPE_CHECKING:
    from shared.domain.trading.told import EquityPoint
    from shared.usecases.cancelling import VenueHalt

Number = Annotated[Decimal, PlainSerializer(plain, return_type=str, when_used="json")]
"""A decimal, on the wire as the text of its digits."""
_Rate = Annotated[Number, Field(ge=0, le=100, decimal_places=12)]
_Notional = Annotated[Number, Field(gt=0, le=Decimal("1e15"), decimal_places=12)]
_Count = Annotated[int, Field(ge=0, le=1_000_000)]
_Ms = Annotated[int, Field(ge=0, le=31_536_000_000)]
BookName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]
Settings = TypeVar("Settings", Limits, BreakerSettings)


class LimitsBody(Schema):
    """What a book may risk; what is left out keeps its value. Rates are fractions of the book's equity."""

    max_leverage: _Rate = Field(Limits().max_leverage, description="Notionals over equity.", examples=["3"])
    max_daily_drawdown_rate: _Rate = Field(
        Limits().max_daily_drawdown_rate, description="Lost since midnight UTC, fees included.", examples=["0.05"]
    )
    max_concentration_rate: _Rate = Field(
        Limits().max_concentration_rate, description="In one coin, all its instruments together.", examples=["0.25"]
    )
    var_limit_rate: _Rate = Field(
        Limits().var_limit_rate, description="One-day value at risk at 95 %, the worst of three.", examples=["0.02"]
    )
    var_policy: VarPolicy = Field(
        VarPolicy.DENY, description="What follows when history is too short to tell it.", examples=["deny"]
    )
    max_stress_loss_rate: _Rate = Field(
        Limits().max_stress_loss_rate, description="Lost in the worst of the stress scenarios.", examples=["0.25"]
    )
    max_correlated_rate: _Rate = Field(
        Limits().max_correlated_rate, description="In what gains and loses together.", examples=["0.5"]
    )
    correlation: Annotated[Number, Field(gt=0, le=1, decimal_places=12)] = Field(
        Limits().correlation, description="From which correlation on prices move together.", examples=["0.8"]
    )
    max_trade_notional: _Notional | None = Field(
        None, description="Of one trade, in quote units; null is no limit.", examples=["5000"]
    )
    max_book_notional: _Notional | None = Field(
        None, description="Of the book, in quote units; null is no limit.", examples=["50000"]
    )
    max_open_positions: _Count = Field(20, description="Places something is held at.", examples=[20])
    min_edge_over_cost_rate: _Rate = Field(
        Limits().min_edge_over_cost_rate, description="Expected return less costs, at least.", examples=["0.001"]
    )
    slippage_rate: Annotated[Number, Field(ge=0, le=Decimal("0.5"), decimal_places=12)] = Field(
        Limits().slippage_rate, description="What a fill may be worse by, as a fraction.", examples=["0.0005"]
    )
    duplicate_window_ms: _Ms = Field(60_000, description="The same again within this is a duplicate.", examples=[60000])
    cooldown_ms: _Ms = Field(0, description="Between two intents of a symbol.", examples=[0])
    max_market_data_age_ms: _Ms = Field(30_000, description="Older prices are not traded on.", examples=[30000])


class BreakersBody(Schema):
    """When a book stops itself; what is left out keeps its value."""

    reduce_at_share: Annotated[Number, Field(gt=0, le=1, decimal_places=12)] = Field(
        BreakerSettings().reduce_at_share, description="Share of the daily loss that makes it reduce.", examples=["0.8"]
    )
    consecutive_losses: _Count = Field(5, description="Positions closed at a loss in a row.", examples=[5])
    max_reject_rate: Annotated[Number, Field(gt=0, le=1, decimal_places=12)] = Field(
        BreakerSettings().max_reject_rate, description="Share of orders the venue refuses.", examples=["0.5"]
    )
    min_orders: _Count = Field(10, description="Fewer orders tell no reject rate.", examples=[10])
    max_slippage_bps: Annotated[Number, Field(ge=0, le=10_000, decimal_places=12)] = Field(
        BreakerSettings().max_slippage_bps, description="Average slippage, in basis points.", examples=["50"]
    )
    mismatches_reducing: _Count = Field(3, description="Differences from the venue until it reduces.", examples=[3])
    mismatches_halted: _Count = Field(5, description="Differences from the venue until it halts.", examples=[5])
    volatility_shock: Annotated[Number, Field(ge=0, le=1_000, decimal_places=12)] = Field(
        BreakerSettings().volatility_shock, description="Standard deviations of one candle.", examples=["5"]
    )
    window_ms: Annotated[int, Field(gt=0, le=31_536_000_000)] = Field(
        3_600_000, description="Within which rejects, slippage and differences count.", examples=[3600000]
    )


class BookBody(Schema):
    """A book to open."""

    name: BookName = Field(description="What people call it.", examples=["Main"])
    mode: Mode = Field(Mode.PAPER, description="`live` needs a desk that trades live.", examples=["paper"])
    quote: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{2,10}$")] = Field(
        "USDT", description="The currency it is counted in.", examples=["USDT"]
    )
    capital: Annotated[Number, Field(gt=0, le=Decimal("1e15"), decimal_places=12)] = Field(
        description="What it starts with, in quote units.", examples=["10000"]
    )
    venues: tuple[VenueName, ...] = Field(
        ("binance",), min_length=1, max_length=32, description="Where it may trade.", examples=[["binance"]]
    )
    limits: LimitsBody | None = Field(None, description="What it may risk; the defaults where left out.")
    breakers: BreakersBody | None = Field(None, description="When it stops itself; the defaults where left out.")

    def book(self, book_id: str, owner_id: str | None) -> Book:
        """Return the book this body describes."""
        return Book(
            book_id=book_id,
            owner_id=owner_id,
            name=self.name,
            mode=self.mode,
            quote=self.quote,
            capital=self.capital,
            state=TradingState.ACTIVE,
            venues=self.venues,
            limits=given(Limits(), self.limits),
            breakers=given(BreakerSettings(), self.breakers),
        )


class BookPatch(Schema):
    """What to change of a book; what is left out stays."""

    version: int | None = Field(
        None, ge=1, description="The version this was made on; 409 when it has moved.", examples=[3]
    )
    name: BookName | None = Field(None, description="What people call it.", examples=["Main"])
    mode: Mode | None = Field(
        None, description="From `paper` to `live`, on a desk that trades live, before it was traded.", examples=["live"]
    )
    venues: tuple[VenueName, ...] | None = Field(
        None, min_length=1, max_length=32, description="Where it may trade.", examples=[["binance", "okx"]]
    )
    limits: LimitsBody | None = Field(None, description="The limits to change.")
    breakers: BreakersBody | None = Field(None, description="The settings of breakers to change.")

    def changed(self, book: Book) -> Book:
        """Return a book as it will be."""
        return replace(
            book,
            name=self.name or book.name,
            mode=self.mode or book.mode,
            venues=self.venues or book.venues,
            limits=given(book.limits, self.limits),
            breakers=given(book.breakers, self.breakers),
        )


def given(before: Settings, body: Schema | None) -> Settings:
    """Return settings with those a body names."""
    if body is None:
        return before
    changes: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set}
    return replace(before, **changes)


class BookOut(Schema):
    """A book as stored."""

    book_id: str = Field(description="Its id.", examples=[EXAMPLE_ID])
    owner_id: str | None = Field(description="Its owner; null for the desk's own.", examples=[EXAMPLE_ID])
    name: str = Field(description="What people call it.", examples=["Main"])
    mode: Mode = Field(description="`paper` or `live`.", examples=["paper"])
    quote: str = Field(description="The currency it is counted in.", examples=["USDT"])
    capital: Number = Field(description="What it started with, in quote units.", examples=["10000"])
    state: TradingState = Field(description="What it may trade.", examples=["active"])
    venues: tuple[str, ...] = Field(description="Where it may trade.", examples=[["binance"]])
    limits: LimitsBody = Field(description="What it may risk.")
    breakers: BreakersBody = Field(description="When it stops itself.")
    version: int = Field(description="Counts its changes.", examples=[1])

    @classmethod
    def of(cls, book: Book) -> "BookOut":
        """Describe a stored book; its settings are shown as they are."""
        own = {each.name: getattr(book, each.name) for each in fields(book) if each.name in cls.model_fields}
        own["limits"] = LimitsBody.model_construct(**asdict(book.limits))
        own["breakers"] = BreakersBody.model_construct(**asdict(book.breakers))
        return cls.model_construct(**own)


class BookPage(Schema):
    """Books by name."""

    items: list[BookOut] = Field(description="The books one may see: one's own and the desk's.")


class StateBody(Schema):
    """A trading state to set."""

    state: TradingState = Field(
        description="`active`, `reducing` (exits only) or `halted` (nothing).", examples=["halted"]
    )
    reason: Reason = Field("", description="Why, for the record.", examples=["funding looks wrong"])


class AccountHaltOut(Schema):
    """What was done at one account of a venue."""

    venue: str = Field(description="Where.", examples=["binance"])
    account: str = Field(description="A paper book's id, or `live`.", examples=[EXAMPLE_ID])
    cancelled: int = Field(description="Resting orders that have ended.", examples=[3])
    left: int = Field(description="Resting orders that have not.", examples=[0])
    errors: list[str] = Field(description="Why they have not.", examples=[[]])

    @classmethod
    def of(cls, halt: "VenueHalt") -> "AccountHaltOut":
        """Describe what was done."""
        return cls(
            venue=halt.venue, account=halt.account, cancelled=halt.cancelled, left=halt.left, errors=[*halt.errors]
        )


class StateOut(Schema):
    """A trading state as the database reads it back, and what setting it did."""

    state: TradingState = Field(description="The state now, read back.", examples=["halted"])
    accounts: list[AccountHaltOut] = Field(description="What was done at each account.")
    took_ms: int = Field(description="How long it took.", examples=[412])


class EquityPointOut(Schema):
    """What a book was worth at a minute, in quote units."""

    at_ms: int = Field(description="When (epoch ms).", examples=[EXAMPLE_TIME])
    equity: Number = Field(description="Capital, realised, unrealised and funding, less fees.", examples=["10012.5"])
    realised: Number = Field(description="Earned by what was closed, before fees.", examples=["20"])
    fees: Number = Field(description="Paid so far.", examples=["7.5"])

    @classmethod
    def of(cls, point: "EquityPoint") -> "EquityPointOut":
        """Describe a point."""
        return cls(at_ms=point.at_ms, equity=point.equity, realised=point.realised, fees=point.fees)


class EquityOut(Schema):
    """A book's equity curve."""

    book_id: str = Field(description="The book.", examples=[EXAMPLE_ID])
    quote: str = Field(description="The currency it is counted in.", examples=["USDT"])
    points: list[EquityPointOut] = Field(description="One a minute at most, oldest first.")
