"""Which quantities an intent wants ordered now: slices not yet sent, what failed of others, the next tip, the rest."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from shared.domain.trading.algorithms import SPREAD, is_resting, is_single_shot
from shared.domain.trading.instruments import Side
from shared.domain.trading.intents import AlgorithmName, Purpose
from shared.domain.trading.money import ZERO, total
from shared.domain.trading.orders import OrderKind, TimeInForce
from shared.domain.trading.plans import Plan, Slice, best_offer, order_terms
from shared.domain.trading.records import IntentView, Order
from shared.domain.trading.routing import VenueOffer, route
from shared.domain.trading.states import OrderState, is_final
from shared.domain.trading.tally import MAX_ATTEMPTS, Tally, was_sent

RETRY_MS: Final = 1_000
"""The pause before another attempt, times the attempts so far: a venue that refused, or was empty, needs a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """An intent under execution and the market around it; `offers` are those the plan may use, by venue.

    `observed_qty` is what has traded since the plan started, in base units, None where that is not known.
    """

    plan: Plan
    view: IntentView
    tally: Tally
    offers: Mapping[str, VenueOffer]
    now_ms: int
    observed_qty: Decimal | None

    @property
    def free_qty(self) -> Decimal:
        """Return what is neither filled nor may still fill."""
        return max(ZERO, self.plan.qty - self.tally.committed_qty)

    def after_pause(self, attempts: Sequence[Order]) -> int:
        """Return when to try again after attempts that were sent."""
        return self.now_ms + RETRY_MS * len(attempts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """A quantity wanted at a venue as an attempt at a slice; `max_qty` is the most it may be."""

    slice_no: int
    offer: VenueOffer
    kind: OrderKind
    time_in_force: TimeInForce
    limit_price: Decimal | None
    qty: Decimal
    max_qty: Decimal
    due_at_ms: int

    def of(self, qty: Decimal) -> "Want":
        """Return as much of a quantity as the venue's grid and the slice's cap allow."""
        return replace(self, qty=self.offer.instrument.fit_qty(min(qty, self.max_qty)))

    def is_placeable(self, side: Side) -> bool:
        """Tell whether the venue's minima are reached, at the limit or at the best price there is."""
        prices = (level.price for level in self.offer.depth.against(side)[:1])
        price = self.limit_price if self.limit_price is not None else next(prices, ZERO)
        return self.offer.instrument.shortfall(self.qty, price) is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to order now, what found no slice to go to, and whether something must wait for the market."""

    wants: tuple[Want, ...] = ()
    leftover_qty: Decimal = ZERO
    is_waiting: bool = False


def wanted(scene: Scene) -> Wanted:
    """Return what an intent wants before its deadline; together with what may still fill it is never more than its
    quantity."""
    if scene.plan.algorithm.name is AlgorithmName.POV:
        return _by_volume(scene)
    raw, reserved, is_waiting = _slices_wanted(scene)
    placeable = [want for want in raw if want.is_placeable(scene.plan.side)]
    leftover = scene.free_qty - reserved - total(want.qty for want in placeable)
    if not placeable and raw and (grown := raw[-1].of(leftover)).is_placeable(scene.plan.side):
        placeable, leftover = [grown], leftover - grown.qty
    for number in reversed(range(len(placeable))):  # what is too small on its own, or came back, goes with the last
        before = placeable[number]
        placeable[number] = before.of(before.qty + leftover)
        leftover -= placeable[number].qty - before.qty
    return Wanted(wants=tuple(placeable), leftover_qty=leftover, is_waiting=is_waiting)


def to_enlarge(scene: Scene, leftover_qty: Decimal) -> Order | None:
    """Return the next order that is to be made again larger, since what is left over cannot be one of its own."""
    if scene.plan.algorithm.name not in SPREAD:
        return None
    caps = {part.slice_no: part.max_qty for part in scene.plan.slices}

    def has_room(order: Order) -> bool:
        offer, cap = scene.offers.get(order.venue), caps.get(order.slice_no)
        left = leftover_qty if cap is None else cap - scene.tally.filled_in(order.slice_no) - order.qty
        return offer is not None and offer.instrument.fit_qty(min(leftover_qty, left)) > 0

    later = (order for order in scene.tally.unsettled if order.state is OrderState.NEW)
    return min(
        (order for order in later if order.due_at_ms > scene.now_ms and has_room(order)),
        key=lambda order: order.due_at_ms,
        default=None,
    )


def to_take(scene: Scene) -> Want | None:
    """Return what of the rest a venue takes at once, None when none does, or when it was tried often enough."""
    plan, tried = scene.plan, scene.tally.sent(scene.plan.completion_no)
    if not scene.free_qty or len(tried) >= MAX_ATTEMPTS:
        return None
    found = route(scene.free_qty, plan.side, list(scene.offers.values()), limit_price=plan.algorithm.limit_price)
    if not found.parts:
        return None
    part = max(found.parts, key=lambda part: part.qty)
    offer = scene.offers[part.venue]
    kind, _, price = order_terms(plan.algorithm, offer.instrument, plan.side)
    return Want(
        slice_no=plan.completion_no,
        offer=offer,
        kind=kind,
        time_in_force=TimeInForce.IOC,
        limit_price=price,
        qty=part.qty,
        max_qty=part.qty,
        due_at_ms=scene.after_pause(tried),
    )


def _slices_wanted(scene: Scene) -> tuple[list[Want], Decimal, bool]:
    """Return what each slice wants, what is kept for slices to come, and whether a venue's offer is missing."""
    is_iceberg = scene.plan.algorithm.name is AlgorithmName.ICEBERG
    found: list[Want] = []
    free, reserved, is_waiting = scene.free_qty, ZERO, False
    for number, part in enumerate(scene.plan.slices):
        attempts = scene.tally.slices.get(part.slice_no, ())
        shown = bool(attempts) and not is_final(attempts[-1].state)
        need = ZERO if shown else _need(scene, part, attempts)
        if need and (offer := _offer_for(scene, part, attempts, need)) is None:
            is_waiting, reserved, free = True, reserved + min(need, free), free - min(need, free)
        elif need and offer is not None:
            want = _want(scene, part, attempts, offer).of(min(need, free))
            found.append(want)
            free -= want.qty
            shown = want.is_placeable(scene.plan.side)
        if is_iceberg and (shown or is_waiting):
            return found, reserved + _unshown(scene, scene.plan.slices[number + 1 :]), is_waiting
    return found, reserved, is_waiting


def _unshown(scene: Scene, parts: Iterable[Slice]) -> Decimal:
    return total(part.qty for part in parts if part.slice_no not in scene.tally.slices)


def _need(scene: Scene, part: Slice, attempts: Sequence[Order]) -> Decimal:
    """Return what a slice still needs: all of it before the first attempt, what the last has left if it may be tried
    again before the deadline."""
    if not attempts:
        return part.qty
    last, sent = attempts[-1], [order for order in attempts if was_sent(order)]
    ended = was_sent(last) and last.state is not OrderState.REJECTED and is_single_shot(scene.plan.algorithm)
    deadline = scene.plan.deadline_ms
    if ended or len(sent) >= MAX_ATTEMPTS or (deadline is not None and scene.after_pause(sent) >= deadline):
        return ZERO
    return scene.tally.missing_of(part.slice_no)


def _offer_for(scene: Scene, part: Slice, attempts: Sequence[Order], need: Decimal) -> VenueOffer | None:
    """Return where a slice is tried: at its venue, or at another that has not refused it; an exit stays where it is."""
    plan = scene.plan
    home = scene.offers.get(attempts[-1].venue if attempts else part.venue)
    refused = {order.venue for order in attempts if order.state is OrderState.REJECTED}
    if attempts and attempts[-1].venue in refused and scene.view.intent.purpose is not Purpose.EXIT:
        limit = plan.algorithm.limit_price
        others = [
            offer
            for venue, offer in scene.offers.items()
            if venue not in refused and (limit is None or offer.instrument.fit_price(limit, plan.side) > 0)
        ]
        home = best_offer(need, plan.side, others, limit, is_maker=is_resting(plan.algorithm))[0] or home
    is_empty = home is not None and part.kind is OrderKind.MARKET and not home.depth.against(plan.side)
    return None if is_empty else home


def _want(scene: Scene, part: Slice, attempts: Sequence[Order], offer: VenueOffer) -> Want:
    plan, sent = scene.plan, [order for order in attempts if was_sent(order)]
    kind, time_in_force, price = order_terms(plan.algorithm, offer.instrument, plan.side)
    filled = scene.tally.filled_in(part.slice_no)
    return Want(
        slice_no=part.slice_no,
        offer=offer,
        kind=kind,
        time_in_force=time_in_force,
        limit_price=_as_maker(plan.side, price, offer) if time_in_force is TimeInForce.POST_ONLY else price,
        qty=ZERO,
        max_qty=plan.qty if part.max_qty is None else max(ZERO, part.max_qty - filled),
        due_at_ms=max(part.due_at_ms, scene.after_pause(sent)) if attempts else part.due_at_ms,
    )


def _as_maker(side: Side, limit_price: Decimal | None, offer: VenueOffer) -> Decimal | None:
    """Return a price that does not take: the limit, or the best of its own side where the limit is beyond it."""
    own = offer.depth.against(side.opposite)[:1]
    if limit_price is None or not own:
        return limit_price
    return min(limit_price, own[0].price) if side is Side.BUY else max(limit_price, own[0].price)


def _by_volume(scene: Scene) -> Wanted:
    """Return the slice that keeps an intent at its part of the volume: one at a time, at most one a span."""
    plan, rate = scene.plan, scene.plan.algorithm.participation_rate
    if not scene.free_qty or (scene.offers and all(_is_dust(scene, offer) for offer in scene.offers.values())):
        return Wanted(leftover_qty=scene.free_qty)
    last = max(scene.tally.orders, key=lambda order: (order.slice_no, order.attempt), default=None)
    opened = sum(opens_ms <= scene.now_ms for opens_ms in plan.openings())
    is_refused = last is not None and last.state is OrderState.REJECTED
    number = last.slice_no if last is not None and is_refused else opened
    is_early = number in scene.tally.slices and not is_refused
    if scene.tally.unsettled or is_early or scene.observed_qty is None or rate is None:
        return Wanted(is_waiting=True)
    due = min(plan.qty, rate * scene.observed_qty) - scene.tally.committed_qty
    best = best_offer(due, plan.side, list(scene.offers.values()), plan.algorithm.limit_price)[0] if due > 0 else None
    if best is None:
        return Wanted(is_waiting=True)
    kind, time_in_force, price = order_terms(plan.algorithm, best.instrument, plan.side)
    want = Want(
        slice_no=number,
        offer=best,
        kind=kind,
        time_in_force=time_in_force,
        limit_price=price,
        qty=ZERO,
        max_qty=due,
        due_at_ms=scene.after_pause(scene.tally.sent(number)),
    ).of(due)
    return Wanted(wants=(want,) if want.is_placeable(plan.side) else (), is_waiting=True)


def _is_dust(scene: Scene, offer: VenueOffer) -> bool:
    """Tell whether a venue takes nothing as small as what is left, whatever the volume."""
    levels = offer.depth.against(scene.plan.side)
    price = scene.plan.algorithm.limit_price or (levels[0].price if levels else None)
    return price is not None and offer.instrument.shortfall(offer.instrument.fit_qty(scene.free_qty), price) is not None
