"""What the desk keeps of trading: rows of orders, and the views a decision is made on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from shared.domain.trading.books import Book
from shared.domain.trading.instruments import Side
from shared.domain.trading.intents import Guard, Intent, Purpose
from shared.domain.trading.money import ZERO
from shared.domain.trading.orders import Fill, OrderKind, OrderRequest, TimeInForce
from shared.domain.trading.positions import Position
from shared.domain.trading.states import Mode, OrderState, TradingState


class Role(StrEnum):
    """What an order is for: a part of an intent's quantity, or the protection of what it opened."""

    SLICE = "slice"
    STOP = "stop"
    TAKE_PROFIT = "take_profit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order of an intent at one venue, as it is stored: attempt `attempt` at slice `slice_no`, due at `due_at_ms`.

    `account` is the paper account (the book's id) or `live`. `submitted_at_ms` is when it became `submitting`.
    `filled_qty` is what the venue has said, `posted_qty` the sum of its fills in the ledger. `missed_at_ms` is since
    when its venue, which has had it, no longer knows it (epoch ms); None while it does.
    """

    order_id: str
    intent_id: str
    book_id: str
    mode: Mode
    account: str
    venue: str
    symbol: str
    role: Role = Role.SLICE
    slice_no: int
    attempt: int = 1
    client_order_id: str
    side: Side
    kind: OrderKind
    time_in_force: TimeInForce = TimeInForce.GTC
    qty: Decimal
    limit_price: Decimal | None = None
    trigger_price: Decimal | None = None
    reduce_only: bool = False
    due_at_ms: int
    state: OrderState = OrderState.NEW
    version: int = 1
    venue_order_id: str | None = None
    filled_qty: Decimal = ZERO
    posted_qty: Decimal = ZERO
    average_price: Decimal | None = None
    reason: str | None = None
    submitted_at_ms: int | None = None
    missed_at_ms: int | None = None
    correlation_id: str

    def request(self) -> OrderRequest:
        """Return what is sent to the venue."""
        return OrderRequest(
            client_order_id=self.client_order_id,
            symbol=self.symbol,
            side=self.side,
            kind=self.kind,
            qty=self.qty,
            limit_price=self.limit_price,
            trigger_price=self.trigger_price,
            time_in_force=self.time_in_force,
            reduce_only=self.reduce_only,
        )


class FillKey(NamedTuple):
    """The identity of a fill: trade ids are unique within a symbol of an account at a venue."""

    venue: str
    account: str
    symbol: str
    trade_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPosition:
    """A position with what protects it; `best_price` is the most favourable price seen since it was opened."""

    position: Position
    guard: Guard
    best_price: Decimal | None
    last_fill_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """What an approved intent may still add to a book: its quantity less what has filled, at the price it was decided
    at, or at its limit where that is higher."""

    intent_id: str
    venue: str | None
    symbol: str
    side: Side
    qty: Decimal
    price: Decimal
    is_exit: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """An exit that is approved or executing, with what it may still take of a position: its quantity less what has
    filled."""

    intent: Intent
    qty: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """An earlier intent of the same book and symbol, which a duplicate or a cool-down is told by."""

    intent_id: str
    side: Side
    trader_id: str | None
    raised_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BookView:
    """Everything the desk knows of a book at one instant.

    `states` are the trading states by scope (desk, book, and venue, symbol, trader where the view is of an intent),
    None where one is missing. `day_start_equity` is the equity at midnight UTC, the capital when there was none;
    `losses_in_a_row` counts closed positions since the last one that earned.
    """

    book: Book
    states: Mapping[str, TradingState | None]
    positions: tuple[HeldPosition, ...]
    reservations: tuple[Reservation, ...]
    recent: tuple[Recent, ...]
    day_start_equity: Decimal
    losses_in_a_row: int
    intent: Intent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentView:
    """An intent under execution with all its orders, and the fills of each.

    `state` is the strictest of what it is subject to; one that may go to several venues has theirs in `venue_states`,
    each with its symbol's.
    """

    intent: Intent
    plan: Mapping[str, object] | None
    orders: tuple[Order, ...]
    fills: tuple[Fill, ...]
    state: TradingState
    venue_states: Mapping[str, TradingState] = field(default_factory=dict)

    def is_barred(self, venue: str) -> bool:
        """Tell whether a venue's own state keeps this intent from ordering there."""
        state = self.venue_states.get(venue, TradingState.ACTIVE)
        return state is TradingState.HALTED or (
            state is TradingState.REDUCING and self.intent.purpose is not Purpose.EXIT
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What a book's slices were like since an instant: how many were sent and rejected, how much worse than the price
    they were decided at they filled (basis points, a cost is positive, None when none did), how many differences from
    the venue are open, and when it last filled (epoch ms, None when never)."""

    orders: int
    rejected: int
    slippage_bps: Decimal | None
    mismatches: int
    last_fill_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedBook:
    """A book that needs watching: what is known of it, and what its slices were like within its breakers' window."""

    view: BookView
    observed: Observed
