"""Instruments: what a venue lists, on which grids, with which minima and fees."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from shared.domain.trading.money import ONE, ceil_to, floor_to


class Side(StrEnum):
    """The side of an order."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """Return +1 for what adds base units, -1 for what takes them away."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> "Side":
        """Return the other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class PositionSide(StrEnum):
    """The side of a position, which is what a trader's signal speaks for."""

    LONG = "long"
    SHORT = "short"

    @property
    def sign(self) -> int:
        """Return +1 for what earns when the price rises, -1 for what earns when it falls."""
        return 1 if self is PositionSide.LONG else -1


def is_future(symbol: str) -> bool:
    """Tell whether a symbol is a future's, which ccxt writes with what it is settled in: `BTC/USDT:USDT`."""
    return ":" in symbol


class InstrumentKind(StrEnum):
    """What is traded: the asset itself, or a perpetual future on it."""

    SPOT = "spot"
    SWAP = "swap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One instrument of a venue; quantities are base units, `contract_size` is for the venue's adapter alone.

    `min_notional` is in quote units; fee rates are fractions of the notional.
    """

    venue: str
    symbol: str
    kind: InstrumentKind
    base: str
    quote: str
    tick_size: Decimal
    step_size: Decimal
    min_qty: Decimal
    min_notional: Decimal
    contract_size: Decimal = ONE
    maker_fee_rate: Decimal
    taker_fee_rate: Decimal

    def fit_qty(self, qty: Decimal) -> Decimal:
        """Return a quantity rounded down to the venue's steps."""
        return floor_to(qty, self.step_size)

    def fit_price(self, price: Decimal, side: Side) -> Decimal:
        """Return a limit price on the venue's ticks that is no worse than asked: buys go down, sells up."""
        return floor_to(price, self.tick_size) if side is Side.BUY else ceil_to(price, self.tick_size)

    def shortfall(self, qty: Decimal, price: Decimal) -> str | None:
        """Say why a quantity at a price is below the venue's minima, None when it is not."""
        if qty < self.min_qty or qty <= 0:
            return f"{qty} {self.base} is below the minimum quantity {self.min_qty}"
        if (notional := qty * price) < self.min_notional:
            return f"{notional} {self.quote} is below the minimum notional {self.min_notional}"
        return None
