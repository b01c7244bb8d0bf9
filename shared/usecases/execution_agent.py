"""Work approved intents to their end: plan, send what is due, follow what became of it, decide again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from shared.domain.errors import (
    ConflictError,
    InvalidMessageError,
    NightdeskError,
    NotFoundError,
    RejectedError,
    TransientError,
)
from shared.domain.timeframe import Timeframe
from shared.domain.trading.accounts import account_of
from shared.domain.trading.intents import AlgorithmName, Purpose
from shared.domain.trading.money import total
from shared.domain.trading.plan_codec import plan_from_json, plan_to_json
from shared.domain.trading.plans import Plan, make_plan
from shared.domain.trading.positions import Position
from shared.domain.trading.progress import Steps, next_steps
from shared.domain.trading.records import IntentView, Order, Role
from shared.domain.trading.routing import VenueOffer
from shared.domain.trading.schedules import VolumeHistory, volume_history
from shared.domain.trading.states import IntentState, OrderState, TradingState, is_final
from shared.messages import CronTick, ExecutionResult, IntentDecided, SliceDue, TickersWritten
from shared.ports import CandleLog, Queue
from shared.trading_ports import AlertStore, BookStore, InstrumentStore, IntentStore
from shared.usecases.listing import Listings, refresh_listings
from shared.usecases.protecting import Guards, clear_standing, guard_position, protect_position, watch_positions
from shared.usecases.reconciling import alert_of, alert_prefix, reconcile_all
from shared.usecases.working import ACTOR, Floor, cancel_order, work_order

SWEEP: Final = 100
ROUNDS: Final = 12
"""How often one call decides anew about an intent before it leaves the rest to the next."""
VOLUME_TIMEFRAME: Final = Timeframe.M15
VOLUME_BARS: Final = 1_000
MAX_DELAY_S: Final = 900
"""The longest a queue holds a message back; what is due later is found by the sweep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionDesk:
    """What execution takes; `opened` are the accounts whose opening balances this process knows to be recorded."""

    floor: Floor
    intents: IntentStore
    books: BookStore
    instruments: InstrumentStore
    candles: CandleLog
    orders_queue: Queue
    guards: Guards
    alerts: AlertStore
    listings: Listings
    opened: set[tuple[str, str]] = field(default_factory=set)


def execution_agent(
    event: IntentDecided | SliceDue | TickersWritten | CronTick, *, desk: ExecutionDesk
) -> ExecutionResult:
    """Work what an event is about, or everything that is under way."""
    match event:
        case IntentDecided() | SliceDue():
            return ExecutionResult(worked={event.intent_id: work_intent(event.intent_id, desk=desk)})
        case TickersWritten():
            exits = watch_positions(event.tickers_of, guards=desk.guards, floor=desk.floor)
            return ExecutionResult(exits=exits)
        case CronTick():
            return _sweep(desk)


def work_intent(intent_id: str, *, desk: ExecutionDesk) -> str:
    """Take an intent as far as it goes now; return what it waits for, or how it ended.

    Every round reads what is stored, decides once and does what was decided; somebody who does the same at the same
    time is refused by the versions of the rows, and changes nothing.
    """
    why = "nothing to do"
    for _ in range(ROUNDS):
        view = desk.floor.orders.execution(intent_id)
        if is_final(view.intent.state):
            return f"{view.intent.state}"
        if view.intent.state is IntentState.PENDING:
            return "not decided yet"
        try:
            steps, done = _round(view, desk)
        except ConflictError:
            continue  # somebody else was quicker: look again
        why = steps.why
        if steps.finish is not None:
            return f"{steps.finish}: {why}"
        if not done:
            return why
    return why


def _round(view: IntentView, desk: ExecutionDesk) -> tuple[Steps, bool]:
    """Decide once and do it; tell whether anything was done, so that it is worth looking again."""
    floor, now_ms = desk.floor, desk.floor.clock.now_ms()
    offers = read_offers(view, desk)
    if view.plan is None and (kept := _kept_from_planning(view, offers, now_ms, desk)) is not None:
        return kept, False
    try:
        plan = plan_from_json(view.plan) if view.plan is not None else _new_plan(view, offers, now_ms, desk)
    except InvalidMessageError as error:
        return _expire(view, f"it cannot be planned: {error}", desk), False

    steps = next_steps(plan, view, offers, now_ms=now_ms, observed_qty=_observed(plan, desk))

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
    worked = _work_due(view, [*view.orders, *orders], desk)
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


def _work_due(view: IntentView, orders: Sequence[Order], desk: ExecutionDesk) -> int:
    """Send the orders whose time has come; return how many were."""
    floor, now_ms, worked = desk.floor, desk.floor.clock.now_ms(), 0
    for order in {order.order_id: order for order in orders}.values():
        if order.state is OrderState.NEW and order.due_at_ms <= now_ms:
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


def _new_plan(view: IntentView, offers: Sequence[VenueOffer], now_ms: int, desk: ExecutionDesk) -> Plan:
    """Plan an approved intent; one that cannot be planned is a plan without slices that says why."""
    volumes = _volumes(view, offers, desk)
    return make_plan(view.intent, offers, now_ms=now_ms, volumes=volumes)


def read_offers(view: IntentView, desk: ExecutionDesk) -> list[VenueOffer]:
    """Return what the venues of an intent offer now; one that does not answer is left out, all while trading halts."""
    intent = view.intent
    if view.state is TradingState.HALTED:
        return []
    account = account_of(intent.book_id, intent.mode)
    venues = desk.books.get(intent.book_id).venues
    offers = []
    for instrument in desk.instruments.list(venue=intent.venue, symbol=intent.symbol):
        if instrument.venue not in venues:
            continue
        try:
            depth = desk.floor.exchanges.of(instrument.venue, account).depth(intent.symbol)
        except (TransientError, RejectedError):
            continue
        offers.append(VenueOffer(instrument=instrument, depth=depth))
    return offers


def _volumes(view: IntentView, offers: Sequence[VenueOffer], desk: ExecutionDesk) -> VolumeHistory | None:
    """Return what has traded by the time of day, where an algorithm asks for it."""
    algorithm = view.intent.algorithm
    if not offers or (algorithm.name is not AlgorithmName.VWAP and algorithm.participation_rate is None):
        return None
    return volume_history_of(offers[0].venue, view.intent.symbol, desk)


def volume_history_of(venue: str, symbol: str, desk: ExecutionDesk) -> VolumeHistory | None:
    """Return the volumes of a symbol over the longest history of fine bars the log has."""
    frame = desk.candles.frame(venue, VOLUME_TIMEFRAME, bars=VOLUME_BARS)
    history = volume_history(frame, symbol)
    return history if history.bars else None


def _observed(plan: Plan, desk: ExecutionDesk) -> Decimal | None:
    """Return what has traded since a plan that follows the volume was started, in base units; None when not known."""
    if plan.algorithm.name is not AlgorithmName.POV or not plan.venues:
        return None
    frame = desk.candles.frame(plan.venues[0], Timeframe.M1, bars=VOLUME_BARS)
    bars = volume_history(frame, plan.symbol).bars
    if not bars or bars[-1][0] < plan.started_at_ms:
        return None
    return total(qty for open_ms, qty in bars if open_ms >= plan.started_at_ms)


def _protect(view: IntentView, desk: ExecutionDesk) -> None:
    """Have what an intent opened protected as it asked, and what it left no longer."""
    for venue in sorted({order.venue for order in view.orders}):
        guard_position(view.intent, venue, guards=desk.guards, floor=desk.floor)


def _protect_again(held: Sequence[Position], desk: ExecutionDesk) -> dict[str, str]:
    """Have positions protected whose protection was refused, or whose function died; return what went wrong.

    One that is being left is not: what its exit may sell cannot be promised twice.
    """
    errors = {}
    leaving = {
        (order.book_id, order.venue, order.symbol)
        for order, purpose in desk.floor.orders.resting()
        if order.role is Role.SLICE and purpose is Purpose.EXIT
    }
    for position in held:
        place = position.book_id, position.venue, position.symbol
        try:
            if place not in leaving:
                protect_position(*place, guards=desk.guards, floor=desk.floor)
        except NightdeskError as error:
            errors[" ".join(place)] = f"{type(error).__name__}: {error}"
    return errors


def _sweep(desk: ExecutionDesk) -> ExecutionResult:
    """Do what messages would have: reconcile every account, work what is under way, look at what is protected."""
    errors = refresh_listings(desk.listings)
    swept = reconcile_all(floor=desk.floor)
    for account in swept.done:
        alerts = [alert_of(difference) for difference in account.differences]
        desk.alerts.settle(alert_prefix(account.venue, account.account), alerts, at_ms=desk.floor.clock.now_ms())
    errors |= swept.errors
    worked: dict[str, str] = {}
    exits: list[str] = []
    for intent_id in desk.intents.unfinished(limit=SWEEP):
        try:
            worked[intent_id] = work_intent(intent_id, desk=desk)
        except NightdeskError as error:  # one intent must not keep the others waiting
            errors[intent_id] = f"{type(error).__name__}: {error}"
    held = [each.position for each in desk.floor.ledger.open_positions()]
    errors |= _protect_again(held, desk)
    for venue in sorted({position.venue for position in held}):
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
