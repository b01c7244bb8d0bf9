"""What is asked for with every intent, remembered by a warm process for a while.

Nothing is decided by it that the database does not decide again: trading states are enforced where they are stored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from typing import Final

from shared.book_ports import Books
from shared.domain.trading.books import Book
from shared.domain.trading.instruments import Instrument
from shared.domain.trading.measures import WINDOW_MS, VenueMeasure, measures_of
from shared.domain.trading.states import Mode
from shared.domain.venues import Venue
from shared.ports import Clock, VenueStore
from shared.remembering import Remembered
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
    wall_clock: InitVar[Clock]
    _known: Remembered[tuple[str | None, str | None], Sequence[Instrument]] = field(init=False)

    def __post_init__(self, wall_clock: Clock) -> None:
        self._known = Remembered(life_ms=REMEMBERED_MS, wall_clock=wall_clock)

    def record(self, instruments: Sequence[Instrument]) -> None:
        """Store instruments, and forget what was remembered."""
        self.store.record(instruments)
        self._known.forget()

    def list(self, *, venue: str | None = None, symbol: str | None = None) -> Sequence[Instrument]:
        """Return what is traded at a venue, or of a symbol at every venue, as it was a minute ago at most."""
        return self._known.of((venue, symbol), lambda: self.store.list(venue=venue, symbol=symbol), unless_empty=True)


@dataclass(slots=True, kw_only=True)
class RememberedVenues:
    """The venues that are switched on, as they were a minute ago at most."""

    store: VenueStore
    wall_clock: InitVar[Clock]
    _known: Remembered[None, Sequence[Venue]] = field(init=False)

    def __post_init__(self, wall_clock: Clock) -> None:
        self._known = Remembered(life_ms=REMEMBERED_MS, wall_clock=wall_clock)

    def enabled(self) -> Sequence[Venue]:
        """Return the venues that are switched on."""
        return self._known.of(None, self.store.enabled, unless_empty=True)


@dataclass(slots=True, kw_only=True)
class RememberedBooks:
    """Books as they were a few seconds ago at most: which venues and which money they trade."""

    store: Books
    wall_clock: InitVar[Clock]
    _known: Remembered[str, Book] = field(init=False)

    def __post_init__(self, wall_clock: Clock) -> None:
        self._known = Remembered(life_ms=BOOKS_REMEMBERED_MS, wall_clock=wall_clock)

    def get(self, book_id: str) -> Book:
        """Return a book; raise `NotFoundError`."""
        return self._known.of(book_id, lambda: self.store.get(book_id))


@dataclass(slots=True, kw_only=True)
class RememberedMeasures:
    """How venues have answered within the last day of market time, as it was five real minutes ago at most."""

    orders: OrderStore
    clock: Clock
    wall_clock: InitVar[Clock]
    _known: Remembered[None, Sequence[VenueMeasure]] = field(init=False)

    def __post_init__(self, wall_clock: Clock) -> None:
        self._known = Remembered(life_ms=MEASURED_MS, wall_clock=wall_clock)

    def of(self, mode: Mode) -> Mapping[str, VenueMeasure]:
        """Return the measures of a mode by venue."""
        since_ms = self.clock.now_ms() - WINDOW_MS
        return measures_of(mode, self._known.of(None, lambda: self.orders.measured(since_ms=since_ms)))
