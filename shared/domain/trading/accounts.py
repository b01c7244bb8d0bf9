"""What a venue says of the desk's account there."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What an account holds of an asset, `locked` in open orders included in `total`."""

    asset: str
    total: Decimal
    locked: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class VenuePosition:
    """A futures position as the venue has it; `qty` is signed base units."""

    symbol: str
    qty: Decimal
    entry_price: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a venue offers beyond plain orders.

    `accepts_for_ms` is how long after it was signed an order may still be accepted: an order the venue does not know
    after that time was never placed.
    """

    shorts: bool
    stop_orders: bool
    oco: bool
    reduce_only: bool
    cancel_all_after: bool
    accepts_for_ms: int
