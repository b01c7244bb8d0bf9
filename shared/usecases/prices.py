"""Read what symbols trade at right now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from shared.domain.errors import InvalidMessageError
from shared.domain.tickers import Price, prices_of

if TYPE_CHECKING:
    from shared.ports import TickerBoard, VenueStore


def current_prices(
    symbols: Sequence[str], *, venue: str | None, venues: VenueStore, board: TickerBoard
) -> Mapping[str, Sequence[Price]]:
    """Return the prices of each symbol on one venue, or on every venue that has it.

    Raise `NotFoundError` for a symbol nobody has, `TransientError` while a venue that may have it is silent.
    """
    known = sorted(known.venue for known in venues.enabled())
    if venue is not None and venue not in known:
        raise InvalidMessageError("venue", f"expected one of {', '.join(known)}, got {venue!r}")
    return prices_of(symbols, board.now(known if venue is None else [venue]))
