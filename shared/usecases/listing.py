"""Keep what venues list up to date: grids, minima and fees of everything a book may trade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from shared.domain.errors import NightdeskError

if TYPE_CHECKING:
    from shared.book_ports import BookStore
    from shared.domain.trading.instruments import Instrument
    from shared.ports import Clock, VenueStore
    from shared.venue_ports import InstrumentStore

FRESH_MS: Final = 3_600_000
"""How long a warm process takes a venue's list as it is; grids change a few times a year, and are announced."""


class MarketLists(Protocol):
    """The public lists of venues."""

    def listed(self, venue: str) -> Sequence[Instrument]:
        """Return what a venue lists and is trading; raise `TransientError` when it does not answer."""
        ...


@dataclass(slots=True, kw_only=True)
class Listings:
    """What listing takes, and when each venue was last read: a cache, a cold process reads all of them."""

    instruments: InstrumentStore
    books: BookStore
    venues: VenueStore
    market_lists: MarketLists
    wall_clock: Clock
    read_ms: dict[str, int] = field(default_factory=dict)


def refresh_listings(listings: Listings) -> dict[str, str]:
    """Record what the venues list that books trade at and the desk collects; return what went wrong, by venue.

    A venue is read once an hour; one that does not answer is asked again the next time, and keeps what is stored.
    """
    now_ms, errors = listings.wall_clock.now_ms(), {}
    traded = {venue for book in listings.books.list() for venue in book.venues}
    for venue in sorted(traded & {each.venue for each in listings.venues.enabled()}):
        read_ms = listings.read_ms.get(venue)
        if read_ms is not None and now_ms - read_ms < FRESH_MS:
            continue
        try:
            listings.instruments.record(listings.market_lists.listed(venue))
        except NightdeskError as error:  # one venue must not keep the others waiting
            errors[venue] = f"{type(error).__name__}: {error}"
        else:
            listings.read_ms[venue] = now_ms
    return errors
