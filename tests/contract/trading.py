"""What the contracts of trading share: a book to trade in, and intents, orders and fills in it."""

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

from shared.domain.trading.books import Book
from shared.domain.trading.instruments import Instrument, InstrumentKind, PositionSide
from shared.domain.trading.intents import Intent, Purpose, Sizing, SizingMethod, Source
from shared.domain.trading.orders import Fill, OrderKind, OrderReport, client_order_id
from shared.domain.trading.positions import Position
from shared.domain.trading.records import Order
from shared.domain.trading.states import IntentState, Mode, OrderState, TradingState
from shared.domain.trading.told import EquityPoint
from tests.contract.stores import CLOSE, Stores

BTC, SWAP = "BTC/USDT", "BTC/USDT:USDT"
PRICE = Decimal("50000.5")
HOUR_MS = 3_600_000
HOLDER = "3f0f8a9e-6d2b-4c3e-9a0e-0d6f5f1f7a11"


def a_book(owner_id: str | None = None, **changes: object) -> Book:
    """Return a book that is not stored yet."""
    values: dict[str, object] = {
        "book_id": f"b-{uuid4().hex}",
        "owner_id": owner_id,
        "name": "Main",
        "mode": Mode.PAPER,
        "quote": "USDT",
        "capital": Decimal("10000.10"),
        "state": TradingState.ACTIVE,
        "venues": ("binance",),
    }
    return Book(**(values | changes))  # type: ignore[arg-type]


def an_instrument(symbol: str = BTC, **changes: object) -> Instrument:
    """Return an instrument of binance."""
    values: dict[str, object] = {
        "venue": "binance",
        "symbol": symbol,
        "kind": InstrumentKind.SWAP if ":" in symbol else InstrumentKind.SPOT,
        "base": "BTC",
        "quote": "USDT",
        "tick_size": Decimal("0.01"),
        "step_size": Decimal("0.00001"),
        "min_qty": Decimal("0.00001"),
        "min_notional": Decimal(5),
        "maker_fee_rate": Decimal("0.001"),
        "taker_fee_rate": Decimal("0.001"),
    }
    return Instrument(**(values | changes))  # type: ignore[arg-type]


def open_book(stores: Stores, owner_id: str | None = None, **changes: object) -> Book:
    """Store a book, and the instruments it trades."""
    stores.instruments().record([an_instrument(), an_instrument(SWAP)])
    return stores.books().create(a_book(owner_id, **changes))


def an_intent(book: Book, *, intent_id: str | None = None, **changes: object) -> Intent:
    """Return an intent that is not stored yet: to be long, at the first boundary."""
    values: dict[str, object] = {
        "mode": book.mode,
        "source": Source.PERSON,
        "venue": "binance",
        "symbol": BTC,
        "direction": PositionSide.LONG,
        "sizing": Sizing(method=SizingMethod.NOTIONAL, value=Decimal("1000.10")),
        "reference_price": PRICE,
        "raised_at_ms": CLOSE,
        "expires_at_ms": CLOSE + 60_000,
        "correlation_id": f"c-{uuid4().hex}",
    }
    return Intent(intent_id=intent_id or f"i-{uuid4().hex}", book_id=book.book_id, **(values | changes))  # type: ignore[arg-type]


def an_exit(book: Book, **changes: Any) -> Intent:
    """Return an intent to leave a long position."""
    return an_intent(book, purpose=Purpose.EXIT, **changes)


def approve(stores: Stores, intent: Intent, qty: str = "1") -> Intent:
    """Raise an intent and approve a quantity of it."""
    raised = stores.intents().raise_intent(intent, actor="test")
    version = stores.books().get(intent.book_id).risk_version
    return stores.intents().decide(
        raised,
        IntentState.APPROVED,
        risk_version=version,
        qty=Decimal(qty),
        decision={"why": ["fits"]},
        actor="risk-agent",
        reason="within limits",
    )


def an_order(intent: Intent, qty: str = "1", *, slice_no: int = 0, attempt: int = 1, **changes: object) -> Order:
    """Return a market order of an intent that is not stored yet."""
    values: dict[str, object] = {
        "order_id": f"o-{uuid4().hex}",
        "intent_id": intent.intent_id,
        "book_id": intent.book_id,
        "mode": intent.mode,
        "account": "live" if intent.mode is Mode.LIVE else intent.book_id,
        "venue": "binance",
        "symbol": intent.symbol,
        "slice_no": slice_no,
        "attempt": attempt,
        "client_order_id": client_order_id(f"{intent.intent_id}{changes.get('role', '')}", slice_no, attempt),
        "side": intent.side,
        "kind": OrderKind.MARKET,
        "qty": Decimal(qty),
        "due_at_ms": CLOSE,
        "correlation_id": intent.correlation_id,
    }
    return Order(**(values | changes))  # type: ignore[arg-type]


def executing(stores: Stores, intent: Intent, *qtys: str) -> list[Order]:
    """Approve an intent and start it with one order per quantity; they are new."""
    approved = approve(stores, intent, str(sum(map(Decimal, qtys))))
    orders = [an_order(approved, qty, slice_no=n) for n, qty in enumerate(qtys)]
    return list(stores.orders().start(approved, plan={"slices": len(qtys)}, orders=orders, actor="execution-agent"))


def submit(stores: Stores, order: Order, *, lease_ms: int = 0) -> Order:
    """Submit a new order."""
    sent = stores.orders().submit(order.order_id, now_ms=CLOSE + 1, lease_ms=lease_ms, actor="execution-agent")
    assert sent is not None
    return sent


def a_report(order: Order, state: OrderState, filled: str = "0", **changes: object) -> OrderReport:
    """Return what a venue says of an order."""
    values: dict[str, object] = {
        "client_order_id": order.client_order_id,
        "venue_order_id": "v-1",
        "symbol": order.symbol,
        "side": order.side,
        "state": state,
        "qty": order.qty,
        "filled_qty": Decimal(filled),
        "average_price": PRICE if Decimal(filled) else None,
    }
    return OrderReport(**(values | changes))  # type: ignore[arg-type]


def a_fill(order: Order, trade_id: str, qty: str = "1", **changes: object) -> Fill:
    """Return a fill of an order, its fee in the quote currency."""
    values: dict[str, object] = {
        "trade_id": trade_id,
        "client_order_id": order.client_order_id,
        "venue_order_id": "v-1",
        "symbol": order.symbol,
        "side": order.side,
        "qty": Decimal(qty),
        "price": PRICE,
        "fee_qty": Decimal("0.5"),
        "fee_asset": "USDT",
        "fee_notional": Decimal("0.5"),
        "is_maker": False,
        "event_time": CLOSE + 2,
    }
    return Fill(**(values | changes))  # type: ignore[arg-type]


def moved(position: Position, *fills: Fill, realised: str = "0") -> Position:
    """Return a position after fills whose fees are in the quote currency; what was closed earned `realised`."""
    qty = position.qty + sum(fill.side.sign * fill.qty for fill in fills)
    return replace(
        position,
        qty=qty,
        cost=qty * PRICE,
        realised=position.realised + Decimal(realised),
        fees=position.fees + sum(fill.fee_qty for fill in fills),
        opened_at_ms=CLOSE + 2 if qty else None,
    )


def hold(stores: Stores, book: Book, qty: str = "1", *, symbol: str = BTC) -> Position:
    """Trade a book into a long position; return it as posted."""
    (order,) = executing(stores, an_intent(book, symbol=symbol), qty)
    filled = stores.orders().advance(submit(stores, order), a_report(order, OrderState.FILLED, qty), actor="test")
    fill = a_fill(filled, f"t-{uuid4().hex}", qty)
    flat = stores.ledger().position(book.book_id, "binance", symbol).position
    position = stores.ledger().post(filled.account, moved(flat, fill), [fill], {fill.trade_id: Decimal(0)})
    intent = stores.orders().execution(order.intent_id).intent
    stores.intents().finish(intent, IntentState.EXECUTED, actor="test", reason="all filled")
    return position


def a_point(at_ms: int, equity: str, *, realised: str = "0", fees: str = "0") -> EquityPoint:
    """Return a point of an equity curve."""
    return EquityPoint(at_ms=at_ms, equity=Decimal(equity), realised=Decimal(realised), fees=Decimal(fees))


def halt(stores: Stores, scope: str, key: str = "", state: TradingState = TradingState.HALTED) -> None:
    """Set a trading state."""
    assert stores.states().set(scope, key, state, actor="test", reason="because") is state
