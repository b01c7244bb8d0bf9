"""What a venue knows of one account: orders, executions, and a dead-man timer. How it tells them is each venue's."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from shared.domain.trading.money import ONE, ZERO

D = Decimal
PRICE = D("60000")
"""The market stands still: who takes fills here, in two parts."""
PLENTY = D(1_000_000)
NOW_MS = 1_700_000_000_000


@dataclass
class VenueOrder:
    """One order; quantities are the venue's own units, contracts where it has them."""

    number: int
    client_id: str
    side: str
    kind: str
    qty: Decimal
    price: Decimal | None
    trigger: Decimal | None
    at_ms: int
    terms: dict[str, Any]
    filled: Decimal = ZERO
    ended: str | None = None

    @property
    def is_open(self) -> bool:
        return self.ended is None and self.filled < self.qty

    @property
    def is_filled(self) -> bool:
        return self.filled == self.qty


@dataclass
class VenueTrade:
    """One execution."""

    number: int
    order: VenueOrder
    qty: Decimal
    price: Decimal
    at_ms: int
    is_maker: bool


@dataclass
class VenuePayment:
    """Funding of the future; what the account paid is negative."""

    number: int
    qty: Decimal
    at_ms: int


class RefusedError(Exception):
    """The venue says no: `word` is what for."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


@dataclass
class VenueLedger:
    """One account at a venue; `funds` is what an order may be worth."""

    funds: Decimal = PLENTY
    unit: Decimal = ONE
    orders: list[VenueOrder] = field(default_factory=list)
    trades: list[VenueTrade] = field(default_factory=list)
    payments: list[VenuePayment] = field(default_factory=list)
    timers: dict[str, int] = field(default_factory=dict)
    may_withdraw: bool = False
    now_ms: int = NOW_MS

    def place(
        self, client_id: str, side: str, *, kind: str, qty: str, price: str | None, trigger: str | None = None,
        **terms: Any,
    ) -> VenueOrder:  # fmt: skip
        """Take an order; ids are unique among open orders, as at most venues."""
        if client_id and any(order.is_open and order.client_id == client_id for order in self.orders):
            raise RefusedError("duplicate")
        limit = D(price) if price else None
        if D(qty) * self.unit * (limit or PRICE) > self.funds:
            raise RefusedError("funds")
        self.now_ms += 10
        number = 1_000 + len(self.orders)
        stop = D(trigger) if trigger else None
        order = VenueOrder(number, client_id, side.lower(), kind.lower(), D(qty), limit, stop, self.now_ms, terms)
        self.orders.append(order)
        if stop is None and (limit is None or (limit - PRICE) * (1 if order.side == "buy" else -1) >= 0):
            self.fill(order, order.qty / 2)
            self.fill(order, order.qty / 2)
        return order

    def fill(self, order: VenueOrder, qty: Decimal, *, is_maker: bool = False) -> None:
        """Execute a part of an order."""
        self.now_ms += 1
        order.filled += qty
        price = (order.price if is_maker else None) or PRICE
        self.trades.append(VenueTrade(9_000 + len(self.trades), order, qty, price, self.now_ms, is_maker))

    def pay(self, qty: str, *, after_ms: int = 1) -> VenuePayment:
        """Have the account receive funding, or pay it."""
        self.now_ms += after_ms
        self.payments.append(VenuePayment(500 + len(self.payments), D(qty), self.now_ms))
        return self.payments[-1]

    def cancel(self, order: VenueOrder | None) -> VenueOrder:
        """End an order; refuse one that has ended or never was."""
        if order is None or not order.is_open:
            raise RefusedError("unknown")
        order.ended = "cancelled"
        return order

    def find(self, *, client_id: str | None = None, number: str | int | None = None) -> VenueOrder | None:
        """Return the newest order of an id."""
        for order in reversed(self.orders):
            if (client_id and order.client_id == client_id) or (number and order.number == int(number)):
                return order
        return None

    @property
    def position(self) -> Decimal:
        """Return what the executions add up to."""
        return sum(((1 if each.order.side == "buy" else -1) * each.qty for each in self.trades), ZERO)
