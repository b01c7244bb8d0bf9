"""What a book is worth: its capital and what its positions have earned at today's prices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

from shared.domain.trading.money import EXACT, ZERO, total
from shared.domain.trading.positions import Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Equity:
    """A book's worth in its quote currency; `unpriced` are the held (venue, symbol) nobody tells a price of.

    `equity` is None while something held has no price: unknown is not zero.
    """

    capital: Decimal
    realised: Decimal
    fees: Decimal
    funding: Decimal
    unrealised: Decimal
    unpriced: tuple[tuple[str, str], ...]

    @property
    def equity(self) -> Decimal | None:
        """Return capital + realised + unrealised + funding - fees, None while a price is missing."""
        with localcontext(EXACT):
            earned = self.realised + self.unrealised + self.funding - self.fees
            return None if self.unpriced else self.capital + earned


def equity_of(
    capital: Decimal, positions: Sequence[Position], mark_prices: Mapping[tuple[str, str], Decimal]
) -> Equity:
    """Value a book's positions, the flat ones included, at the mark prices by (venue, symbol)."""
    held = [position for position in positions if position.qty]
    priced = {key(position): mark_prices.get(key(position)) for position in held}
    with localcontext(EXACT):
        return Equity(
            capital=capital,
            realised=total(position.realised for position in positions),
            fees=total(position.fees for position in positions),
            funding=total(position.funding for position in positions),
            unrealised=total(
                position.unrealised(mark) if (mark := priced[key(position)]) is not None else ZERO for position in held
            ),
            unpriced=tuple(place for place, mark in priced.items() if mark is None),
        )


def key(position: Position) -> tuple[str, str]:
    """Return the (venue, symbol) of a position."""
    return position.venue, position.symbol


def drawdown_rate(day_start_equity: Decimal, equity: Decimal) -> Decimal:
    """Return which fraction of the equity at midnight UTC is lost, 0 when none is; all of it when there was none."""
    if day_start_equity <= 0:
        return Decimal(1)
    return max((day_start_equity - equity) / day_start_equity, ZERO)
