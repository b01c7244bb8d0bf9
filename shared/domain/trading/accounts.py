"""What a venue says of the desk's account there."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.domain.trading.states import Mode

LIVE_ACCOUNT: Final = "live"
"""The account of all live books: one key a venue."""


def account_of(book_id: str, mode: Mode) -> str:
    """Return the account a book trades on: a paper book's own is named by it."""
    return book_id if mode is Mode.PAPER else LIVE_ACCOUNT


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
