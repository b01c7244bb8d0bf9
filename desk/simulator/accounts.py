"""Accounts at the simulated venue: keys, balances, orders, trades. They live as long as the simulator does."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal, localcontext
from typing import Final

from desk.simulator.instruments import Instrument
from shared.domain.trading.money import EXACT, ZERO

_GRAIN: Final = Decimal("1e-8")
LIVE: Final = frozenset({"NEW", "PARTIALLY_FILLED"})


@dataclass(slots=True, kw_only=True)
class VenueOrder:
    """An order as Binance keeps it; one that `is_silent` never fills again, one without a stop `is_triggered`."""

    order_id: int
    client_id: str
    listed: Instrument
    side: str
    type: str
    time_in_force: str
    qty: Decimal
    price: Decimal
    stop_price: Decimal
    created_ms: int
    updated_ms: int
    status: str = "NEW"
    executed: Decimal = ZERO
    quote: Decimal = ZERO
    is_triggered: bool = True
    is_silent: bool = False
    list_id: int = -1

    @property
    def left(self) -> Decimal:
        """Return what has not filled."""
        return self.qty - self.executed

    @property
    def sign(self) -> int:
        """Return +1 for a buy."""
        return 1 if self.side == "BUY" else -1

    @property
    def is_live(self) -> bool:
        """Tell whether it may fill."""
        return self.status in LIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueTrade:
    """One execution, as `myTrades` lists it."""

    trade_id: int
    order: VenueOrder
    price: Decimal
    qty: Decimal
    commission: Decimal
    commission_asset: str
    time_ms: int
    is_maker: bool


@dataclass(slots=True, kw_only=True)
class VenueAccount:
    """One key's account; commission comes off what is received, or in BNB when `bnb_price` (quote units) is set."""

    api_key: str
    secret: str
    balances: dict[str, Decimal]
    maker_rate: Decimal
    taker_rate: Decimal
    can_withdraw: bool = False
    bnb_price: Decimal | None = None
    orders: list[VenueOrder] = field(default_factory=list)
    trades: list[VenueTrade] = field(default_factory=list)

    def live(self, wire: str | None = None) -> list[VenueOrder]:
        """Return the orders that may fill, oldest first."""
        return [one for one in self.orders if one.is_live and wire in (None, one.listed.wire)]

    def find(self, wire: str, *, order_id: int | None, client_id: str | None) -> VenueOrder | None:
        """Return the newest order of a symbol by either id."""
        for order in reversed(self.orders):
            if order.listed.wire == wire and (
                order.order_id == order_id if order_id is not None else order.client_id == client_id
            ):
                return order
        return None

    def locked(self) -> Mapping[str, Decimal]:
        """Return what open orders hold back, the larger leg of an order list alone."""
        held: defaultdict[tuple[str, int], Decimal] = defaultdict(Decimal)
        for order in self.live():
            if order.side == "SELL":
                asset, amount = order.listed.base, order.left
            else:
                asset, amount = order.listed.quote, order.left * (order.price or order.stop_price)
            group = (asset, order.list_id if order.list_id >= 0 else -1 - order.order_id)
            held[group] = max(held[group], amount)
        totals: defaultdict[str, Decimal] = defaultdict(Decimal)
        for (asset, _), amount in held.items():
            totals[asset] += amount
        return totals

    def free(self, asset: str) -> Decimal:
        """Return what may be spent of an asset."""
        return self.balances.get(asset, ZERO) - self.locked().get(asset, ZERO)

    def book(self, order: VenueOrder, qty: Decimal, price: Decimal, *, trade_id: int, now_ms: int, maker: bool) -> None:
        """Execute a quantity at a price: order, balances, commission and trade move together."""
        with localcontext(EXACT):
            commission, asset = self._pay(order, qty, price, maker=maker)
            order.executed, order.quote = order.executed + qty, order.quote + qty * price
        order.updated_ms = now_ms
        order.status = "FILLED" if order.left == 0 else "PARTIALLY_FILLED"
        self.trades.append(
            VenueTrade(
                trade_id=trade_id,
                order=order,
                price=price,
                qty=qty,
                commission=commission,
                commission_asset=asset,
                time_ms=now_ms,
                is_maker=maker,
            )
        )

    def _pay(self, order: VenueOrder, qty: Decimal, price: Decimal, *, maker: bool) -> tuple[Decimal, str]:
        """Move the balances of an execution and return its commission."""
        base, quote = order.listed.base, order.listed.quote
        rate = self.maker_rate if maker else self.taker_rate
        fee, asset = (qty * rate, base) if order.side == "BUY" else (qty * price * rate, quote)
        if self.bnb_price is not None:
            fee, asset = qty * price * rate / self.bnb_price, "BNB"
        fee = fee.quantize(_GRAIN, ROUND_DOWN)
        for moved, amount in ((base, order.sign * qty), (quote, -order.sign * qty * price), (asset, -fee)):
            self.balances[moved] = self.balances.get(moved, ZERO) + amount
        return fee, asset
