"""History: what the log lacks of the past, fetched from the venue and written where it belongs."""

from collections.abc import Callable, Collection
from itertools import islice

from aws_lambda_powertools import Logger

from collector.backfill import Backfill, Fetched
from collector.publisher import APPEND_AT_ONCE, Publisher
from shared.domain.backfill import Window, log_entries
from shared.domain.candles import Candle, CandleFrame, empty_frame
from shared.domain.timeframe import Timeframe
from shared.ports import CandleLogWriter


class History:
    """The past of a venue's log, `depth` boundaries of each timeframe; `symbols` are those followed, and may change."""

    def __init__(
        self,
        venue: str,
        writer: CandleLogWriter,
        publisher: Publisher,
        backfill: Backfill,
        symbols: Collection[str],
        *,
        depth: int,
        log: Logger,
    ) -> None:
        self._venue = venue
        self._writer = writer
        self._publisher = publisher
        self._backfill = backfill
        self._symbols = symbols
        self._depth = depth
        self._log = log

    async def fill(self, timeframe: Timeframe, since: int, *, done: Callable[[], object]) -> Fetched:
        """Write what the log lacks of what closed up to an instant, and return what the venue answered.

        One timeframe is in memory at a time.
        """
        frame = await self._writer.frame(self._venue, timeframe)
        if frame.bars:
            self._publisher.note(timeframe, frame.close_time)
        window = Window.before(timeframe, since, bars=self._depth)
        fetched = await self._backfill.window(frame, self._symbols, window, done=done)
        await self._write(frame, fetched)
        return fetched

    async def fetch(self, timeframe: Timeframe, newcomers: Collection[str], since: int) -> Fetched:
        """Fetch the whole history of symbols the log does not know yet."""
        window = Window.before(timeframe, since, bars=self._depth)
        return await self._backfill.window(empty_frame(timeframe), newcomers, window)

    async def insert(
        self, timeframe: Timeframe, fetched: Fetched, *, later: Callable[[Timeframe, str, Candle], object]
    ) -> None:
        """Write fetched history into the log; what the log does not reach yet goes to `later`."""
        frame = await self._writer.frame(self._venue, timeframe)
        history = {symbol: series.until(frame.close_time) for symbol, series in fetched.series.items()}
        for symbol, series in fetched.series.items():
            for candle in series.slice(history[symbol].bars, series.bars).candles(symbol):
                later(timeframe, symbol, candle)
        await self._write(frame, Fetched(series=history, missing=fetched.missing))

    async def _write(self, frame: CandleFrame, fetched: Fetched) -> None:
        entries = log_entries(frame, fetched.series, self._symbols, depth=self._depth)
        written = 0
        while batch := list(islice(entries, APPEND_AT_ONCE)):
            await self._publisher.append(batch)
            written += len(batch)
        self._log.info("history written", timeframe=frame.timeframe, entries=written, gaps=len(fetched.missing))
