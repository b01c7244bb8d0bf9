"""The candle log in a local Redis: append over TCP, read over the Upstash façade; milliseconds, 200 symbols."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Awaitable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from redis.asyncio import Redis

from desk.local.redis import LocalRedis
from desk.local.upstash import UpstashFacade
from shared.adapters.redis_log import RedisCandleLogWriter, upstash_candle_log
from shared.domain.candles import COLUMNS, Boundary
from shared.domain.timeframe import Timeframe

SYMBOLS = tuple(f"S{number:03}/USDT" for number in range(200))
BARS = 500
ROUNDS = 200
VENUE = "synthetic"
M1 = Timeframe.M1


def run() -> list[dict[str, Any]]:
    """Return one row per Redis and operation."""
    kinds = [True, *([False] if shutil.which("redis-server") else [])]
    with tempfile.TemporaryDirectory() as folder:
        return [row for embedded in kinds for row in _measure(Path(folder), embedded=embedded)]


def _measure(folder: Path, *, embedded: bool) -> list[dict[str, Any]]:
    with (
        LocalRedis(log_dir=folder, embedded=embedded) as redis,
        UpstashFacade(redis_port=redis.port or 0, token="bench", log_dir=folder) as facade,  # noqa: S106 - opens nothing
    ):
        ping = asyncio.run(_pings(redis.url))
        append, warm = asyncio.run(_append_and_follow(redis.url, facade))
        cold = [_cold_read(facade) for _ in range(5)]
        return [
            {"redis": redis.kind, "operation": "ping, for comparison", **_spread(ping)},
            {"redis": redis.kind, "operation": "append one boundary", **_spread(append)},
            {"redis": redis.kind, "operation": "append and read it warm", **_spread(warm)},
            {"redis": redis.kind, "operation": f"read {BARS} bars cold", **_spread(cold)},
        ]


async def _pings(url: str) -> list[float]:
    client = Redis.from_url(url)
    await client.ping()
    times = [await _timed(client.ping()) for _ in range(ROUNDS)]
    await client.aclose()
    return times


async def _append_and_follow(url: str, facade: UpstashFacade) -> tuple[list[float], list[float]]:
    market = synthetic_market(BARS + 2 * ROUNDS)
    writer = RedisCandleLogWriter(url, depth=BARS + 2 * ROUNDS)
    await writer.append(VENUE, market[:BARS])
    with closing(upstash_candle_log(facade.url, facade.token)) as reader:
        reader.frame(VENUE, M1, bars=BARS)
        append = [await _timed(writer.append(VENUE, [boundary])) for boundary in market[BARS : BARS + ROUNDS]]
        reader.frame(VENUE, M1, bars=BARS)

        async def follow(boundary: Boundary) -> None:
            await writer.append(VENUE, [boundary])
            reader.frame(VENUE, M1, bars=BARS)

        warm = [await _timed(follow(boundary)) for boundary in market[BARS + ROUNDS :]]
    await writer.close()
    return append, warm


async def _timed(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return (time.perf_counter() - began) * 1_000


def _cold_read(facade: UpstashFacade) -> float:
    began = time.perf_counter()
    with closing(upstash_candle_log(facade.url, facade.token)) as reader:
        reader.frame(VENUE, M1, bars=BARS)
    return (time.perf_counter() - began) * 1_000


def synthetic_market(bars: int) -> list[Boundary]:
    """Return boundaries of a seeded random walk with prices of two and volumes of four decimals."""
    rng = np.random.default_rng(7)
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 0.001, (bars, len(SYMBOLS))), axis=0)), 2)
    values = np.round(rng.uniform(1, 1_000, (bars, len(COLUMNS), len(SYMBOLS))), 4)
    values[:, 0], values[:, 3] = close, close
    values[:, 1], values[:, 2] = np.round(close * 1.001, 2), np.round(close * 0.999, 2)
    filled = np.zeros(len(SYMBOLS), dtype=np.bool_)
    return [
        Boundary(timeframe=M1, open_time=bar * M1.ms, symbols=SYMBOLS, values=values[bar], filled=filled)
        for bar in range(bars)
    ]


def _spread(times: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(times, [50, 99])
    return {"p50_ms": float(p50), "p99_ms": float(p99), "max_ms": max(times)}
