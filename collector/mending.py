"""Mending: what the sockets did not bring is asked for by REST, and what only the clock has closed is confirmed.

The repair of a boundary that waits for it goes before all other questions, what is in the log already after it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from aws_lambda_powertools import Logger

from collector.backfill import Backfill
from collector.intake import Intake
from collector.venue_clock import VenueClock
from shared.domain.assembly import Assembler, Cell

REPAIR_S: Final = 8.0
GAP_RETRY_S: Final = 30.0
CONFIRM_S: Final = 5.0
CONFIRM_AT_ONCE: Final = 50
NAMED: Final = 20


class Mending:
    """One run's questions to REST; `news` is called when something may be ready, `gone` when a symbol may be."""

    def __init__(
        self,
        assembler: Assembler,
        intake: Intake,
        backfill: Backfill,
        clock: VenueClock,
        *,
        counts: Counter[str],
        news: Callable[[], object],
        gone: Callable[[], object],
        log: Logger,
    ) -> None:
        self._assembler = assembler
        self._intake = intake
        self._backfill = backfill
        self._clock = clock
        self._counts = counts
        self._news = news
        self._gone = gone
        self._log = log

    async def repair(self, missing: Sequence[Cell]) -> None:
        """Ask for the missing cells, for a bounded time, then let their instants go with what there is."""
        self._counts["repairs"] += 1
        self._log.info("repairing", missing=named(missing))
        try:
            async with asyncio.timeout(REPAIR_S):
                await self._backfill.cells(missing, is_lacking=self._assembler.is_lacking, found=self._intake.mend)
        except TimeoutError:
            self._log.warning("repair not done in time", timeout_s=REPAIR_S)
        finally:
            self._assembler.settle({cell.open_time + cell.timeframe.ms for cell in missing})
            self._news()

    async def mend_gaps(self) -> None:
        """Ask again and again for what is still missing; a symbol that stays away may have stopped trading."""
        while True:
            await asyncio.sleep(self._clock.pause_s(GAP_RETRY_S, at_least_s=1.0))
            if gaps := self._assembler.gaps:
                self._gone()
                await self._backfill.together(
                    gaps, is_lacking=self._assembler.is_lacking, found=self._intake.mend, within_s=GAP_RETRY_S
                )
                self._news()

    async def confirm(self) -> None:
        """Ask for what only the clock has closed, some series at a time, in turn, and correct what was otherwise."""
        while True:
            await asyncio.sleep(self._clock.pause_s(CONFIRM_S, at_least_s=0.1))
            self._intake.forget(self._clock.now_ms())
            await self._backfill.together(
                self._intake.doubtful(series=CONFIRM_AT_ONCE),
                is_lacking=self._intake.unconfirmed.__contains__,
                found=self._intake.confirm,
                within_s=GAP_RETRY_S,
            )


def named(cells: Sequence[Cell]) -> list[str]:
    """Return the first of some cells as one would say them."""
    return [f"{cell.symbol} {cell.timeframe} {cell.open_time}" for cell in cells[:NAMED]]
