"""Protect positions: orders that stand at the venue where it can hold them, the desk's own watch where it cannot."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from shared.domain.errors import ConflictError
from shared.domain.traders import PositionSide
from shared.domain.trading.accounts import account_of
from shared.domain.trading.exits import exit_of
from shared.domain.trading.intents import Intent, Purpose, Source
from shared.domain.trading.market import marks_of
from shared.domain.trading.orders import OrderKind, client_order_id
from shared.domain.trading.protection import Seen, Standing, Trigger, adjust, look, standing_orders
from shared.domain.trading.records import HeldPosition, IntentView, Order, Role
from shared.domain.trading.states import AT_RISK, OrderState, TradingState
from shared.ports import Queue, TickerBoard
from shared.trading_ports import Books, InstrumentStore, IntentStore
from shared.usecases.raising import raise_and_announce
from shared.usecases.working import ACTOR, Floor, cancel_order, work_order, work_pair

EXIT_HORIZON_MS: Final = 300_000
RETRY_EXIT_MS: Final = 60_000
"""A position that should be left and still is there after so long gets another exit."""
_SPACE: Final = uuid5(NAMESPACE_URL, "https://nightdesk.example/exits")
_ROLES: Final = {Trigger.STOP: Role.STOP, Trigger.TAKE_PROFIT: Role.TAKE_PROFIT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """What protection takes beside the floor."""

    intents: IntentStore
    books: Books
    instruments: InstrumentStore
    tickers: TickerBoard
    intents_queue: Queue


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


def protect_position(book_id: str, venue: str, symbol: str, *, guards: Guards, floor: Floor) -> None:
    """Make exactly the orders stand at the venue that a position needs: none that is too large, too small, or too many.

    What has to go is cancelled first, and only once it is gone is anything placed; so this is called again until
    nothing is left to do.
    """
    for _ in range(4):
        held = floor.ledger.position(book_id, venue, symbol)
        standing = floor.orders.standing(book_id, venue, symbol)
        wanted = _wanted(held, guards, floor)

        plan = adjust(wanted, tuple(standing))

        for order in plan.cancel:
            cancel_order(order, floor=floor)
        if plan.place and held.guard.intent_id is not None:
            _place(plan.place, held, held.guard.intent_id, floor=floor)
        if not plan.cancel:
            return


def is_protected(held: HeldPosition, standing: Sequence[Order], *, guards: Guards, floor: Floor) -> bool:
    """Tell whether exactly the orders a position needs are among those that may fill."""
    plan = adjust(_wanted(held, guards, floor), tuple(standing))
    return not plan.cancel and not plan.place


def watch_positions(venue: str, *, guards: Guards, floor: Floor) -> list[str]:
    """Look at every guarded position of a venue at its newest prices, and raise exits; return their ids."""
    open_positions = [held for held in floor.ledger.open_positions(venue=venue) if not _is_unguarded(held)]
    if not open_positions:
        return []
    marks = marks_of(guards.tickers.now([venue]), {held.position.symbol for held in open_positions})
    raised = []
    for held in open_positions:
        mark = marks.get((venue, held.position.symbol))
        if mark is None:
            continue  # without a price nothing is known: the market data alarm says so
        raised += look_at(held, Seen(low=mark.price, high=mark.price, last=mark.price), guards=guards, floor=floor)
    return raised


def look_at(held: HeldPosition, seen: Seen, *, guards: Guards, floor: Floor) -> list[str]:
    """Look at one position: remember the best price it has seen, and raise an exit when it is to be left."""
    now_ms = floor.clock.now_ms()
    verdict = look(held, seen, now_ms=now_ms)
    if verdict.best_price != held.best_price:
        try:
            floor.ledger.guard(held.position, held.guard, best_price=verdict.best_price)
        except ConflictError:
            return []  # it has just changed: the next look sees what it is now
    if verdict.trigger is None or _stands_at_venue(held, verdict.trigger, floor):
        return []
    actor = f"{ACTOR}: {verdict.sentence}"
    intent = _exit(held, now_ms, guards)
    raise_and_announce(intent, actor=actor, intents=guards.intents, queue=guards.intents_queue)
    return [intent.intent_id]


def clear_standing(book_id: str, venue: str, symbol: str, *, floor: Floor) -> bool:
    """Cancel what stands at the venue for a position, so that it can be sold; tell whether nothing is left."""
    for order in floor.orders.standing(book_id, venue, symbol):
        if order.state in AT_RISK or order.state is OrderState.NEW:
            cancel_order(order, floor=floor)
    return not any(order.state in AT_RISK for order in floor.orders.standing(book_id, venue, symbol))


def _is_unguarded(held: HeldPosition) -> bool:
    guard = held.guard
    return all(each is None for each in (guard.stop_price, guard.take_profit_price, guard.trailing_rate, guard.hold_ms))


def _stands_at_venue(held: HeldPosition, trigger: Trigger, floor: Floor) -> bool:
    """Tell whether an order at the venue is there to do it: two of them would sell what is held twice."""
    position, role = held.position, _ROLES.get(trigger)
    standing = floor.orders.standing(position.book_id, position.venue, position.symbol)
    return any(order.role is role and order.state in AT_RISK for order in standing)


def _wanted(held: HeldPosition, guards: Guards, floor: Floor) -> tuple[Standing, ...]:
    position = held.position
    if not position.qty:
        return ()
    listed = guards.instruments.list(venue=position.venue, symbol=position.symbol)
    if not listed:
        return ()
    book = guards.books.get(position.book_id)
    exchange = floor.exchanges.of(position.venue, account_of(position.book_id, book.mode))
    return standing_orders(held, listed[0], exchange.capabilities())


def _place(wanted: Sequence[Standing], held: HeldPosition, intent_id: str, *, floor: Floor) -> None:
    """Write the orders, then send them; two of which one cancels the other go out together."""
    view = floor.orders.execution(intent_id)
    if view.state is TradingState.HALTED:
        return  # nothing may be sent: the desk's own watch goes on, and the sweep after the halt places them
    orders = [_order(each, held, view, floor.clock.now_ms()) for each in wanted]
    stored = floor.orders.add(view.intent, orders, actor=ACTOR)
    by_role = {order.role: order for order in stored}
    if len(by_role) == 2:
        work_pair(by_role[Role.STOP], by_role[Role.TAKE_PROFIT], floor=floor)
    else:
        work_order(stored[0], floor=floor)


def _order(wanted: Standing, held: HeldPosition, view: IntentView, now_ms: int) -> Order:
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
        reduce_only=":" in position.symbol,
        due_at_ms=now_ms,
        correlation_id=intent.correlation_id,
    )


def _exit(held: HeldPosition, now_ms: int, guards: Guards) -> Intent:
    """Return the intent to leave a position: the same one for a while, so that looking twice raises it once."""
    position = held.position
    identity = f"{position.book_id} {position.venue} {position.symbol} {position.version} {now_ms // RETRY_EXIT_MS}"
    return exit_of(
        position,
        mode=guards.books.get(position.book_id).mode,
        intent_id=str(uuid5(_SPACE, identity)),
        source=Source.PROTECTION,
        at_ms=now_ms,
        horizon_ms=EXIT_HORIZON_MS,
    )
