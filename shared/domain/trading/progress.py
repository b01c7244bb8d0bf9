"""What to do next about an intent: the one decision after every event, from what is filled and what may still fill.

Whatever is not final counts as filled, so that nothing is ordered twice; whatever is final counts with what it has
filled, so that nothing filled is forgotten. Each call looks at everything again and keeps nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from shared.domain.trading.accounts import account_of
from shared.domain.trading.instruments import InstrumentKind
from shared.domain.trading.intents import AlgorithmName, Completion, Purpose
from shared.domain.trading.orders import client_order_id
from shared.domain.trading.plans import Plan
from shared.domain.trading.records import IntentView, Order
from shared.domain.trading.routing import VenueOffer
from shared.domain.trading.states import IntentState, TradingState, is_final
from shared.domain.trading.tally import CANCELLABLE, tally
from shared.domain.trading.wants import Scene, Want, to_enlarge, to_take, wanted

LATE_MS: Final = 300_000
"""How long after its deadline what is left of an entry may still be taken: the sweep that finds it needs a while."""
_SPACE: Final = uuid5(NAMESPACE_URL, "https://nightdesk.example/orders")


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Orders to add, orders to cancel, the state the intent ends in; all empty means wait. `why` says it."""

    new_orders: tuple[Order, ...] = ()
    cancel: tuple[Order, ...] = ()
    finish: IntentState | None = None
    why: str


def next_steps(
    plan: Plan,
    view: IntentView,
    offers: Sequence[VenueOffer],
    *,
    now_ms: int,
    observed_qty: Decimal | None = None,
) -> Steps:
    """Decide what follows for an intent, from its first orders to its end; the same facts give the same steps.

    `offers` are fresh facts of the plan's venues, those that could not be had left out: what needs them waits.
    `observed_qty` is what has traded since the plan started, in base units, which POV follows. An intent that a venue
    refused `MAX_ATTEMPTS` times fails, whatever has filled; another is executed when anything has.
    """
    by_venue = {offer.venue: offer for offer in offers if offer.venue in plan.venues}
    scene = Scene(plan=plan, view=view, tally=tally(view), offers=by_venue, now_ms=now_ms, observed_qty=observed_qty)
    if (forbidden := _forbidden(scene)) is not None:
        return forbidden
    is_over = plan.deadline_ms is not None and now_ms >= plan.deadline_ms
    if is_over or plan.completion_no in scene.tally.slices:
        return _complete(scene, "the deadline has passed" if is_over else "every slice has ended")
    found = wanted(scene)
    if found.wants:
        orders = tuple(_order(scene, want) for want in found.wants)
        return Steps(new_orders=orders, why=f"{len(orders)} orders for what is neither filled nor under way")
    if found.leftover_qty and not found.is_waiting and (order := to_enlarge(scene, found.leftover_qty)) is not None:
        return Steps(cancel=(order,), why=f"slice {order.slice_no} is made again with {found.leftover_qty:f} left over")
    if scene.tally.unsettled or found.is_waiting:
        return Steps(why="waiting for orders under way" if scene.tally.unsettled else _awaited(scene))
    return _complete(scene, "every slice has ended" if scene.tally.orders else plan.why)


def _awaited(scene: Scene) -> str:
    """Say what of the market an intent with nothing under way waits for."""
    if scene.plan.algorithm.name is AlgorithmName.POV and scene.observed_qty is None:
        return f"waiting for a candle of what trades at {', '.join(scene.plan.venues)} since it was planned"
    return "waiting for the market"


def needs_offers(plan: Plan, view: IntentView, *, now_ms: int) -> bool:
    """Tell whether `next_steps` may order anything: not while an intent winds down, nor while all of it has filled or
    may still fill. Otherwise what venues offer makes no difference."""
    scene = Scene(plan=plan, view=view, tally=tally(view), offers={}, now_ms=now_ms, observed_qty=None)
    return scene.free_qty > 0 and _stopped(scene) is None


def _forbidden(scene: Scene) -> Steps | None:
    """Return what follows where nothing more may be ordered, of all of it or of what is under way at a venue."""
    if (stopped := _stopped(scene)) is not None:
        return _wind_down(scene, *stopped)
    view, unsettled = scene.view, scene.tally.unsettled
    barred = tuple(order for order in unsettled if order.state in CANCELLABLE and view.is_barred(order.venue))
    if not barred:
        return None
    where = ", ".join(sorted({f"{view.venue_states[order.venue]} at {order.venue}" for order in barred}))
    return Steps(cancel=barred, why=f"trading is {where}")


def stops(state: TradingState, purpose: Purpose) -> bool:
    """Tell whether a trading state ends what was raised for a purpose."""
    return state is TradingState.HALTED or (state is TradingState.REDUCING and purpose is not Purpose.EXIT)


def _stopped(scene: Scene) -> tuple[str, IntentState | None] | None:
    """Return why nothing more may be ordered, and how the intent ends if not by what has filled; None when it may."""
    state, intent = scene.view.state, scene.view.intent
    if is_final(intent.state):
        return f"the intent is {intent.state}", intent.state
    if scene.tally.filled_qty >= scene.plan.qty:
        return "all of it has filled", None
    if intent.withdrawn is not None:
        return f"withdrawn: {intent.withdrawn}", None
    if stops(state, intent.purpose):
        return f"trading is {state}", None
    if (refused := scene.tally.refusal()) is not None:
        words = f"{refused.venue} refused slice {refused.slice_no}: {refused.reason or 'no reason given'}"
        return words, IntentState.FAILED
    return None


def _wind_down(scene: Scene, why: str, end: IntentState | None) -> Steps:
    """Cancel what can be, wait for what cannot, then end."""
    if scene.tally.unsettled:
        cancel = tuple(order for order in scene.tally.unsettled if order.state in CANCELLABLE)
        return Steps(cancel=cancel, why=f"{why}; {len(scene.tally.unsettled)} orders are not final")
    filled, state = scene.tally.filled_qty, scene.view.intent.state
    if end is None:
        end = IntentState.EXECUTED if filled else IntentState.FAILED
    if state is not IntentState.EXECUTING:
        end = IntentState.EXPIRED  # what never started cannot fail
    finish = None if is_final(state) else end
    return Steps(finish=finish, why=f"{filled:f} of {scene.plan.qty:f} filled: {why}")


def _complete(scene: Scene, why: str) -> Steps:
    """End by the completion rule, once no slice is under way: take what is left, or give it up."""
    plan = scene.plan
    if _is_too_late(scene):
        return _wind_down(scene, f"{why}, and what it was raised for has passed", None)
    if any(order.slice_no != plan.completion_no for order in scene.tally.unsettled):
        return _wind_down(scene, why, None)
    if scene.tally.unsettled:
        return Steps(why=f"{why}; waiting for what takes the rest")
    if plan.algorithm.completion is Completion.TAKE or plan.algorithm.name is AlgorithmName.MARKET:
        if not scene.offers:
            return Steps(why=f"{why}; waiting for the market to take the rest")
        if (want := to_take(scene)) is not None:
            return Steps(new_orders=(_order(scene, want),), why=f"{why}; taking {want.qty:f} of the rest")
    return _wind_down(scene, why, None)


def _is_too_late(scene: Scene) -> bool:
    """Tell whether nothing more is to be entered: after an outage the price may be any. An exit is never too late."""
    intent, plan = scene.view.intent, scene.plan
    until_ms = intent.expires_at_ms
    if plan.deadline_ms is not None and plan.algorithm.duration_ms:
        until_ms = max(until_ms, plan.deadline_ms + LATE_MS)
    return intent.purpose is Purpose.ENTER and scene.now_ms >= until_ms


def _order(scene: Scene, want: Want) -> Order:
    intent, attempt = scene.view.intent, scene.tally.next_attempt(want.slice_no)
    client_id = client_order_id(intent.intent_id, want.slice_no, attempt)
    is_future = want.offer.instrument.kind is InstrumentKind.SWAP
    return Order(
        order_id=str(uuid5(_SPACE, client_id)),
        intent_id=intent.intent_id,
        book_id=intent.book_id,
        mode=intent.mode,
        account=account_of(intent.book_id, intent.mode),
        venue=want.offer.venue,
        symbol=intent.symbol,
        slice_no=want.slice_no,
        attempt=attempt,
        client_order_id=client_id,
        side=intent.side,
        kind=want.kind,
        time_in_force=want.time_in_force,
        qty=want.qty,
        limit_price=want.limit_price,
        reduce_only=is_future and intent.purpose is Purpose.EXIT,
        due_at_ms=want.due_at_ms,
        correlation_id=intent.correlation_id,
    )
