"""How much to trade: a quantity from what one is willing to spend, to lose, or to let move, and why it is that much."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.domain.errors import InvalidMessageError
from shared.domain.trading.decisions import Objection, Reason, plain, short
from shared.domain.trading.instruments import Instrument, Side
from shared.domain.trading.intents import Sizing, SizingMethod
from shared.domain.trading.money import LARGEST, ONE, ZERO, require, require_positive

KELLY_CAP: Final = Decimal("0.25")
"""The largest fraction of the equity a Kelly bet may put in one position, however good the record looks."""


MAX_SLIPPAGE_RATE: Final = Decimal("0.5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """A quantity on the instrument's steps (base units) that is not below its minima, and why it is that much."""

    qty: Decimal
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SizingInput:
    """What a quantity is found from.

    `price` is the worst entry expected, `stop_price` where it is left (quote units), `equity` the book's in quote
    units, None while it is not known, `atr` one average true range in quote units, `slippage_rate` what each fill may
    be worse by.
    """

    instrument: Instrument
    side: Side
    price: Decimal
    stop_price: Decimal | None = None
    equity: Decimal | None
    atr: Decimal | None = None
    slippage_rate: Decimal = ZERO


def is_share(sizing: Sizing) -> bool:
    """Tell whether a sizing's value is a share of something, and the quantity follows the book's equity."""
    return sizing.method in _SHARES


def check_sizing(sizing: Sizing) -> None:
    """Raise `InvalidMessageError` naming the field when a sizing can mean nothing."""
    require_positive("sizing.value", sizing.value, most=ONE if is_share(sizing) else LARGEST)
    if sizing.method is SizingMethod.KELLY:
        for name, value in (("win_rate", sizing.win_rate), ("payoff", sizing.payoff)):
            if value is None:
                raise InvalidMessageError(f"sizing.{name}", "expected a number, the Kelly bet is found from it")
    if sizing.win_rate is not None:
        require("sizing.win_rate", sizing.win_rate, least=ZERO, most=ONE)
    if sizing.payoff is not None:
        require_positive("sizing.payoff", sizing.payoff)


def loss_at_stop(known: SizingInput, stop_price: Decimal) -> Decimal:
    """Return what one base unit loses at the stop in quote units: both fills worse by the slippage, and both fees.

    Fees are paid on the notional of each fill, not on what is risked.
    """
    sign = known.side.sign
    entry = known.price * (1 + sign * known.slippage_rate)
    left = stop_price * (1 - sign * known.slippage_rate)
    return sign * (entry - left) + known.instrument.taker_fee_rate * (entry + left)


def size(sizing: Sizing, known: SizingInput) -> Sized | Objection:
    """Return a quantity rounded down to the venue's steps, or why there is none; it is never raised to a minimum.

    Raise `InvalidMessageError` for numbers that are not finite, negative, or beyond what can be meant.
    """
    check_sizing(sizing)
    _check(known)
    found = _find(sizing, known)
    if isinstance(found, Objection):
        return found
    exact, why = found
    qty = known.instrument.fit_qty(exact)
    if problem := known.instrument.shortfall(qty, known.price):
        return Objection(reason=Reason.MINIMUM, sentence=f"{problem} ({why})", value=qty)
    return Sized(qty=qty, why=f"{why}: {plain(qty)} {known.instrument.base}")


def _check(known: SizingInput) -> None:
    require_positive("price", known.price)
    require("slippage_rate", known.slippage_rate, least=ZERO, most=MAX_SLIPPAGE_RATE)
    for name, value in (("equity", known.equity), ("stop_price", known.stop_price), ("atr", known.atr)):
        if value is not None:
            require_positive(name, value)


def _no_size(sentence: str) -> Objection:
    return Objection(reason=Reason.SIZING, sentence=sentence)


def _find(sizing: Sizing, known: SizingInput) -> tuple[Decimal, str] | Objection:
    """Return a quantity that is not yet on the steps, and where it comes from."""
    if sizing.method is SizingMethod.QTY:
        return sizing.value, f"{plain(sizing.value)} {known.instrument.base} as asked"
    if sizing.method is SizingMethod.NOTIONAL:
        quote = known.instrument.quote
        return sizing.value / known.price, f"{plain(sizing.value)} {quote} at {plain(known.price)} {quote}"
    if known.equity is None:
        return _no_size(f"sizing by {sizing.method} needs the book's equity, which is not known")
    return _SHARES[sizing.method](sizing, known, known.equity)


def _risk(sizing: Sizing, known: SizingInput, equity: Decimal) -> tuple[Decimal, str] | Objection:
    stop = known.stop_price
    if stop is None:
        return _no_size("sizing by risk needs a stop price")
    if known.side.sign * (known.price - stop) <= 0:
        side, place = ("long", "below") if known.side is Side.BUY else ("short", "above")
        return Objection(
            reason=Reason.STOP_SIDE,
            sentence=f"the stop {plain(stop)} of a {side} must be {place} its entry {plain(known.price)}",
            value=stop,
            limit=known.price,
        )
    quote = known.instrument.quote
    budget, loss = sizing.value * equity, loss_at_stop(known, stop)
    qty = known.instrument.fit_qty(budget / loss)
    if qty * loss > budget:  # a quotient is rounded in its last digit, which may be the one that made it whole
        qty -= known.instrument.step_size
    return qty, (
        f"{short(budget)} {quote} to lose ({plain(sizing.value)} of {short(equity)}) at {short(loss)} {quote} "
        f"a {known.instrument.base} down to the stop {plain(stop)}, fees and slippage of both sides in it"
    )


def _volatility(sizing: Sizing, known: SizingInput, equity: Decimal) -> tuple[Decimal, str] | Objection:
    if known.atr is None:
        return _no_size("sizing by volatility needs an average true range, and there are too few candles for one")
    quote = known.instrument.quote
    budget = sizing.value * equity
    return budget / known.atr, (
        f"{short(budget)} {quote} ({plain(sizing.value)} of {short(equity)}) for one average true range of "
        f"{short(known.atr)} {quote}"
    )


def _kelly(sizing: Sizing, known: SizingInput, equity: Decimal) -> tuple[Decimal, str] | Objection:
    """Kelly (1956), Thorp (2006): f* = W − (1 − W) / R of the capital, for a bet that may lose all that is staked.

    A position loses at most its notional, so a notional of f* of the equity never bets more than that.
    """
    wins, payoff = sizing.win_rate or ZERO, sizing.payoff or ONE
    best = wins - (1 - wins) / payoff
    if best <= 0:
        return _no_size(
            f"the Kelly bet is nothing: {plain(wins)} wins at {plain(payoff)} to 1 expect a loss ({short(best)})"
        )
    rate = min(sizing.value * best, KELLY_CAP)
    capped = f", capped at {KELLY_CAP}" if rate == KELLY_CAP else ""
    return rate * equity / known.price, (
        f"{short(rate)} of {short(equity)} {known.instrument.quote}: {plain(sizing.value)} of the Kelly bet "
        f"{short(best)}{capped}, at {plain(known.price)} {known.instrument.quote}"
    )


_SHARES: Final = {
    SizingMethod.RISK: _risk,
    SizingMethod.VOLATILITY: _volatility,
    SizingMethod.KELLY: _kelly,
}
