"""Leave positions whose guard is reached: the desk's own watch of what no order at a venue does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from uuid import NAMESPACE_URL, uuid5

from shared.domain.errors import ConflictError
from shared.domain.trading.exits import exit_of, leaves_at_once
from shared.domain.trading.intents import Intent, Source
from shared.domain.trading.market import Mark, Place, marks_of
from shared.domain.trading.money import total
from shared.domain.trading.protection import Seen, Trigger, look
from shared.domain.trading.records import HeldPosition, Role
from shared.domain.trading.states import AT_RISK, is_final
from shared.usecases.raising import raise_and_announce
from shared.usecases.withdrawing import withdraw
from shared.usecases.working import ACTOR, Floor

if TYPE_CHECKING:
    from shared.usecases.protecting import Guards

EXIT_HORIZON_MS: Final = 300_000
RETRY_EXIT_MS: Final = 60_000
"""A position that should be left and still is there after so long gets another exit."""
_SPACE: Final = uuid5(NAMESPACE_URL, "https://nightdesk.example/exits")
_ROLES: Final = {Trigger.STOP: Role.STOP, Trigger.TAKE_PROFIT: Role.TAKE_PROFIT}


def watch_positions(venue: str, *, guards: Guards, floor: Floor) -> list[str]:
    """Look at every guarded position of a venue at its newest prices, and raise exits; return their ids."""
    open_positions = [held for held in floor.ledger.open_positions(venue=venue) if not _is_unguarded(held)]
    if not open_positions:
        return []
    marks = marks_of(guards.tickers.now([venue]), {held.position.symbol for held in open_positions})
    return [raised for held in open_positions for raised in _look(held, marks, guards=guards, floor=floor)]


def look_again(book_id: str, venue: str, symbol: str, *, after: str, guards: Guards, floor: Floor) -> list[str]:
    """Look at one position at its newest price, after a withdrawn exit of it has ended; return the exit it raised."""
    held = floor.ledger.position(book_id, venue, symbol)
    if not held.position.qty or _is_unguarded(held):
        return []
    marks = marks_of(guards.tickers.now([venue]), {symbol})
    return _look(held, marks, guards=guards, floor=floor, after=after)


def _look(
    held: HeldPosition, marks: Mapping[Place, Mark], *, guards: Guards, floor: Floor, after: str | None = None
) -> list[str]:
    """Remember the best price a position has seen, and leave it when it is to be left."""
    now_ms, mark = floor.clock.now_ms(), marks.get((held.position.venue, held.position.symbol))
    if mark is None:
        return []  # without a price nothing is known: the market data alarm says so
    verdict = look(held, Seen(low=mark.price, high=mark.price, last=mark.price), now_ms=now_ms)
    if verdict.best_price != held.best_price:
        try:
            floor.ledger.guard(held.position, held.guard, best_price=verdict.best_price)
        except ConflictError:
            return []  # it has just changed: the next look sees what it is now
    if verdict.trigger is None or _stands_at_venue(held, verdict.trigger, floor):
        return []
    return _leave(held, verdict.sentence, guards=guards, floor=floor, after=after)


def _leave(held: HeldPosition, why: str, *, guards: Guards, floor: Floor, after: str | None) -> list[str]:
    """Raise the exit of a position, once no other that may wait for a better price is in its way.

    Those are withdrawn, and the exit is raised as soon as they have ended: by the next look, or by the one `after` the
    last of them. One that was denied because of them meanwhile is raised anew.
    """
    position = held.position
    leaving = guards.intents.leaving(position.book_id, position.venue, position.symbol)
    slow = [_withdrawn(each.intent, why, guards, floor) for each in leaving if not leaves_at_once(each.intent)]
    taken_qty = total(each.qty for each in leaving if leaves_at_once(each.intent))
    if not all(is_final(intent.state) for intent in slow) or taken_qty >= abs(position.qty):
        return []
    ended = slow[-1].intent_id if slow else after
    intent = _raise(held, why, None, guards=guards, floor=floor)
    if ended is not None and is_final(intent.state):
        intent = _raise(held, why, ended, guards=guards, floor=floor)
    return [intent.intent_id]


def _withdrawn(intent: Intent, why: str, guards: Guards, floor: Floor) -> Intent:
    """Return an exit withdrawn, which need not be its end: what rests of it is being cancelled."""
    if intent.withdrawn is not None:
        return intent
    return withdraw(
        intent.intent_id,
        actor=ACTOR,
        reason=f"the position is to be left at once: {why}",
        intents=guards.intents,
        orders=floor.orders,
        orders_queue=guards.orders_queue,
    )


def _raise(held: HeldPosition, why: str, after: str | None, *, guards: Guards, floor: Floor) -> Intent:
    """Raise the intent to leave a position: the same one for a while, so that looking twice raises it once."""
    position, now_ms = held.position, floor.clock.now_ms()
    identity = f"{position.book_id} {position.venue} {position.symbol} {position.version} {now_ms // RETRY_EXIT_MS}"
    intent = exit_of(
        position,
        mode=guards.books.get(position.book_id).mode,
        intent_id=str(uuid5(_SPACE, identity if after is None else f"{identity} after {after}")),
        source=Source.PROTECTION,
        at_ms=now_ms,
        horizon_ms=EXIT_HORIZON_MS,
    )
    return raise_and_announce(intent, actor=f"{ACTOR}: {why}", intents=guards.intents, queue=guards.intents_queue)


def _is_unguarded(held: HeldPosition) -> bool:
    guard = held.guard
    return all(each is None for each in (guard.stop_price, guard.take_profit_price, guard.trailing_rate, guard.hold_ms))


def _stands_at_venue(held: HeldPosition, trigger: Trigger, floor: Floor) -> bool:
    """Tell whether an order at the venue is there to do it: two of them would sell what is held twice."""
    position, role = held.position, _ROLES.get(trigger)
    standing = floor.orders.standing(position.book_id, position.venue, position.symbol)
    return any(order.role is role and order.state in AT_RISK for order in standing)
