"""Plans: an approved quantity as slices that are data, each an order some venue takes at some time.

Slices are numbered from 1 over all venues, since (intent, slice, attempt) names an order. Together with
`unplaced_qty` they are exactly the quantity. POV has no slices beforehand: they follow the volume that is seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Final

from shared.domain.errors import InvalidMessageError
from shared.domain.trading.algorithms import SPREAD, check_algorithm, follows_volume, is_resting
from shared.domain.trading.instruments import Instrument, Side
from shared.domain.trading.intents import Algorithm, AlgorithmName, Intent, Purpose
from shared.domain.trading.money import ONE, ZERO, ceil_to, floor_to, total
from shared.domain.trading.orders import OrderKind, TimeInForce
from shared.domain.trading.routing import RoutePart, VenueOffer, route
from shared.domain.trading.schedules import Span, VolumeHistory, allocate, merged, openings, spans, varied

AT_ONCE_MS: Final = 60_000
"""How long an order that should fill at once is tried for, where no duration is given."""
MINIMA_MARGIN: Final = Decimal("1.1")
"""Slices are cut this much above the minimum notional, so that they are above it still when the price has fallen."""
TIP_MARGIN: Final = Decimal("1.25")
"""An iceberg has this many more tips than would be needed were they all as large as may be shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One part of a plan, at one venue. `max_qty` is what its attempts together may fill, None where any rest fits."""

    slice_no: int
    venue: str
    qty: Decimal
    max_qty: Decimal | None = None
    kind: OrderKind
    time_in_force: TimeInForce = TimeInForce.GTC
    limit_price: Decimal | None = None
    due_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How an approved quantity is worked, until `deadline_ms` (epoch ms; None where orders rest until they fill).

    `venues` are those its orders may go to, `table` what each was expected to cost when it was made, `why` the choice
    in a sentence.
    """

    intent_id: str
    symbol: str
    side: Side
    qty: Decimal
    algorithm: Algorithm
    venues: tuple[str, ...]
    started_at_ms: int
    deadline_ms: int | None
    slices: tuple[Slice, ...]
    unplaced_qty: Decimal
    table: tuple[RoutePart, ...]
    why: str

    @property
    def completion_no(self) -> int:
        """Return the number of the slice that takes what is left in the end."""
        return max([self.algorithm.slices, *(one.slice_no for one in self.slices)]) + 1

    def openings(self) -> tuple[int, ...]:
        """Return from when on each slice of an algorithm that is spread over time may be worked (epoch ms)."""
        return openings(self.intent_id, spans(self.started_at_ms, self.algorithm.duration_ms, self.algorithm.slices))


def make_plan(
    intent: Intent,
    offers: Sequence[VenueOffer],
    *,
    now_ms: int,
    volumes: Mapping[str, VolumeHistory] | None = None,
) -> Plan:
    """Plan an approved intent over the venues that offer its symbol; chance comes from the intent's id.

    What follows the volume goes only where it is known: `volumes` has the past of each venue, and a slice is as large
    as what trades at its own. Where no venue takes any of it the plan has no slices and says why.
    Raise `InvalidMessageError` for an algorithm that makes no sense, an intent that is not approved, an exit that does
    not say from which of several venues, and volumes that are needed and not known.
    """
    algorithm = check_algorithm(intent.algorithm)
    if intent.qty is None:
        raise InvalidMessageError("qty", "expected the quantity risk has approved")
    allowed = [offer for offer in offers if intent.venue in {None, offer.venue}]
    if intent.purpose is Purpose.EXIT and len(allowed) > 1:
        raise InvalidMessageError("venue", "expected the venue of the position to leave")
    if allowed and follows_volume(algorithm):
        allowed = [offer for offer in allowed if offer.venue in (volumes or {})]
        if not allowed:
            raise InvalidMessageError(
                "volumes", f"expected what trades of {intent.symbol}, which {algorithm.name} needs"
            )
    slices, table, why = _slices(intent, intent.qty, allowed, now_ms, volumes or {})
    working_ms = algorithm.duration_ms or (0 if is_resting(algorithm) else AT_ONCE_MS)
    planned = ZERO if algorithm.name is not AlgorithmName.POV else intent.qty
    return Plan(
        intent_id=intent.intent_id,
        symbol=intent.symbol,
        side=intent.side,
        qty=intent.qty,
        algorithm=algorithm,
        venues=tuple(sorted(offer.venue for offer in allowed)),
        started_at_ms=now_ms,
        deadline_ms=now_ms + working_ms if working_ms else None,
        slices=slices,
        unplaced_qty=intent.qty - planned - total(one.qty for one in slices),
        table=table,
        why=why,
    )


def best_offer(
    qty: Decimal, side: Side, offers: Sequence[VenueOffer], limit_price: Decimal | None, *, is_maker: bool = False
) -> tuple[VenueOffer | None, tuple[RoutePart, ...], str]:
    """Return the one venue that takes most of a quantity, at the least cost, with the table and the reason.

    Where nothing can be taken within the price limit now, it is the one where waiting at the limit costs least.
    """
    found = route(qty, side, offers, limit_price=limit_price, is_maker=is_maker)
    if not any(row.qty for row in found.table) and limit_price is not None and not is_maker:
        found = route(qty, side, offers, limit_price=limit_price, is_maker=True)
    rows = [row for row in found.table if row.qty]
    if not rows:
        return None, found.table, found.why
    best = min(rows, key=lambda row: (-row.qty, row.cost))
    why = f"{best.venue} takes {best.qty:f} for an expected {best.cost:.4f} beyond the best price"
    return next(offer for offer in offers if offer.venue == best.venue), found.table, why


def order_terms(
    algorithm: Algorithm, instrument: Instrument, side: Side
) -> tuple[OrderKind, TimeInForce, Decimal | None]:
    """Return kind, time in force and limit price of an algorithm's orders; what is to be taken never waits."""
    if algorithm.limit_price is None:
        return OrderKind.MARKET, TimeInForce.IOC, None
    price = instrument.fit_price(algorithm.limit_price, side)
    if price <= 0:
        raise InvalidMessageError("algorithm.limit_price", f"expected at least one tick of {instrument.tick_size}")
    waits = is_resting(algorithm) or algorithm.time_in_force is TimeInForce.FOK
    return OrderKind.LIMIT, algorithm.time_in_force if waits else TimeInForce.IOC, price


def _slices(
    intent: Intent, qty: Decimal, offers: Sequence[VenueOffer], now_ms: int, volumes: Mapping[str, VolumeHistory]
) -> tuple[tuple[Slice, ...], tuple[RoutePart, ...], str]:
    algorithm, side = intent.algorithm, intent.side
    if algorithm.name not in SPREAD and not is_resting(algorithm):
        return _at_once(qty, algorithm, side, offers, now_ms)
    count = algorithm.slices if algorithm.name in SPREAD else _tips(algorithm)
    is_maker = algorithm.time_in_force is TimeInForce.POST_ONLY
    for part in (qty / count, qty):  # a slice below all minima grows, at most to the whole
        best, table, why = best_offer(part, side, offers, algorithm.limit_price, is_maker=is_maker)
        if best is not None or count == 1:
            break
    if best is None:
        return (), table, why
    if algorithm.name is AlgorithmName.POV:
        return (), table, f"{why}; slices follow the volume that is seen"
    past = volumes.get(best.venue)
    return _over_time(intent, qty, best, now_ms=now_ms, volumes=past, count=count), table, why


def _at_once(
    qty: Decimal, algorithm: Algorithm, side: Side, offers: Sequence[VenueOffer], now_ms: int
) -> tuple[tuple[Slice, ...], tuple[RoutePart, ...], str]:
    """Return one slice a venue; all or nothing is asked of a single venue that has all."""
    found = route(qty, side, offers, limit_price=algorithm.limit_price)
    parts, why = found.parts, found.why
    if algorithm.time_in_force is TimeInForce.FOK:
        whole = [row for row in found.table if row.qty == qty]
        parts = (min(whole, key=lambda row: row.cost),) if whole else ()
        why = f"{parts[0].venue} has all of it at the least cost" if parts else "no single venue has all of it"
    instruments = {offer.venue: offer.instrument for offer in offers}
    slices = []
    for number, part in enumerate(parts, 1):
        kind, time_in_force, price = order_terms(algorithm, instruments[part.venue], side)
        slices.append(
            Slice(
                slice_no=number,
                venue=part.venue,
                qty=part.qty,
                max_qty=part.qty,
                kind=kind,
                time_in_force=time_in_force,
                limit_price=price,
                due_at_ms=now_ms,
            )
        )
    return tuple(slices), found.table, why


def _tips(algorithm: Algorithm) -> int:
    """Return how many tips an iceberg has, 1 for what is shown whole."""
    return 1 if algorithm.shown_rate is None else int(ceil_to(TIP_MARGIN / algorithm.shown_rate, ONE))


def _over_time(
    intent: Intent, qty: Decimal, offer: VenueOffer, *, now_ms: int, volumes: VolumeHistory | None, count: int
) -> tuple[Slice, ...]:
    """Return slices at one venue, on its grid and above its minima: fewer and larger ones where those demand it."""
    algorithm, instrument = intent.algorithm, offer.instrument
    kind, time_in_force, price = order_terms(algorithm, instrument, intent.side)
    at_price = price or offer.depth.against(intent.side)[0].price
    step = instrument.step_size
    among = spans(now_ms, algorithm.duration_ms, count) if algorithm.name in SPREAD else (Span(now_ms, now_ms),) * count
    weights, caps = _weights(intent, among, volumes)
    units = [None if cap is None else int(floor_to(cap, step) / step) for cap in caps]
    if algorithm.shown_rate is not None:
        units = [max(1, int(floor_to(qty * algorithm.shown_rate, step) / step))] * count
    shares = allocate(int(instrument.fit_qty(qty) / step), varied(intent.intent_id, weights), units)
    floor = max(instrument.min_qty, instrument.min_notional * MINIMA_MARGIN / at_price)
    groups = merged(shares, int(ceil_to(floor, step) / step))
    due = openings(intent.intent_id, among)
    return tuple(
        Slice(
            slice_no=number,
            venue=offer.venue,
            qty=size * step,
            max_qty=None if caps[0] is None else total(caps[member] or ZERO for member in members),
            kind=kind,
            time_in_force=time_in_force,
            limit_price=price,
            due_at_ms=due[members[0]],
        )
        for number, (size, members) in enumerate(groups, 1)
        if instrument.shortfall(size * step, at_price) is None
    )


def _weights(
    intent: Intent, among: Sequence[Span], volumes: VolumeHistory | None
) -> tuple[list[Decimal], list[Decimal | None]]:
    """Return the weight of each span, and what may be taken in it."""
    algorithm = intent.algorithm
    by_volume, rate = algorithm.name is AlgorithmName.VWAP, algorithm.participation_rate
    if not by_volume and rate is None:
        return [ONE] * len(among), [None] * len(among)
    expected = volumes.expected(among) if volumes else None
    if expected is None or not any(expected):
        raise InvalidMessageError("volumes", f"expected past volumes of {intent.symbol}, which {algorithm.name} needs")
    weights = list(expected) if by_volume else [ONE] * len(among)
    return weights, [None if rate is None else rate * qty for qty in expected]


def check_slices(plan: Plan) -> None:
    """Raise `InvalidMessageError` for a plan whose slices are not its quantity, or not within its time and price."""
    placed = total(one.qty for one in plan.slices) if plan.algorithm.name is not AlgorithmName.POV else plan.qty
    if placed + plan.unplaced_qty != plan.qty or plan.unplaced_qty < 0:
        raise InvalidMessageError("slices", f"expected them to add up to {plan.qty}, got {placed + plan.unplaced_qty}")
    if any(one.qty <= 0 or (one.max_qty is not None and one.max_qty < one.qty) for one in plan.slices):
        raise InvalidMessageError("slices", "expected positive quantities within their caps")
    if [one.slice_no for one in plan.slices] != list(range(1, len(plan.slices) + 1)):
        raise InvalidMessageError("slices", "expected them numbered from 1")
    if any(one.due_at_ms > after.due_at_ms for one, after in pairwise(plan.slices)):
        raise InvalidMessageError("slices", "expected them in order of time")
    if any(plan.deadline_ms is not None and one.due_at_ms >= plan.deadline_ms for one in plan.slices):
        raise InvalidMessageError("slices", "expected none beyond the deadline")
    limit, sign = plan.algorithm.limit_price, plan.side.sign
    if any(
        limit is not None and (one.limit_price is None or sign * (one.limit_price - limit) > 0) for one in plan.slices
    ):
        raise InvalidMessageError("slices", f"expected none beyond the price limit {limit}")
