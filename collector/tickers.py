"""The ticker board kept current: what the venue trades at every few seconds, what its futures pay every few minutes.

All of it is real time: a price is as old as the wall clock says, whatever speed a tape is played at. A failure here is
logged and counted, and never touches candles. Whoever watches what is protected is told of every write; what is not
delivered is not repeated, because the next prices come sooner.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

from aws_lambda_powertools import Logger

from collector.roster import Roster
from shared.domain.errors import InvalidMessageError, TransientError
from shared.domain.tickers import Row, Snapshot
from shared.ports import Clock, TickerBoardWriter, TickersAnnouncer, VenueSource

LIFE: Final = 3
"""How many intervals after the question a snapshot vanishes: two may fail before there is no price."""

Ask = Callable[[Collection[str]], Awaitable[Mapping[str, Row]]]


class TickerFeed:
    """Ask a venue for the symbols of the roster, and put the answers up; an interval of 0 seconds is never."""

    def __init__(
        self,
        venue: str,
        source: VenueSource,
        board: TickerBoardWriter,
        roster: Roster,
        clock: Clock,
        *,
        watcher: TickersAnnouncer | None,
        ticker_interval_s: float,
        funding_interval_s: float,
        counts: Counter[str],
        log: Logger,
    ) -> None:
        self._venue = venue
        self._source = source
        self._board = board
        self._watcher = watcher
        self._written = asyncio.Event()
        self._roster = roster
        self._clock = clock
        self._ticker_interval_s = ticker_interval_s
        self._funding_interval_s = funding_interval_s
        self._counts = counts
        self._log = log

    async def run(self) -> None:
        """Keep both snapshots current until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._every(self._ticker_interval_s, "tickers", self._tickers))
            tasks.create_task(self._every(self._funding_interval_s, "funding", self._funding))
            if self._watcher is not None:
                tasks.create_task(self._tell(self._watcher))

    async def _tell(self, watcher: TickersAnnouncer) -> None:
        """Say when tickers were written, one call at a time: those written during a call are said by the next."""
        while True:
            await self._written.wait()
            self._written.clear()
            try:
                await watcher.announce_tickers(self._venue)
                self._counts["tickers_told"] += 1
            except (TransientError, InvalidMessageError) as error:
                self._counts["tickers_untold"] += 1
                self._log.warning("tickers not announced", error=str(error))

    async def _every(self, interval_s: float, what: str, renew: Callable[[float], Awaitable[bool]]) -> None:
        """Renew at every interval; one that takes longer skips those it overlaps, so that nothing piles up."""
        if not interval_s:
            return
        began = time.monotonic()
        while True:
            try:
                async with asyncio.timeout(LIFE * interval_s):
                    self._counts[what] += await renew(LIFE * interval_s)
            except (TransientError, InvalidMessageError, TimeoutError) as error:
                self._counts[f"{what}_failed"] += 1
                self._log.warning(f"{what} not renewed", error=str(error) or type(error).__name__)
            await asyncio.sleep(interval_s - (time.monotonic() - began) % interval_s)

    async def _tickers(self, life_s: float) -> bool:
        if not await self._renew(self._source.tickers, self._board.write_tickers, life_s):
            raise InvalidMessageError("tickers", "the venue told of none of the symbols")
        self._written.set()
        return True

    async def _funding(self, life_s: float) -> bool:
        return await self._renew(self._source.funding, self._board.write_funding, life_s)

    async def _renew(self, ask: Ask[Row], write: Callable[..., Awaitable[None]], life_s: float) -> bool:
        """Put up what the venue says, for what is left of its life; False when it says nothing, as spot of funding."""
        asked_ms, began = self._clock.now_ms(), time.monotonic()
        answer = await ask(list(self._roster.symbols))
        symbols = self._roster.symbols  # it may have changed meanwhile, and who left is not shown
        rows = {symbols[venue_id]: row for venue_id, row in answer.items() if venue_id in symbols}
        left_ms = int((life_s - (time.monotonic() - began)) * 1_000)
        if left_ms <= 0:  # this process stood still, and another may have put up newer ones
            raise TransientError("the answer is older than it may become")
        if rows:
            await write(self._venue, Snapshot(asked_ms, rows), ttl_ms=left_ms)
        return bool(rows)
