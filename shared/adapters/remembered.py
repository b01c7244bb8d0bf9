"""What seldom changes, or slowly, and is asked for with every intent: remembered by a warm process for a while.

Nothing is decided by it that the database does not decide again: trading states are enforced where they are stored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from shared.book_ports import Books
from shared.domain.trading.books import Book
from shared.domain.trading.instruments import Instrument
from shared.domain.trading.measures import WINDOW_MS, VenueMeasure, measures_of
from shared.domain.trading.states import Mode
from shared.domain.venues import Venue
from shared.ports import Clock, VenueStore
from shared.trading_ports import OrderStore
from shared.venue_ports import InstrumentStore

REMEMBERED_MS: Final = 60_000
BOOKS_REMEMBERED_MS: Final = 10_000
"""Their owners change them, and expect to see it."""
MEASURED_MS: Final = 300_000
"""How long measures of venues are remembered: a few minutes are little beside the day they are of."""


@dataclass(slots=True, kw_only=True)
class RememberedInstruments:
    """Instruments, each answer remembered unless it is that there are none."""

    store: InstrumentStore
    wall_clock: Clock
    _known: dict[tuple[str | None, str | None], tuple[int, Sequence[Instrument]]] = field(default_factory=dict)

    def record(self, instruments: Sequence[Instrument]) -> None:
        """Store instruments, and forget what was remembered."""
        self.store.record(instruments)
        self._known.clear()

    def list(self, *, venue: str | None = None, symbol: str | None = None) -> Sequence[Instrument]:
        """Return what is traded at a venue, or of a symbol at every venue, as it was a minute ago at most."""
        read_ms, known = self._known.get((venue, symbol), (0, ()))
        if known and self.wall_clock.now_ms() - read_ms < REMEMBERED_MS:
            return known
        found = self.store.list(venue=venue, symbol=symbol)
        self._known[venue, symbol] = self.wall_clock.now_ms(), found
        return found


@dataclass(slots=True, kw_only=True)
class RememberedVenues:
    """The venues that are switched on, as they were a minute ago at most."""

    store: VenueStore
    wall_clock: Clock
    _known: Sequence[Venue] = ()
    _read_ms: int = 0

    def enabled(self) -> Sequence[Venue]:
        """Return the venues that are switched on."""
        if not self._known or self.wall_clock.now_ms() - self._read_ms >= REMEMBERED_MS:
            self._known, self._read_ms = self.store.enabled(), self.wall_clock.now_ms()
        return self._known


@dataclass(slots=True, kw_only=True)
class RememberedBooks:
    """Books as they were a few seconds ago at most: which venues and which money they trade."""

    store: Books
    wall_clock: Clock
    _known: dict[str, tuple[int, Book]] = field(default_factory=dict)

    def get(self, book_id: str) -> Book:
        """Return a book; raise `NotFoundError`."""
        read_ms, known = self._known.get(book_id, (0, None))
        if known is not None and self.wall_clock.now_ms() - read_ms < BOOKS_REMEMBERED_MS:
            return known
        found = self.store.get(book_id)
        self._known[book_id] = self.wall_clock.now_ms(), found
        return found


@dataclass(slots=True, kw_only=True)
class RememberedMeasures:
    """How venues have answered within the last day of market time, as it was five real minutes ago at most."""

    orders: OrderStore
    clock: Clock
    wall_clock: Clock
    _known: Sequence[VenueMeasure] = ()
    _read_ms: int | None = None

    def of(self, mode: Mode) -> Mapping[str, VenueMeasure]:
        """Return the measures of a mode by venue."""
        if self._read_ms is None or self.wall_clock.now_ms() - self._read_ms >= MEASURED_MS:
            self._known = self.orders.measured(since_ms=self.clock.now_ms() - WINDOW_MS)
            self._read_ms = self.wall_clock.now_ms()
        return measures_of(mode, self._known)
