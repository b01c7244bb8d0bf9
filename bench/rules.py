"""How long one shard takes to judge its rules, beside the naive way: every rule for every symbol on its own.

The market is synthetic: 200 symbols × 500 bars of seeded random walks. The rules are drawn with a seed from templates
over the whole language; no two have the same normal form.
"""

import random
import statistics
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import talib

from shared.domain.candles import COLUMNS, CandleFrame, Floats
from shared.domain.decision import CompiledTrader, compile_trader, decide
from shared.domain.rules import Market, compile_rule
from shared.domain.timeframe import Timeframe
from shared.domain.traders import Edge, Trader

SYMBOLS: Final = 200
BARS: Final = 500
NAIVE_SAMPLE: Final = 5

Draw = Callable[[random.Random], str]


def market(seed: int = 7) -> Market:
    """Return a synthetic 1m market that ends at an hour."""
    rng = np.random.default_rng(seed)
    shape = (SYMBOLS, BARS)
    close = rng.lognormal(2, 3, (SYMBOLS, 1)) * np.exp(np.cumsum(rng.normal(0, 0.002, shape), axis=1))
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
    return Market(
        {
            Timeframe.M1: CandleFrame(
                timeframe=Timeframe.M1,
                symbols=tuple(f"SYM{row:03}/USDT" for row in range(SYMBOLS)),
                open_times=np.arange(BARS, dtype=np.int64) * Timeframe.M1.ms + 100 * Timeframe.H1.ms - BARS * 60_000,
                values=values,
                filled=np.zeros(shape, dtype=np.bool_),
            )
        }
    )


def _n(r: random.Random, low: int, high: int) -> int:
    return r.randint(low, high)


CONDITIONS: Final[tuple[Draw, ...]] = (
    lambda r: f"rsi({_n(r, 5, 30)}) < {_n(r, 15, 40)}",
    lambda r: f"rsi({_n(r, 5, 30)}) > {_n(r, 60, 85)}",
    lambda r: f"crosses_above(ema({_n(r, 5, 25)}), ema({_n(r, 26, 120)}))",
    lambda r: f"crosses_below(sma({_n(r, 5, 25)}), sma({_n(r, 26, 200)}))",
    lambda r: f"close > ema({_n(r, 20, 140)})",
    lambda r: f"close < wma({_n(r, 10, 100)})",
    lambda r: f"volume > {r.randint(15, 60) / 10} * sma(volume, {_n(r, 10, 60)})",
    lambda r: f"macd({_n(r, 8, 14)}, {_n(r, 20, 30)}, {_n(r, 7, 11)}).histogram > 0",
    lambda r: f"crosses_above(macd({_n(r, 8, 14)}, {_n(r, 20, 30)}).macd, 0)",
    lambda r: f"close < bbands({_n(r, 10, 40)}, {r.randint(15, 30) / 10}).lower",
    lambda r: f"bbands({_n(r, 10, 40)}).upper - bbands({_n(r, 10, 40)}).lower < {r.randint(1, 50) / 1000} * close",
    lambda r: f"high - low > {r.randint(10, 40) / 10} * atr({_n(r, 7, 30)})",
    lambda r: f"adx({_n(r, 7, 25)}) > {_n(r, 15, 45)}",
    lambda r: f"stoch({_n(r, 5, 30)}, {_n(r, 1, 5)}, 3).k < {_n(r, 10, 40)}",
    lambda r: f"crosses_above(stoch({_n(r, 5, 30)}).k, stoch({_n(r, 5, 30)}).d)",
    lambda r: f"stochrsi({_n(r, 7, 21)}, {_n(r, 7, 21)}).k < {_n(r, 5, 30)}",
    lambda r: f"cci({_n(r, 10, 40)}) < -{_n(r, 80, 200)}",
    lambda r: f"mfi({_n(r, 7, 30)}) < {_n(r, 10, 40)}",
    lambda r: f"obv({_n(r, 20, 200)}) > 0",
    lambda r: f"roc({_n(r, 1, 60)}) > {r.randint(1, 60) / 10}",
    lambda r: f"willr({_n(r, 5, 40)}) < -{_n(r, 60, 95)}",
    lambda r: f"close > psar(0.0{_n(r, 1, 5)}, 0.{_n(r, 1, 3)})",
    lambda r: f"close > highest({_n(r, 5, 120)})[1]",
    lambda r: f"close < lowest({_n(r, 5, 120)})[1]",
    lambda r: f"stdev({_n(r, 10, 60)}) > {r.randint(1, 30) / 10} * stdev({_n(r, 61, 200)})",
    lambda r: f"change({_n(r, 1, 30)}) > 0",
    lambda r: f"engulfing()[{_n(r, 1, 3)}] > 0",
    lambda r: f"close > close[{_n(r, 1, 30)}] > open[{_n(r, 1, 30)}]",
    lambda r: f"(close - open) / open > {r.randint(1, 40) / 1000}",
    lambda r: f"taker_buy_volume / volume > 0.{_n(r, 50, 80)}",
)


def rule_texts(count: int, seed: int = 11) -> list[str]:
    """Return distinct rules of one to three conditions."""
    draw = random.Random(seed)
    texts: dict[str, str] = {}
    while len(texts) < count:
        word = " or " if draw.random() < 0.1 else " and "
        parts = [condition(draw) for condition in draw.sample(CONDITIONS, draw.choice((1, 2, 2, 3, 3)))]
        text = word.join(parts)
        texts.setdefault(compile_rule(text).rule_hash, text)
    return list(texts.values())


def _traders(texts: list[str]) -> list[CompiledTrader]:
    return [
        compile_trader(
            Trader(
                trader_id=str(number),
                owner_id=None,
                name="",
                description="",
                rule=text,
                timeframe=Timeframe.M1,
                edge=Edge.RISING,
            )
        )
        for number, text in enumerate(texts)
    ]


def _timed(work: Callable[[], object], repeats: int) -> dict[str, float]:
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


def _shard(count: int, repeats: int) -> dict[str, Any]:
    traders = _traders(rule_texts(count))
    candles = market()
    close_time = candles.frames[Timeframe.M1].close_time
    decision = decide(traders, candles, Timeframe.M1, close_time)  # warm
    row = _timed(lambda: decide(traders, candles, Timeframe.M1, close_time), repeats)
    return {
        "what": f"decide: {count:,} rules, {SYMBOLS} symbols, {BARS} bars",
        **row,
        "pairs_per_s": round(decision.evaluations / row["median_ms"] * 1e3),
        "signals": len(decision.signals),
        "insufficient": decision.insufficient,
    }


def _naive_functions(table: Floats) -> None:
    """Compute, for one symbol, the three indicators a rule of the benchmark reads on average, each over all bars."""
    columns = dict(zip(COLUMNS, table, strict=True))
    talib.RSI(columns["close"], 14)
    talib.EMA(columns["close"], 50)
    talib.BBANDS(columns["close"], 20)


def _naive(count: int) -> dict[str, Any]:
    values = market().frames[Timeframe.M1].values

    def sample() -> None:
        for _ in range(NAIVE_SAMPLE):
            for row in range(SYMBOLS):
                _naive_functions(values[:, row, :])

    row = _timed(sample, 5)
    scale = count / NAIVE_SAMPLE
    return {
        "what": f"naive: {count:,} rules, each symbol on its own, three TA-Lib calls a rule "
        f"({NAIVE_SAMPLE} rules measured, extrapolated)",
        **{key: round(value * scale, 1) for key, value in row.items()},
    }


SINGLE: Final = (
    "sma(50)",
    "ema(50)",
    "wma(50)",
    "rsi(14)",
    "macd().histogram",
    "bbands().upper",
    "atr(14)",
    "adx(14)",
    "stoch().k",
    "stochrsi().k",
    "cci(20)",
    "mfi(14)",
    "obv(100)",
    "roc(10)",
    "willr(14)",
    "psar()",
    "highest(20)",
    "lowest(20)",
    "stdev(20)",
    "change(1)",
    "engulfing()",
)


def _single(text: str) -> dict[str, Any]:
    """Time one function at two bars for all symbols, nothing shared."""
    rule = compile_rule(f"{text} > 0")
    candles = market()
    close_time = candles.frames[Timeframe.M1].close_time
    row = _timed(lambda: rule.truth(candles.view(Timeframe.M1, close_time), 2), 21)
    return {"what": f"function: {rule.leaves[0].text}", **row, "lookback": rule.lookback}


def run() -> list[dict[str, Any]]:
    """Return one row per measurement."""
    return [
        _shard(1_000, 9),
        _shard(10_000, 3),
        _naive(1_000),
        _naive(10_000),
        *(_single(text) for text in SINGLE),
    ]
