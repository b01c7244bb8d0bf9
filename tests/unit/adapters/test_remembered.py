"""What is remembered is a minute old at most, books seconds, measures five minutes; that there was nothing is not."""

from dataclasses import dataclass, replace

import pytest

from shared.adapters.remembered import (
    BOOKS_REMEMBERED_MS,
    MEASURED_MS,
    REMEMBERED_MS,
    RememberedBooks,
    RememberedInstruments,
    RememberedMeasures,
    RememberedVenues,
)
from shared.domain.errors import NotFoundError
from shared.domain.timeframe import Timeframe
from shared.domain.trading.measures import VenueMeasure
from shared.domain.trading.states import Mode
from shared.domain.venues import Venue
from tests.fakes.orders import MemoryOrderStore
from tests.fakes.stores import MemoryVenueStore
from tests.usecases.trading_in_memory import INSTRUMENT, VENUE, TradingInMemory

ETHER = replace(INSTRUMENT, symbol="ETH/USDT", base="ETH")


@dataclass
class Scene:
    """A desk's stores, and what remembers them."""

    def __post_init__(self) -> None:
        self.desk = TradingInMemory()
        self.clock = self.desk.clock
        self.instruments = RememberedInstruments(store=self.desk.instruments, wall_clock=self.clock)
        self.venues = RememberedVenues(store=MemoryVenueStore(self.desk.database), wall_clock=self.clock)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_instruments_are_a_minute_old_at_most(scene: Scene) -> None:
    assert len(scene.instruments.list(venue=VENUE)) == 1
    scene.desk.instruments.record([ETHER])
    assert len(scene.instruments.list(venue=VENUE)) == 1
    scene.clock.advance(REMEMBERED_MS)
    assert len(scene.instruments.list(venue=VENUE)) == 2


def test_each_question_has_its_own_answer(scene: Scene) -> None:
    scene.instruments.record([ETHER])
    assert [one.symbol for one in scene.instruments.list(symbol="ETH/USDT")] == ["ETH/USDT"]
    assert len(scene.instruments.list(venue=VENUE)) == len(scene.instruments.list()) == 2


def test_that_there_is_none_is_not_remembered(scene: Scene) -> None:
    assert scene.instruments.list(symbol="ETH/USDT") == []
    scene.desk.instruments.record([ETHER])
    assert len(scene.instruments.list(symbol="ETH/USDT")) == 1


def test_what_is_recorded_is_seen_at_once(scene: Scene) -> None:
    scene.instruments.list(venue=VENUE)
    scene.instruments.record([ETHER])
    assert len(scene.instruments.list(venue=VENUE)) == 2


def test_venues_are_a_minute_old_at_most(scene: Scene) -> None:
    before = [venue.venue for venue in scene.venues.enabled()]
    scene.desk.database.venues.append(Venue(venue="kraken", timeframes=(Timeframe.M1,)))
    assert [venue.venue for venue in scene.venues.enabled()] == before
    scene.clock.advance(REMEMBERED_MS)
    assert [venue.venue for venue in scene.venues.enabled()] == [*before, "kraken"]


def test_books_are_seconds_old_at_most(scene: Scene) -> None:
    books = RememberedBooks(store=scene.desk.books, wall_clock=scene.clock)
    book = books.get(scene.desk.book.book_id)
    renamed = scene.desk.books.update(replace(book, name="Renamed"), expected_version=book.version)
    assert books.get(book.book_id) == book
    scene.clock.advance(BOOKS_REMEMBERED_MS)
    assert books.get(book.book_id) == renamed


def test_a_book_that_is_not_there_is_looked_for_again(scene: Scene) -> None:
    books = RememberedBooks(store=scene.desk.books, wall_clock=scene.clock)
    newcomer = replace(scene.desk.book, book_id="newcomer")
    with pytest.raises(NotFoundError):
        books.get("newcomer")
    assert books.get(scene.desk.books.create(newcomer).book_id).name == newcomer.name


@dataclass
class Counted(MemoryOrderStore):
    """Orders that count how often they were measured, and since when."""

    since: tuple[int, ...] = ()

    def measured(self, *, since_ms: int) -> list[VenueMeasure]:
        """Return one measure."""
        self.since = (*self.since, since_ms)
        return [VenueMeasure(venue=VENUE, mode=Mode.PAPER, answered=1, refused=0, median_ms=40)]


def test_measures_are_of_a_day_and_read_every_five_minutes_whatever_the_mode(scene: Scene) -> None:
    orders, started_ms = Counted(scene.desk.database), scene.clock.now_ms()
    measures = RememberedMeasures(orders=orders, clock=scene.clock, wall_clock=scene.clock)
    assert [*measures.of(Mode.PAPER)] == [VENUE]
    assert measures.of(Mode.LIVE) == {}
    scene.clock.advance(MEASURED_MS - 1)
    measures.of(Mode.PAPER)
    assert orders.since == (started_ms - 86_400_000,)
    scene.clock.advance(1)
    measures.of(Mode.PAPER)
    assert len(orders.since) == 2
