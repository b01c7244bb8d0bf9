"""What the API reads and answers about risk."""

from decimal import Decimal
from typing import Annotated

from pydantic import Field, StringConstraints

from functions.routes.book_schemas import AccountHaltOut, LimitsBody, Number, StateBody
from functions.routes.intent_schemas import AnyNumber
from functions.routes.order_schemas import PositionOut
from functions.routes.schemas import EXAMPLE_ID, EXAMPLE_TIME, Schema, VenueName
from shared.domain.errors import InvalidMessageError
from shared.domain.trading.instruments import Side
from shared.domain.trading.states import Scope, StateEntry, TradingState
from shared.domain.trading.status import BookStatus
from shared.domain.trading.told import TrippedBreaker
from shared.domain.trading.value_at_risk import InsufficientData, Tail, Tails
from shared.usecases.risk_desk import PositionSize


class TailOut(Schema):
    """A loss in quote units; a positive number is a loss."""

    value_at_risk: float = Field(description="What one day in twenty exceeds.", examples=[184.2])
    expected_shortfall: float = Field(description="The average loss of those days.", examples=[251.7])

    @classmethod
    def of(cls, tail: Tail) -> "TailOut":
        """Describe a tail."""
        return cls(value_at_risk=tail.value_at_risk, expected_shortfall=tail.expected_shortfall)


class TailsOut(Schema):
    """The same tail three ways, of one day at 95 %; `insufficient_data` says why there is none."""

    historical: TailOut | None = Field(description="The days there were.")
    parametric: TailOut | None = Field(description="Normal losses.")
    monte_carlo: TailOut | None = Field(description="Simulated days with heavier tails.")
    insufficient_data: str | None = Field(
        description="Why it cannot be told; then the three are null, which is not zero.",
        examples=["2 symbols share 41 returns of 1h and 100 are needed; ETH/USDT has 41"],
    )

    @classmethod
    def of(cls, tails: Tails | InsufficientData) -> "TailsOut":
        """Describe tails, or that there are none."""
        if isinstance(tails, InsufficientData):
            return cls(historical=None, parametric=None, monte_carlo=None, insufficient_data=tails.sentence)
        return cls(
            historical=TailOut.of(tails.historical),
            parametric=TailOut.of(tails.parametric),
            monte_carlo=TailOut.of(tails.monte_carlo),
            insufficient_data=None,
        )


class TrippedOut(Schema):
    """The newest time a breaker went off."""

    breaker: str = Field(description="Which.", examples=["daily_loss"])
    at_ms: int = Field(description="When (epoch ms).", examples=[EXAMPLE_TIME])
    state: TradingState = Field(description="The state it asked for.", examples=["reducing"])
    reason: str = Field(description="The number that reached its threshold.", examples=["0.0412 of the equity is lost"])

    @classmethod
    def of(cls, event: TrippedBreaker) -> "TrippedOut":
        """Describe an event."""
        return cls(breaker=event.breaker, at_ms=event.at_ms, state=event.state, reason=event.reason)


class BookStatusOut(Schema):
    """How a book stands, everything approved counted as filled; null where a price is missing."""

    book_id: str = Field(description="The book.", examples=[EXAMPLE_ID])
    name: str = Field(description="Its name.", examples=["Main"])
    quote: str = Field(description="The currency it is counted in.", examples=["USDT"])
    state: TradingState = Field(description="The strictest of the desk's and its own.", examples=["active"])
    forbidding: tuple[str, ...] = Field(description="Which of them ask for it.", examples=[["desk"]])
    capital: Number = Field(description="What it started with.", examples=["10000"])
    equity: Number | None = Field(description="What it is worth.", examples=["10012.5"])
    day_start_equity: Number = Field(description="What it was worth at midnight UTC.", examples=["10000"])
    drawdown_rate: Number | None = Field(description="Fraction lost since.", examples=["0.012"])
    gross_notional: Number = Field(description="All notionals, whatever their side.", examples=["5000"])
    leverage: Number | None = Field(description="Of the equity.", examples=["0.5"])
    concentration_asset: str | None = Field(description="The coin most is in.", examples=["BTC"])
    concentration_rate: Number | None = Field(description="How much of the equity that is.", examples=["0.21"])
    stress_scenario: str = Field(description="The worst of the scenarios.", examples=["2020-03-12"])
    stress_loss: Number = Field(description="What it would cost; negative when it would gain.", examples=["1100"])
    tails: TailsOut = Field(description="Value at risk and expected shortfall.")
    open_positions: int = Field(description="Places something is held or may come to be.", examples=[2])
    unpriced: list[str] = Field(description="What is held and has no current price.", examples=[["binance BTC/USDT"]])
    losses_in_a_row: int = Field(description="Positions closed at a loss since the last gain.", examples=[0])
    limits: LimitsBody = Field(description="What it is held to, scaled by the desk's risk tier.")
    breakers: list[TrippedOut] = Field(description="Breakers that have gone off, the newest event of each.")
    positions: list[PositionOut] = Field(description="What it holds.")

    @classmethod
    def of(cls, status: BookStatus, trips: list[TrippedOut]) -> "BookStatusOut":
        """Describe how a book stands."""
        book, portfolio = status.view.book, status.portfolio
        asset, rate = status.concentration or (None, None)
        return cls(
            book_id=book.book_id,
            name=book.name,
            quote=book.quote,
            state=status.state,
            forbidding=status.forbidding,
            capital=book.capital,
            equity=portfolio.equity,
            day_start_equity=portfolio.day_start_equity,
            drawdown_rate=_fine(portfolio.drawdown_rate),
            gross_notional=portfolio.gross,
            leverage=_fine(status.leverage),
            concentration_asset=asset,
            concentration_rate=_fine(rate),
            stress_scenario=status.worst.scenario,
            stress_loss=status.worst.loss,
            tails=TailsOut.of(status.tails),
            open_positions=len(portfolio.open_places),
            unpriced=[f"{venue} {symbol}" for venue, symbol in portfolio.unpriced],
            losses_in_a_row=status.view.losses_in_a_row,
            limits=LimitsBody.model_construct(
                **{name: getattr(status.limits, name) for name in LimitsBody.model_fields}
            ),
            breakers=trips,
            positions=[PositionOut.of(each) for each in status.valued],
        )


class RiskStatusOut(Schema):
    """How the desk and its books stand."""

    desk_state: TradingState = Field(description="The desk's own state.", examples=["active"])
    risk_tier: int = Field(description="How much of their limits books use.", examples=[2])
    books: list[BookStatusOut] = Field(description="The books one may see, by name.")


class PositionSizeBody(Schema):
    """What one is willing to lose."""

    symbol: Annotated[str, StringConstraints(min_length=1, max_length=50)] = Field(
        description="Unified symbol; `BTCUSDT` is read as the spot pair.", examples=["BTCUSDT"]
    )
    entry_price: AnyNumber = Field(description="Where it is entered, quote units.", examples=[45000])
    stop_loss: AnyNumber = Field(
        description="Where it is left: below the entry a long, above it a short.", examples=[44000]
    )
    account_size: AnyNumber = Field(description="The equity, quote units.", examples=[10000])
    risk_percent: AnyNumber = Field(description="How much of it may be lost, in percent.", examples=[2])
    venue: VenueName | None = Field(
        None, description="Whose fees and steps; by default the first.", examples=["binance"]
    )


class PositionSizeOut(Schema):
    """How much to trade."""

    symbol: str = Field(description="Unified symbol.", examples=["BTC/USDT"])
    venue: str = Field(description="Whose fees and steps it was found with.", examples=["binance"])
    side: Side = Field(description="What enters it.", examples=["buy"])
    qty: Number = Field(description="Base units on the venue's steps; 0 when below its minima.", examples=["0.18"])
    notional: Number = Field(description="Quantity at the entry price, quote units.", examples=["8100"])
    loss_at_stop: Number = Field(description="What the stop costs, both fees and slippage in it.", examples=["199.8"])
    budget: Number = Field(description="What may be lost, quote units.", examples=["200"])
    reason: str | None = Field(description="Why it is nothing; null when it is not.", examples=["minimum"])
    why: str = Field(
        description="Where the quantity comes from.", examples=["200 USDT to lose (0.02 of 10000) at 1110 USDT a BTC"]
    )

    @classmethod
    def of(cls, found: PositionSize, budget: Decimal) -> "PositionSizeOut":
        """Describe a size."""
        return cls(
            symbol=found.instrument.symbol,
            venue=found.instrument.venue,
            side=found.side,
            qty=found.qty,
            notional=found.notional,
            loss_at_stop=found.loss,
            budget=budget,
            reason=None if found.objection is None else found.objection.reason.value,
            why=found.why,
        )


class DeskStateBody(StateBody):
    """A state to set: the desk's, or that of a part of it."""

    scope: Scope = Field(
        Scope.DESK, description="`desk`, or `book`, `venue`, `symbol` or `trader` with its `key`.", examples=["venue"]
    )
    key: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = Field(
        None,
        description="Which: the id of a book or trader, a venue's name, `VENUE:SYMBOL`, or a symbol at every venue.",
        examples=["binance"],
    )
    flatten: bool = Field(
        False,
        description="Also leave every position; the desk is `reducing` until that is set again. Of the desk alone.",
        examples=[False],
    )

    def part(self) -> str | None:
        """Return the key of the part that is meant, None for the desk; raise `InvalidMessageError`."""
        if self.scope is Scope.DESK and self.key is not None:
            raise InvalidMessageError("key", "expected none: the desk has one state")
        if self.scope is not Scope.DESK and self.key is None:
            raise InvalidMessageError("key", f"expected which {self.scope}")
        if self.scope is not Scope.DESK and self.flatten:
            raise InvalidMessageError("flatten", "expected it with the state of the desk alone")
        return self.key


class StateEntryOut(Schema):
    """A trading state, and who set it."""

    scope: Scope = Field(description="What it is of.", examples=["venue"])
    key: str = Field(description="Which; `desk` for the desk, `VENUE:SYMBOL` for a symbol.", examples=["binance"])
    state: TradingState = Field(description="The state now.", examples=["halted"])
    since_ms: int | None = Field(description="Since when (epoch ms); null when never set.", examples=[EXAMPLE_TIME])
    actor: str | None = Field(
        description="Who set it last: a person's id, `operator`, or a breaker; null when never set.",
        examples=["operator"],
    )
    reason: str | None = Field(description="Why, as they said.", examples=["funding looks wrong"])

    @classmethod
    def of(cls, entry: StateEntry) -> "StateEntryOut":
        """Describe a state."""
        return cls(**{name: getattr(entry, name) for name in cls.model_fields})


class DeskStateOut(StateEntryOut):
    """The desk's trading state, and all that is restrained besides."""

    restrained: list[StateEntryOut] = Field(
        description="Venues and symbols that are not `active`; for operators books and traders too."
    )


class DeskHaltOut(Schema):
    """A trading state as the database reads it back, and what setting it did."""

    scope: Scope = Field(description="What it is of.", examples=["desk"])
    keys: list[str] = Field(description="Which parts were set; none for the desk.", examples=[[]])
    state: TradingState = Field(description="The state now, read back.", examples=["halted"])
    accounts: list[AccountHaltOut] = Field(description="What was done at each account.")
    exits: list[str] = Field(description="Intents raised to leave positions.", examples=[[]])
    handed_over: int = Field(
        description="Intents execution was told to cancel the orders of, which alone has keys.", examples=[0]
    )
    took_ms: int = Field(description="How long it took.", examples=[412])


def _fine(rate: Decimal | None) -> Decimal | None:
    """Return a rate to eight places."""
    return None if rate is None or abs(rate) >= Decimal("1e15") else rate.quantize(Decimal("1e-8"))
