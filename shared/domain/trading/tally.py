"""What became of an intent's orders: what has filled, what may still fill, and which slices may be tried again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.domain.trading.money import ZERO, total
from shared.domain.trading.orders import Fill
from shared.domain.trading.records import IntentView, Order, Role
from shared.domain.trading.states import OrderState, is_final

MAX_ATTEMPTS: Final = 3
"""How often a slice is sent; a venue that has refused it this often has refused the intent."""
CANCELLABLE: Final = frozenset({OrderState.NEW, OrderState.OPEN, OrderState.PARTIALLY_FILLED})
"""Orders a cancel can be asked of: what is unknown or on its way must be settled first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """An intent's orders by slice, attempts in order, and what each has filled by its reports or its fills."""

    slices: Mapping[int, tuple[Order, ...]]
    filled: Mapping[str, Decimal]

    @property
    def orders(self) -> tuple[Order, ...]:
        """Return all of them."""
        return tuple(order for attempts in self.slices.values() for order in attempts)

    @property
    def filled_qty(self) -> Decimal:
        """Return what has filled, in base units."""
        return total(self.filled.values())

    @property
    def committed_qty(self) -> Decimal:
        """Return what has filled or may still fill: an order that is not final counts whole, as an unknown one must."""
        return total(self.at_most(order) for order in self.orders)

    @property
    def unsettled(self) -> tuple[Order, ...]:
        """Return the orders that are not final."""
        return tuple(order for order in self.orders if not is_final(order.state))

    def at_most(self, order: Order) -> Decimal:
        """Return the most an order can have filled in the end."""
        filled = self.filled[order.order_id]
        return filled if is_final(order.state) else max(order.qty, filled)

    def filled_in(self, slice_no: int) -> Decimal:
        """Return what all attempts at a slice have filled."""
        return total(self.filled[order.order_id] for order in self.slices.get(slice_no, ()))

    def missing_of(self, slice_no: int) -> Decimal:
        """Return what the last attempt at a slice has left."""
        last = self.slices[slice_no][-1]
        return max(ZERO, last.qty - self.filled[last.order_id])

    def next_attempt(self, slice_no: int) -> int:
        """Return the number of the attempt after the last."""
        return max((order.attempt for order in self.slices.get(slice_no, ())), default=0) + 1

    def sent(self, slice_no: int) -> tuple[Order, ...]:
        """Return the attempts at a slice that may have reached a venue."""
        return tuple(order for order in self.slices.get(slice_no, ()) if was_sent(order))

    def refusal(self) -> Order | None:
        """Return the last rejected order of a slice that has been rejected too often, None where there is none."""
        for attempts in self.slices.values():
            rejected = [order for order in attempts if order.state is OrderState.REJECTED]
            if len(rejected) >= MAX_ATTEMPTS:
                return rejected[-1]
        return None


def was_sent(order: Order) -> bool:
    """Tell whether an order may have reached a venue; one cancelled before it was sent is no attempt."""
    return order.submitted_at_ms is not None or order.state not in {OrderState.NEW, OrderState.CANCELLED}


def tally(view: IntentView) -> Tally:
    """Count an intent's slices; the orders that protect its position are not among them.

    Reports and fills arrive in any order and more than once, so that the larger of both counts.
    """
    orders = sorted(
        (order for order in view.orders if order.role is Role.SLICE), key=lambda order: (order.slice_no, order.attempt)
    )
    by_fills = _by_fills(view.fills)
    numbers = sorted({order.slice_no for order in orders})
    return Tally(
        slices={number: tuple(order for order in orders if order.slice_no == number) for number in numbers},
        filled={order.order_id: max(order.filled_qty, by_fills.get(order.client_order_id, ZERO)) for order in orders},
    )


def _by_fills(fills: Sequence[Fill]) -> Mapping[str, Decimal]:
    once = {(fill.client_order_id, fill.trade_id): fill.qty for fill in fills}
    ids = {client_id for client_id, _ in once}
    return {client_id: total(qty for (owner, _), qty in once.items() if owner == client_id) for client_id in ids}
