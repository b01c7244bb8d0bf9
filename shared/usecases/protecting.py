"""Protect positions at their venues, as far as these can hold it; the rest the desk watches (`leaving`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from uuid import NAMESPACE_URL, uuid5

from shared.domain.alerts import Alert, Severity
from shared.domain.traders import PositionSide
from shared.domain.trading.accounts import account_of
from shared.domain.trading.instruments import is_future
from shared.domain.trading.intents import Intent, Purpose
from shared.domain.trading.orders import OrderKind, client_order_id
from shared.domain.trading.protection import StandingOrder, adjust, refusals, retry_at_ms, standing_orders
from shared.domain.trading.records import HeldPosition, IntentView, Order, Role
from shared.domain.trading.states import AT_RISK, IntentState, OrderState, TradingState
from shared.usecases.working import ACTOR, Floor, cancel_order, work_order, work_pair

if TYPE_CHECKING:
    from shared.book_ports import Books
    from shared.ports import Queue, TickerBoard
    from shared.trading_ports import IntentStore
    from shared.venue_ports import InstrumentStore

REFUSALS: Final = 3
"""How often in a row a venue must have refused a stop for somebody to be told."""
ALERTS: Final = "protection:"
_SPACE: Final = uuid5(NAMESPACE_URL, "https://nightdesk.example/exits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """What protection takes beside the floor."""

    intents: IntentStore
    books: Books
    instruments: InstrumentStore
    tickers: TickerBoard
    intents_queue: Queue
    orders_queue: Queue


def guard_position(intent: Intent, venue: str, *, guards: Guards, floor: Floor) -> None:
    """Give a position the guard of the intent that enlarged it, and have the venue hold what it can of it.

    An exit leaves the guard as it is, and the orders that stand as large as what is left.
    """
    if intent.purpose is Purpose.ENTER:
        held = floor.ledger.position(intent.book_id, venue, intent.symbol)
        guard = replace(intent.guard, intent_id=intent.intent_id)
        is_of_its_side = (intent.direction is PositionSide.LONG) == (held.position.qty > 0)
        if held.position.qty and is_of_its_side and held.guard != guard:
            floor.ledger.guard(held.position, guard, best_price=held.best_price)
    protect_position(intent.book_id, venue, intent.symbol, guards=guards, floor=floor)


def protect_position(book_id: str, venue: str, symbol: str, *, guards: Guards, floor: Floor) -> Sequence[Order]:
    """Make exactly the orders stand at the venue that a position needs: none that is too large, too small, or too many.

    What has to go is cancelled first, and only once it is gone is anything placed; so this is called again until
    nothing is left to do. Nothing is placed while an exit is worked: what it may sell cannot be promised twice. Return
    the attempts at its stop that the venue has refused in a row; after each it is tried again later.
    """
    for _ in range(4):
        held = floor.ledger.position(book_id, venue, symbol)
        standing = floor.orders.standing(book_id, venue, symbol)
        wanted = _wanted(held, guards, floor)

        plan = adjust(wanted, tuple(standing))

        for order in plan.cancel:
            cancel_order(order, floor=floor)
        if plan.place and held.guard.intent_id is not None and not _is_being_left(held, guards):
            return _place(plan.place, held, held.guard.intent_id, floor=floor)
        if not plan.cancel:
            break
    return ()


def is_protected(held: HeldPosition, standing: Sequence[Order], *, guards: Guards, floor: Floor) -> bool:
    """Tell whether exactly the orders a position needs are among those that may fill."""
    plan = adjust(_wanted(held, guards, floor), tuple(standing))
    return not plan.cancel and not plan.place


def alert_of_unprotected(book_id: str, venue: str, symbol: str, why: str) -> Alert:
    """Return the alert that no stop of a position is known to stand at its venue."""
    return Alert(
        dedupe_key=f"{ALERTS}{book_id}:{venue}:{symbol}",
        kind="protection",
        severity=Severity.WARNING,
        sentence=f"{symbol} has no stop at {venue}, and the desk alone watches it: {why}",
        book_id=book_id,
    )


def clear_standing(book_id: str, venue: str, symbol: str, *, floor: Floor) -> bool:
    """Cancel what stands at the venue for a position, so that it can be sold; tell whether nothing is left."""
    for order in floor.orders.standing(book_id, venue, symbol):
        if order.state in AT_RISK or order.state is OrderState.NEW:
            cancel_order(order, floor=floor)
    return not any(order.state in AT_RISK for order in floor.orders.standing(book_id, venue, symbol))


def _is_being_left(held: HeldPosition, guards: Guards) -> bool:
    position = held.position
    leaving = guards.intents.leaving(position.book_id, position.venue, position.symbol)
    return any(each.intent.state is IntentState.EXECUTING for each in leaving)


def _wanted(held: HeldPosition, guards: Guards, floor: Floor) -> tuple[StandingOrder, ...]:
    position = held.position
    if not position.qty:
        return ()
    listed = guards.instruments.list(venue=position.venue, symbol=position.symbol)
    if not listed:
        return ()
    book = guards.books.get(position.book_id)
    exchange = floor.exchanges.of(position.venue, account_of(position.book_id, book.mode))
    return standing_orders(held, listed[0], exchange.capabilities())


def _place(wanted: Sequence[StandingOrder], held: HeldPosition, intent_id: str, *, floor: Floor) -> Sequence[Order]:
    """Place orders unless they may not be sent, or were refused a moment ago; return how they were refused in a row."""
    view = floor.orders.execution(intent_id)
    refused = _refused(wanted, held, view)
    if view.state is TradingState.HALTED or floor.clock.now_ms() < retry_at_ms(refused):
        return refused  # the desk's own watch goes on, and a later sweep places them
    _send(wanted, held, view, floor=floor)
    return _refused(wanted, held, floor.orders.execution(intent_id)) if refused else ()


def _refused(wanted: Sequence[StandingOrder], held: HeldPosition, view: IntentView) -> Sequence[Order]:
    return refusals(wanted, [order for order in view.orders if order.venue == held.position.venue])


def _send(wanted: Sequence[StandingOrder], held: HeldPosition, view: IntentView, *, floor: Floor) -> None:
    """Write the orders, then send them; two of which one cancels the other go out together."""
    orders = [_order(each, held, view, floor.clock.now_ms()) for each in wanted]
    stored = floor.orders.add(view.intent, orders, actor=ACTOR)
    by_role = {order.role: order for order in stored}
    if len(by_role) == 2:
        work_pair(by_role[Role.STOP], by_role[Role.TAKE_PROFIT], floor=floor)
    else:
        work_order(stored[0], floor=floor)


def _order(wanted: StandingOrder, held: HeldPosition, view: IntentView, now_ms: int) -> Order:
    intent, position = view.intent, held.position
    same = [order for order in view.orders if order.role is wanted.role]
    attempt = max((order.attempt for order in same), default=0) + 1
    client_id = client_order_id(f"{intent.intent_id}:{wanted.role}", 1, attempt)
    is_stop = wanted.role is Role.STOP
    return Order(
        order_id=str(uuid5(_SPACE, client_id)),
        intent_id=intent.intent_id,
        book_id=intent.book_id,
        mode=intent.mode,
        account=account_of(intent.book_id, intent.mode),
        venue=position.venue,
        symbol=position.symbol,
        role=wanted.role,
        slice_no=1,
        attempt=attempt,
        client_order_id=client_id,
        side=wanted.side,
        kind=OrderKind.STOP_MARKET if is_stop else OrderKind.LIMIT,
        qty=wanted.qty,
        limit_price=None if is_stop else wanted.price,
        trigger_price=wanted.price if is_stop else None,
        reduce_only=is_future(position.symbol),
        due_at_ms=now_ms,
        correlation_id=intent.correlation_id,
    )
