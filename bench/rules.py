"""How long one shard takes to judge its rules, beside the naive way: every rule for every symbol on its own.

The market is synthetic: 200 symbols × 500 bars of seeded random walks. *Everyday* rules are drawn from thirty
templates, *library* rules from every function of the language with the numbers people write, *any-number* rules
likewise with whatever number. A shard of 1,000 library rules should take at most 500 ms and its process at most 256 MB,
one of 10,000 at most 4 s.
"""

import json
import subprocess
import sys
from typing import Any, Final

import talib

from bench.rule_texts import everyday_rules, library_rules
from bench.synthetic import BARS, SYMBOLS, market, timed, traders
from shared.domain.candles import COLUMNS, Floats
from shared.domain.decision import Decision, decide
from shared.domain.timeframe import Timeframe

NAIVE_SAMPLE: Final = 5


def _shard(kind: str, rules: list[str], repeats: int) -> dict[str, Any]:
    due = traders(rules)
    candles = market()
    close_time = candles.frames[Timeframe.M1].close_time
    decisions: list[Decision] = []
    row = timed(lambda: decisions.append(decide(due, candles, Timeframe.M1, close_time)), repeats)
    decision = decisions[0]
    return {
        "what": f"decide: {len(rules):,} {kind} rules, {SYMBOLS} symbols, {BARS} bars",
        **row,
        "pairs_per_s": round(decision.evaluations / row["median_ms"] * 1e3),
        "signals": len(decision.signals),
        "insufficient": decision.insufficient,
    }


def _memory(kind: str, rules: list[str]) -> dict[str, Any]:
    """Let a fresh process decide a shard once, and tell how much memory it ever held."""
    argv = [sys.executable, "-m", "bench.shard_memory"]
    answer = subprocess.run(argv, input=json.dumps(rules), capture_output=True, text=True, check=True)
    return {"what": f"memory: {len(rules):,} {kind} rules in a fresh process", **json.loads(answer.stdout)}


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

    row = timed(sample, 5)
    scale = count / NAIVE_SAMPLE
    return {
        "what": f"naive: {count:,} rules, each symbol on its own, three TA-Lib calls a rule "
        f"({NAIVE_SAMPLE} rules measured, extrapolated)",
        **{key: round(value * scale, 1) for key, value in row.items()},
    }


def run() -> list[dict[str, Any]]:
    """Return one row per measurement."""
    library, any_number = library_rules(10_000), library_rules(10_000, usual=False)
    return [
        _shard("everyday", everyday_rules(1_000), 9),
        _shard("everyday", everyday_rules(10_000), 3),
        _shard("library", library[:1_000], 3),
        _shard("library", library, 3),
        _shard("any-number", any_number[:1_000], 3),
        _shard("any-number", any_number, 1),
        _memory("everyday", everyday_rules(1_000)),
        _memory("library", library[:1_000]),
        _naive(1_000),
        _naive(10_000),
    ]
