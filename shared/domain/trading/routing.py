"""Routing: which venues take a quantity, by what this very quantity is expected to cost at each.

The cost of a part is what its price is worse than the best price anywhere, and its fee, and what the market is expected
to move against it while it is under way, and what trying again costs times how often that is needed. All of it grows
with the quantity alone, so that taking the cheapest level of all venues first is the cheapest split there is; grids and
minima are then respected, and the split is kept only where it beats the best single venue.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.domain.errors import InvalidMessageError
from shared.domain.trading.depth import Depth, Level, walk
from shared.domain.trading.instruments import Instrument, Side
from shared.domain.trading.money import BPS, ONE, ZERO, grain, total

ADVERSE_RATE: Final = Decimal("0.2") * BPS
"""The expected move against an order in its first second: 1.7 % a day over the root of its seconds is 0.6 bps, of which
a third goes against who has just decided to trade. It grows with the root of the time, as the moves of prices do: a
tenth of a second costs a third of it. The same for all symbols: a wilder one would cost more at every venue alike."""
RETRY_COST_RATE: Final = 2 * BPS
"""What a rejected order costs: the few seconds until the next attempt, and the spread that has moved meanwhile. A venue
that rejects the fraction r of orders is expected to do so r / (1 − r) times before it takes one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOffer:
    """What a venue offers an order: its instrument and depth, the real time until it answers one, and the fraction of
    orders it rejects, both as measured (`measures`)."""

    instrument: Instrument
    depth: Depth
    latency_ms: int = 0
    reject_rate: Decimal = ZERO

    @property
    def venue(self) -> str:
        """Return the venue's name."""
        return self.instrument.venue


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutePart:
    """A part of a quantity at a venue and its cost in quote units; `price` is the average it is expected to get.

    `slippage` is against the best price of any venue; `cost` is the sum of the four.
    """

    venue: str
    qty: Decimal
    price: Decimal
    slippage: Decimal
    fee: Decimal
    latency: Decimal
    rejects: Decimal

    @property
    def cost(self) -> Decimal:
        """Return everything it is expected to cost, in quote units."""
        return self.slippage + self.fee + self.latency + self.rejects


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Parts that add up to the quantity less `unplaced_qty`; `table` is what each venue alone would take and cost."""

    parts: tuple[RoutePart, ...]
    unplaced_qty: Decimal
    table: tuple[RoutePart, ...]
    why: str

    @property
    def cost(self) -> Decimal:
        """Return what all parts are expected to cost, in quote units."""
        return total(part.cost for part in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ladder:
    """A venue's levels as this order meets them, with what each unit of notional costs besides its price."""

    instrument: Instrument
    side: Side
    depth: Depth
    limit_price: Decimal | None
    best_price: Decimal
    fee_rate: Decimal
    latency_rate: Decimal
    reject_rate: Decimal

    @property
    def levels(self) -> tuple[Level, ...]:
        everything = total(level.qty for level in self.depth.against(self.side))
        return walk(self.depth, self.side, everything, limit_price=self.limit_price).taken

    def unit_cost(self, price: Decimal) -> Decimal:
        """Return what a unit costs at a price, less what is the same for all venues."""
        return price * (self.side.sign + self.fee_rate + self.latency_rate + self.reject_rate)

    def part(self, qty: Decimal) -> RoutePart:
        walked = walk(self.depth, self.side, qty, limit_price=self.limit_price)
        return RoutePart(
            venue=self.instrument.venue,
            qty=walked.qty,
            price=grain(walked.notional / walked.qty) if walked.qty else ZERO,
            slippage=self.side.sign * (walked.notional - walked.qty * self.best_price),
            fee=walked.notional * self.fee_rate,
            latency=walked.notional * self.latency_rate,
            rejects=walked.notional * self.reject_rate,
        )

    def shortfall(self, qty: Decimal) -> str | None:
        """Say why a quantity is below the minima at the lowest price the venue may count it at."""
        prices = [level.price for level in walk(self.depth, self.side, qty, limit_price=self.limit_price).taken]
        if self.limit_price is not None:
            prices.append(self.limit_price)
        return self.instrument.shortfall(qty, min(prices, default=ZERO))


def route(
    qty: Decimal,
    side: Side,
    offers: Sequence[VenueOffer],
    *,
    limit_price: Decimal | None = None,
    is_maker: bool = False,
) -> Route:
    """Place a quantity where it is expected to cost least, on one venue or several, no venue beyond its depth.

    As a maker nothing is taken, so that only fees, latency and rejections differ and any venue takes all of it. What no
    venue's depth, grid or minima allow is `unplaced_qty`; nothing is rounded up. Raise `InvalidMessageError` for a
    quantity that is not positive, for offers of different symbols, or two of one venue.
    """
    _check(qty, offers)
    ladders = _ladders(qty, side, offers, limit_price, is_maker=is_maker)
    if not ladders:
        return Route(parts=(), unplaced_qty=qty, table=(), why=f"no venue offers to {side} within the price limit")
    table = tuple(ladder.part(_alone(qty, ladder)) for ladder in ladders)
    plans = [[part] for part in table if part.qty] + [_split(qty, ladders)]
    best = min(plans, key=lambda parts: (-total(part.qty for part in parts), _cost(parts), len(parts)))
    unplaced = qty - total(part.qty for part in best)
    why = _why(side, best, table, unplaced, offers[0].instrument)
    return Route(parts=tuple(best), unplaced_qty=unplaced, table=table, why=why)


def _check(qty: Decimal, offers: Sequence[VenueOffer]) -> None:
    if not (qty.is_finite() and qty > 0):
        raise InvalidMessageError("qty", f"expected a positive quantity, got {qty}")
    if len({offer.instrument.symbol for offer in offers}) > 1:
        raise InvalidMessageError("offers", "expected one symbol at several venues")
    if len({offer.venue for offer in offers}) < len(offers):
        raise InvalidMessageError("offers", "expected one offer a venue")
    if not all(0 <= offer.reject_rate <= 1 and offer.latency_ms >= 0 for offer in offers):
        raise InvalidMessageError("offers", "expected reject rates within 0..1 and latencies of 0 or more")


def _ladders(
    qty: Decimal, side: Side, offers: Sequence[VenueOffer], limit_price: Decimal | None, *, is_maker: bool
) -> list[_Ladder]:
    touches = [offer.depth.against(side)[0].price for offer in offers if offer.depth.against(side)]
    best = min(touches, key=lambda price: side.sign * price, default=limit_price)
    if best is None:
        return []
    ladders = []
    for offer in sorted(offers, key=lambda offer: offer.venue):
        if offer.reject_rate == 1:
            continue
        rests_at = best if limit_price is None else limit_price
        ladder = _Ladder(
            instrument=offer.instrument,
            side=side,
            depth=_resting(offer.depth, side, Level(rests_at, qty)) if is_maker else offer.depth,
            limit_price=limit_price,
            best_price=rests_at if is_maker else best,
            fee_rate=offer.instrument.maker_fee_rate if is_maker else offer.instrument.taker_fee_rate,
            latency_rate=grain(ADVERSE_RATE * (Decimal(offer.latency_ms) / 1_000).sqrt()),
            reject_rate=offer.reject_rate / (ONE - offer.reject_rate) * RETRY_COST_RATE,
        )
        if ladder.levels:
            ladders.append(ladder)
    return ladders


def _resting(depth: Depth, side: Side, level: Level) -> Depth:
    """Return a depth that has exactly one level for an order to meet: its own price."""
    return Depth(
        time_ms=depth.time_ms,
        bids=(level,) if side is Side.SELL else (),
        asks=(level,) if side is Side.BUY else (),
    )


def _alone(qty: Decimal, ladder: _Ladder) -> Decimal:
    fitted = ladder.instrument.fit_qty(min(qty, total(level.qty for level in ladder.levels)))
    return ZERO if ladder.shortfall(fitted) else fitted


def _split(qty: Decimal, ladders: Sequence[_Ladder]) -> list[RoutePart]:
    """Return the cheapest split whose parts all reach their venue's minima: the smallest that does not is given up."""
    left = list(ladders)
    while left:
        shares = _cheapest_first(qty, left)
        small = [ladder for ladder in left if (share := shares[ladder.instrument.venue]) and ladder.shortfall(share)]
        if not small:
            return [ladder.part(share) for ladder in left if (share := shares[ladder.instrument.venue])]
        left.remove(min(small, key=lambda ladder: shares[ladder.instrument.venue]))
    return []


def _cheapest_first(qty: Decimal, ladders: Sequence[_Ladder]) -> Mapping[str, Decimal]:
    """Take the cheapest levels of all venues; what grids leave over goes to the finest grid that has room for it."""
    queue = sorted(
        (ladder.unit_cost(level.price), ladder.instrument.venue, level.qty)
        for ladder in ladders
        for level in ladder.levels
    )
    shares = {ladder.instrument.venue: ZERO for ladder in ladders}
    left = qty
    for _, venue, offered in queue:
        shares[venue] += min(offered, left)
        left -= min(offered, left)
    fitted = {ladder.instrument.venue: ladder.instrument.fit_qty(shares[ladder.instrument.venue]) for ladder in ladders}
    for ladder in sorted(ladders, key=lambda one: (fitted[one.instrument.venue] == 0, one.instrument.step_size)):
        venue = ladder.instrument.venue
        room = total(level.qty for level in ladder.levels) - fitted[venue]
        fitted[venue] += ladder.instrument.fit_qty(min(room, qty - total(fitted.values())))
    return fitted


def _cost(parts: Iterable[RoutePart]) -> Decimal:
    return total(part.cost for part in parts)


def _why(
    side: Side, best: Sequence[RoutePart], table: Sequence[RoutePart], unplaced: Decimal, instrument: Instrument
) -> str:
    base, quote = instrument.base, instrument.quote
    rest = f"; {unplaced:f} {base} finds no place" if unplaced else ""
    if not best:
        return f"no venue can {side} what is asked above its minima{rest}"
    where = " and ".join(f"{part.qty:f} {base} at {part.venue}" for part in best)
    costs = f"{side} {where} for an expected {_cost(best):.4f} {quote} beyond the best price"
    others = [row for row in table if row.qty and row.venue not in {part.venue for part in best}]
    full = [row for row in table if row.qty == total(part.qty for part in best)]
    if len(best) > 1:
        alone = min(full, key=lambda row: row.cost, default=None)
        single = f"{alone.venue} alone would cost {_told(alone)}" if alone else "no venue alone takes all of it"
        return f"{costs}; {single}{rest}"
    if not others:
        return f"{costs}; the only venue that can{rest}"
    second = min(others, key=lambda row: (-row.qty, row.cost))
    return f"{costs}; {second.venue} would cost {_told(second)} for {second.qty:f} {base}{rest}"


def _told(part: RoutePart) -> str:
    """Say what a part would cost, and how much of it is the venue's own record."""
    record = ((part.latency, "for being slow"), (part.rejects, "for what it refuses"))
    told = " and ".join(f"{cost:.4f} {why}" for cost, why in record if cost)
    return f"{part.cost:.4f} ({told})" if told else f"{part.cost:.4f}"
