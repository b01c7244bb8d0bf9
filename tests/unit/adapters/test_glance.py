"""A glance reads once for a moment, and forgets what failed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

from shared.adapters.glance import MOMENT_MS, Glance
from shared.domain.errors import TransientError
from shared.domain.tickers import VenueNow
from shared.domain.timeframe import Timeframe
from tests.fakes.clock import ManualClock
from tests.usecases.trading_in_memory import VENUE, HandBoard, HandLog, TradingInMemory


@dataclass
class Counting:
    """Tickers and candles that count how often they are asked."""

    desk: TradingInMemory
    asked: int = 0
    is_away: bool = False

    def now(self, venues: Sequence[str]) -> Mapping[str, VenueNow]:
        self._ask()
        return HandBoard(self.desk.market).now(venues)

    def frame(self, venue: str, timeframe: Timeframe, *, bars: int) -> object:
        self._ask()
        return HandLog(self.desk.market).frame(venue, timeframe, bars=bars)

    def newest_close(self, venue: str, timeframe: Timeframe) -> int | None:
        self._ask()
        return HandLog(self.desk.market).newest_close(venue, timeframe)

    def _ask(self) -> None:
        self.asked += 1
        if self.is_away:
            raise TransientError("away")


@pytest.fixture
def market() -> Counting:
    return Counting(TradingInMemory())


def glance_at(market: Counting, clock: ManualClock) -> Glance:
    return Glance(candles=market, tickers=market, wall_clock=clock)  # type: ignore[arg-type]


def test_one_read_serves_a_moment_and_no_longer(market: Counting) -> None:
    clock = ManualClock()
    glance = glance_at(market, clock)
    for _ in range(5):
        glance.now([VENUE])
        glance.frame(VENUE, Timeframe.M1, bars=30)
    assert market.asked == 2
    clock.advance(MOMENT_MS)
    glance.now([VENUE])
    assert market.asked == 3


def test_other_questions_are_other_reads(market: Counting) -> None:
    glance = glance_at(market, ManualClock())
    assert len(glance.frame(VENUE, Timeframe.M1, bars=30).open_times) > 0
    glance.frame(VENUE, Timeframe.M1, bars=60)
    glance.frame(VENUE, Timeframe.M5, bars=30)
    assert glance.newest_close(VENUE, Timeframe.M1) == glance.newest_close(VENUE, Timeframe.M1)
    assert market.asked == 5


def test_a_failure_is_not_remembered(market: Counting) -> None:
    glance = glance_at(market, ManualClock())
    market.is_away = True
    with pytest.raises(TransientError):
        glance.now([VENUE])
    market.is_away = False
    assert glance.now([VENUE])[VENUE].tickers is not None


def test_a_clock_that_was_set_back_is_no_reason_to_look_at_old_prices(market: Counting) -> None:
    clock = ManualClock()
    glance = glance_at(market, clock)
    glance.now([VENUE])
    clock.advance(-60_000)
    glance.now([VENUE])
    assert market.asked == 2
