"""The kill switch: set a trading state, read it back, cancel what rests everywhere, leave what is held if asked to."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from shared.domain.errors import ConflictError, NightdeskError, NotFoundError, TransientError
from shared.domain.trading.exits import exit_of
from shared.domain.trading.intents import Purpose, Source
from shared.domain.trading.records import Order, Role
from shared.domain.trading.states import OrderState, Scope, StateEntry, TradingState, is_final, strictest
from shared.domain.trading.tally import CANCELLABLE
from shared.messages import IntentDecided
from shared.ports import Queue
from shared.trading_ports import Books, DeskStates, InstrumentStore, IntentStore
from shared.usecases.raising import raise_and_announce
from shared.usecases.working import ACTOR, Floor, ask_to_cancel, cancel_order, settle_order

AT_ONCE: Final = 8
ATTEMPTS: Final = 5
EXIT_HORIZON_MS: Final = 600_000
_SPACE: Final = uuid5(NAMESPACE_URL, "https://nightdesk.example/halts")


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueHalt:
    """What was done at one account: orders that have ended, orders that have not, and why."""

    venue: str
    account: str
    cancelled: int
    left: int
    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """What a change of the trading state did; `state` is what the database said when it was read back.

    `took_ms` is real time, until the last account had answered.
    """

    state: TradingState
    accounts: tuple[VenueHalt, ...] = ()
    exits: tuple[str, ...] = ()
    took_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """What the kill switch takes beside the floor."""

    states: DeskStates
    intents: IntentStore
    books: Books
    intents_queue: Queue


def read_desk_state(states: DeskStates) -> StateEntry:
    """Return the desk's own state and who set it; `halted` when it cannot be read for any reason but a
    `TransientError`."""
    try:
        return states.entry(Scope.DESK, "desk")
    except TransientError:
        raise
    except NightdeskError as error:
        return StateEntry(scope=Scope.DESK, key="desk", state=TradingState.HALTED, reason=f"it cannot be read: {error}")


def set_desk_state(
    state: TradingState, *, actor: str, reason: str, flatten: bool, switch: Switch, floor: Floor
) -> Halt:
    """Set the desk's trading state and make it so; the answer has what the database reads back.

    `halted` and `reducing` cancel the orders that could open something; protective orders stay, since nothing could
    replace them. `flatten` raises an exit of every position; nothing at all could be sent while halted, so the desk is
    then `reducing`, and halted by a second call. What one venue cannot do is told and does not keep the others.
    """
    began, at_ms = time.perf_counter(), floor.clock.now_ms()
    if state is TradingState.ACTIVE:
        return Halt(state=switch.states.set("desk", "", state, actor=actor, reason=reason))
    first = TradingState.REDUCING if flatten else state
    set_to = switch.states.set("desk", "", first, actor=actor, reason=reason)
    accounts = cancel_resting(floor=floor, exits_too=state is TradingState.HALTED)
    exits: list[str] = []
    if flatten:
        exits = raise_exits(actor=actor, at_ms=at_ms, switch=switch, floor=floor)
    return Halt(
        state=set_to, accounts=accounts, exits=tuple(exits), took_ms=round((time.perf_counter() - began) * 1_000)
    )


def set_part_state(
    scope: Scope, keys: Sequence[str], state: TradingState, *, actor: str, reason: str, states: DeskStates, floor: Floor
) -> Halt:
    """Set the trading state of a book, venue, symbol or trader as `set_desk_state` does the desk's: what rests of it is
    cancelled. A symbol may have several keys, one a venue."""
    began = time.perf_counter()
    set_to, _ = strictest({key: states.set(scope, key, state, actor=actor, reason=reason) for key in keys})
    if state is TradingState.ACTIVE:
        return Halt(state=set_to)
    accounts = cancel_resting(floor=floor, exits_too=state is TradingState.HALTED, scope=scope, keys=keys)
    return Halt(state=set_to, accounts=accounts, took_ms=round((time.perf_counter() - began) * 1_000))


def keys_of(scope: Scope, key: str, *, instruments: InstrumentStore) -> Sequence[str]:
    """Return the keys a part is set by: a symbol without a venue is that of every venue; raise `NotFoundError`."""
    if scope is not Scope.SYMBOL:
        return [key]
    venue, _, symbol = key.partition(":")
    found = instruments.list(venue=venue, symbol=symbol) or instruments.list(symbol=key)
    if not found:
        raise NotFoundError(f"no symbol {key!r}: expected VENUE:SYMBOL, or a symbol some venue lists")
    return [f"{each.venue}:{each.symbol}" for each in found]


def cancel_resting(
    *, floor: Floor, exits_too: bool, scope: Scope = Scope.DESK, keys: Sequence[str] = ()
) -> tuple[VenueHalt, ...]:
    """Cancel the slices that rest at every venue, or those of a part, several at once; protective orders stay."""
    places = floor.orders.accounts() if scope is Scope.DESK else ()
    resting: dict[tuple[str, str], list[Order]] = {place: [] for place in places}
    for order, purpose in floor.orders.resting(trader_id=keys[0] if scope is Scope.TRADER else None):
        if _part_of(order, scope) not in {None, *keys}:
            continue
        if order.role is Role.SLICE and (exits_too or purpose is Purpose.ENTER):
            resting.setdefault((order.venue, order.account), []).append(order)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return tuple(_cancel(place, orders, floor, pool) for place, orders in sorted(resting.items()))


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


def hand_over(halt: Halt, *, floor: Floor, orders_queue: Queue) -> int:
    """Have execution look at once at every intent of which orders still rest; return how many there are.

    Whoever halts the desk need not have the keys of its venues: execution has, and cancels what a halt forbids.
    """
    if not any(each.left for each in halt.accounts):
        return 0
    intents = {order.intent_id: order.correlation_id for order, _ in floor.orders.resting() if order.role is Role.SLICE}
    orders_queue.send(
        [IntentDecided(intent_id=known, correlation_id=intents[known]).model_dump_json() for known in sorted(intents)]
    )
    return len(intents)


def _cancel(place: tuple[str, str], orders: Sequence[Order], floor: Floor, pool: ThreadPoolExecutor) -> VenueHalt:
    with suppress(NightdeskError):  # what fails for all of them is told, or mended, one by one
        orders = _cancel_together(place, orders, floor, pool)
    ends = list(pool.map(lambda order: _end(order, floor), orders))
    cancelled = sum(end is None for end in ends)
    errors = tuple(end for end in ends if end)
    return VenueHalt(venue=place[0], account=place[1], cancelled=cancelled, left=len(orders) - cancelled, errors=errors)


def _cancel_together(
    place: tuple[str, str], orders: Sequence[Order], floor: Floor, pool: ThreadPoolExecutor
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


def raise_exits(*, actor: str, at_ms: int, switch: Switch, floor: Floor) -> list[str]:
    """Raise an exit of everything every book holds; the same call again raises the same exits."""
    raised = []
    for held in floor.ledger.open_positions():
        position, book = held.position, switch.books.get(held.position.book_id)
        intent_id = str(uuid5(_SPACE, f"{position.book_id} {position.venue} {position.symbol} {position.version}"))
        intent = exit_of(
            position,
            mode=book.mode,
            intent_id=intent_id,
            source=Source.PERSON,
            at_ms=at_ms,
            horizon_ms=EXIT_HORIZON_MS,
        )
        raise_and_announce(intent, actor=actor, intents=switch.intents, queue=switch.intents_queue)
        raised.append(intent_id)
    return raised
