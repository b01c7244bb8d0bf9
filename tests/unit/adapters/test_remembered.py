"""What is remembered is a minute old at most, and that there was nothing is not remembered."""

from dataclasses import dataclass, replace

import pytest

from shared.adapters.remembered import REMEMBERED_MS, RememberedInstruments, RememberedVenues
from shared.domain.timeframe import Timeframe
from shared.domain.venues import Venue
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
