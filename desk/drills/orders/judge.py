"""The judge of a drill: what exists at the venue, by the venue's own books, against what the desk believes."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any, Final

from shared.domain.trading.money import EXACT, ZERO, total
from shared.domain.trading.orders import Fill
from shared.domain.trading.records import HeldPosition, IntentView, Order, Role
from shared.domain.trading.states import is_final

_LIVE: Final = frozenset({"NEW", "PARTIALLY_FILLED"})
_STEP: Final = Decimal("0.00001")  # of what is traded


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueBooks:
    """What the venue has of the account: Binance's orders and trades, every one since the start."""

    balances: Mapping[str, Decimal]
    orders: Sequence[Mapping[str, Any]]
    trades: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "VenueBooks":
        """Read the simulator's answer."""
        balances = {asset: Decimal(qty) for asset, qty in body["balances"].items() if Decimal(qty)}
        return cls(balances=balances, orders=body["orders"], trades=body["trades"])

    def filled(self, client_ids: Collection[str]) -> Decimal:
        """Return what orders of these client ids have filled, by the trades."""
        ids = {order["orderId"] for order in self.orders if order["clientOrderId"] in client_ids}
        return total(Decimal(trade["qty"]) for trade in self.trades if trade["orderId"] in ids)

    def moved(self, client_ids: Collection[str], assets: tuple[str, str]) -> Mapping[str, Decimal]:
        """Return what the trades of orders of these client ids moved of each asset; `assets` are base and quote."""
        ids = {order["orderId"] for order in self.orders if order["clientOrderId"] in client_ids}
        moved: defaultdict[str, Decimal] = defaultdict(Decimal)
        with localcontext(EXACT):
            for trade in self.trades:
                if trade["orderId"] not in ids:
                    continue
                sign, qty, price = (1 if trade["isBuyer"] else -1), Decimal(trade["qty"]), Decimal(trade["price"])
                moved[assets[0]] += sign * qty
                moved[assets[1]] -= sign * qty * price
                moved[trade["commissionAsset"]] -= Decimal(trade["commission"])
        return moved


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskBooks:
    """What the desk believes in the end: intents with their orders, holdings, fills and positions of the account."""

    intents: Sequence[IntentView]
    opening: Mapping[str, Decimal]
    holdings: Mapping[str, Decimal]
    fills: Sequence[Fill]
    held: HeldPosition
    differences: Sequence[str]

    @property
    def orders(self) -> list[Order]:
        """Return every order of every intent."""
        return [order for view in self.intents for order in view.orders]


def mismatches(venue: VenueBooks, desk: DeskBooks, assets: tuple[str, str], *, foreign: int) -> Iterator[str]:
    """Say in what the desk and the venue differ; `foreign` orders or fills are to be reported as differences."""
    ours = {order.client_order_id for order in desk.orders}
    theirs = {order["clientOrderId"] for order in venue.orders} - ours
    yield from _balances(venue, desk, ours, theirs, assets)
    yield from _fills(venue, desk, ours)
    yield from _sent_twice(venue, ours)
    yield from _resting(venue, desk, ours)
    if len(theirs) != bool(foreign):
        yield f"{len(theirs)} orders at the venue are not the desk's, {int(bool(foreign))} were placed by others"
    if bool(desk.differences) is not bool(foreign):
        yield f"reported differences: {'; '.join(desk.differences) or 'none'}"


def _balances(
    venue: VenueBooks, desk: DeskBooks, ours: Collection[str], theirs: Collection[str], assets: tuple[str, str]
) -> Iterator[str]:
    """Hold the ledger against the venue's balances, what others traded taken off, to the last digit."""
    foreign, own = venue.moved(theirs, assets), venue.moved(ours, assets)
    with localcontext(EXACT):
        for asset in sorted({*venue.balances, *desk.holdings, *own}):
            held = venue.balances.get(asset, ZERO) - foreign.get(asset, ZERO)
            booked = desk.holdings.get(asset, ZERO)
            traded = desk.opening.get(asset, ZERO) + own.get(asset, ZERO)
            if not held == booked == traded:
                yield f"{asset}: the venue has {held}, the ledger {booked}, opening and trades make {traded}"


def _fills(venue: VenueBooks, desk: DeskBooks, ours: Collection[str]) -> Iterator[str]:
    """Hold every posted fill against the venue's trade, and the position against their sum."""
    ids = {order["orderId"] for order in venue.orders if order["clientOrderId"] in ours}
    there = {
        str(trade["id"]): (Decimal(trade["qty"]), Decimal(trade["price"]), Decimal(trade["commission"]))
        for trade in venue.trades
        if trade["orderId"] in ids
    }
    posted = {fill.trade_id: (fill.qty, fill.price, fill.fee_qty) for fill in desk.fills}
    if posted != there or len(desk.fills) != len(posted):
        yield f"{len(desk.fills)} fills are posted, the venue has {len(there)} trades of the desk's orders"
    base = desk.held.position.symbol.partition("/")[0]
    with localcontext(EXACT):
        net = total(
            fill.side.sign * fill.qty - (fill.fee_qty if fill.fee_asset == base else ZERO) for fill in desk.fills
        )
    if desk.held.position.qty != net:
        yield f"the position is {desk.held.position.qty}, its fills make {net}"


def _sent_twice(venue: VenueBooks, ours: Collection[str]) -> Iterator[str]:
    counts = Counter(order["clientOrderId"] for order in venue.orders)
    yield from (f"{one} was taken {count} times" for one, count in counts.items() if count > 1 and one in ours)


def _resting(venue: VenueBooks, desk: DeskBooks, ours: Collection[str]) -> Iterator[str]:
    """Say what rests at the venue although nothing should but what protects the position, and that exactly."""
    roles = {order.client_order_id: order.role for order in desk.orders}
    live = [one for one in venue.orders if one["status"] in _LIVE and one["clientOrderId"] in ours]
    stray = [one for one in live if roles[one["clientOrderId"]] is Role.SLICE]
    yield from (f"{one['clientOrderId']} still rests at the venue" for one in stray)
    stops = [Decimal(one["origQty"]) for one in live if roles[one["clientOrderId"]] is Role.STOP]
    guarded = desk.held.guard.stop_price is not None and desk.held.position.qty >= _STEP  # what is less cannot be sold
    if guarded and (len(stops) != 1 or not ZERO <= desk.held.position.qty - stops[0] < _STEP):
        yield f"stops of {[str(qty) for qty in stops]} stand for a position of {desk.held.position.qty}"
    if not guarded and stops:
        yield f"stops of {[str(qty) for qty in stops]} stand for nothing"


def unended(view: IntentView, wanted_qty: Decimal, venue: VenueBooks, *, says: str, why: str) -> Iterator[str]:
    """Say what is wrong with one intent: its quantity at the venue, its end, the reason of it."""
    ids = {order.client_order_id for order in view.orders if order.role is Role.SLICE}
    intent, filled = view.intent, venue.filled(ids)
    if filled != wanted_qty:
        yield f"intent {intent.intent_id}: {filled} exists at the venue, {wanted_qty} should"
    if not is_final(intent.state):
        yield f"intent {intent.intent_id} is still {intent.state}"
    if says.lower() not in why.lower() or not why:
        yield f"intent {intent.intent_id} is {intent.state} for {why!r}, expected {says!r} in it"
