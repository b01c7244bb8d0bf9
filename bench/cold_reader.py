"""Decide one rule in a process that has just begun: what `cold_start` starts and measures.

Imports what execute-trader imports, reads the candle log through the Upstash REST interface, compiles, decides; tells
in milliseconds how long each took.
"""
# ruff: noqa: E402 - the clock starts before the imports

import time

ENTERED_S = time.time()

import json
import os
from contextlib import closing

import functions.execute_trader  # noqa: F401 - what the function imports
from bench.synthetic import BARS, traders
from shared.adapters.redis_log import upstash_candle_log
from shared.domain.decision import decide
from shared.domain.rules import Market
from shared.domain.timeframe import Timeframe

RULE = "crosses_above(ema(20), ema(50)) and rsi(14) < 70"


def main() -> None:
    """Print the milliseconds spent since the parent let this process begin, as JSON."""
    imported = time.time()
    with closing(upstash_candle_log(os.environ["BENCH_REST_URL"], os.environ["BENCH_REST_TOKEN"])) as reader:
        frame = reader.frame(os.environ["BENCH_VENUE"], Timeframe.M1, bars=BARS)
    read = time.time()
    decision = decide(traders([RULE]), Market({Timeframe.M1: frame}), Timeframe.M1, frame.close_time)
    decided = time.time()
    if frame.bars != BARS or decision.evaluations != len(frame.symbols) or decision.insufficient:
        raise SystemExit(f"{frame.bars} bars, {decision.evaluations} evaluations, {decision.insufficient} insufficient")
    moments = (float(os.environ["BENCH_BEGAN_S"]), ENTERED_S, imported, read, decided)
    names = ("interpreter_ms", "imports_ms", "read_ms", "decide_ms")
    spans = zip(names, moments[1:], moments[:-1], strict=True)
    print(json.dumps({name: round((after - before) * 1e3, 1) for name, after, before in spans}))


if __name__ == "__main__":
    main()
