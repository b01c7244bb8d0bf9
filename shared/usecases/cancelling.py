"""Cancel what rests, however much it is: together where that can be, one by one where it cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.domain.errors import ConflictError, NightdeskError
from shared.domain.trading.intents import Purpose
from shared.domain.trading.records import Order, Role
from shared.domain.trading.states import OrderState, Scope, is_final
from shared.domain.trading.tally import CANCELLABLE
from shared.usecases.working import ACTOR, Floor, ask_to_cancel, cancel_order, settle_order

if TYPE_CHECKING:
    from shared.domain.trading.accounts import AccountPlace

ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What is halted: the desk, or the book, venue, symbol or trader of one of the keys; `exits_too` is all of it."""

    exits_too: bool
    scope: Scope = Scope.DESK
    keys: Sequence[str] = ()

    def has(self, order: Order, purpose: Purpose) -> bool:
        """Tell whether an order is a slice that is to be cancelled; protective orders stay."""
        is_meant = order.role is Role.SLICE and (self.exits_too or purpose is Purpose.ENTER)
        return is_meant and _part_of(order, self.scope) in {None, *self.keys}


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueHalt:
    """What was done at one account: orders that have ended, orders that have not, and why."""

    venue: str
    account: str
    cancelled: int
    left: int
    errors: tuple[str, ...]


def resting(part: Part, *, floor: Floor) -> Mapping[AccountPlace, Sequence[Order]]:
    """Return the orders of a part that are to be cancelled, by account; of the whole desk, accounts without any too."""
    found: dict[AccountPlace, list[Order]] = {}
    if part.scope is Scope.DESK:
        found = {place: [] for place in floor.orders.accounts()}
    for order, purpose in floor.orders.resting(trader_id=part.keys[0] if part.scope is Scope.TRADER else None):
        if part.has(order, purpose):
            found.setdefault((order.venue, order.account), []).append(order)
    return found


def cancel_resting(part: Part, *, floor: Floor) -> tuple[VenueHalt, ...]:
    """Cancel what rests of a part at every venue, several orders at once."""
    with ThreadPoolExecutor(floor.at_once) as pool:
        return tuple(
            _cancel(place, orders, floor, pool) for place, orders in sorted(resting(part, floor=floor).items())
        )


def _part_of(order: Order, scope: Scope) -> str | None:
    """Return the key of the part an order belongs to, None where all that were listed do."""
    match scope:
        case Scope.BOOK:
            return order.book_id
        case Scope.VENUE:
            return order.venue
        case Scope.SYMBOL:
            return f"{order.venue}:{order.symbol}"
        case Scope.DESK | Scope.TRADER:
            return None


def _cancel(place: AccountPlace, orders: Sequence[Order], floor: Floor, pool: ThreadPoolExecutor) -> VenueHalt:
    with suppress(NightdeskError):  # what fails for all of them is told, or mended, one by one
        orders = _cancel_together(place, orders, floor, pool)
    ends = list(pool.map(lambda order: _end(order, floor), orders))
    cancelled = sum(end is None for end in ends)
    errors = tuple(end for end in ends if end)
    return VenueHalt(venue=place[0], account=place[1], cancelled=cancelled, left=len(orders) - cancelled, errors=errors)


def _cancel_together(
    place: AccountPlace, orders: Sequence[Order], floor: Floor, pool: ThreadPoolExecutor
) -> Sequence[Order]:
    """Cancel what is known to rest, written down in two calls however many there are; return all as they are then."""
    exchange = floor.exchanges.of(*place)  # first: whoever has no keys leaves the orders as they are
    resting = [order for order in orders if order.state in CANCELLABLE]
    now = {order.order_id: order for order in orders}
    now |= floor.orders.mark_all(resting, OrderState.CANCEL_PENDING, actor=ACTOR, reason="asked to cancel")
    asked = [now[order.order_id] for order in resting]
    pending = [order for order in asked if order.state is OrderState.CANCEL_PENDING]
    told = list(pool.map(lambda order: ask_to_cancel(order, exchange, floor=floor), pending))
    reports = [(order, report) for order, report in zip(pending, told, strict=True) if report is not None]
    now |= floor.orders.advance_all(reports, actor=ACTOR)
    return [now[order.order_id] for order in orders]


def _end(order: Order, floor: Floor) -> str | None:
    """End one order; return why it has not ended, None when it has.

    Somebody who settles it at the same time makes its version move: then it is looked at again, since a halt must not
    leave it for that.
    """
    if is_final(order.state):
        return None
    why = ""
    for _ in range(ATTEMPTS):
        try:
            in_doubt = order.state in (OrderState.SUBMITTING, OrderState.UNKNOWN, OrderState.CANCEL_PENDING)
            order = settle_order(order, floor=floor) if in_doubt else cancel_order(order, floor=floor)
        except ConflictError as moved:
            why = f"{order.client_order_id}: {type(moved).__name__}: {moved}"
            orders = floor.orders.execution(order.intent_id).orders
            order = next(each for each in orders if each.order_id == order.order_id)
        except NightdeskError as error:
            return f"{order.client_order_id}: {type(error).__name__}: {error}"
        else:
            return None if is_final(order.state) else f"{order.client_order_id} is {order.state}"
        if is_final(order.state):
            return None
    return why
