"""Ask the venue for candles the log lacks: whole windows at boot, single cells when a close did not come."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from aws_lambda_powertools import Logger

from collector.venue_clock import VenueClock
from shared.domain.assembly import Cell
from shared.domain.backfill import Window, lacking, series_of
from shared.domain.candles import Candle, CandleFrame, frame_of
from shared.domain.errors import InvalidMessageError, TransientError
from shared.domain.timeframe import Timeframe
from shared.domain.urgency import Urgency
from shared.ports import VenueSource

CONCURRENCY: Final = 10
WHOLE_WINDOW: Final = 500


@dataclass(slots=True)
class Fetched:
    """What the venue answered: a frame of each symbol, cells it should have but has not, and whom it refused."""

    series: dict[str, CandleFrame] = field(default_factory=dict)
    missing: list[Cell] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)


class Backfill:
    """Fetch candles by symbol; `venue_ids` maps the symbols the collector follows to the venue's names."""

    def __init__(self, source: VenueSource, clock: VenueClock, venue_ids: Mapping[str, str], *, log: Logger) -> None:
        self._source = source
        self._clock = clock
        self._venue_ids = venue_ids
        self._log = log

    async def window(
        self,
        frame: CandleFrame,
        symbols: Collection[str],
        window: Window,
        *,
        done: Callable[[], object] = lambda: None,
    ) -> Fetched:
        """Fetch the candles of a window that the log's frame lacks, and call `done` as each symbol is whole.

        Raise `TransientError` when the venue cannot be asked: history is fetched whole or again. A symbol whose history
        it refuses, or tells in a way that cannot be, is `refused` and has none of it.
        """
        slots = asyncio.Semaphore(CONCURRENCY)
        fetched, timeframe = Fetched(), window.timeframe

        async def fetch(symbol: str) -> None:
            if open_times := lacking(frame, symbol, window):
                async with slots:
                    try:
                        series, missing = await self._series(symbol, timeframe, open_times, Urgency.BACKFILL)
                        # As arrays: a candle as a Python object takes ten times the memory.
                        fetched.series[symbol] = frame_of(timeframe, {symbol: list(series.values())})
                        fetched.missing.extend(missing)
                    except InvalidMessageError as error:
                        self._log.warning("history refused", symbol=symbol, timeframe=timeframe, error=str(error))
                        fetched.refused.add(symbol)
                        return
            done()

        try:
            async with asyncio.TaskGroup() as tasks:
                for symbol in symbols:
                    tasks.create_task(fetch(symbol))
        except* TransientError as group:
            raise TransientError(f"history of {window.timeframe} not fetched: {group.exceptions[0]}") from group
        return fetched

    async def cells(
        self,
        cells: Iterable[Cell],
        *,
        is_lacking: Callable[[Cell], bool],
        found: Callable[[Timeframe, str, Candle], object],
        urgency: Urgency = Urgency.REPAIR,
    ) -> None:
        """Hand each cell's candle to `found` as soon as the venue has answered; what it does not have stays missing.

        A cell that is not lacking any more when its turn comes, since its frame was only late, is not asked for. The
        venue's clock is asked first: were ours ahead, a forming candle would pass for a closed one.
        """
        series: dict[tuple[Timeframe, str], set[int]] = defaultdict(set)
        for cell in cells:
            series[cell.timeframe, cell.symbol].add(cell.open_time)
        if not series:
            return
        try:
            await self._clock.refresh(self._source)
        except (TransientError, InvalidMessageError) as error:
            self._log.warning("repair failed", error=str(error))
            return
        slots = asyncio.Semaphore(CONCURRENCY)

        async def fetch(timeframe: Timeframe, symbol: str, open_times: set[int]) -> None:
            async with slots:
                if symbol not in self._venue_ids:  # dropped meanwhile, while others had their turn
                    return
                lacking = {time for time in open_times if is_lacking(Cell(timeframe, time, symbol))}
                if not lacking:
                    return
                try:
                    series, _ = await self._series(symbol, timeframe, lacking, urgency)
                except (TransientError, InvalidMessageError) as error:
                    self._log.warning("repair failed", symbol=symbol, timeframe=timeframe, error=str(error))
                    return
            for candle in series.values():
                found(timeframe, symbol, candle)

        async with asyncio.TaskGroup() as tasks:
            for (timeframe, symbol), open_times in series.items():
                tasks.create_task(fetch(timeframe, symbol, open_times))

    async def together(
        self,
        cells: Iterable[Cell],
        *,
        is_lacking: Callable[[Cell], bool],
        found: Callable[[Timeframe, str, Candle], object],
        within_s: float,
    ) -> None:
        """Ask for cells of boundaries that are in the log, and hand over what was answered in time all at once.

        They become entries of their own, and each entry pushes a whole boundary out of the log: so few, not one a cell.
        Nobody waits for them, and repairs go first.
        """
        answers: list[tuple[Timeframe, str, Candle]] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self.cells(
                    cells,
                    is_lacking=is_lacking,
                    found=lambda *answer: answers.append(answer),
                    urgency=Urgency.CONFIRM,
                )
        for timeframe, symbol, candle in answers:
            found(timeframe, symbol, candle)

    async def _series(
        self, symbol: str, timeframe: Timeframe, open_times: Collection[int], urgency: Urgency
    ) -> tuple[dict[int, Candle], list[Cell]]:
        """Return those candles the venue has, and the cells it should have but has not.

        Both neighbours are asked for too, since they tell a hole from the end of the data; not for a whole window,
        which would cost a second page: what is missing at its end is a gap, and asked for again as one.
        """
        margin = timeframe.ms if len(open_times) < WHOLE_WINDOW else 0
        window = Window(timeframe=timeframe, first_open=min(open_times) - margin, last_open=max(open_times) + margin)
        stretch = await self._source.candles(
            self._venue_ids[symbol], window, now_ms=self._clock.now_ms(), urgency=urgency
        )
        known = series_of(stretch, timeframe)
        series = {open_time: known[open_time] for open_time in sorted(open_times) if open_time in known}
        latest = max(known, default=max(open_times))
        missing = [Cell(timeframe, open_time, symbol) for open_time in open_times if open_time > latest]
        return series, missing
