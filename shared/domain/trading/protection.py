"""Protection: when a held position must be left, and the orders that stand ready at the venue for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import takewhile
from typing import Final

from shared.domain.errors import InvalidMessageError
from shared.domain.traders import PositionSide
from shared.domain.trading.accounts import Capabilities
from shared.domain.trading.instruments import Instrument, InstrumentKind, Side
from shared.domain.trading.intents import Guard
from shared.domain.trading.money import ONE, ZERO
from shared.domain.trading.records import HeldPosition, Order, Role
from shared.domain.trading.states import AT_RISK, OrderState

RETRY_MS: Final = 30_000
LONGEST_RETRY_MS: Final = 3_600_000


class Trigger(StrEnum):
    """Why a position is left."""

    STOP = "stop"
    TAKE_PROFIT = "take_profit"
    TRAILING = "trailing"
    TIME = "time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The span of prices since the last look: one price is both, a candle is its low and high (quote units)."""

    low: Decimal
    high: Decimal
    last: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a look at a position found: why to leave it now, if so, and the best price it has seen so far."""

    trigger: Trigger | None
    sentence: str
    best_price: Decimal


def check_guard(guard: Guard, direction: PositionSide, price: Decimal) -> None:
    """Raise `InvalidMessageError` naming the field of a level on the wrong side of a price, or that makes no sense."""
    sign = 1 if direction is PositionSide.LONG else -1
    for name, level, side in (("stop_loss", guard.stop_price, -1), ("take_profit", guard.take_profit_price, 1)):
        if level is None:
            continue
        if not level.is_finite() or level <= 0:
            raise InvalidMessageError(name, f"expected a positive price, got {level}")
        if sign * side * (level - price) <= 0:
            where = "above" if sign * side > 0 else "below"
            raise InvalidMessageError(name, f"expected a price {where} {price} for a {direction} position, got {level}")
    if guard.trailing_rate is not None and not ZERO < guard.trailing_rate < ONE:
        raise InvalidMessageError("trailing_rate", f"expected a fraction between 0 and 1, got {guard.trailing_rate}")
    if guard.hold_ms is not None and guard.hold_ms <= 0:
        raise InvalidMessageError("hold_ms", f"expected a positive time, got {guard.hold_ms}")


def look(held: HeldPosition, seen: Seen, *, now_ms: int) -> Verdict:
    """Decide whether a held position is to be left.

    Within one candle the order of prices is unknown, so the worst is assumed: the stop counts before the take-profit,
    and the trailing stop follows the best price of earlier looks, not of the candle that may have fallen first.
    """
    position, guard = held.position, held.guard
    sign = 1 if position.qty > 0 else -1
    worst, best = (seen.low, seen.high) if sign > 0 else (seen.high, seen.low)
    before = held.best_price if held.best_price is not None else position.entry_price or seen.last
    best_price = before if sign * before >= sign * best else best
    trigger, sentence = _trigger(held, before, worst, best, sign)
    if trigger is None and guard.hold_ms is not None and position.opened_at_ms is not None:
        held_ms = now_ms - position.opened_at_ms
        if held_ms >= guard.hold_ms:
            trigger, sentence = Trigger.TIME, f"held for {held_ms} ms, the longest is {guard.hold_ms} ms"
    return Verdict(trigger=trigger, sentence=sentence, best_price=best_price)


def _trigger(
    held: HeldPosition, before: Decimal, worst: Decimal, best: Decimal, sign: int
) -> tuple[Trigger | None, str]:
    guard = held.guard
    if guard.stop_price is not None and sign * (worst - guard.stop_price) <= 0:
        return Trigger.STOP, f"the price reached {worst}, the stop is {guard.stop_price}"
    if guard.trailing_rate is not None:
        level = trailing_level(before, guard.trailing_rate, sign)
        if sign * (worst - level) <= 0:
            return Trigger.TRAILING, f"the price reached {worst}, {guard.trailing_rate} from {before} is {level}"
    if guard.take_profit_price is not None and sign * (best - guard.take_profit_price) >= 0:
        return Trigger.TAKE_PROFIT, f"the price reached {best}, the target is {guard.take_profit_price}"
    return None, ""


def trailing_level(best_price: Decimal, trailing_rate: Decimal, sign: int) -> Decimal:
    """Return the price a trailing stop stands at, for a long (+1) below the best price, for a short (-1) above."""
    return best_price * (ONE - sign * trailing_rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingOrder:
    """A protective order that should stand at the venue."""

    role: Role
    side: Side
    qty: Decimal
    price: Decimal


def standing_orders(held: HeldPosition, instrument: Instrument, offers: Capabilities) -> tuple[StandingOrder, ...]:
    """Return the orders that should stand at the venue for a position: exactly as large as it, on the venue's grids.

    A stop where the venue has stop orders, a take-profit beside it only where one cancels the other. What is below the
    venue's minima, or a trailing or time stop, is the desk's to watch.
    """
    position, guard = held.position, held.guard
    qty = instrument.fit_qty(abs(position.qty))
    side = Side.SELL if position.qty > 0 else Side.BUY
    if guard.stop_price is None or not offers.stop_orders or not qty:
        return ()
    if instrument.shortfall(qty, guard.stop_price):
        return ()
    stop = StandingOrder(role=Role.STOP, side=side, qty=qty, price=instrument.fit_price(guard.stop_price, side))
    if guard.take_profit_price is None or not offers.oco or instrument.kind is not InstrumentKind.SPOT:
        return (stop,)
    target = StandingOrder(
        role=Role.TAKE_PROFIT, side=side, qty=qty, price=instrument.fit_price(guard.take_profit_price, side)
    )
    return (stop, target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """What to do so that exactly the wanted orders stand: cancel first, then place."""

    cancel: tuple[Order, ...]
    place: tuple[StandingOrder, ...]


def adjust(wanted: tuple[StandingOrder, ...], orders: tuple[Order, ...]) -> Adjustment:
    """Compare the protective orders that should stand with those that may.

    While one of them is in doubt nothing is placed: two stops that fill are a position nobody wanted.
    """
    standing = tuple(order for order in orders if order.role is not Role.SLICE and order.state in AT_RISK)
    if not wanted:
        return Adjustment(cancel=_cancellable(standing), place=())
    if {(each.role, each.side, each.qty, each.price) for each in wanted} == {_terms(order) for order in standing}:
        return Adjustment(cancel=(), place=())
    return Adjustment(cancel=_cancellable(standing), place=() if standing else wanted)


def refusals(wanted: Sequence[StandingOrder], orders: Sequence[Order]) -> tuple[Order, ...]:
    """Return how a venue refused a wanted stop: the newest attempts in a row, oldest first.

    `orders` are those at this venue; another size or price, and one that was taken, begin anew.
    """
    stops = [(each.role, each.side, each.qty, each.price) for each in wanted if each.role is Role.STOP]
    attempts = sorted((order for order in orders if order.role is Role.STOP), key=lambda order: order.attempt)
    newest = takewhile(lambda one: one.state is OrderState.REJECTED and _terms(one) in stops, reversed(attempts))
    return tuple(newest)[::-1]


def retry_at_ms(refused: Sequence[Order]) -> int:
    """Return from when on a refused order is tried again (epoch ms): each refusal doubles the pause, up to an hour."""
    if not refused:
        return 0
    sent_ms = refused[-1].submitted_at_ms or refused[-1].due_at_ms
    return sent_ms + min(RETRY_MS << min(len(refused) - 1, 10), LONGEST_RETRY_MS)


def _terms(order: Order) -> tuple[Role, Side, Decimal, Decimal | None]:
    price = order.trigger_price if order.role is Role.STOP else order.limit_price
    return order.role, order.side, order.qty - order.filled_qty, price


def _cancellable(orders: tuple[Order, ...]) -> tuple[Order, ...]:
    return tuple(order for order in orders if order.state in (OrderState.OPEN, OrderState.PARTIALLY_FILLED))
