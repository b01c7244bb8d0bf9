"""What a venue says of the desk's account there."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeAlias

from shared.domain.trading.states import Mode

LIVE_ACCOUNT: Final = "live"
"""The account of all live books: one key a venue."""

AccountPlace: TypeAlias = tuple[str, str]
"""A venue and an account there."""


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
class Timer:
    """A venue's dead-man timer: how long it may be set to, and whether it is for one symbol or for the account.

    It cancels everything that rests there when it runs out, protective orders too.
    """

    longest_ms: int
    per_symbol: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a venue offers beyond plain orders; `timer` is None where it has no dead-man timer.

    `accepts_for_ms` is how long after it was signed an order may still be accepted: an order the venue does not know
    after that time was never placed.
    """

    shorts: bool
    stop_orders: bool
    oco: bool
    reduce_only: bool
    timer: Timer | None
    accepts_for_ms: int
