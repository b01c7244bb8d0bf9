"""What several benchmarks measure with: a synthetic market, traders, a stopwatch."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from shared.domain.candles import CandleFrame
from shared.domain.decision import CompiledTrader, compile_trader
from shared.domain.rules import Market
from shared.domain.timeframe import Timeframe
from shared.domain.traders import Edge, Trader

SYMBOLS: Final = 200
BARS: Final = 500
BITCOIN: Final = "BTC/USDT"


def market(seed: int = 7, *, symbols: int = SYMBOLS, bars: int = BARS) -> Market:
    """Return a synthetic 1m market of seeded random walks that ends at an hour; Bitcoin is its first symbol."""
    rng = np.random.default_rng(seed)
    shape = (symbols, bars)
    close = rng.lognormal(2, 3, (symbols, 1)) * np.exp(np.cumsum(rng.normal(0, 0.002, shape), axis=1))
    opened = np.concatenate((close[:, :1], close[:, :-1]), axis=1)
    wick = 1 + np.abs(rng.normal(0, 0.001, (2, *shape)))
    volume = rng.lognormal(3, 1, shape)
    values = np.stack(
        [
            opened,
            np.maximum(opened, close) * wick[0],
            np.minimum(opened, close) / wick[1],
            close,
            volume,
            volume * close,
            np.ceil(volume),
            volume * rng.uniform(0.3, 0.7, shape),
        ]
    )
    frame = CandleFrame(
        timeframe=Timeframe.M1,
        symbols=(BITCOIN, *(f"SYM{row:03}/USDT" for row in range(1, symbols))),
        open_times=100 * Timeframe.H1.ms - np.arange(bars, 0, -1, dtype=np.int64) * Timeframe.M1.ms,
        values=values,
        filled=np.zeros(shape, dtype=np.bool_),
    )
    return Market({Timeframe.M1: frame})


def traders(rules: Sequence[str]) -> list[CompiledTrader]:
    """Return a trader for each rule, all on 1m candles and the whole market."""
    return [
        compile_trader(
            Trader(
                trader_id=str(number),
                owner_id=None,
                name="",
                description="",
                rule=rule,
                timeframe=Timeframe.M1,
                edge=Edge.RISING,
            )
        )
        for number, rule in enumerate(rules)
    ]


def timed(work: Callable[[], object], repeats: int) -> dict[str, float]:
    """Return wall and processor milliseconds: on a busy machine only the latter compares."""
    wall, cpu = [], []
    for _ in range(repeats):
        started, used = time.perf_counter(), time.process_time()
        work()
        wall.append((time.perf_counter() - started) * 1e3)
        cpu.append((time.process_time() - used) * 1e3)
    return {
        "median_ms": round(statistics.median(wall), 3),
        "min_ms": round(min(wall), 3),
        "cpu_median_ms": round(statistics.median(cpu), 3),
    }
