"""The tables of trading in memory, and the gate before them, as sql/ has both."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from uuid import UUID

from shared.adapters.supabase.trading_rows import INTENT, ORDER, write
from shared.domain.alerts import Alert
from shared.domain.errors import ConflictError, HaltedError, InvalidMessageError, NotFoundError
from shared.domain.proposals import Proposal
from shared.domain.signals import StoredSignal
from shared.domain.traders import Trader
from shared.domain.trading.accounts import AccountPlace
from shared.domain.trading.books import Book
from shared.domain.trading.flows import Flow
from shared.domain.trading.instruments import Instrument, Side
from shared.domain.trading.intents import Intent, Purpose, Source
from shared.domain.trading.money import ZERO, total
from shared.domain.trading.orders import Fill
from shared.domain.trading.records import FillKey, HeldPosition, Order, Role
from shared.domain.trading.states import (
    AT_RISK,
    INTENT_STEPS,
    ORDER_STEPS,
    IntentState,
    Mode,
    OrderState,
    Scope,
    StateEntry,
    TradingState,
    check_step,
    strictest,
)
from shared.domain.trading.terms import TraderMode
from shared.domain.trading.told import EquityPoint, TrippedBreaker

APPROVED = frozenset({IntentState.APPROVED, IntentState.MODIFIED})
UNFINISHED = APPROVED | {IntentState.EXECUTING}
DECIDED = UNFINISHED | {IntentState.EXECUTED, IntentState.FAILED}


@dataclass(slots=True)
class IntentRow:
    """A row of `trade_intents`; `looked_at` counts looks."""

    intent: Intent
    decision: Mapping[str, object] | None = None
    plan: Mapping[str, object] | None = None
    lease_until: int = 0
    lease_holder: str | None = None
    looked_at: int = 0


@dataclass(slots=True)
class OrderRow:
    """A row of `orders`."""

    order: Order
    lease_until: int = 0
    answer_ms: int | None = None

    @property
    def posted_qty(self) -> Decimal:
        """Return the sum of its fills."""
        return self.order.posted_qty

    @property
    def left_qty(self) -> Decimal:
        """Return what may still fill, and what has filled but is not posted."""
        return (self.order.qty if self.order.state in AT_RISK else self.order.filled_qty) - self.posted_qty


@dataclass(frozen=True, slots=True)
class FillRow:
    """A row of `fills`."""

    book_id: str
    fill: Fill
    order_id: str | None = None
    realised: Decimal = ZERO


@dataclass(slots=True)
class PositionRow:
    """A row of `positions`."""

    held: HeldPosition
    opened_profit: Decimal = ZERO


@dataclass(slots=True)
class TradingTables:
    """Books, intents, orders, fills, positions, and the states that gate them."""

    desk_state: TradingState | None = TradingState.ACTIVE
    states: dict[tuple[str, str], TradingState] = field(default_factory=dict)  # by scope and key; absent: active
    acts: dict[tuple[str, str], StateEntry] = field(default_factory=dict)  # by scope and key; who set it last
    instruments: dict[tuple[str, str], Instrument] = field(default_factory=dict)
    books: dict[str, Book] = field(default_factory=dict)
    losses: dict[str, int] = field(default_factory=dict)
    alerts: dict[str, Alert] = field(default_factory=dict)
    trips: dict[tuple[str, str, int, TradingState], TrippedBreaker] = field(default_factory=dict)
    equity: dict[tuple[str, int], EquityPoint] = field(default_factory=dict)
    intents: dict[str, IntentRow] = field(default_factory=dict)
    proposals: dict[str, Proposal] = field(default_factory=dict)
    orders: dict[str, OrderRow] = field(default_factory=dict)
    fills: dict[FillKey, FillRow] = field(default_factory=dict)
    positions: dict[tuple[str, str, str], PositionRow] = field(default_factory=dict)
    opening: dict[AccountPlace, dict[str, Decimal]] = field(default_factory=dict)
    flows: dict[AccountPlace, list[Flow]] = field(default_factory=dict)
    steps: list[dict[str, object]] = field(default_factory=list)
    looks: int = 0

    def act(self, scope: str, key: str, state: TradingState, actor: str, reason: str, *, now_ms: int) -> None:
        """Keep who set a state and why; since when it is so stays where it was so before."""
        before = self.acts.get((scope, key))
        same = before is not None and before.state is state
        self.acts[scope, key] = StateEntry(
            scope=Scope(scope), key=key, state=state, since_ms=before.since_ms if before and same else now_ms,
            actor=actor, reason=reason,
        )  # fmt: skip

    def note(
        self,
        subject: str,
        row: Intent | Order,
        before: IntentState | OrderState | None,
        actor: str,
        reason: str,
        *,
        after: str | None = None,
    ) -> None:
        """Append a step of an intent or an order."""
        self.steps.append(
            {
                "subject": subject,
                "id": row.order_id if isinstance(row, Order) else row.intent_id,
                "intent_id": row.intent_id,
                "before": before and before.value,
                "after": after or row.state.value,
                "actor": actor,
                "reason": reason,
                "correlation_id": row.correlation_id,
                "details": _details(row) if before is None else None,
            }
        )

    def account_of(self, book_id: str) -> str:
        """Return the account a book trades on."""
        return "live" if self.books[book_id].mode is Mode.LIVE else book_id

    def orders_of(self, intent_id: str) -> list[OrderRow]:
        """Return the orders of an intent in the order they are due."""
        rows = [row for row in self.orders.values() if row.order.intent_id == intent_id]
        return sorted(
            rows, key=lambda row: (row.order.due_at_ms, row.order.slice_no, row.order.attempt, row.order.order_id)
        )

    def slices_of(self, intent_id: str) -> list[OrderRow]:
        """Return the orders that work an intent's quantity."""
        return [row for row in self.orders_of(intent_id) if row.order.role is Role.SLICE]

    def reduces(
        self, book_id: str, venue: str | None, symbol: str, *, side: Side, qty: Decimal, guard: Role | None
    ) -> bool:
        """Tell whether a quantity only takes away from what a book holds; `guard` is the role that need not wait."""
        held = total(
            row.held.position.qty
            for (book, at, of), row in self.positions.items()
            if (book, of) == (book_id, symbol) and venue in {None, at}
        )
        if not held or (held > 0) is (side is Side.BUY):
            return False
        taking = dict.fromkeys(Role, ZERO)
        for row in self.orders.values():
            order = row.order
            if (order.book_id, order.symbol, order.side) == (book_id, symbol, side) and venue in {None, order.venue}:
                taking[order.role] += max(row.left_qty, ZERO)
        others = {
            None: max(taking[Role.STOP], taking[Role.TAKE_PROFIT]),
            Role.SLICE: ZERO,
            Role.STOP: taking[Role.STOP],
            Role.TAKE_PROFIT: taking[Role.TAKE_PROFIT],
        }[guard]
        return qty <= abs(held) - taking[Role.SLICE] - others


def _details(row: Intent | Order) -> object:
    return write(ORDER, row) if isinstance(row, Order) else write(INTENT, row)


def waits_for(role: Role, *, reduce_only: bool) -> Role | None:
    """Return the `guard` argument of `reduces` for an order."""
    return role if role is not Role.SLICE or reduce_only else None


def checked_step(before: IntentState | OrderState, after: IntentState | OrderState) -> None:
    """Raise `ConflictError` unless one state may follow the other."""
    if isinstance(before, IntentState) and isinstance(after, IntentState):
        check_step(INTENT_STEPS, before, after)
    if isinstance(before, OrderState) and isinstance(after, OrderState):
        check_step(ORDER_STEPS, before, after)


def check_version(subject: str, stored: int, expected: int) -> None:
    """Raise `ConflictError` unless a write names the stored version."""
    if stored != expected:
        raise ConflictError(f"{subject} is at version {stored}, not {expected}")


def trading_states(
    tables: TradingTables,
    venues: Iterable[str],
    living: Mapping[str, Trader],
    deleted: Mapping[str, Trader],
    *,
    book_id: str,
    venue: str | None = None,
    symbol: str | None = None,
    trader_id: str | None = None,
) -> dict[str, TradingState | None]:
    """Return the trading states by scope, None where one is missing; a deleted trader only reduces."""
    book = tables.books.get(book_id)
    states = {"desk": tables.desk_state, "book": book.state if book else None}
    active = TradingState.ACTIVE
    if venue is not None:
        states["venue"] = tables.states.get(("venue", venue), active) if venue in venues else None
        key = (venue, symbol or "")
        states["symbol"] = (
            tables.states.get(("symbol", f"{venue}:{symbol}"), active) if key in tables.instruments else None
        )
    if trader_id is not None:
        known = tables.states.get(("trader", trader_id), active)
        if trader_id in deleted and known is not TradingState.HALTED:
            known = TradingState.REDUCING
        states["trader"] = known if trader_id in living or trader_id in deleted else None
    return states


def require_trading(states: Mapping[str, TradingState | None], *, reduces: bool) -> None:
    """Raise `HaltedError` for what the strictest of the states forbids."""
    worst, scopes = strictest(states)
    if worst is TradingState.HALTED or (worst is TradingState.REDUCING and not reduces):
        raise HaltedError(f"{worst}: {', '.join(scopes)}")


def check_trader_book(tables: TradingTables, trader: Trader) -> None:
    """Raise `InvalidMessageError` unless a trader that trades says how, in a book of its owner's and of its mode."""
    trades = trader.mode is not TraderMode.SIGNALS
    if trades and trader.trade is None:
        raise InvalidMessageError("trade", f"expected how to trade in mode {trader.mode}")
    if trader.book_id is None:
        if trades:
            raise InvalidMessageError("book_id", f"expected a book to trade in mode {trader.mode}")
        return
    book = tables.books.get(trader.book_id)
    if book is None or book.owner_id != trader.owner_id:
        raise InvalidMessageError("book_id", f"no book {trader.book_id} of the owner of this trader")
    if trades and book.mode.value != trader.mode.value:
        raise InvalidMessageError("mode", f"book {book.book_id} is a {book.mode} book")


def raise_signal_intent(tables: TradingTables, stored: StoredSignal, trader: Trader | None) -> str | None:
    """Raise the intent of a signal just stored, if its living trader is on and trades; return its id."""
    if trader is None or not trader.is_evaluated or trader.trade is None or trader.book_id is None:
        return None
    book = tables.books[trader.book_id]
    if book.mode.value != trader.mode.value:
        return None
    signal = stored.signal
    identity = f"{signal.trader_id} {signal.symbol} {signal.timeframe.value} {signal.close_time}"
    price = Decimal(repr(signal.price))
    intent = Intent(
        intent_id=str(UUID(hashlib.sha256(identity.encode()).hexdigest()[:32])),
        book_id=book.book_id,
        mode=book.mode,
        source=Source.SIGNAL,
        trader_id=trader.trader_id,
        signal_id=stored.signal_id,
        venue=book.venues[0] if len(book.venues) == 1 else None,
        symbol=signal.symbol,
        purpose=Purpose.ENTER,
        direction=signal.side,
        sizing=trader.trade.sizing,
        guard=trader.trade.guard.at(price, signal.side, signal.timeframe.ms),
        algorithm=trader.trade.algorithm,
        reference_price=price,
        edge_rate=trader.trade.edge_rate,
        raised_at_ms=signal.close_time,
        expires_at_ms=signal.close_time + trader.trade.horizon_ms,
        correlation_id=stored.correlation_id,
    )
    tables.intents[intent.intent_id] = IntentRow(intent)
    tables.note("intent", intent, None, "signal", "")
    return intent.intent_id


def stored_intent(tables: TradingTables, intent_id: str) -> IntentRow:
    """Return a row; raise `NotFoundError`."""
    try:
        return tables.intents[intent_id]
    except KeyError:
        raise NotFoundError(f"no intent {intent_id!r}") from None


def advance_intent(
    tables: TradingTables, row: IntentRow, state: IntentState, *, actor: str, reason: str, qty: Decimal | None = None
) -> Intent:
    """Move an intent on and append the step."""
    before = row.intent.state
    check_step(INTENT_STEPS, before, state)
    row.intent = replace(row.intent, state=state, version=row.intent.version + 1, qty=qty or row.intent.qty)
    row.lease_until = 0
    tables.note("intent", row.intent, before, actor, reason)
    return row.intent
