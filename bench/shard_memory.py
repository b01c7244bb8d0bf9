"""Decide the shard whose rules are on the standard input, and tell the memory it took: the process that `rules` starts.

What the process holds before it reads a candle is told apart: Python, numpy, TA-Lib and the compiled rules' code.
"""

import json
import resource
import sys
from pathlib import Path

from bench.synthetic import market, traders
from shared.domain.decision import decide
from shared.domain.timeframe import Timeframe

STATUS = Path("/proc/self/status")


def peak_mb() -> float:
    """Return the most memory this process has held, MB (10⁶ bytes)."""
    if STATUS.exists():  # Linux hands what getrusage tells on from the parent to the child
        fields = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
        return int(fields["VmHWM"].removesuffix("kB")) * 1_024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # macOS counts bytes


def main() -> None:
    """Print the memory at the start and the most of it, as JSON."""
    rules = json.load(sys.stdin)
    imported = peak_mb()
    candles = market()
    decision = decide(traders(rules), candles, Timeframe.M1, candles.frames[Timeframe.M1].close_time)
    if decision.errors:
        raise SystemExit(f"some rules were not judged: {decision.errors}")
    print(json.dumps({"imported_mb": round(imported, 1), "peak_mb": round(peak_mb(), 1)}))


if __name__ == "__main__":
    main()
