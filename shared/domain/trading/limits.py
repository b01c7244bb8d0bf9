"""What the desk's risk tier and caps make of a book's limits, and which limits mean something."""

from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any, Final, NamedTuple

from shared.domain.errors import InvalidMessageError
from shared.domain.trading.books import Limits
from shared.domain.trading.money import ONE, ZERO, require, require_positive
from shared.domain.trading.sizing import MAX_SLIPPAGE_RATE


class Tier(NamedTuple):
    """How a tier scales limits: on exposure relative to equity, on losses, on amounts in quote units."""

    exposure: Decimal
    loss: Decimal
    notional: Decimal


TIERS: Final = {
    1: Tier(exposure=Decimal("0.5"), loss=Decimal("0.5"), notional=Decimal("0.5")),
    2: Tier(exposure=ONE, loss=ONE, notional=ONE),
    3: Tier(exposure=Decimal("1.5"), loss=ONE, notional=ONE),
}
"""Tier 2 is the book as written. Tier 3 takes more exposure, never a larger loss, and no more than an amount its owner
wrote in quote units."""

_EXPOSURE: Final = ("max_leverage", "max_concentration_rate", "max_correlated_rate")
_LOSS: Final = ("max_daily_drawdown_rate", "var_limit_rate", "max_stress_loss_rate")
_NOTIONAL: Final = ("max_trade_notional", "max_book_notional")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """The most the desk lets any book risk, as fractions of its equity; None where it leaves that to the book."""

    max_leverage: Decimal | None = None
    max_drawdown_daily: Decimal | None = None
    max_concentration: Decimal | None = None
    var_limit: Decimal | None = None

    def __post_init__(self) -> None:
        """Refuse a cap that is negative or not a number."""
        for each in fields(self):
            value = getattr(self, each.name)
            if value is not None:
                require(each.name, value, least=ZERO)


_CAPPED: Final = {
    "max_leverage": "max_leverage",
    "max_daily_drawdown_rate": "max_drawdown_daily",
    "max_concentration_rate": "max_concentration",
    "var_limit_rate": "var_limit",
}


def capped(limits: Limits, caps: Caps) -> Limits:
    """Return limits none of which is looser than the desk's caps."""
    changed: dict[str, Any] = {**tightened(limits, caps)}
    return replace(limits, **changed)


def tightened(limits: Limits, caps: Caps) -> dict[str, Decimal]:
    """Return the limits the desk's caps make tighter, by name, as they are then; raise `InvalidMessageError` naming the
    limit that is no number."""
    check_limits(limits)
    most = {name: getattr(caps, cap) for name, cap in _CAPPED.items()}
    return {name: cap for name, cap in most.items() if cap is not None and cap < getattr(limits, name)}


def scaled(limits: Limits, tier: int) -> Limits:
    """Return the limits a tier trades within; raise `InvalidMessageError` for a tier there is none of."""
    check_limits(limits)
    if tier not in TIERS:
        raise InvalidMessageError("risk_tier", f"expected one of {', '.join(map(str, TIERS))}, got {tier}")
    by = TIERS[tier]
    factors = {name: factor for names, factor in zip((_EXPOSURE, _LOSS, _NOTIONAL), by, strict=True) for name in names}
    changed = {name: value * factor for name, factor in factors.items() if (value := getattr(limits, name)) is not None}
    return replace(limits, **changed)


def check_limits(limits: Limits) -> None:
    """Raise `InvalidMessageError` naming the limit that is negative or not a number."""
    for each in fields(limits):
        value = getattr(limits, each.name)
        if isinstance(value, Decimal):
            require(f"limits.{each.name}", value, least=ZERO)
        elif isinstance(value, int) and value < 0:
            raise InvalidMessageError(f"limits.{each.name}", f"expected a number of at least 0, got {value}")
    require_positive("limits.correlation", limits.correlation, most=ONE)
    require("limits.slippage_rate", limits.slippage_rate, least=ZERO, most=MAX_SLIPPAGE_RATE)
