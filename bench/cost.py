"""What a month costs for 100, 1,000 and 10,000 traders × 200 symbols × 6 timeframes: measured × published prices.

Every trader is evaluated at every close of each of the six timeframes, which is more than any desk of as many traders
has: a trader follows one. A month is 30 days. `list USD` takes nothing off that is free: it is what those pay who have
used up every free tier; `bill USD` is after the free tiers that do not end. Durations are those of
`bench/invocations.py` (bench/out/invocations.json where there is one), on processors that had the rest of the desk to
run too, and without the network between the desk and its stores. Memory, schedules, queues and alarms are
serverless.yml's, commands to Redis `bench/redis_month.py`'s.
"""

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from desk.lambda_host.spec import DeskSpec, FunctionSpec, read_spec
from shared.domain.timeframe import Timeframe

ROOT: Final = Path(__file__).parents[1]
OUT: Final = Path(__file__).parent / "out"
TRADERS: Final = (100, 1_000, 10_000)
TARGET_TRADERS: Final = 1_000
TARGET_USD: Final = 20.0
SYMBOLS: Final = 200
TIMEFRAMES: Final = (Timeframe.M1, Timeframe.M5, Timeframe.M15, Timeframe.H1, Timeframe.H4, Timeframe.D1)
DAYS: Final = 30
MINUTES: Final = DAYS * 24 * 60
PER_SHARD: Final = 1_000
REQUESTS_PER_TRADER: Final = 100
"""Requests of a person to the API in a month, at one trader a person: an assumption, since nobody has been counted."""

SIGNALS_PER_TRADER: Final = 600
"""Signals of a trader in a month, twenty a day: an assumption too. One that signals at every close has 55,650."""

MEASURED_MS: Final[Mapping[str, float]] = {
    "trigger-executions": 297.2,
    "execute-trader": 0.0,  # SHARD_MS says it
    "signal-agent": 431.5,
    "risk-agent": 1_098.9,
    "execution-agent": 446.0,
    "notify": 298.5,
    "scheduled-monitor": 1_752.7,
    "api": 100.0,  # no bench asks the API: 71 ms is the slowest of a hundred answers of /health (docs/adr/0101)
}
"""Mean of warm invocations, with 1,000 traders × 200 symbols: `bench/invocations.py`, on two busy processors."""
SHARD_MS: Final = 1_479.0
"""A shard until it stores, most of them of 667 traders: reading the candles and judging; `bench/invocations.py`."""
SHARD_TRADERS: Final = 667
MS_PER_SIGNAL: Final = 1.87
"""Storing one, in the database of one machine; `bench/invocations.py`."""
LOG_BYTES: Final = 1_100
"""What an invocation writes, the mean of all; `bench/invocations.py`."""
DECIDE_MS_PER_TRADER: Final = 0.262
"""How long a shard of 1,000 everyday rules is judged on 200 symbols × 500 bars: 262 ms, `bench/rules.py`."""
REDIS_COMMANDS: Final = 693_960
"""A month of one collector and one warm reader: `bench/redis_month.py`."""
MONITOR_COMMANDS: Final = 46_080
"""A month of the monitor's questions to Redis: docs/operations/monitor.md."""
COMMANDS_PER_REQUEST: Final = 8
REPORT_BYTES: Final = 350
"""START, END and REPORT, which Lambda writes of every invocation."""
METRICS: Final = 35
"""Names of custom metrics when everything happens: docs/adr/0100."""
POLLERS: Final = 5
"""Of each queue that wakes a function; each asks every 20 s when nothing is there (AWS Lambda's guide to SQS)."""
POLL_S: Final = 20


@dataclass(frozen=True, slots=True)
class Price:
    """USD for `per` units, and how many units are free in every month, for ever; of eu-central-1 where it matters."""

    usd: float
    per: float
    free: float
    source: str


PRICES: Final = {
    "Lambda requests": Price(0.20, 1e6, 1e6, "aws.amazon.com/lambda/pricing"),
    "Lambda compute, arm64": Price(0.0000133334, 1, 400_000, "aws.amazon.com/lambda/pricing"),
    "SQS requests": Price(0.40, 1e6, 1e6, "aws.amazon.com/sqs/pricing"),
    "HTTP API requests": Price(1.20, 1e6, 0, "aws.amazon.com/api-gateway/pricing, eu-central-1"),
    "CloudWatch logs taken in": Price(0.63, 1e9, 5e9, "aws.amazon.com/cloudwatch/pricing, eu-central-1"),
    "CloudWatch alarms": Price(0.10, 1, 10, "aws.amazon.com/cloudwatch/pricing"),
    "CloudWatch custom metrics": Price(0.30, 1, 10, "aws.amazon.com/cloudwatch/pricing"),
    "X-Ray traces": Price(5.00, 1e6, 100_000, "aws.amazon.com/xray/pricing"),
    "Upstash commands": Price(0.20, 1e5, 0, "upstash.com/pricing: pay as you go, or a free plan of 500,000"),
    "Fly machine, shared-cpu-1x, 256 MB": Price(
        2.02, 1, 0, "fly.io/docs/about/pricing: per month, dearer in some regions"
    ),
}
OPTIONAL: Final = ("CloudWatch custom metrics", "X-Ray traces")
SUPABASE_PRO_USD: Final = 25.0
"""supabase.com/pricing. The free plan holds 500 MB and pauses a project nobody asks; a desk asks every minute."""


@dataclass(frozen=True, slots=True)
class Line:
    """So many units of something, and how they were counted."""

    what: str
    units: float
    counted: str

    @property
    def list_usd(self) -> float:
        """Return what they cost without a free tier."""
        return self.units * PRICES[self.what].usd / PRICES[self.what].per

    @property
    def bill_usd(self) -> float:
        """Return what they cost beyond what is free for ever."""
        price = PRICES[self.what]
        return max(0.0, self.units - price.free) * price.usd / price.per


def run() -> list[dict[str, Any]]:
    """Return the lines of every size of desk, each size with its sums below it."""
    spec, alarms = _deployed()
    rows: list[dict[str, Any]] = []
    for traders in TRADERS:
        lines = list(lines_of(spec, traders=traders, alarms=alarms, measured_ms=measured_ms()))
        rows += [_row(traders, line) for line in lines]
        rows += _sums(traders, lines)
    return rows


def lines_of(spec: DeskSpec, *, traders: int, alarms: int, measured_ms: Mapping[str, float]) -> Iterator[Line]:
    """Yield what a month takes."""
    closes = closes_a_month()
    shards = math.ceil(traders / PER_SHARD)
    http = closes + traders * REQUESTS_PER_TRADER
    invoked = {name: invocations(function, closes=closes, shards=shards) for name, function in spec.functions.items()}
    invoked["api"] = traders * REQUESTS_PER_TRADER
    total = sum(invoked.values())
    yield Line("Lambda requests", total, " + ".join(f"{count:,} {name}" for name, count in invoked.items()))
    yield _compute(spec, invoked, traders=traders, measured_ms=measured_ms)
    messages = closes * shards
    polls = len(queues_polled(spec)) * POLLERS * MINUTES * 60 // POLL_S
    asked = MINUTES * 2
    counted = f"{polls:,} empty looks + 3 × {messages:,} shards + {asked:,} of monitor and API at queue lengths"
    yield Line("SQS requests", polls + 3 * messages + asked, counted)
    yield Line("HTTP API requests", http, f"{closes:,} announcements + {traders:,} people × {REQUESTS_PER_TRADER}")
    size = LOG_BYTES + REPORT_BYTES
    yield Line("CloudWatch logs taken in", total * size, f"{total:,} invocations × {size:,} bytes")
    yield Line("CloudWatch alarms", alarms, "of serverless.yml")
    yield Line("CloudWatch custom metrics", METRICS, "POWERTOOLS_METRICS_DISABLED=true writes none")
    yield Line("X-Ray traces", total, "one a second is sampled, and a twentieth of the rest: nearly all")
    commands = REDIS_COMMANDS + MONITOR_COMMANDS + COMMANDS_PER_REQUEST * traders * REQUESTS_PER_TRADER
    counted = f"{REDIS_COMMANDS:,} log and tickers + {MONITOR_COMMANDS:,} monitor + {COMMANDS_PER_REQUEST} a request"
    yield Line("Upstash commands", commands, counted)
    yield Line("Fly machine, shared-cpu-1x, 256 MB", 1, "one collector, one venue")


def closes_a_month() -> int:
    """Return how many boundaries the six timeframes have."""
    return sum(DAYS * 86_400_000 // timeframe.ms for timeframe in TIMEFRAMES)


def invocations(function: FunctionSpec, *, closes: int, shards: int) -> int:
    """Return how often a function runs: its schedule, and what every close sends it."""
    scheduled = MINUTES * len(function.schedules)
    by_closes = {"trigger-executions": closes, "execute-trader": closes * shards}
    return scheduled + by_closes.get(function.name, 0)


def queues_polled(spec: DeskSpec) -> list[str]:
    """Return the queues Lambda asks for messages, day and night."""
    return [event.queue for function in spec.functions.values() for event in function.queues]


def duration_ms(name: str, *, traders: int, measured_ms: Mapping[str, float]) -> float:
    """Return how long an invocation takes; a shard takes longer by what more traders take to judge."""
    if name != "execute-trader":
        return measured_ms[name]
    in_shard = traders / math.ceil(traders / PER_SHARD)
    signals = in_shard * SIGNALS_PER_TRADER / closes_a_month()
    return SHARD_MS + (in_shard - SHARD_TRADERS) * DECIDE_MS_PER_TRADER + signals * MS_PER_SIGNAL


def _compute(spec: DeskSpec, invoked: Mapping[str, int], *, traders: int, measured_ms: Mapping[str, float]) -> Line:
    parts = {
        name: (count, spec.functions[name].memory_mb, duration_ms(name, traders=traders, measured_ms=measured_ms))
        for name, count in invoked.items()
        if count
    }
    units = sum(count * memory / 1_024 * ms / 1_000 for count, memory, ms in parts.values())
    told = [f"{name} {count:,} × {memory / 1_024:.2f} GB × {ms:,.0f} ms" for name, (count, memory, ms) in parts.items()]
    return Line("Lambda compute, arm64", units, " + ".join(told))


def measured_ms() -> Mapping[str, float]:
    """Return the mean of each function's invocations: of this machine where they were measured, else the constants."""
    path = OUT / "invocations.json"
    if not path.exists():
        return MEASURED_MS
    return {**MEASURED_MS, **{row["function"]: float(row["mean_ms"]) for row in json.loads(path.read_text())["rows"]}}


def _deployed() -> tuple[DeskSpec, int]:
    """Return what serverless.yml deploys, and how many alarms it has; what the deployer sets is made up."""
    path = ROOT / "serverless.yml"
    text = path.read_text()
    names = re.findall(r"\b[A-Z][A-Z0-9_]{3,}\b", text)
    resources = yaml.safe_load(text)["resources"]["Resources"].values()
    alarms = sum(each["Type"] == "AWS::CloudWatch::Alarm" for each in resources)
    return read_spec(path, dict.fromkeys(names, "x") | dict(os.environ)), alarms


def _row(traders: int, line: Line) -> dict[str, Any]:
    return {
        "traders": traders,
        "what": line.what,
        "units": round(line.units),
        "list USD": round(line.list_usd, 2),
        "bill USD": round(line.bill_usd, 2),
        "counted": line.counted,
    }


def _sums(traders: int, lines: list[Line]) -> Iterator[dict[str, Any]]:
    listed, billed = sum(line.list_usd for line in lines), sum(line.bill_usd for line in lines)
    verdict = ""
    if traders == TARGET_TRADERS:
        most = max(lines, key=lambda line: line.list_usd)
        kept = (
            f"within {TARGET_USD:.0f} USD at list price" if listed <= TARGET_USD else f"more than {TARGET_USD:.0f} USD"
        )
        verdict = f"{kept}; most of it is {most.what}, {most.list_usd:.2f} USD"
    spared = [line for line in lines if line.what in OPTIONAL]
    sums = {
        "all but Supabase": (0.0, 0.0, verdict),
        "without metrics and traces": (
            -sum(line.list_usd for line in spared),
            -sum(line.bill_usd for line in spared),
            "POWERTOOLS_METRICS_DISABLED and POWERTOOLS_TRACE_DISABLED; the alarm for a silent monitor goes with them",
        ),
        "all, with Supabase Pro": (SUPABASE_PRO_USD, SUPABASE_PRO_USD, "its free plan is 0, and holds 500 MB"),
    }
    for what, (more_listed, more_billed, counted) in sums.items():
        yield {
            "traders": traders,
            "what": what,
            "list USD": round(listed + more_listed, 2),
            "bill USD": round(billed + more_billed, 2),
            "counted": counted,
        }
