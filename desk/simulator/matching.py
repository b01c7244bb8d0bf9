"""The simulated venue's matching: filters, balances, and fills against the tape.

Orders that take are filled from the invented book (desk/simulator/depth.py). Orders that rest are looked at before
every answer that may tell of them: they fill at their price once the tape's path since the last look has brought the
other side of the book there.
"""

from decimal import Decimal
from itertools import count
from typing import Final

from desk.simulator import wire
from desk.simulator.accounts import VenueAccount, VenueOrder
from desk.simulator.depth import depth_of, grid, price_of, range_of
from desk.simulator.faults import FaultKind, Faults
from desk.simulator.gate import RefusedError
from desk.simulator.instruments import Instrument
from desk.simulator.tape import Tape
from shared.domain.trading.depth import walk
from shared.domain.trading.instruments import Side
from shared.domain.trading.money import floor_to
from shared.ports import Clock

_TAKES: Final = frozenset({"MARKET", "STOP_LOSS", "TAKE_PROFIT"})
_STOPS: Final = frozenset({"STOP_LOSS", "STOP_LOSS_LIMIT"})
_TRIGGERED: Final = _STOPS | {"TAKE_PROFIT", "TAKE_PROFIT_LIMIT"}
_WORST_RATE: Final = Decimal(5)  # PERCENT_PRICE_BY_SIDE of wire.py


class Matching:
    """All accounts of the venue, and what becomes of their orders."""

    def __init__(self, tape: Tape, clock: Clock, faults: Faults) -> None:
        self.tape = tape
        self.accounts: dict[str, VenueAccount] = {}
        self._clock = clock
        self._faults = faults
        self._order_ids, self._trade_ids, self._list_ids = count(1), count(1), count(1)
        self._looked_ms: dict[str, int] = {}

    def listed(self, name: str) -> Instrument:
        """Return an instrument by the venue's name for it."""
        for one in self.tape.listed(self._clock.now_ms()):
            if one.wire == name:
                return one
        raise RefusedError(-1121, "Invalid symbol.")

    def advance(self, wire_symbol: str | None = None) -> None:
        """Let resting orders fill, of one symbol or all, that the market has reached since the last look at them."""
        now_ms = self._clock.now_ms()
        live = [(account, order) for account in self.accounts.values() for order in account.live(wire_symbol)]
        for listed in {order.listed.wire: order.listed for _, order in live}.values():
            since_ms = self._looked_ms.get(listed.wire, now_ms)
            seen = range_of(self.tape, listed, since_ms=since_ms, until_ms=now_ms) if since_ms < now_ms else None
            for account, order in live:
                if seen is not None and order.listed.wire == listed.wire and order.is_live:
                    self._reach(account, order, *seen, now_ms)
            self._looked_ms[listed.wire] = now_ms

    def place(self, account: VenueAccount, order: VenueOrder, *, leg: bool = False) -> None:
        """Check an order, take it, and fill what can be filled at once; a `leg` has been checked with its list."""
        self.advance()
        if not leg:
            self.check(account, [order])
        now_ms = self._clock.now_ms()
        self._looked_ms[order.listed.wire] = now_ms
        order.order_id, order.created_ms, order.updated_ms = next(self._order_ids), now_ms, now_ms
        account.orders.append(order)
        if order.is_triggered:
            self._take(account, order, now_ms)

    def place_list(self, account: VenueAccount, legs: list[VenueOrder]) -> int:
        """Take two orders of which one cancels the other; return the list's id."""
        self.advance()
        self.check(account, legs)
        list_id = next(self._list_ids)
        for order in legs:
            order.list_id = list_id
            self.place(account, order, leg=True)
        return list_id

    def check(self, account: VenueAccount, legs: list[VenueOrder]) -> None:
        """Refuse what breaks a filter, what there is no money for, and an id that an open order has."""
        if self._faults.hit(FaultKind.REJECT):
            raise RefusedError(-2010, "This order is rejected by the venue.")
        taken = {order.client_id for order in account.live()}
        for order in legs:
            price = price_of(self.tape, order.listed, self._clock.now_ms())
            if price is None or not order.listed.is_trading:
                raise RefusedError(-1013, "Market is closed.")
            if order.client_id in taken:
                raise RefusedError(-2010, "Duplicate order sent.")
            taken.add(order.client_id)
            _check_filters(order, price)
            self._check_sense(order, price)
        if max(self._cost(order) for order in legs) > account.free(_spent(legs[0])):
            raise RefusedError(-2010, "Account has insufficient balance for requested action.")

    def cancel(self, account: VenueAccount, order: VenueOrder) -> list[VenueOrder]:
        """Cancel an open order with the rest of its list; return what was cancelled."""
        if self._faults.hit(FaultKind.CANCEL_RACE) and order.is_live:
            self._execute(account, order, order.left, order.price or order.stop_price, maker=True)
        if not order.is_live:
            raise RefusedError(-2011, "Unknown order sent.")
        ended = [one for one in account.live() if one is order or (order.list_id >= 0 and one.list_id == order.list_id)]
        for one in ended:
            one.status, one.updated_ms = "CANCELED", self._clock.now_ms()
        return ended

    def _reach(self, account: VenueAccount, order: VenueOrder, low: Decimal, high: Decimal, now_ms: int) -> None:
        """Trigger or fill a resting order by the path of the last price."""
        if not order.is_triggered:
            falls = (order.type in _STOPS) == (order.side == "SELL")
            if low <= order.stop_price if falls else high >= order.stop_price:
                order.is_triggered = True
                self._take(account, order, now_ms)
            return
        tick, _ = grid(order.listed)
        if low + tick <= order.price if order.side == "BUY" else high - tick >= order.price:
            self._execute(account, order, order.left, order.price, maker=True)

    def _take(self, account: VenueAccount, order: VenueOrder, now_ms: int) -> None:
        """Fill from the book what can be filled now, and end what may not rest."""
        depth = depth_of(self.tape, order.listed, now_ms)
        limit = None if order.type in _TAKES else order.price
        found = walk(depth, Side(order.side.lower()), order.left, limit_price=limit)
        if order.time_in_force == "FOK" and found.missing_qty:
            order.status = "EXPIRED"
            return
        for level in found.taken:
            self._execute(account, order, level.qty, level.price, maker=False)
        if order.is_live and not order.is_silent and (order.type in _TAKES or order.time_in_force == "IOC"):
            order.status = "EXPIRED"

    def _execute(self, account: VenueAccount, order: VenueOrder, qty: Decimal, price: Decimal, *, maker: bool) -> None:
        if order.is_silent:
            return
        if fault := self._faults.hit(FaultKind.PARTIAL):
            order.is_silent = True
            qty = min(floor_to(order.qty * Decimal(str(fault.filled_rate)), grid(order.listed)[1]), qty)
        if qty > 0:
            now_ms = self._clock.now_ms()
            account.book(order, qty, price, trade_id=next(self._trade_ids), now_ms=now_ms, maker=maker)
            for other in account.live():
                if order.list_id >= 0 and other.list_id == order.list_id and other is not order:
                    other.status, other.updated_ms = "EXPIRED", now_ms

    def _check_sense(self, order: VenueOrder, price: Decimal) -> None:
        tick, _ = grid(order.listed)
        if order.type == "LIMIT_MAKER" and order.sign * (order.price - price) >= tick:
            raise RefusedError(-2010, "Order would immediately match and take.")
        if order.type in _TRIGGERED:
            falls = (order.type in _STOPS) == (order.side == "SELL")
            if price <= order.stop_price if falls else price >= order.stop_price:
                raise RefusedError(-2010, "Stop price would trigger immediately.")

    def _cost(self, order: VenueOrder) -> Decimal:
        """Return what an order spends at most of what it spends; at the market, what the book asks now."""
        if order.side == "SELL":
            return order.qty
        if order.type == "MARKET":
            return walk(depth_of(self.tape, order.listed, self._clock.now_ms()), Side.BUY, order.qty).notional
        return order.qty * (order.price or order.stop_price)


def _spent(order: VenueOrder) -> str:
    return order.listed.quote if order.side == "BUY" else order.listed.base


def _check_filters(order: VenueOrder, price: Decimal) -> None:
    tick, step = grid(order.listed)
    for value in (order.price, order.stop_price):
        if value and (value % tick or value < tick or value > 1_000_000):
            raise RefusedError(-1013, "Filter failure: PRICE_FILTER")
        if value and not price / _WORST_RATE <= value <= price * _WORST_RATE:
            raise RefusedError(-1013, "Filter failure: PERCENT_PRICE_BY_SIDE")
    if order.qty % step or order.qty < step:
        raise RefusedError(-1013, "Filter failure: LOT_SIZE")
    if order.qty * (order.price or order.stop_price or price) < Decimal(wire.MIN_NOTIONAL):
        raise RefusedError(-1013, "Filter failure: NOTIONAL")
