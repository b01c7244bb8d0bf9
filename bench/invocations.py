"""What one invocation of each function takes and writes, as they tell it themselves: 1,000 traders × 200 symbols.

The whole desk runs on one machine, a minute of the market in 30 s; times are of two shared cores on which its database,
Redis and queues run too, so that they are longer than on a function's own processor, and no network is in them. The
first invocation of a process, which imports, counts as cold and is not in the means. A sweep is what the clock woke;
what messages and requests woke is told by message, of which an invocation may have several. Bytes are what goes to the
log. The traders of a demo signal thousands of times at a close, which no people's do: a shard is told without and by
signals. It takes six minutes.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean, median
from typing import Any, Final

from shared.runtime.metrics import COLD_STARTS, DURATION, MEASURED

TRADERS: Final = 1_000
SYMBOLS: Final = 200
BOUNDARIES: Final = 4
SPEED: Final = 2
FUNCTIONS: Final = (
    "trigger-executions",
    "execute-trader",
    "signal-agent",
    "risk-agent",
    "execution-agent",
    "notify",
    "scheduled-monitor",
    "api",
)
_TIMEOUT_S: Final = 600
_START: Final = re.compile(r'\{"(level|message)":')
_SWEEP: Final = "CronTick"
_TOLD_OF_TICKERS: Final = "TickersWritten"
"""A demo's collector has execution-agent look at every write of tickers; a desk's does where TICKERS_URL is set."""


def run() -> list[dict[str, Any]]:
    """Return one row a function that was invoked."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        options = ["--traders", TRADERS, "--symbols", SYMBOLS, "--boundaries", BOUNDARIES, "--speed", SPEED]
        argv = [sys.executable, "-m", "desk.cli", "demo", "--headless", *map(str, options)]
        root = Path(__file__).parents[1]
        subprocess.run(
            [*argv, "--report", str(home / "report.json")],
            cwd=root,
            stdout=subprocess.DEVNULL,
            timeout=_TIMEOUT_S,
            check=True,
        )
        logs = root / ".desk" / "demo" / "logs"
        rows = (row_of(name, logs / f"{name}.log") for name in FUNCTIONS)
        return [row for row in rows if row is not None]


def row_of(name: str, log: Path) -> dict[str, Any] | None:
    """Return what a function's log says of its invocations; None where there were none."""
    text = log.read_text(encoding="utf-8") if log.exists() else ""
    told = [found for found in documents(text) if found.get("message") == MEASURED]
    warm = {found["request_id"]: found[DURATION.name] for found in told if not found.get(COLD_STARTS.name)}
    if not warm:
        return None
    return {
        "function": name,
        "invocations": len(told),
        "mean_ms": round(fmean(warm.values()), 1),
        "median_ms": round(median(warm.values()), 1),
        **_by_waker(text, warm),
        "log_bytes": round(len(text.encode()) / len(told)),
        **_shards(text),
    }


def _by_waker(text: str, warm: Mapping[str, float]) -> dict[str, float]:
    """Return the mean of sweeps, and of what messages took, each its share of its invocation."""
    handled: dict[str, list[str]] = {}
    for each in documents(text):
        if "took_ms" in each and each["request_id"] in warm:
            handled.setdefault(each["request_id"], []).append(each["message"])
    sweeps = [warm[request_id] for request_id, messages in handled.items() if messages == [_SWEEP]]
    kept = {_SWEEP, _TOLD_OF_TICKERS}.isdisjoint
    others = {request_id: messages for request_id, messages in handled.items() if kept(messages)}
    found = {"sweep_ms": round(fmean(sweeps), 1)} if sweeps else {}
    if others:
        took_ms = sum(warm[request_id] for request_id in others)
        found["message_ms"] = round(took_ms / sum(map(len, others.values())), 1)
    return found


def _shards(text: str) -> dict[str, float]:
    """Return what shards took before they stored, and what each signal took to store; nothing without shards."""
    found = [each for each in documents(text) if each.get("message") == "ShardDue" and each["result"].get("signals")]
    if not found:
        return {}
    stored_ms = sum(each["took_ms"] - each["result"]["duration_ms"] for each in found)
    return {
        "decided_ms": round(fmean(each["result"]["duration_ms"] for each in found), 1),
        "shard_traders": round(fmean(each["result"]["traders"] for each in found)),
        "ms_per_signal": round(stored_ms / sum(each["result"]["signals"] for each in found), 2),
    }


def documents(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a log, also where two are on one line; what is none is passed over."""
    decoder = json.JSONDecoder()
    for found in _START.finditer(text):
        try:
            value, _ = decoder.raw_decode(text, found.start())
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value
