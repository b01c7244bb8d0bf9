"""The order book of an instrument, and what taking from it costs."""

from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from shared.domain.errors import InvalidMessageError
from shared.domain.trading.instruments import Side
from shared.domain.trading.money import ZERO, total


class Level(NamedTuple):
    """A price and the base quantity offered or asked for at it."""

    price: Decimal
    qty: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """The best levels of both sides, best first, as of `time_ms` (market time); a side may be empty."""

    time_ms: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]

    def __post_init__(self) -> None:
        """Refuse a book that is crossed or not sorted."""
        for name, levels, sign in (("bids", self.bids, -1), ("asks", self.asks, 1)):
            if any(sign * a.price >= sign * b.price for a, b in pairwise(levels)):
                raise InvalidMessageError(name, "expected levels in order, the best first")
            if any(level.price <= 0 or level.qty <= 0 for level in levels):
                raise InvalidMessageError(name, "expected positive prices and quantities")
        if self.bids and self.asks and self.bids[0].price >= self.asks[0].price:
            raise InvalidMessageError("bids", "expected the best bid below the best ask")

    @property
    def mid(self) -> Decimal | None:
        """Return the middle of the best prices, None when a side is empty."""
        return (self.bids[0].price + self.asks[0].price) / 2 if self.bids and self.asks else None

    def against(self, side: Side) -> tuple[Level, ...]:
        """Return the levels an order of a side takes from."""
        return self.asks if side is Side.BUY else self.bids


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """What a quantity takes from a book: each level's part, and what the book does not have."""

    taken: tuple[Level, ...]
    missing_qty: Decimal

    @property
    def qty(self) -> Decimal:
        """Return the base quantity taken."""
        return total(level.qty for level in self.taken)

    @property
    def notional(self) -> Decimal:
        """Return what it costs in quote units, fees aside."""
        return total(level.price * level.qty for level in self.taken)


def walk(depth: Depth, side: Side, qty: Decimal, *, limit_price: Decimal | None = None) -> Walked:
    """Take a quantity from a book level by level, no further than a limit price."""
    left, taken = qty, []
    for level in depth.against(side):
        beyond = limit_price is not None and side.sign * (level.price - limit_price) > 0
        if left <= ZERO or beyond:
            break
        taken.append(Level(level.price, min(level.qty, left)))
        left -= taken[-1].qty
    return Walked(taken=tuple(taken), missing_qty=max(left, ZERO))
