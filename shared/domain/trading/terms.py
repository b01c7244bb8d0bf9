"""Terms: how a trader's signals are traded."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Final

from shared.domain.errors import InvalidMessageError
from shared.domain.trading.instruments import PositionSide
from shared.domain.trading.intents import Algorithm, Guard, Sizing
from shared.domain.trading.money import ONE, ZERO

MAX_RATE: Final = Decimal("0.99")
MAX_HOLD_BARS: Final = 100_000
HORIZON_MS: Final = range(1_000, 604_800_001)
"""How long a signal may be of use: from a second to a week."""


class TraderMode(StrEnum):
    """What a trader's signals do: nothing but be recorded, or raise intents in a book of that mode."""

    SIGNALS = "signals"
    PAPER = "paper"
    LIVE = "live"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardRates:
    """A guard before there is a price: distances as fractions of the signal's price, and a time in bars."""

    stop_rate: Decimal | None = None
    take_profit_rate: Decimal | None = None
    trailing_rate: Decimal | None = None
    hold_bars: int | None = None

    def at(self, price: Decimal, direction: PositionSide, bar_ms: int) -> Guard:
        """Return the guard of a position opened at a price (quote units)."""
        sign = direction.sign
        return Guard(
            stop_price=None if self.stop_rate is None else price * (ONE - sign * self.stop_rate),
            take_profit_price=None if self.take_profit_rate is None else price * (ONE + sign * self.take_profit_rate),
            trailing_rate=self.trailing_rate,
            hold_ms=None if self.hold_bars is None else self.hold_bars * bar_ms,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeTerms:
    """How much, what protects it, how it is worked, how long a signal is of use; `edge_rate` is the return it expects.

    sql/ holds a trader's terms to the same limits.
    """

    sizing: Sizing
    guard: GuardRates = field(default_factory=GuardRates)
    algorithm: Algorithm = field(default_factory=Algorithm)
    horizon_ms: int = 60_000
    edge_rate: Decimal | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing."""
        _check("sizing.value", self.sizing.value, Decimal("1e18"))
        for name in ("stop_rate", "take_profit_rate", "trailing_rate"):
            _check(f"guard.{name}", getattr(self.guard, name), MAX_RATE)
        _check("guard.hold_bars", self.guard.hold_bars, MAX_HOLD_BARS)
        if self.horizon_ms not in HORIZON_MS:
            raise InvalidMessageError("trade.horizon_ms", "expected from a second to a week")
        if self.edge_rate is not None and not -1 < self.edge_rate <= 1:
            raise InvalidMessageError("trade.edge_rate", f"expected a fraction, got {self.edge_rate}")


def _check(name: str, value: Decimal | int | None, most: Decimal | int) -> None:
    if value is not None and not ZERO < value <= most:
        raise InvalidMessageError(f"trade.{name}", f"expected more than 0, at most {most}, got {value}")
