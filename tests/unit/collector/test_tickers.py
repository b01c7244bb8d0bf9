"""The ticker feed: unified symbols, a life that counts from the question, and failures that stay its own."""

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from aws_lambda_powertools import Logger

from collector.roster import Roster
from collector.tickers import LIFE, TickerFeed
from shared.adapters.venues.binance import BinanceRest
from shared.domain.errors import FatalError, InvalidMessageError, TransientError
from shared.domain.symbols import Listing
from shared.domain.tickers import Funding, Ticker, VenueNow
from tests.fakes.clock import ManualClock
from tests.fakes.ticker_board import FakeTickerBoard, FakeTickerBoardWriter

VENUE = "binance_usdm"
INTERVAL_S = 0.05
LOG = Logger(service="collector-test", level="CRITICAL")
BITCOIN = Ticker(2.0, 1.0, 3.0)
FUNDING = Funding(0.0001, 9, 5.0)


@dataclass
class Source(BinanceRest):
    """A venue that lists two futures, quotes them and one more, and fails or dawdles when told to."""

    takes_s: float = 0.0
    sleeps_s: float = 0.0  # with the whole process
    errors: list[Exception] = field(default_factory=list)
    asked_s: list[float] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    quoted: dict[str, Ticker] = field(default_factory=lambda: {"BTCUSDT": BITCOIN, "ALIENUSDT": BITCOIN})
    pays: bool = True

    async def listings(self) -> list[Listing]:
        return [
            Listing(venue_id=f"{base}USDT", base=base, quote="USDT", settle="USDT", is_trading=True)
            for base in ("BTC", "ETH")
        ]

    async def quote_volumes(self) -> dict[str, float]:
        return {"BTCUSDT": 2.0, "ETHUSDT": 1.0}

    async def tickers(self, venue_ids: Collection[str]) -> Mapping[str, Ticker]:
        self.asked_s.append(time.monotonic())
        self.under_way += 1
        self.most_under_way = max(self.under_way, self.most_under_way)
        try:
            if self.errors:
                raise self.errors.pop(0)
            await asyncio.sleep(self.takes_s)
            time.sleep(self.sleeps_s)  # noqa: ASYNC251 as SIGSTOP would
        finally:
            self.under_way -= 1
        assert set(venue_ids) == {"BTCUSDT", "ETHUSDT"}
        return self.quoted

    async def funding(self, venue_ids: Collection[str]) -> Mapping[str, Funding]:
        return {"BTCUSDT": FUNDING} if self.pays else {}


@dataclass
class Watcher:
    """Whoever watches what is protected; it refuses, or takes its time, when told to."""

    told: list[str] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    takes_s: float = 0.0

    async def announce_tickers(self, venue: str) -> None:
        await asyncio.sleep(self.takes_s)
        if self.errors:
            raise self.errors.pop(0)
        self.told.append(venue)


@dataclass
class Desk:
    """A feed and what it talks to."""

    source: Source = field(default_factory=Source)
    board: FakeTickerBoardWriter = field(default_factory=FakeTickerBoardWriter)
    clock: ManualClock = field(default_factory=ManualClock)
    watcher: Watcher | None = None
    counts: Counter[str] = field(default_factory=Counter)

    async def run(
        self, reached: str, *, times: int = 1, ticker_interval_s: float = INTERVAL_S, funding_interval_s: float = 0
    ) -> None:
        """Run the feed until something has been counted so many times."""
        roster = Roster(self.source, quote="USDT", limit=2, log=LOG)
        await roster.choose(incumbents=())
        feed = TickerFeed(
            VENUE,
            self.source,
            self.board,
            roster,
            self.clock,
            watcher=self.watcher,
            ticker_interval_s=ticker_interval_s,
            funding_interval_s=funding_interval_s,
            counts=self.counts,
            log=LOG,
        )
        run = asyncio.create_task(feed.run())
        async with asyncio.timeout(20):
            while self.counts[reached] < times and not run.done():  # noqa: ASYNC110 a counter tells nobody
                await asyncio.sleep(0.005)
        await stopped(run)

    @property
    def now(self) -> VenueNow:
        return FakeTickerBoard(self.board.texts).now([VENUE])[VENUE]


async def stopped(run: asyncio.Task[None]) -> None:
    if run.done():
        run.result()
    run.cancel()
    with suppress(asyncio.CancelledError):
        await run


async def test_the_symbols_of_the_roster_are_put_up_under_their_unified_names() -> None:
    desk = Desk()
    await desk.run("tickers", ticker_interval_s=10)
    assert desk.now.tickers is not None
    assert desk.now.tickers.rows == {"BTC/USDT:USDT": BITCOIN}  # ETH was not told, the alien is not ours
    assert desk.now.tickers.time_ms == desk.clock.now_ms()
    assert desk.now.funding is None


async def test_funding_goes_at_its_own_pace_beside_the_tickers() -> None:
    desk = Desk()
    await desk.run("funding", ticker_interval_s=0, funding_interval_s=10)
    assert desk.now.funding is not None
    assert desk.now.funding.rows == {"BTC/USDT:USDT": FUNDING}
    assert (desk.now.tickers, desk.source.asked_s) == (None, [])


async def test_a_venue_without_futures_has_no_funding_to_put_up() -> None:
    desk = Desk(Source(pays=False))
    await desk.run("tickers", times=2, funding_interval_s=0.01)
    assert set(desk.board.texts) == {f"tickers:{VENUE}"}
    assert (desk.counts["funding"], desk.counts["funding_failed"]) == (0, 0)


async def test_a_venue_that_tells_no_price_at_all_has_failed() -> None:
    desk = Desk(Source(quoted={}))
    await desk.run("tickers_failed")
    assert (desk.counts["tickers"], desk.board.texts) == (0, {})


async def test_both_switched_off_ask_nothing() -> None:
    desk = Desk()
    await desk.run("tickers", ticker_interval_s=0)
    assert (desk.source.asked_s, desk.board.texts, desk.counts) == ([], {}, Counter())


async def test_a_price_lives_three_intervals_from_the_question_not_from_the_answer() -> None:
    desk = Desk(Source(takes_s=0.3))
    await desk.run("tickers", ticker_interval_s=0.5)
    (ttl_ms,) = desk.board.ttls
    assert 0 < ttl_ms <= LIFE * 500 - 300


@pytest.mark.parametrize("error", [TransientError("away"), InvalidMessageError("price", "damaged")])
async def test_a_failure_is_counted_and_the_next_interval_tries_again(error: Exception) -> None:
    desk = Desk(Source(errors=[error, error]))
    await desk.run("tickers")
    assert (desk.counts["tickers_failed"], desk.counts["tickers"]) == (2, 1)
    assert desk.now.tickers is not None


async def test_a_board_that_is_away_is_counted_too() -> None:
    desk = Desk(board=FakeTickerBoardWriter(failures=1))
    await desk.run("tickers")
    assert desk.counts["tickers_failed"] == 1


async def test_what_is_fatal_is_not_swallowed() -> None:
    with pytest.raises(ExceptionGroup) as ended:
        await Desk(Source(errors=[FatalError("a bad key")])).run("tickers")
    assert ended.group_contains(FatalError)


async def test_slow_answers_skip_intervals_and_never_pile_up() -> None:
    desk = Desk(Source(takes_s=2.5 * INTERVAL_S))
    await desk.run("tickers", times=3)
    assert desk.source.most_under_way == 1
    gaps = [later - earlier for earlier, later in pairwise(desk.source.asked_s)]
    assert min(gaps) > 2.5 * INTERVAL_S


async def test_an_answer_as_old_as_a_price_may_get_is_given_up() -> None:
    desk = Desk(Source(takes_s=60.0))
    await desk.run("tickers_failed")
    assert desk.board.texts == {}


async def test_an_answer_that_outlived_itself_takes_nobodys_place() -> None:
    """A process that was stopped for minutes wakes with an old answer, while another has put up new ones since."""
    desk = Desk()
    await desk.run("tickers", ticker_interval_s=10)
    newer = desk.now.tickers
    desk.source.quoted = {"BTCUSDT": Ticker(9.0, 8.0, 10.0)}
    desk.source.sleeps_s = LIFE * INTERVAL_S + 0.05
    await desk.run("tickers_failed")
    assert desk.now.tickers == newer


async def test_every_write_is_told_and_a_call_that_fails_is_counted_and_not_repeated() -> None:
    watcher = Watcher(errors=[TransientError("away"), InvalidMessageError("TICKERS_URL", "HTTP 401")])
    desk = Desk(watcher=watcher)
    await desk.run("tickers_told", times=2)
    assert (watcher.told, desk.counts["tickers_untold"]) == ([VENUE, VENUE], 2)
    assert desk.counts["tickers"] >= 4


async def test_what_was_not_written_is_not_told() -> None:
    watcher = Watcher()
    desk = Desk(Source(quoted={}), watcher=watcher)
    await desk.run("tickers_failed", times=3)
    assert watcher.told == []


async def test_a_watcher_that_dawdles_does_not_keep_prices_from_being_written() -> None:
    watcher = Watcher(takes_s=3_600)
    desk = Desk(watcher=watcher)
    await desk.run("tickers", times=5)
    assert watcher.told == []
