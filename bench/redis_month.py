"""Redis in a month: commands and bytes of 200 symbols × 6 timeframes, counted on the wire over a simulated day.

The log, its status, tickers and funding are written as the collector writes them, a day of a synthetic market as fast
as Redis takes it; Redis itself counts, the commands inside a script included. A month is 30 days. Reads are one warm
execute-trader that follows every timeframe. Prices of Upstash's pay-as-you-go plan: 0.20 USD
for 100,000 commands; 200 GB of traffic are free.
"""

import asyncio
import tempfile
from collections.abc import Callable
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any, Final

import numpy as np

from collector.health import Report
from desk.local.redis import LocalRedis
from desk.local.upstash import UpstashFacade
from desk.simulator.spec import SyntheticSpec, build_tape
from desk.simulator.tape import Tape
from shared.adapters.redis_log import RedisCandleLogWriter, upstash_candle_log
from shared.adapters.redis_tcp import connect
from shared.adapters.redis_tickers import RedisTickerBoardWriter
from shared.domain.candles import Boundary, CandleFrame, Floats
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
    """Return one row a kind of traffic and their sum, each for a month."""
    tape = build_tape(SyntheticSpec(symbols=SYMBOLS, timeframes=TIMEFRAMES, history_bars=10, live_bars=4 * 1_440))
    start = tape.live_from - tape.live_from % DAY_MS + DAY_MS
    with tempfile.TemporaryDirectory() as folder, LocalRedis(log_dir=Path(folder)) as redis:
        log = _counted(redis, lambda: asyncio.run(_write_log(redis.url, tape, start)))
        tickers = _counted(redis, lambda: asyncio.run(_write_tickers(redis.url, tape, start)))
        with UpstashFacade(redis_port=redis.port or 0, token=TOKEN, log_dir=Path(folder)) as facade:
            reads = _counted(redis, lambda: asyncio.run(_read(redis.url, facade.url, tape, start)))
    reads = reads - log  # they are read while they are written
    rows = {
        "candles and status": log,
        f"tickers every {TICKER_S} s, funding every {FUNDING_S} s": tickers,
        "reads of one shard": reads,
        "all of it": log + tickers + reads,
    }
    return [{"redis": redis.kind, "what": what, **_month(*day.tolist())} for what, day in rows.items()]


def _counted(redis: LocalRedis, work: Callable[[], None]) -> Floats:
    """Return the commands, bytes in and bytes out of some work."""
    before = redis.stats()
    work()
    after = redis.stats()
    return np.array(
        [after.commands - before.commands, after.bytes_in - before.bytes_in, after.bytes_out - before.bytes_out], float
    )


async def _write_log(url: str, tape: Tape, start: int, follow: Callable[[int], None] = lambda _: None) -> None:
    """Write a day's instants as the collector does, each with its status."""
    frames = {timeframe: tape.frame(timeframe, since=start, until=start + DAY_MS) for timeframe in TIMEFRAMES}
    async with aclosing(connect(url)) as redis:
        writer = RedisCandleLogWriter(redis, depth=DEPTH)
        for close_time in range(start + Timeframe.M1.ms, start + DAY_MS + 1, Timeframe.M1.ms):
            closing = closing_at(close_time, TIMEFRAMES)
            report = Report(venue=VENUE, timeframes=TIMEFRAMES, newest_close=dict.fromkeys(closing, close_time))
            boundaries = [_boundary(frames[timeframe], close_time) for timeframe in closing]
            await writer.append(VENUE, boundaries, status=report.fields())
            follow(close_time)


async def _write_tickers(url: str, tape: Tape, start: int) -> None:
    """Put up a day's tickers and funding; the book is a tick around the last close."""
    frame = tape.frame(Timeframe.M1, since=start, until=start + DAY_MS)
    async with aclosing(connect(url)) as redis:
        board = RedisTickerBoardWriter(redis)
        for second in range(0, DAY_MS // 1_000, TICKER_S):
            last = frame.column("close")[:, second // 60].tolist()
            prices = dict(zip(frame.symbols, last, strict=True))
            rows = {one: Ticker(price, price, round(price * 1.0001, 8)) for one, price in prices.items()}
            await board.write_tickers(VENUE, Snapshot(start + second * 1_000, rows), ttl_ms=3_000 * TICKER_S)
            if second % FUNDING_S == 0:
                paid = {one: Funding(0.0001, start + DAY_MS, 1_000 * price) for one, price in prices.items()}
                await board.write_funding(VENUE, Snapshot(start + second * 1_000, paid), ttl_ms=3_000 * FUNDING_S)


async def _read(url: str, rest_url: str, tape: Tape, start: int) -> None:
    """Write the day after, and follow every timeframe at each of its closes, as a warm execute-trader does."""
    with closing(upstash_candle_log(rest_url, TOKEN)) as reader:

        def follow(close_time: int) -> None:
            for timeframe in closing_at(close_time, TIMEFRAMES):
                reader.frame(VENUE, timeframe, bars=BARS)

        await _write_log(url, tape, start + DAY_MS, follow)


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
