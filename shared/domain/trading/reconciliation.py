"""Reconciliation: what the desk believes against what the venue says, and what follows from each difference."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Final

from shared.domain.trading.accounts import AccountPlace, Balance, VenuePosition
from shared.domain.trading.money import ZERO
from shared.domain.trading.orders import Fill, OrderReport
from shared.domain.trading.records import Order
from shared.domain.trading.states import WORKING, OrderState, is_final

FORGOTTEN_AFTER_MS: Final = 300_000
"""How long a venue must not have known an order it has had: longer than its lists take to agree, or a glitch lasts."""


class Finding(StrEnum):
    """What kind of difference was found."""

    FOREIGN_ORDER = "foreign_order"
    FOREIGN_FILL = "foreign_fill"
    LOST_FILL = "lost_fill"
    BALANCE = "balance"
    POSITION = "position"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference with its numbers; `subject` is the asset, symbol, order or trade it is about."""

    finding: Finding
    venue: str
    account: str
    subject: str
    expected: Decimal
    actual: Decimal

    @property
    def sentence(self) -> str:
        """Say it with its numbers."""
        what = self.finding.replace("_", " ")
        return f"{what} {self.subject} on {self.venue}: the desk has {self.expected}, the venue {self.actual}"


class Settled(StrEnum):
    """What is known now of an order that was in doubt."""

    REPORTED = "reported"
    NEVER_PLACED = "never_placed"
    MISSED = "missed"
    FORGOTTEN = "forgotten"
    WAIT = "wait"


def settle(order: Order, report: OrderReport | None, *, now_ms: int, accepts_for_ms: int) -> Settled:
    """Tell what became of an order by what the venue says when asked by the desk's id for it.

    An order the venue does not know may still be on its way, until the venue would no longer accept it: a signed
    request carries its time, and is refused once that is too long ago. Only then was it never placed.

    One the venue has had is missed first. Venues forget orders that have ended, so once it has been missed for long,
    and no more of it is said to have filled than is posted, it has ended and is forgotten.
    """
    if report is not None:
        return Settled.REPORTED
    sent_ms = order.submitted_at_ms
    if is_final(order.state) or sent_ms is None or now_ms - sent_ms <= accepts_for_ms:
        return Settled.WAIT
    if not was_acknowledged(order):
        return Settled.NEVER_PLACED
    if order.missed_at_ms is None:
        return Settled.MISSED
    has_all = order.filled_qty <= order.posted_qty
    return Settled.FORGOTTEN if has_all and _is_long_missed(order, now_ms) else Settled.WAIT


def was_acknowledged(order: Order) -> bool:
    """Tell whether the venue is known to have had an order: it said so, or some of it has filled."""
    return order.state in WORKING or bool(order.venue_order_id or order.filled_qty or order.posted_qty)


def end_of_forgotten(order: Order, *, now_ms: int) -> OrderReport:
    """Return how an order ended that its venue has forgotten: with exactly what is posted of it."""
    return OrderReport(
        client_order_id=order.client_order_id,
        venue_order_id=order.venue_order_id or "",
        symbol=order.symbol,
        side=order.side,
        state=OrderState.FILLED if order.posted_qty == order.qty else OrderState.CANCELLED,
        qty=order.qty,
        filled_qty=order.posted_qty,
        reason=f"{order.venue} has forgotten it: it has ended with the fills that are posted",
        updated_at_ms=now_ms,
    )


def lost_fills(orders: Sequence[Order], *, now_ms: int) -> tuple[Difference, ...]:
    """Return the orders their venues have forgotten after saying that more of them had filled than they tell of."""
    return tuple(
        Difference(
            finding=Finding.LOST_FILL,
            venue=order.venue,
            account=order.account,
            subject=f"{order.symbol} {order.venue_order_id or order.client_order_id}",
            expected=order.side.sign * order.posted_qty,
            actual=order.side.sign * order.filled_qty,
        )
        for order in orders
        if _is_long_missed(order, now_ms) and order.filled_qty > order.posted_qty
    )


def _is_long_missed(order: Order, now_ms: int) -> bool:
    return order.missed_at_ms is not None and now_ms - order.missed_at_ms > FORGOTTEN_AFTER_MS


def foreign_orders(
    venue: str, account: str, reports: Sequence[OrderReport], ours: Collection[str]
) -> tuple[Difference, ...]:
    """Return the open orders of an account that the desk never made; `ours` are client order ids."""
    return tuple(
        Difference(
            finding=Finding.FOREIGN_ORDER,
            venue=venue,
            account=account,
            subject=f"{report.symbol} {report.venue_order_id}",
            expected=ZERO,
            actual=report.side.sign * (report.qty - report.filled_qty),
        )
        for report in reports
        if report.client_order_id not in ours
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SortedFills:
    """Fills the ledger does not have yet: those of the desk's orders, by book, and those of nobody's.

    Each of ours carries its order's client id, also where the venue told only its own.
    """

    ours: Mapping[str, tuple[Fill, ...]]
    foreign: tuple[Fill, ...]


def sort_fills(fills: Sequence[Fill], known: Collection[str], orders: Sequence[Order]) -> SortedFills:
    """Sort what a venue reports: what is posted already (`known` trade ids) is left out, twice is once."""
    by_client_id = {order.client_order_id: order for order in orders}
    by_venue_id = {order.venue_order_id: order for order in orders if order.venue_order_id}
    ours: dict[str, tuple[Fill, ...]] = {}
    foreign: list[Fill] = []
    for fill in {fill.trade_id: fill for fill in fills if fill.trade_id not in known}.values():
        order = by_client_id.get(fill.client_order_id) or by_venue_id.get(fill.venue_order_id)
        if order is None:
            foreign.append(fill)
        else:
            named = replace(fill, client_order_id=order.client_order_id)
            ours[order.book_id] = (*ours.get(order.book_id, ()), named)
    return SortedFills(ours=ours, foreign=tuple(foreign))


def compare_balances(
    venue: str,
    account: str,
    expected: Mapping[str, Decimal],
    balances: Sequence[Balance],
    *,
    only: Collection[str] | None = None,
) -> tuple[Difference, ...]:
    """Return the assets an account does not hold as much of as the ledger says; `only` looks at those alone."""
    actual = {balance.asset: balance.total for balance in balances}
    among = {*expected, *actual} if only is None else only
    return _differences(Finding.BALANCE, (venue, account), expected, actual, among)


def compare_positions(
    venue: str, account: str, expected: Mapping[str, Decimal], positions: Sequence[VenuePosition]
) -> tuple[Difference, ...]:
    """Return the futures whose signed quantity differs; `expected` sums the books that share the account."""
    actual = {position.symbol: position.qty for position in positions}
    return _differences(Finding.POSITION, (venue, account), expected, actual, {*expected, *actual})


def _differences(
    finding: Finding,
    place: AccountPlace,
    expected: Mapping[str, Decimal],
    actual: Mapping[str, Decimal],
    among: Collection[str],
) -> tuple[Difference, ...]:
    """Return the subjects whose numbers differ; what is missing is zero."""
    return tuple(
        Difference(
            finding=finding,
            venue=place[0],
            account=place[1],
            subject=subject,
            expected=expected.get(subject, ZERO),
            actual=actual.get(subject, ZERO),
        )
        for subject in sorted(among)
        if expected.get(subject, ZERO) != actual.get(subject, ZERO)
    )
