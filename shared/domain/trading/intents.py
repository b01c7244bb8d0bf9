"""Trade intents: the wish to enter or leave a position, before anything is decided."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from shared.domain.trading.instruments import PositionSide, Side
from shared.domain.trading.orders import TimeInForce
from shared.domain.trading.states import IntentState, Mode


class Purpose(StrEnum):
    """What an intent is for."""

    ENTER = "enter"
    EXIT = "exit"


class Source(StrEnum):
    """Who raised an intent."""

    SIGNAL = "signal"
    PERSON = "person"
    AGENT = "agent"
    PROTECTION = "protection"
    BREAKER = "breaker"


class SizingMethod(StrEnum):
    """How a quantity is found."""

    NOTIONAL = "notional"
    RISK = "risk"
    VOLATILITY = "volatility"
    KELLY = "kelly"
    QTY = "qty"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """How much: `value` is quote units for `notional`, base units for `qty`, a fraction of the book's equity that may
    be lost at the stop for `risk`, that one average true range may move for `volatility`, and the fraction of the Kelly
    bet for `kelly`, which also needs the rate of wins and the average win over the average loss."""

    method: SizingMethod
    value: Decimal
    win_rate: Decimal | None = None
    payoff: Decimal | None = None


class AlgorithmName(StrEnum):
    """How an approved quantity is worked."""

    MARKET = "market"
    LIMIT = "limit"
    TWAP = "twap"
    VWAP = "vwap"
    ICEBERG = "iceberg"
    POV = "pov"


class Completion(StrEnum):
    """What happens to what is left at the deadline: it is given up, or taken at the market within the price limit."""

    CANCEL = "cancel"
    TAKE = "take"


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """How to work a quantity: until `duration_ms` after the start, in `slices`, of which an iceberg shows `shown_rate`.

    `participation_rate` caps a slice at a fraction of the volume expected in its span; `limit_price` is never crossed.
    """

    name: AlgorithmName = AlgorithmName.MARKET
    duration_ms: int = 0
    slices: int = 1
    limit_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    participation_rate: Decimal | None = None
    shown_rate: Decimal | None = None
    completion: Completion = Completion.CANCEL


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What protects the position an intent opens: prices in quote units, a trailing distance as a fraction of the best
    price since entry, the longest time to hold; None where there is none. `intent_id` is who asked for it."""

    stop_price: Decimal | None = None
    take_profit_price: Decimal | None = None
    trailing_rate: Decimal | None = None
    hold_ms: int | None = None
    intent_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A wish to trade, as it is stored. `venue` None leaves the venue to the router.

    `reference_price` is what the raiser saw (quote units); `edge_rate` is the return it expects, as a fraction, None
    when it does not say. `qty` is what risk approved, None before. `withdrawn` is why it was taken back, None when it
    was not: nothing more of it is ordered.
    """

    intent_id: str
    book_id: str
    mode: Mode
    source: Source
    trader_id: str | None = None
    signal_id: str | None = None
    venue: str | None
    symbol: str
    purpose: Purpose = Purpose.ENTER
    direction: PositionSide
    sizing: Sizing
    guard: Guard = field(default_factory=Guard)
    algorithm: Algorithm = field(default_factory=Algorithm)
    reference_price: Decimal | None = None
    confidence: Decimal | None = None
    edge_rate: Decimal | None = None
    raised_at_ms: int
    expires_at_ms: int
    state: IntentState = IntentState.PENDING
    version: int = 1
    qty: Decimal | None = None
    withdrawn: str | None = None
    correlation_id: str

    @property
    def side(self) -> Side:
        """Return the side of its orders: what enters a long buys, what leaves one sells."""
        enters_long = (self.purpose is Purpose.ENTER) == (self.direction is PositionSide.LONG)
        return Side.BUY if enters_long else Side.SELL
