"""Work one order at its venue: the row is written before the call, and an outcome that is not known is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING, Final, Protocol

from shared.domain.errors import (
    ConflictError,
    FatalError,
    HaltedError,
    NightdeskError,
    OutcomeUnknownError,
    RejectedError,
    TransientError,
)
from shared.domain.trading.measures import is_telling
from shared.domain.trading.orders import Fill, OrderReport
from shared.domain.trading.reconciliation import Settled, end_of_forgotten, settle, sort_fills
from shared.domain.trading.records import Order, Role
from shared.domain.trading.states import OrderState
from shared.usecases.posting import post_fills

if TYPE_CHECKING:
    from shared.ports import Clock
    from shared.trading_ports import Ledger, OrderStore
    from shared.venue_ports import Exchange

ACTOR: Final = "execution-agent"
LEASE_MS: Final = 30_000
"""Longer than a call to a venue may take: nobody else asks for the outcome while it may still come."""
SEND_WITHIN_MS: Final = 3_000
"""How long after an order was taken it may still be sent, in real time. Whether it was ever placed is told by when it
was taken and for how long venues accept a request: one that left later could still arrive after that."""
TOO_SLOW: Final = "it was taken too slowly to be sent, and was not"
OVERLAP_MS: Final = 60_000
"""How much earlier than an order its fills are asked for: clocks differ, and known fills change nothing."""


class Exchanges(Protocol):
    """Every account at every venue."""

    def of(self, venue: str, account: str) -> Exchange:
        """Return an account; raise `FatalError` when the deployment may not use it."""
        ...


@dataclass(slots=True)
class Activity:
    """How many orders a floor has sent and fills it has posted; what works side by side counts together."""

    orders: int = 0
    fills: int = 0
    _turn: Lock = field(default_factory=Lock, repr=False)

    def count(self, *, orders: int = 0, fills: int = 0) -> None:
        """Add what was just done."""
        with self._turn:
            self.orders += orders
            self.fills += fills


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What working orders takes; `stopwatch` tells real seconds, which market time need not be.

    `at_once` is how many orders or accounts are asked about side by side, where there are many.
    """

    orders: OrderStore
    ledger: Ledger
    exchanges: Exchanges
    clock: Clock
    stopwatch: Callable[[], float] = time.perf_counter
    at_once: int = 8
    activity: Activity = field(default_factory=Activity)


def work_order(order: Order, *, floor: Floor) -> Order | None:
    """Send a new order once; return it as it is then, None when somebody else has it.

    Whoever finds an order `submitting` never sends it: the venue is asked what became of it (`settle_order`). How long
    it may be on its way is counted from there, so nothing may be between that and the call.
    """
    exchange = floor.exchanges.of(order.venue, order.account)
    if not _is_prepared(exchange):
        return None
    now_ms, began_s = floor.clock.now_ms(), floor.stopwatch()
    try:
        taken = _submit(order, now_ms, floor)
    except HaltedError as halt:
        return floor.orders.mark(order, OrderState.CANCELLED, actor=ACTOR, reason=str(halt))
    if taken is None:
        return None
    if _since(began_s, floor) > SEND_WITHIN_MS:
        return floor.orders.mark(taken, OrderState.CANCELLED, actor=ACTOR, reason=TOO_SLOW)
    return _send(taken, exchange, now_ms, floor)


def _send(taken: Order, exchange: Exchange, now_ms: int, floor: Floor) -> Order:
    """Send an order that was taken, and store what came of it, or that nobody knows."""
    sent_s = floor.stopwatch()
    try:
        _stop_timer(taken, exchange)
        floor.activity.count(orders=1)
        report = exchange.place(taken.request())
    except (RejectedError, TransientError) as refusal:  # the venue says that there is no such order
        tells = isinstance(refusal, TransientError) or is_telling(refusal)
        answer_ms = _since(sent_s, floor) if tells else None
        return floor.orders.advance(taken, _refused(taken, refusal, now_ms, answer_ms), actor=ACTOR)
    except (OutcomeUnknownError, FatalError) as doubt:
        return floor.orders.mark(taken, OrderState.UNKNOWN, actor=ACTOR, reason=str(doubt))
    answered = replace(report, answer_ms=_since(sent_s, floor))
    return take_report(taken, answered, exchange, floor=floor)


def work_pair(stop: Order, target: Order, *, floor: Floor) -> None:
    """Send two new orders of which one cancels the other, once; what is in doubt of one is in doubt of both."""
    exchange = floor.exchanges.of(stop.venue, stop.account)
    if not _is_prepared(exchange):
        return
    now_ms, began_s = floor.clock.now_ms(), floor.stopwatch()
    taken = [_submit(order, now_ms, floor) for order in (stop, target)]
    mine = [order for order in taken if order is not None]
    if len(mine) < 2:  # somebody else has one: the other was never sent, which settling finds out
        return
    if _since(began_s, floor) > SEND_WITHIN_MS:
        floor.orders.mark_all(mine, OrderState.CANCELLED, actor=ACTOR, reason=TOO_SLOW)
        return
    try:
        _stop_timer(mine[0], exchange)
        floor.activity.count(orders=len(mine))
        reports = exchange.place_oco(mine[0].request(), mine[1].request())
    except (RejectedError, TransientError) as refusal:
        for order in mine:
            floor.orders.advance(order, _refused(order, refusal, now_ms), actor=ACTOR)
    except (OutcomeUnknownError, FatalError) as doubt:
        for order in mine:
            floor.orders.mark(order, OrderState.UNKNOWN, actor=ACTOR, reason=str(doubt))
    else:
        for order, report in zip(mine, reports, strict=True):
            take_report(order, report, exchange, floor=floor)


def _is_prepared(exchange: Exchange) -> bool:
    """Tell whether an order can leave at once; while its venue does not answer it stays new, for the next look."""
    try:
        exchange.prepare()
    except TransientError:
        return False
    return True


def _stop_timer(order: Order, exchange: Exchange) -> None:
    """Stop the dead-man timer that would cancel a protective order, which nothing of a desk that is gone could replace.

    While it may still run, nothing that protects is sent there: the desk's own watch goes on.
    """
    timer = exchange.capabilities().timer
    if order.role is Role.SLICE or timer is None:
        return
    try:
        exchange.cancel_all_after(0, symbol=order.symbol if timer.per_symbol else None)
    except OutcomeUnknownError as doubt:
        raise TransientError(f"the dead-man timer of {order.venue} may still run: {doubt}") from doubt


def _submit(order: Order, now_ms: int, floor: Floor) -> Order | None:
    """Take a new order to send it; None when somebody else has it, or nothing of its size is left to order."""
    try:
        return floor.orders.submit(order.order_id, now_ms=now_ms, lease_ms=LEASE_MS, actor=ACTOR)
    except ConflictError as refusal:
        if order.role is not Role.SLICE:  # a slice that is not sent is told of by its intent; this one by itself
            with suppress(ConflictError):
                floor.orders.mark(order, OrderState.CANCELLED, actor=ACTOR, reason=str(refusal))
        return None


def settle_order(order: Order, *, floor: Floor, listed: OrderReport | None = None) -> Order:
    """Ask the venue what became of an order, and store it; an order it never had is rejected once it no longer can.

    One that was `listed` among the open orders need not be asked for.
    """
    exchange = floor.exchanges.of(order.venue, order.account)
    if listed is not None and (listed.state, listed.filled_qty) == (order.state, order.filled_qty):
        return order
    report = listed or exchange.order(order.symbol, order.client_order_id)
    accepts_for_ms, now_ms = exchange.capabilities().accepts_for_ms, floor.clock.now_ms()

    outcome = settle(order, report, now_ms=now_ms, accepts_for_ms=accepts_for_ms)
    if outcome in (Settled.NEVER_PLACED, Settled.FORGOTTEN):
        order, report = _look_everywhere(order, exchange, floor)
        outcome = settle(order, report, now_ms=now_ms, accepts_for_ms=accepts_for_ms)

    if report is not None:
        return take_report(order, report, exchange, floor=floor)
    match outcome:
        case Settled.NEVER_PLACED:
            reason = f"{order.venue} does not know it {accepts_for_ms} ms after it was sent: it was never placed"
            return floor.orders.mark(order, OrderState.REJECTED, actor=ACTOR, reason=reason)
        case Settled.MISSED:
            reason = f"{order.venue} no longer knows it"
            return floor.orders.mark(order, OrderState.UNKNOWN, actor=ACTOR, reason=reason, missed_at_ms=now_ms)
        case Settled.FORGOTTEN:
            return floor.orders.advance(order, end_of_forgotten(order, now_ms=now_ms), actor=ACTOR)
        case _:
            return order


def _look_everywhere(order: Order, exchange: Exchange, floor: Floor) -> tuple[Order, OrderReport | None]:
    """Look for an order its venue does not know by the desk's id; return it as it is then, and what the venue says.

    It may be among the open orders, by either id, and its fills among the account's: those are posted.
    """
    ids = {order.client_order_id, order.venue_order_id}
    listed = exchange.open_orders(order.symbol)
    report = next((each for each in listed if {each.client_order_id, each.venue_order_id} & ids), None)
    _post_found(order, exchange, floor)
    orders = floor.orders.execution(order.intent_id).orders
    return next(each for each in orders if each.order_id == order.order_id), report


def cancel_order(order: Order, *, floor: Floor) -> Order:
    """Cancel an order: one that was not sent never is, one at the venue ends as the venue says."""
    if order.state is OrderState.NEW:
        try:
            return floor.orders.mark(order, OrderState.CANCELLED, actor=ACTOR, reason="cancelled before it was sent")
        except ConflictError:  # it is being sent now; the next look finds it at the venue
            return order
    exchange = floor.exchanges.of(order.venue, order.account)  # first: whoever has no keys leaves the order as it is
    asked = floor.orders.mark(order, OrderState.CANCEL_PENDING, actor=ACTOR, reason="asked to cancel")
    try:
        report = exchange.cancel(order.symbol, order.client_order_id)
    except (OutcomeUnknownError, TransientError) as doubt:
        return floor.orders.mark(asked, OrderState.UNKNOWN, actor=ACTOR, reason=f"cancel: {doubt}")
    return take_report(asked, report, exchange, floor=floor)


def take_report(order: Order, report: OrderReport, exchange: Exchange, *, floor: Floor) -> Order:
    """Post the fills of an order, then store what the venue says of it.

    In this order: an order that says it has filled has its fills in the ledger, or is found again as unsettled.
    """
    _post_new(order, report, exchange, floor)
    return floor.orders.advance(order, report, actor=ACTOR)


def ask_to_cancel(order: Order, exchange: Exchange, *, floor: Floor) -> OrderReport | None:
    """Cancel an order that is `cancel_pending` and post what it has filled; None when its end is not known.

    The answer is for the caller to store, with those of others.
    """
    try:
        report = exchange.cancel(order.symbol, order.client_order_id)
        _post_new(order, report, exchange, floor)
    except NightdeskError:  # whoever looks at it next finds it `cancel_pending` and asks what became of it
        return None
    return report


def _post_new(order: Order, report: OrderReport, exchange: Exchange, floor: Floor) -> None:
    """Post the fills of an order that its venue says has filled further."""
    if report.filled_qty > order.posted_qty:
        _post_found(replace(order, venue_order_id=report.venue_order_id), exchange, floor)


def _post_found(order: Order, exchange: Exchange, floor: Floor) -> None:
    """Post what the venue tells of an order's fills since it was sent."""
    since_ms = (order.submitted_at_ms or order.due_at_ms) - OVERLAP_MS
    found = sort_fills(exchange.fills(order.symbol, since_ms=since_ms), (), [order])
    post_own(found.ours.get(order.book_id, ()), order, floor=floor)


def post_own(fills: Sequence[Fill], order: Order, *, floor: Floor) -> None:
    """Post fills of an order's account and symbol to its book."""
    if fills:
        new = post_fills(
            fills,
            ledger=floor.ledger,
            book_id=order.book_id,
            venue=order.venue,
            account=order.account,
            symbol=order.symbol,
        )
        floor.activity.count(fills=len(new))


def _since(sent_s: float, floor: Floor) -> int:
    """Return the real milliseconds since an instant of the stopwatch."""
    return round((floor.stopwatch() - sent_s) * 1_000)


def _refused(order: Order, refusal: Exception, now_ms: int, answer_ms: int | None = None) -> OrderReport:
    reason = refusal.reason if isinstance(refusal, RejectedError) else "busy"
    return OrderReport(
        client_order_id=order.client_order_id,
        venue_order_id="",
        symbol=order.symbol,
        side=order.side,
        state=OrderState.REJECTED,
        qty=order.qty,
        filled_qty=order.filled_qty,
        reason=f"{reason}: {refusal}",
        updated_at_ms=now_ms,
        answer_ms=answer_ms,
    )
