"""Positions: what a book holds of an instrument, what it cost, and what it has earned."""

from dataclasses import dataclass
from decimal import Decimal, localcontext

from shared.domain.trading.money import EXACT, ZERO, grain


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What a book holds of an instrument at a venue after all fills so far.

    `qty` is signed base units, short is negative; `cost` is what the open quantity cost, of the same sign, in quote
    units. `realised` is the profit of what was closed before fees, `fees` all fees so far as a cost, `funding` what a
    future received for being held less what it paid, all in quote units. Funding is no fill: it moves no version.
    `opened_at_ms` is when it last left zero, None while flat. `version` counts the changes that were stored.
    """

    book_id: str
    venue: str
    symbol: str
    qty: Decimal = ZERO
    cost: Decimal = ZERO
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    opened_at_ms: int | None = None
    version: int = 0

    @property
    def entry_price(self) -> Decimal | None:
        """Return the average price of what is held, None while flat."""
        return grain(self.cost / self.qty) if self.qty else None

    def unrealised(self, mark_price: Decimal) -> Decimal:
        """Return what closing at a price would earn before fees, in quote units."""
        with localcontext(EXACT):
            return self.qty * mark_price - self.cost

    def profit(self, mark_price: Decimal) -> Decimal:
        """Return all it has earned at a price, funding in it and fees taken off, in quote units."""
        with localcontext(EXACT):
            return self.realised + self.unrealised(mark_price) + self.funding - self.fees
