"""What venues list is read once an hour, for books that trade there, and a venue that is away keeps its list."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from shared.domain.errors import TransientError
from shared.domain.timeframe import Timeframe
from shared.domain.trading.instruments import Instrument
from shared.domain.venues import Venue
from shared.usecases.listing import FRESH_MS, Listings, refresh_listings
from tests.fakes.stores import MemoryVenueStore
from tests.usecases.trading_in_memory import INSTRUMENT, VENUE, TradingInMemory


@dataclass
class Lists:
    """What venues list."""

    listed_at: dict[str, list[Instrument]]
    asked: list[str] = field(default_factory=list)
    away: set[str] = field(default_factory=set)

    def listed(self, venue: str) -> Sequence[Instrument]:
        self.asked.append(venue)
        if venue in self.away:
            raise TransientError(f"{venue} does not answer")
        return self.listed_at[venue]


@dataclass
class Scene:
    desk: TradingInMemory = field(default_factory=TradingInMemory)

    def __post_init__(self) -> None:
        venues = (VENUE, "okx", "kraken")
        self.desk.database.venues[:] = [Venue(venue=venue, timeframes=(Timeframe.M1,)) for venue in venues]
        self.lists = Lists({venue: [replace(INSTRUMENT, venue=venue, symbol="ETH/USDT")] for venue in venues})
        self.listings = Listings(
            instruments=self.desk.instruments,
            books=self.desk.books,
            venues=MemoryVenueStore(self.desk.database),
            market_lists=self.lists,
            wall_clock=self.desk.clock,
        )

    def trade_at(self, *venues: str) -> None:
        self.desk.book = self.desk.books.update(
            replace(self.desk.book, venues=venues), expected_version=self.desk.book.version
        )


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_only_venues_that_books_use_and_the_desk_collects_are_read(scene: Scene) -> None:
    scene.trade_at(VENUE, "coinbase")
    assert refresh_listings(scene.listings) == {}
    assert scene.lists.asked == [VENUE]
    assert "ETH/USDT" in {one.symbol for one in scene.desk.instruments.list(venue=VENUE)}


def test_a_list_is_read_once_an_hour(scene: Scene) -> None:
    for _ in range(3):
        refresh_listings(scene.listings)
    assert scene.lists.asked == [VENUE]
    scene.desk.clock.advance(FRESH_MS)
    refresh_listings(scene.listings)
    assert scene.lists.asked == [VENUE, VENUE]


def test_a_venue_that_is_away_keeps_its_list_and_is_asked_again_and_the_others_are_read(scene: Scene) -> None:
    scene.trade_at(VENUE, "okx")
    scene.lists.away = {VENUE}
    assert refresh_listings(scene.listings) == {VENUE: "TransientError: binance does not answer"}
    assert [one.symbol for one in scene.desk.instruments.list(venue=VENUE)] == [INSTRUMENT.symbol]
    assert [one.symbol for one in scene.desk.instruments.list(venue="okx")] == ["ETH/USDT"]
    scene.lists.away = set()
    assert refresh_listings(scene.listings) == {}
    assert scene.lists.asked == [VENUE, "okx", VENUE]
