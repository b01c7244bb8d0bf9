"""Circuit breakers: what a book has been through lately, and whether it must trade less for it.

A breaker only ever makes a state stricter. Releasing one is a person's act.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from shared.domain.trading.books import BreakerSettings
from shared.domain.trading.decisions import short
from shared.domain.trading.money import require
from shared.domain.trading.states import TradingState, is_stricter


class Breaker(StrEnum):
    """What stops a book."""

    DAILY_LOSS = "daily_loss"
    LOSSES_IN_A_ROW = "losses_in_a_row"
    REJECT_RATE = "reject_rate"
    SLIPPAGE = "slippage"
    MISMATCHES = "mismatches"
    VOLATILITY = "volatility"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """What is known of a book: today's drawdown as a fraction, closed positions lost in a row, and within the window
    of its settings the orders sent and rejected, the average slippage in basis points (a cost is positive), the
    differences reconciliation found, and the largest shock (`value_at_risk.shock_of`). None is not known."""

    drawdown_rate: Decimal | None = None
    losses_in_a_row: int = 0
    orders: int = 0
    rejected: int = 0
    slippage_bps: Decimal | None = None
    mismatches: int = 0
    shock: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tripped:
    """A breaker that has gone off: the state it asks for, and the number that reached its threshold."""

    breaker: Breaker
    to_state: TradingState
    value: Decimal
    threshold: Decimal
    sentence: str


def trip(
    settings: BreakerSettings,
    seen: Observations,
    *,
    max_daily_drawdown_rate: Decimal,
    state: TradingState,
) -> list[Tripped]:
    """Return the breakers that ask for a stricter state than the book is in, each once, with the strictest it asks for.

    Raise `InvalidMessageError` for an observation or a setting that is no number: it cannot be compared.
    """
    compared = {
        "drawdown_rate": seen.drawdown_rate,
        "slippage_bps": seen.slippage_bps,
        "shock": seen.shock,
        "reduce_at_share": settings.reduce_at_share,
        "max_reject_rate": settings.max_reject_rate,
        "max_slippage_bps": settings.max_slippage_bps,
        "volatility_shock": settings.volatility_shock,
        "max_daily_drawdown_rate": max_daily_drawdown_rate,
    }
    for name, value in compared.items():
        if value is not None:
            require(name, value)
    checks = (_daily_loss(settings, seen, max_daily_drawdown_rate), _counts(settings, seen), _market(settings, seen))
    gone_off = [tripped for check in checks for tripped in check]
    stricter = [each for each in gone_off if is_stricter(each.to_state, state)]
    worst: dict[Breaker, Tripped] = {}
    for each in stricter:
        known = worst.get(each.breaker)
        if known is None or is_stricter(each.to_state, known.to_state):
            worst[each.breaker] = each
    return list(worst.values())


def _tripped(
    breaker: Breaker, to_state: TradingState, value: Decimal | int, threshold: Decimal | int, words: str
) -> Tripped:
    value, threshold = Decimal(value), Decimal(threshold)
    sentence = f"{words.format(value=short(value), threshold=short(threshold))}: {to_state}"
    return Tripped(breaker=breaker, to_state=to_state, value=value, threshold=threshold, sentence=sentence)


def _daily_loss(settings: BreakerSettings, seen: Observations, limit_rate: Decimal) -> Iterator[Tripped]:
    if seen.drawdown_rate is None:
        return
    words = "{value} of the equity at midnight UTC is lost, {threshold} is enough"
    levels = (
        (TradingState.REDUCING, limit_rate * settings.reduce_at_share),
        (TradingState.HALTED, limit_rate),
    )
    for to_state, threshold in levels:
        if seen.drawdown_rate >= threshold and seen.drawdown_rate > 0:
            yield _tripped(Breaker.DAILY_LOSS, to_state, seen.drawdown_rate, threshold, words)


def _counts(settings: BreakerSettings, seen: Observations) -> Iterator[Tripped]:
    if seen.losses_in_a_row >= settings.consecutive_losses > 0:
        yield _tripped(
            Breaker.LOSSES_IN_A_ROW,
            TradingState.REDUCING,
            seen.losses_in_a_row,
            settings.consecutive_losses,
            "{value} positions in a row were closed at a loss, {threshold} are enough",
        )
    levels = (
        (TradingState.REDUCING, settings.mismatches_reducing),
        (TradingState.HALTED, settings.mismatches_halted),
    )
    for to_state, threshold in levels:
        if seen.mismatches >= threshold > 0:
            words = "{value} differences from the venue were found, {threshold} are enough"
            yield _tripped(Breaker.MISMATCHES, to_state, seen.mismatches, threshold, words)
    if seen.orders >= max(settings.min_orders, 1):
        rate = Decimal(seen.rejected) / seen.orders
        if rate >= settings.max_reject_rate and seen.rejected:
            words = f"{{value}} of {seen.orders} orders were rejected, {{threshold}} is enough"
            yield _tripped(Breaker.REJECT_RATE, TradingState.REDUCING, rate, settings.max_reject_rate, words)


def _market(settings: BreakerSettings, seen: Observations) -> Iterator[Tripped]:
    if seen.slippage_bps is not None and seen.slippage_bps >= settings.max_slippage_bps:
        words = "fills were {value} bps worse than expected on average, {threshold} is enough"
        yield _tripped(Breaker.SLIPPAGE, TradingState.REDUCING, seen.slippage_bps, settings.max_slippage_bps, words)
    if seen.shock is not None and seen.shock >= settings.volatility_shock:
        words = "a price moved {value} standard deviations in one candle, {threshold} is enough"
        yield _tripped(Breaker.VOLATILITY, TradingState.REDUCING, seen.shock, settings.volatility_shock, words)
