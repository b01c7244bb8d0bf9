"""The first decision of a cold process: interpreter, imports, 500 bars × 200 symbols over Upstash REST, one rule.

`wall_ms` is from the start of the process to its answer, as its parent sees it; it should stay below 1,500. Imports are
those of execute-trader, with byte code at hand, as in a deployed package.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from bench.redis_log import synthetic_market
from bench.synthetic import BARS
from desk.local.redis import LocalRedis
from desk.local.upstash import UpstashFacade
from shared.adapters.redis_log import RedisCandleLogWriter

STARTS: Final = 7
VENUE: Final = "synthetic"
TOKEN: Final = "bench"  # noqa: S105 - opens nothing


def run() -> list[dict[str, Any]]:
    """Return one row per start, the median of each column first."""
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalRedis(log_dir=Path(folder)) as redis,
        UpstashFacade(redis_port=redis.port or 0, token=TOKEN, log_dir=Path(folder)) as facade,
    ):
        asyncio.run(_fill(redis.url))
        starts = [_start(facade.url) for _ in range(STARTS)]
    middle = {name: sorted(start[name] for start in starts)[STARTS // 2] for name in starts[0]}
    rows = [("median", middle), *((f"start {number}", start) for number, start in enumerate(starts, 1))]
    return [{"what": what, "redis": redis.kind, **columns} for what, columns in rows]


async def _fill(url: str) -> None:
    writer = RedisCandleLogWriter(url, depth=BARS)
    await writer.append(VENUE, synthetic_market(BARS))
    await writer.close()


def _start(url: str) -> dict[str, float]:
    began_s = time.time()
    env = {"BENCH_REST_URL": url, "BENCH_REST_TOKEN": TOKEN, "BENCH_VENUE": VENUE, "BENCH_BEGAN_S": repr(began_s)}
    argv = [sys.executable, "-m", "bench.cold_reader"]
    with subprocess.Popen(argv, env=os.environ | env, stdout=subprocess.PIPE, text=True) as child:
        answer = child.stdout.readline() if child.stdout else ""
        wall_ms = round((time.time() - began_s) * 1e3, 1)
    if child.returncode:
        raise RuntimeError(f"the cold process failed with {child.returncode}")
    return {"wall_ms": wall_ms, **json.loads(answer)}
