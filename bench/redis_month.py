"""Redis in a month: commands and bytes of 200 symbols × 6 timeframes, counted on the wire over a simulated day.

The log, its status, tickers and funding are written as the collector writes them, a day of a synthetic market as fast
as Redis takes it, into a log that is full; Redis itself counts, the commands inside a script included. A month is 30
days. Reads are one warm execute-trader that follows every timeframe. A choice of symbols that brings newcomers has the
log of every timeframe read, written anew and followed by that reader; how often that is, `bench/newcomers.py` says.
Prices of Upstash's pay-as-you-go plan: 0.20 USD for 100,000 commands; 200 GB of traffic are free.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Iterable
from contextlib import aclosing, closing
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.newcomers import welcomes_a_day
from collector.health import Report
from collector.publisher import APPEND_AT_ONCE
from desk.local.redis import LocalRedis
from desk.local.upstash import UpstashFacade
from desk.simulator.spec import SyntheticSpec, build_tape
from desk.simulator.tape import Tape
from shared.adapters.redis_log import RedisCandleLogWriter, UpstashCandleLog, upstash_candle_log
from shared.adapters.redis_tcp import connect
from shared.adapters.redis_tickers import RedisTickerBoardWriter
from shared.domain.backfill import log_entries
from shared.domain.candles import Boundary, CandleFrame, Floats, empty_frame
from shared.domain.tickers import Funding, Snapshot, Ticker
from shared.domain.timeframe import Timeframe, closing_at

VENUE: Final = "synthetic"
SYMBOLS: Final = 200
TIMEFRAMES: Final = (Timeframe.M1, Timeframe.M5, Timeframe.M15, Timeframe.H1, Timeframe.H4, Timeframe.D1)
DAY_MS: Final = 86_400_000
DAYS: Final = 30
DEPTH: Final = 1_000
BARS: Final = 500
TICKER_S: Final = 10
FUNDING_S: Final = 300
USD_PER_COMMAND: Final = 0.20 / 100_000
FREE_COMMANDS: Final = 500_000
TOKEN: Final = "bench"  # noqa: S105 opens nothing


def run() -> list[dict[str, Any]]:
    """Return one row a kind of traffic and their sums, each for a month."""
    tape = build_tape(SyntheticSpec(symbols=SYMBOLS + 1, timeframes=TIMEFRAMES))
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalRedis(log_dir=Path(folder)) as redis,
        UpstashFacade(redis_port=redis.port or 0, token=TOKEN, log_dir=Path(folder)) as facade,
        closing(upstash_candle_log(facade.url, TOKEN)) as reader,
    ):
        rows = asyncio.run(_measure(redis, reader, tape))
        return [{"redis": redis.kind, "what": what, **_month(*day.tolist())} for what, day in rows.items()]


async def _measure(redis: LocalRedis, reader: UpstashCandleLog, tape: Tape) -> dict[str, Floats]:
    """Return the commands, bytes in and bytes out of a day, by kind of traffic."""
    start = tape.live_from - tape.live_from % DAY_MS + (DEPTH + 1) * DAY_MS
    async with aclosing(connect(redis.url)) as client:
        writer = RedisCandleLogWriter(client, depth=DEPTH)
        await _fill(writer, tape, start)
        log = await _counted(redis, _write_log(writer, tape, start))
        tickers = await _counted(redis, _write_tickers(RedisTickerBoardWriter(client), tape, start))
        _follow(reader, TIMEFRAMES)
        both = await _counted(redis, _write_log(writer, tape, start + DAY_MS, reader))
        welcome = await _counted(redis, _welcome(writer, tape, start + 2 * DAY_MS, reader))
    reads = both - log  # they are read while they are written
    steady = log + tickers + reads
    hourly, daily = (welcomes_a_day(symbols=SYMBOLS, every_h=every_h) for every_h in (1, 24))
    return {
        "candles and status": log,
        f"tickers every {TICKER_S} s, funding every {FUNDING_S} s": tickers,
        "reads of one shard": reads,
        f"newcomers, {daily:.1f} times a day": daily * welcome,
        "all of it": steady + daily * welcome,
        f"all of it, chosen every hour: newcomers {hourly:.1f} times a day": steady + hourly * welcome,
    }


async def _counted(redis: LocalRedis, work: Awaitable[None]) -> Floats:
    """Return the commands, bytes in and bytes out of some work."""
    before = redis.stats()
    await work
    after = redis.stats()
    return np.array(
        [after.commands - before.commands, after.bytes_in - before.bytes_in, after.bytes_out - before.bytes_out], float
    )


async def _fill(writer: RedisCandleLogWriter, tape: Tape, until: int) -> None:
    """Write as much history as the log keeps."""
    for timeframe in TIMEFRAMES:
        frame = _frame(tape, timeframe, until - DEPTH * timeframe.ms, until)
        await _write_entries(
            writer, empty_frame(timeframe), {symbol: frame.select([symbol]) for symbol in frame.symbols}
        )


async def _welcome(writer: RedisCandleLogWriter, tape: Tape, until: int, reader: UpstashCandleLog) -> None:
    """Give one more symbol its history, as the collector does, and let the reader follow."""
    newcomer = tape.tradable[SYMBOLS]
    for timeframe in TIMEFRAMES:
        own = tape.frame(timeframe, since=until - DEPTH * timeframe.ms, until=until, symbols=[newcomer])
        await _write_entries(writer, await writer.frame(VENUE, timeframe), {newcomer: own})
    _follow(reader, TIMEFRAMES)


async def _write_entries(writer: RedisCandleLogWriter, frame: CandleFrame, fetched: dict[str, CandleFrame]) -> None:
    entries = log_entries(frame, fetched, {*frame.symbols, *fetched}, depth=DEPTH)
    while batch := list(islice(entries, APPEND_AT_ONCE)):
        await writer.append(VENUE, batch)


async def _write_log(
    writer: RedisCandleLogWriter, tape: Tape, start: int, reader: UpstashCandleLog | None = None
) -> None:
    """Write a day's instants as the collector does, each with its status, and let the reader follow at each."""
    frames = {timeframe: _frame(tape, timeframe, start, start + DAY_MS) for timeframe in TIMEFRAMES}
    for close_time in range(start + Timeframe.M1.ms, start + DAY_MS + 1, Timeframe.M1.ms):
        closes = closing_at(close_time, TIMEFRAMES)
        report = Report(venue=VENUE, timeframes=TIMEFRAMES, newest_close=dict.fromkeys(closes, close_time))
        boundaries = [_boundary(frames[timeframe], close_time) for timeframe in closes]
        await writer.append(VENUE, boundaries, status=report.fields())
        if reader is not None:
            _follow(reader, closes)


async def _write_tickers(board: RedisTickerBoardWriter, tape: Tape, start: int) -> None:
    """Put up a day's tickers and funding; the book is a tick around the last close."""
    frame = _frame(tape, Timeframe.M1, start, start + DAY_MS)
    for second in range(0, DAY_MS // 1_000, TICKER_S):
        last = frame.column("close")[:, second // 60].tolist()
        prices = dict(zip(frame.symbols, last, strict=True))
        rows = {one: Ticker(price, price, round(price * 1.0001, 8)) for one, price in prices.items()}
        await board.write_tickers(VENUE, Snapshot(start + second * 1_000, rows), ttl_ms=3_000 * TICKER_S)
        if second % FUNDING_S == 0:
            paid = {one: Funding(0.0001, start + DAY_MS, 1_000 * price) for one, price in prices.items()}
            await board.write_funding(VENUE, Snapshot(start + second * 1_000, paid), ttl_ms=3_000 * FUNDING_S)


def _follow(reader: UpstashCandleLog, timeframes: Iterable[Timeframe]) -> None:
    for timeframe in timeframes:
        reader.frame(VENUE, timeframe, bars=BARS)


def _frame(tape: Tape, timeframe: Timeframe, since: int, until: int) -> CandleFrame:
    """Return the candles of all symbols but the newcomer."""
    return tape.frame(timeframe, since=since, until=until, symbols=tape.tradable[:SYMBOLS])


def _boundary(frame: CandleFrame, close_time: int) -> Boundary:
    bar = int(np.searchsorted(frame.open_times, close_time - frame.timeframe.ms))
    return Boundary(
        timeframe=frame.timeframe,
        open_time=int(frame.open_times[bar]),
        symbols=frame.symbols,
        values=np.ascontiguousarray(frame.values[:, :, bar]),
        filled=frame.filled[:, bar],
    )


def _month(commands: float, bytes_in: float, bytes_out: float) -> dict[str, object]:
    return {
        "commands a month": round(commands * DAYS),
        "of the free plan": f"{commands * DAYS / FREE_COMMANDS:.0%}",
        "MB in": round(bytes_in * DAYS / 1e6),
        "MB out": round(bytes_out * DAYS / 1e6),
        "USD a month": round(commands * DAYS * USD_PER_COMMAND, 2),
    }
