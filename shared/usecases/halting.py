"""The kill switch: set a trading state, read it back, cancel what rests everywhere, leave what is held if asked to."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final
from uuid import NAMESPACE_URL, uuid5

from shared.domain.errors import NightdeskError, NotFoundError, TransientError
from shared.domain.trading.exits import exit_of, leaves_at_once
from shared.domain.trading.intents import Source
from shared.domain.trading.states import Scope, StateEntry, TradingState, is_final, strictest
from shared.trading_messages import IntentDecided
from shared.usecases.cancelling import Part, VenueHalt, cancel_resting, resting
from shared.usecases.patience import Patience
from shared.usecases.raising import raise_and_announce
from shared.usecases.withdrawing import withdraw

if TYPE_CHECKING:
    from shared.book_ports import Books, DeskStates
    from shared.domain.trading.records import HeldPosition
    from shared.ports import Queue
    from shared.trading_ports import IntentStore
    from shared.usecases.working import Floor
    from shared.venue_ports import InstrumentStore

EXIT_HORIZON_MS: Final = 600_000
_SPACE: Final = uuid5(NAMESPACE_URL, "https://nightdesk.example/halts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """What a change of the trading state did; `state` is what the database said when it was read back.

    `handed_over` are the intents whose orders execution was told to cancel. `took_ms` is real time, until the last
    account had answered, or for as long as was waited.
    """

    state: TradingState
    accounts: tuple[VenueHalt, ...] = ()
    exits: tuple[str, ...] = ()
    handed_over: int = 0
    took_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """What the kill switch takes beside the floor; `patience` is for execution, which alone has the keys of venues."""

    states: DeskStates
    intents: IntentStore
    books: Books
    intents_queue: Queue
    orders_queue: Queue
    patience: Patience = field(default_factory=Patience)


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
    began = time.perf_counter()
    if state is TradingState.ACTIVE:
        return Halt(state=switch.states.set("desk", "", state, actor=actor, reason=reason))
    first = TradingState.REDUCING if flatten else state
    set_to = switch.states.set("desk", "", first, actor=actor, reason=reason)
    accounts, handed_over = _cancel(Part(exits_too=state is TradingState.HALTED), switch, floor)
    exits = _flatten(actor=actor, switch=switch, floor=floor) if flatten else ()
    return Halt(state=set_to, accounts=accounts, exits=exits, handed_over=handed_over, took_ms=_since_ms(began))


def set_part_state(
    scope: Scope, keys: Sequence[str], state: TradingState, *, actor: str, reason: str, switch: Switch, floor: Floor
) -> Halt:
    """Set the trading state of a book, venue, symbol or trader as `set_desk_state` does the desk's: what rests of it is
    cancelled. A symbol may have several keys, one a venue."""
    began = time.perf_counter()
    set_to, _ = strictest({key: switch.states.set(scope, key, state, actor=actor, reason=reason) for key in keys})
    if state is TradingState.ACTIVE:
        return Halt(state=set_to)
    part = Part(exits_too=state is TradingState.HALTED, scope=scope, keys=keys)
    accounts, handed_over = _cancel(part, switch, floor)
    return Halt(state=set_to, accounts=accounts, handed_over=handed_over, took_ms=_since_ms(began))


def keys_of(scope: Scope, key: str, *, instruments: InstrumentStore) -> Sequence[str]:
    """Return the keys a part is set by: a symbol without a venue is that of every venue; raise `NotFoundError`."""
    if scope is not Scope.SYMBOL:
        return [key]
    venue, _, symbol = key.partition(":")
    found = instruments.list(venue=venue, symbol=symbol) or instruments.list(symbol=key)
    if not found:
        raise NotFoundError(f"no symbol {key!r}: expected VENUE:SYMBOL, or a symbol some venue lists")
    return [f"{each.venue}:{each.symbol}" for each in found]


def _cancel(part: Part, switch: Switch, floor: Floor) -> tuple[tuple[VenueHalt, ...], int]:
    """Cancel what rests of a part; return what was done at each account, and how many intents were handed over.

    Whoever halts need not have the keys of venues. Execution has: it is told to look at every intent of which orders
    still rest, cancels what a halt forbids, and is waited for.
    """
    accounts = cancel_resting(part, floor=floor)
    if not any(each.left for each in accounts):
        return accounts, 0
    left = {order.intent_id: order.correlation_id for orders in resting(part, floor=floor).values() for order in orders}
    switch.orders_queue.send(
        [IntentDecided(intent_id=known, correlation_id=left[known]).model_dump_json() for known in sorted(left)]
    )
    switch.patience.until(lambda: not any(resting(part, floor=floor).values()))
    still = {place: len(orders) for place, orders in resting(part, floor=floor).items()}
    return tuple(_told_again(each, still.get((each.venue, each.account), 0)) for each in accounts), len(left)


def _told_again(account: VenueHalt, left: int) -> VenueHalt:
    """Return what was done at an account once execution was there as well."""
    cancelled = account.cancelled + max(0, account.left - left)
    return replace(account, cancelled=cancelled, left=left, errors=account.errors if left else ())


def _flatten(*, actor: str, switch: Switch, floor: Floor) -> tuple[str, ...]:
    """Raise an exit of everything every book holds, once exits that wait for a better price are out of the way.

    The same call again raises the same exits.
    """
    held = floor.ledger.open_positions()
    slow = [intent_id for each in held for intent_id in _withdrawn(each, actor, switch, floor)]
    switch.patience.until(lambda: all(is_final(floor.orders.execution(each).intent.state) for each in slow))
    return tuple(_raise_exit(each, actor=actor, switch=switch, floor=floor) for each in held)


def _withdrawn(held: HeldPosition, actor: str, switch: Switch, floor: Floor) -> list[str]:
    """Withdraw the exits of a position that may wait; return their ids."""
    position = held.position
    leaving = switch.intents.leaving(position.book_id, position.venue, position.symbol)
    slow = [each.intent.intent_id for each in leaving if not leaves_at_once(each.intent)]
    for intent_id in slow:
        withdraw(
            intent_id,
            actor=actor,
            reason="everything is to be left at once",
            intents=switch.intents,
            orders=floor.orders,
            orders_queue=switch.orders_queue,
        )
    return slow


def _raise_exit(held: HeldPosition, *, actor: str, switch: Switch, floor: Floor) -> str:
    """Raise the exit of a position, and another where the first has ended and the position is what it was."""
    position, at_ms = held.position, floor.clock.now_ms()
    identity = f"{position.book_id} {position.venue} {position.symbol} {position.version}"
    for name in (identity, f"{identity} again at {at_ms}"):
        intent = exit_of(
            position,
            mode=switch.books.get(position.book_id).mode,
            intent_id=str(uuid5(_SPACE, name)),
            source=Source.PERSON,
            at_ms=at_ms,
            horizon_ms=EXIT_HORIZON_MS,
        )
        stored = raise_and_announce(intent, actor=actor, intents=switch.intents, queue=switch.intents_queue)
        if not is_final(stored.state):
            break
    return stored.intent_id


def _since_ms(began: float) -> int:
    return round((time.perf_counter() - began) * 1_000)
