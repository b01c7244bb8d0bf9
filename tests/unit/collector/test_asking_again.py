"""Asking the venue again for single candles, while symbols come and go."""

import asyncio
from collections import Counter
from collections.abc import Collection, Coroutine
from dataclasses import dataclass, field

from aws_lambda_powertools import Logger

from collector.backfill import CONCURRENCY, Backfill
from collector.intake import Intake
from collector.mending import Mending
from collector.venue_clock import VenueClock
from shared.adapters.venues import kraken
from shared.adapters.venues.binance import BinanceRest
from shared.domain.assembly import Assembler, Cell
from shared.domain.backfill import Stretch, Window
from shared.domain.candles import Candle, empty_frame, no_trade_candle
from shared.domain.timeframe import Timeframe
from shared.domain.urgency import Urgency
from tests.fakes.clock import ManualClock

M1 = Timeframe.M1
NOW_MS = 1_700_000_100_000
OPEN_MS = NOW_MS - 2 * M1.ms
LOG = Logger(service="collector-test", level="CRITICAL")


@dataclass
class SlowVenue(BinanceRest):
    """A venue that has every candle, and answers when it is let, of `mute` symbols never."""

    asked: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    urgencies: set[Urgency] = field(default_factory=set)
    mute: frozenset[str] = frozenset()
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def server_time(self) -> int:
        return NOW_MS

    async def candles(
        self, venue_id: str, window: Window, *, now_ms: int, urgency: Urgency = Urgency.BACKFILL
    ) -> Stretch:
        self.asked.append(venue_id)
        self.urgencies.add(urgency)
        await self.may_answer.wait()
        if venue_id in self.mute:
            await asyncio.Event().wait()
        self.answered.append(venue_id)
        return Stretch.of([no_trade_candle(time, 1.0) for time in window.open_times()], window, now_ms=now_ms)


def cells(symbols: Collection[str]) -> list[Cell]:
    return [Cell(M1, OPEN_MS, symbol) for symbol in symbols]


async def test_a_symbol_that_leaves_while_it_waits_its_turn_costs_nothing() -> None:
    venue = SlowVenue()
    venue_ids = {f"C{number}/USDT": f"C{number}USDT" for number in range(CONCURRENCY + 1)}
    last = f"C{CONCURRENCY}/USDT"
    found: list[str] = []

    def take(_timeframe: Timeframe, symbol: str, _candle: Candle) -> None:
        found.append(symbol)

    backfill = Backfill(venue, VenueClock(ManualClock(NOW_MS)), venue_ids, log=LOG)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(backfill.cells(cells(list(venue_ids)), is_lacking=lambda _: True, found=take))
        while len(venue.asked) < CONCURRENCY:  # noqa: ASYNC110 a list tells nobody
            await asyncio.sleep(0)
        del venue_ids[last]
        venue.may_answer.set()
    assert sorted(found) == sorted(venue_ids)


async def test_what_is_in_the_log_already_is_corrected_by_as_few_entries_as_can_be() -> None:
    """The log keeps so many entries: one for each symbol would push a whole boundary out of it each time."""
    venue_ids = {f"C{number}/USDT": f"C{number}USDT" for number in range(3 * CONCURRENCY)}
    venue = SlowVenue(mute=frozenset({"C0USDT"}))
    venue.may_answer.set()
    assembler = Assembler([M1], venue_ids, since=NOW_MS)
    assembler.note_gaps(cells(list(venue_ids)))
    answered: set[int] = set()

    def take(timeframe: Timeframe, symbol: str, candle: Candle) -> None:
        answered.add(len(venue.answered))
        assembler.add(timeframe, symbol, candle)

    backfill = Backfill(venue, VenueClock(ManualClock(NOW_MS)), venue_ids, log=LOG)
    await backfill.together(assembler.gaps, is_lacking=assembler.is_lacking, found=take, within_s=0.5)
    assert answered == {len(venue_ids) - 1}
    (correction,) = assembler.take_corrections()
    assert len(correction.symbols) == len(venue_ids) - 1
    assert assembler.gaps == {Cell(M1, OPEN_MS, "C0/USDT")}


async def test_a_boundary_that_waits_goes_before_one_that_is_in_the_log_and_that_before_history() -> None:
    venue = SlowVenue()
    venue.may_answer.set()
    clock = VenueClock(ManualClock(NOW_MS))
    venue_ids = {"C0/USDT": "C0USDT"}
    backfill = Backfill(venue, clock, venue_ids, log=LOG)
    assembler = Assembler([M1], venue_ids, since=OPEN_MS)
    assembler.advance(NOW_MS)
    intake = Intake(
        kraken.SPOT,
        assembler,
        {"C0USDT": "C0/USDT"},
        [M1],
        counts=Counter(),
        news=lambda: None,
        log=LOG,
    )
    mending = Mending(
        assembler, intake, backfill, clock, counts=Counter(), news=lambda: None, gone=lambda: None, log=LOG
    )

    async def urgencies(asking: Coroutine[None, None, object]) -> set[Urgency]:
        venue.urgencies.clear()
        task = asyncio.create_task(asking)
        async with asyncio.timeout(20):
            while not venue.urgencies:  # noqa: ASYNC110 a set tells nobody
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        return set(venue.urgencies)

    window = Window.before(M1, NOW_MS, bars=5)
    (cell,) = cells(["C0/USDT"])
    assert await urgencies(mending.repair([cell])) == {Urgency.REPAIR}
    intake.unconfirmed[cell] = no_trade_candle(OPEN_MS, 1.0)
    assert await urgencies(mending.confirm()) == {Urgency.CONFIRM}
    assert await urgencies(backfill.window(empty_frame(M1), venue_ids, window)) == {Urgency.BACKFILL}
