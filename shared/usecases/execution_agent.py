"""Work approved intents to their end: plan, send what is due, follow what became of it, decide again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shared.domain.errors import (
    ConflictError,
    InvalidMessageError,
    NightdeskError,
    NotFoundError,
)
from shared.domain.trading.decisions import plain
from shared.domain.trading.intents import Purpose
from shared.domain.trading.plan_codec import plan_from_json, plan_to_json
from shared.domain.trading.plans import Plan, make_plan
from shared.domain.trading.progress import Steps, needs_offers, next_steps, stops
from shared.domain.trading.records import HeldPosition, IntentView, Order, Role
from shared.domain.trading.states import IntentState, OrderState, TradingState, is_final
from shared.messages import CronTick
from shared.trading_messages import AdoptBalances, ExecutionResult, IntentDecided, SliceDue, TickersWritten
from shared.usecases.adopting import adopt_balances
from shared.usecases.arming import arm_timers
from shared.usecases.leaving import look_again, watch_positions
from shared.usecases.listing import Listings, refresh_listings
from shared.usecases.offers import Offers, observed_qty, volumes_for
from shared.usecases.protecting import (
    ALERTS,
    REFUSALS,
    Guards,
    alert_of_unprotected,
    clear_standing,
    guard_position,
    is_protected,
    protect_position,
)
from shared.usecases.reconciling import reconcile_all, tell_differences
from shared.usecases.turns import in_turn
from shared.usecases.working import ACTOR, Floor, cancel_order, work_order

if TYPE_CHECKING:
    from shared.alert_ports import AlertStore
    from shared.book_ports import Books
    from shared.domain.alerts import Alert
    from shared.domain.trading.accounts import AccountPlace
    from shared.domain.trading.routing import VenueOffer
    from shared.ports import CandleLog, Queue, VenueStore
    from shared.trading_ports import IntentStore
    from shared.venue_ports import InstrumentStore, Measures

ROUNDS: Final = 12
"""How often one call decides anew about an intent before it leaves the rest to the next."""
MAX_DELAY_S: Final = 900
"""The longest a queue holds a message back; what is due later is found by the sweep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionDesk:
    """What execution takes; `opened` are the accounts whose opening balances this process knows to be recorded."""

    floor: Floor
    intents: IntentStore
    books: Books
    instruments: InstrumentStore
    candles: CandleLog
    venues: VenueStore
    orders_queue: Queue
    measures: Measures
    guards: Guards
    alerts: AlertStore
    listings: Listings
    opened: set[AccountPlace] = field(default_factory=set)


def execution_agent(
    event: IntentDecided | SliceDue | TickersWritten | AdoptBalances | CronTick, *, desk: ExecutionDesk
) -> ExecutionResult:
    """Work what an event is about, or everything that is under way; tell how many orders and fills that came to."""
    activity = desk.floor.activity
    orders, fills = activity.orders, activity.fills
    done = _do(event, desk)
    return done.model_copy(update={"orders": activity.orders - orders, "fills": activity.fills - fills})


def _do(
    event: IntentDecided | SliceDue | TickersWritten | AdoptBalances | CronTick, desk: ExecutionDesk
) -> ExecutionResult:
    match event:
        case IntentDecided() | SliceDue():
            return ExecutionResult(worked={event.intent_id: work_intent(event.intent_id, desk=desk)})
        case TickersWritten():
            exits = watch_positions(event.tickers_of, guards=desk.guards, floor=desk.floor)
            return ExecutionResult(exits=exits)
        case AdoptBalances():
            return _adopt(event, desk)
        case CronTick():
            return _sweep(desk)


def work_intent(intent_id: str, *, desk: ExecutionDesk, only_halted: bool = False) -> str:
    """Take an intent as far as it goes now; return what it waits for, or how it ended.

    With `only_halted` it is left as it is while the trading state lets it go on: then nothing is ordered, whatever the
    state becomes meanwhile, since each round decides on the state it has read.

    Every round reads what is stored, decides once and does what was decided; somebody who does the same at the same
    time is refused by the versions of the rows, and changes nothing.
    """
    why = "nothing to do"
    offers = Offers(
        books=desk.books, instruments=desk.instruments, measures=desk.measures, exchanges=desk.floor.exchanges
    )
    for _ in range(ROUNDS):
        view = desk.floor.orders.execution(intent_id)
        if is_final(view.intent.state):
            return f"{view.intent.state}"
        if view.intent.state is IntentState.PENDING:
            return "not decided yet"
        if only_halted and not stops(view.state, view.intent.purpose):
            return "execution is paused"
        try:
            steps, done = _round(view, offers, desk)
        except ConflictError:
            continue  # somebody else was quicker: look again
        why = steps.why
        if steps.finish is not None:
            return f"{steps.finish}: {why}"
        if not done:
            return why
    return why


def work_each(
    intent_ids: Iterable[str], *, desk: ExecutionDesk, only_halted: bool = False
) -> tuple[dict[str, str], dict[str, str]]:
    """Work intents as `work_intent` does; return what each came to, and of those that failed, why."""
    worked, failed = dict[str, str](), dict[str, str]()
    for intent_id in intent_ids:
        try:
            worked[intent_id] = work_intent(intent_id, desk=desk, only_halted=only_halted)
        except NightdeskError as error:  # one intent must not keep the others waiting
            failed[intent_id] = f"{type(error).__name__}: {error}"
    return worked, failed


def _round(view: IntentView, offers: Offers, desk: ExecutionDesk) -> tuple[Steps, bool]:
    """Decide once and do it; tell whether anything was done, so that it is worth looking again."""
    floor, now_ms = desk.floor, desk.floor.clock.now_ms()
    plan = _plan(view, offers, now_ms, desk)
    if isinstance(plan, Steps):
        return plan, False
    fresh = offers.of(view) if needs_offers(plan, view, now_ms=now_ms) else ()
    observed = observed_qty(plan, candles=desk.candles, venues=desk.venues)

    steps = next_steps(plan, view, fresh, now_ms=now_ms, observed_qty=observed)

    _open_accounts(steps.new_orders, desk)
    orders: Sequence[Order] = ()
    if view.plan is None and steps.finish is None:
        orders = floor.orders.start(view.intent, plan=plan_to_json(plan), orders=steps.new_orders, actor=ACTOR)
    elif steps.new_orders:
        orders = floor.orders.add(view.intent, steps.new_orders, actor=ACTOR)
    for order in steps.cancel:
        cancel_order(order, floor=floor)
    if steps.finish is not None:
        desk.intents.finish(view.intent, steps.finish, actor=ACTOR, reason=steps.why)
        _protect(view, desk)
        return steps, True
    _call_back(orders, now_ms, desk)
    worked = _work_due(view, [*view.orders, *orders], offers, desk)
    return steps, bool(worked or steps.cancel)


def _open_accounts(orders: Sequence[Order], desk: ExecutionDesk) -> None:
    """Record what accounts hold before the desk's first order there: what the ledger counts from."""
    floor = desk.floor
    for place in sorted({(order.venue, order.account) for order in orders} - desk.opened):
        try:
            floor.ledger.holdings(*place)
        except NotFoundError:
            balances = floor.exchanges.of(*place).balances()
            floor.ledger.open_account(*place, {balance.asset: balance.total for balance in balances})
        desk.opened.add(place)


def _plan(view: IntentView, offers: Offers, now_ms: int, desk: ExecutionDesk) -> Plan | Steps:
    """Return the plan of an intent, made now when it has none, or what is done while none is to be had."""
    if view.plan is not None:
        return plan_from_json(view.plan)
    fresh = offers.of(view)
    if (kept := _kept_from_planning(view, fresh, now_ms, desk)) is not None:
        return kept
    try:
        volumes = volumes_for(view, fresh, candles=desk.candles, venues=desk.venues)
        return make_plan(view.intent, fresh, now_ms=now_ms, volumes=volumes)
    except InvalidMessageError as error:
        return _expire(view, f"it cannot be planned: {error}", desk)


def _kept_from_planning(
    view: IntentView, offers: Sequence[VenueOffer], now_ms: int, desk: ExecutionDesk
) -> Steps | None:
    """Return why an intent is not planned yet, or never: its time, its venues, what protects the position it leaves.

    What a halt ends is planned of nothing, and takes no protection away.
    """
    if view.state is TradingState.HALTED:
        return None
    if now_ms >= view.intent.expires_at_ms:
        return _expire(view, "it expired before it could be planned", desk)
    if not offers:
        return Steps(why="waiting for a venue to answer")
    if view.intent.purpose is Purpose.EXIT and not _cleared(view, desk):
        return Steps(why="waiting for the protective orders to be cancelled")
    return None


def _expire(view: IntentView, why: str, desk: ExecutionDesk) -> Steps:
    """End an intent nothing of which was ordered."""
    desk.intents.finish(view.intent, IntentState.EXPIRED, actor=ACTOR, reason=why)
    return Steps(finish=IntentState.EXPIRED, why=why)


def _work_due(view: IntentView, orders: Sequence[Order], offers: Offers, desk: ExecutionDesk) -> int:
    """Send the orders whose time has come; return how many were."""
    floor, now_ms, worked = desk.floor, desk.floor.clock.now_ms(), 0
    for order in {order.order_id: order for order in orders}.values():
        if order.state is OrderState.NEW and order.due_at_ms <= now_ms:
            offers.forget()
            after = work_order(order, floor=floor)
            if after is not None and after.filled_qty:
                guard_position(view.intent, after.venue, guards=desk.guards, floor=floor)
            worked += after is not None
    return worked


def _call_back(orders: Sequence[Order], now_ms: int, desk: ExecutionDesk) -> None:
    """Have orders that were just made come back when their time has come; the sweep finds those of a lost message."""
    for order in orders:
        delay_s = -(-(order.due_at_ms - now_ms) // 1_000)
        if 0 < delay_s <= MAX_DELAY_S:
            message = SliceDue(
                intent_id=order.intent_id,
                order_id=order.order_id,
                slice_no=order.slice_no,
                correlation_id=order.correlation_id,
            )
            desk.orders_queue.send([message.model_dump_json()], delay_s=delay_s)


def _cleared(view: IntentView, desk: ExecutionDesk) -> bool:
    """Take back what stands at the venue for the position to be left: what it holds cannot be sold twice."""
    intent = view.intent
    if intent.venue is None:
        return True
    return clear_standing(intent.book_id, intent.venue, intent.symbol, floor=desk.floor)


def _protect(view: IntentView, desk: ExecutionDesk) -> None:
    """Have what an intent opened protected as it asked, and what it left no longer.

    A withdrawn exit may have been in the way of one that leaves at once: that comes first.
    """
    intent = view.intent
    is_exit, slices = intent.purpose is Purpose.EXIT, [order for order in view.orders if order.role is Role.SLICE]
    is_withdrawn_exit = is_exit and intent.withdrawn is not None
    for venue in sorted({order.venue for order in slices if is_exit or order.filled_qty}):
        place = intent.book_id, venue, intent.symbol
        if is_withdrawn_exit and look_again(*place, after=intent.intent_id, guards=desk.guards, floor=desk.floor):
            continue
        guard_position(intent, venue, guards=desk.guards, floor=desk.floor)


def _protect_again(open_positions: Sequence[HeldPosition], desk: ExecutionDesk) -> dict[str, str]:
    """Have positions protected whose protection was refused, or whose function died; return what went wrong.

    A stop that a venue keeps refusing, or that could not be placed, is an alert until one stands.
    """
    errors: dict[str, str] = {}
    alerts: list[Alert] = []
    resting = desk.floor.orders.resting() if open_positions else ()
    for held in open_positions:
        place = held.position.book_id, held.position.venue, held.position.symbol
        standing = [order for order, _ in resting if order.role is not Role.SLICE and _place(order) == place]
        try:
            if not is_protected(held, standing, guards=desk.guards, floor=desk.floor):
                refused = protect_position(*place, guards=desk.guards, floor=desk.floor)
                if len(refused) >= REFUSALS:
                    why = f"it was refused {len(refused)} times in a row, {refused[-1].reason}"
                    alerts.append(alert_of_unprotected(*place, why))
        except NightdeskError as error:
            errors[" ".join(place)] = f"{type(error).__name__}: {error}"
            alerts.append(alert_of_unprotected(*place, errors[" ".join(place)]))
    desk.alerts.settle([ALERTS], alerts, at_ms=desk.floor.clock.now_ms())
    return errors


def _adopt(wish: AdoptBalances, desk: ExecutionDesk) -> ExecutionResult:
    """Adopt what balances differ by."""
    done = adopt_balances(wish, floor=desk.floor, alerts=desk.alerts)
    return ExecutionResult(
        adopted={flow.asset: plain(flow.qty) for flow in done.flows},
        settled=done.reconciled.settled + done.reconciled.posted,
        differences=[difference.sentence for difference in done.reconciled.differences],
    )


def _place(order: Order) -> tuple[str, str, str]:
    return order.book_id, order.venue, order.symbol


def _sweep(desk: ExecutionDesk) -> ExecutionResult:
    """Do what messages would have: reconcile every account, work what is under way, look at what is protected."""
    began_s = desk.floor.stopwatch()
    errors = arm_timers(floor=desk.floor) | refresh_listings(desk.listings)
    swept = reconcile_all(floor=desk.floor)
    tell_differences(swept.done, alerts=desk.alerts, floor=desk.floor)
    errors |= swept.errors
    exits: list[str] = []
    turns = in_turn(desk.intents, stopwatch=desk.floor.stopwatch, began_s=began_s)
    worked, failed = work_each(turns, desk=desk)
    errors |= failed
    open_positions = desk.floor.ledger.open_positions()
    errors |= _protect_again(open_positions, desk)
    for venue in sorted({held.position.venue for held in open_positions}):
        try:
            exits += watch_positions(venue, guards=desk.guards, floor=desk.floor)
        except NightdeskError as error:
            errors[venue] = f"{type(error).__name__}: {error}"
    return ExecutionResult(
        worked=worked,
        exits=exits,
        settled=sum(each.settled + each.posted for each in swept.done),
        differences=[difference.sentence for each in swept.done for difference in each.differences],
        errors=errors,
    )
