"""A month of the desk in units of what is charged: invocations, seconds, requests, bytes, each with how it was counted.

Durations and bytes of logs are those of `bench/invocations.py` (bench/out/invocations.json where there is one), on
processors that had the rest of the desk to run too, and without the network between the desk and its stores. Memory,
schedules, queues, alarms, traces and metrics are serverless.yml's, commands to Redis `bench/redis_month.py`'s. What
nobody has counted is `Assumed`. A month is 30 days.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import yaml

from bench.custom_metrics import count_published
from bench.prices import PRICES
from desk.doctor_settings import required_variables
from desk.lambda_host.spec import DeskSpec, read_spec
from shared.domain.timeframe import Timeframe
from shared.runtime.metrics import Published

ROOT: Final = Path(__file__).parents[1]
OUT: Final = Path(__file__).parent / "out"
TIMEFRAMES: Final = (Timeframe.M1, Timeframe.M5, Timeframe.M15, Timeframe.H1, Timeframe.H4, Timeframe.D1)
DAYS: Final = 30
MINUTES: Final = DAYS * 24 * 60
PER_SHARD: Final = 1_000
"""Traders of a shard: TRADERS_PER_SHARD as serverless.yml has it without a setting."""

MEASURED: Final[Mapping[str, Mapping[str, float]]] = {
    "trigger-executions": {"sweep_ms": 211.8, "message_ms": 109.1, "log_bytes": 556},
    "execute-trader": {"decided_ms": 514.3, "shard_traders": 524, "ms_per_signal": 0.79, "log_bytes": 795},
    "signal-agent": {"sweep_ms": 186.0, "message_ms": 186.0, "log_bytes": 508},  # no message of it: as a sweep
    "risk-agent": {"sweep_ms": 335.4, "message_ms": 267.4, "log_bytes": 787},
    "execution-agent": {"sweep_ms": 914.0, "message_ms": 660.6, "log_bytes": 529},
    "notify": {"sweep_ms": 122.8, "message_ms": 88.9, "log_bytes": 525},
    "scheduled-monitor": {"sweep_ms": 647.6, "log_bytes": 3_153},
    # No bench asks the API: 71 ms is the slowest of a hundred answers of /health (docs/adr/0101), and 345 bytes are the
    # two lines of a request.
    "api": {"message_ms": 100.0, "log_bytes": 345},
}
"""`bench/invocations.py`: 1,000 traders × 200 symbols, means of warm invocations on two processors that ran the rest of
the desk, and nothing beside it."""
DECIDE_MS_PER_TRADER: Final = 0.262
"""How long a shard of 1,000 everyday rules is judged on 200 symbols × 500 bars: 262 ms, `bench/rules.py`."""
REDIS_COMMANDS: Final = 693_960
"""A month of one collector and one warm execute-trader: `bench/redis_month.py`."""
REDIS_BYTES: Final = 2_663e6
"""What the collector sends to Redis in it."""
WATCHED: Final = MINUTES + MINUTES // 15
"""The monitor asks Redis for what the collector has put down every minute, for the month's use every quarter hour."""
HELD: Final = 4 * MINUTES
"""While anything is held, each minute has its prices asked for by the monitor, risk-agent (its candles too) and
execution-agent."""
COMMANDS_PER_REQUEST: Final = 8
COMMANDS_PER_INTENT: Final = 4
"""Prices and candles, when risk decides and when execution works it."""
REPORT_BYTES: Final = 350
"""START, END and REPORT, which Lambda writes of every invocation."""
POLLERS: Final = 5
"""Of each queue that wakes a function; each asks every 20 s when nothing is there. AWS scales them no lower where the
concurrency is limited (AWS Lambda's guide, "Configuring scaling behavior for SQS event source mappings")."""
POLL_S: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """What nobody has counted, of a trader in a month.

    600 signals are twenty a day (who signals at every close has 55,650), 30 intents one a day, and every trader has a
    person of its own who asks the API 100 times.
    """

    signals: int = 600
    intents: int = 30
    requests: int = 100


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What is deployed and how long it takes, of so many traders."""

    spec: DeskSpec
    alarms: int
    traders: int
    measured: Mapping[str, Mapping[str, float]]
    assumed: Assumed = Assumed()

    @property
    def shards(self) -> int:
        """Return how many shards a month has."""
        return closes_a_month() * math.ceil(self.traders / PER_SHARD)

    def sweeps(self, name: str) -> int:
        """Return how often the clock wakes a function."""
        schedules = self.spec.functions[name].schedules
        if set(schedules) - {"rate(1 minute)"}:
            raise ValueError(f"{name} has a schedule this does not count: {schedules}")
        return MINUTES * len(schedules)

    def messages(self, name: str) -> int:
        """Return how often anything else wakes it: as often as there are messages, though some come together.

        A shard with any signal tells notify and signal-agent once; an intent is decided once, and execution is told of
        it and once more of what becomes of it.
        """
        intents = self.traders * self.assumed.intents
        told = min(self.shards, self.traders * self.assumed.signals)
        return {
            "trigger-executions": closes_a_month(),
            "execute-trader": self.shards,
            "signal-agent": told,
            "notify": told,
            "risk-agent": intents,
            "execution-agent": 2 * intents,
            "scheduled-monitor": 0,
            "api": self.traders * self.assumed.requests,
        }[name]

    def message_ms(self, name: str) -> float:
        """Return how long one takes; a shard takes longer by more traders to judge and more signals to store."""
        took = self.measured[name]
        if name != "execute-trader":
            return took["message_ms"]
        in_shard = self.traders / math.ceil(self.traders / PER_SHARD)
        signals = in_shard * self.assumed.signals / closes_a_month()
        more_ms = (in_shard - took["shard_traders"]) * DECIDE_MS_PER_TRADER
        return took["decided_ms"] + more_ms + signals * took["ms_per_signal"]

    def busy_s(self, name: str) -> float:
        """Return how many seconds a function runs."""
        sweeps, messages = self.sweeps(name), self.messages(name)
        swept_ms = sweeps * self.measured[name]["sweep_ms"] if sweeps else 0.0
        return (swept_ms + (messages * self.message_ms(name) if messages else 0.0)) / 1_000

    def lines(self) -> Iterator[Line]:
        """Yield what a month takes."""
        functions = self.spec.functions
        invoked = {name: self.sweeps(name) + self.messages(name) for name in functions}
        yield Line("Lambda requests", sum(invoked.values()), _sum_of(invoked))
        memory_gb = {name: function.memory_mb / 1_024 for name, function in functions.items()}
        busy = {name: self.busy_s(name) for name in functions}
        told = " + ".join(f"{name} {memory_gb[name]:.2f} GB × {seconds:,.0f} s" for name, seconds in busy.items())
        yield Line("Lambda compute, arm64", sum(memory_gb[name] * seconds for name, seconds in busy.items()), told)
        yield self._queue_requests()
        api = self.messages("api")
        yield Line(
            "HTTP API requests", closes_a_month() + api, f"{closes_a_month():,} announcements + {api:,} of people"
        )
        size = sum(count * (self.measured[name]["log_bytes"] + REPORT_BYTES) for name, count in invoked.items())
        yield Line("CloudWatch logs taken in", size, f"{size / sum(invoked.values()):,.0f} bytes an invocation")
        yield Line("CloudWatch alarms", self.alarms, "of serverless.yml")
        published = {Published(function.environment["METRICS_PUBLISHED"]) for function in functions.values()}
        (which,) = published
        yield Line(
            "CloudWatch custom metrics", count_published(functions.values(), which), f"METRICS_PUBLISHED={which}"
        )
        traced = {name: count for name, count in invoked.items() if functions[name].environment["TRACING"] == "Active"}
        counted = f"one a second is sampled, and a twentieth of the rest, so nearly all of {_sum_of(traced)}"
        yield Line("X-Ray traces", sum(traced.values()), counted if traced else "TRACING=PassThrough")
        yield self._redis_commands(api)
        yield Line("Fly machine, shared-cpu-1x, 256 MB", 1, "one collector, one venue")
        yield Line("Fly data out", REDIS_BYTES, "to Redis")

    def _queue_requests(self) -> Line:
        fed = {f.name: self.messages(f.name) for f in self.spec.functions.values() if f.queues}
        polls = len(queues_polled(self.spec)) * POLLERS * MINUTES * 60 // POLL_S
        asked = MINUTES * 2
        counted = f"{polls:,} empty looks + 3 × ({_sum_of(fed)}) + {asked:,} of the monitor at queue lengths"
        return Line("SQS requests", polls + 3 * sum(fed.values()) + asked, counted)

    def _redis_commands(self, requests: int) -> Line:
        intents = self.traders * self.assumed.intents
        parts = {
            "log and tickers": REDIS_COMMANDS,
            "watched": WATCHED,
            "held": HELD,
            "of intents": intents * COMMANDS_PER_INTENT,
            "of requests": requests * COMMANDS_PER_REQUEST,
        }
        return Line("Upstash commands", sum(parts.values()), _sum_of(parts))


def deployed(traders: int, *, env: Mapping[str, str], measured: Mapping[str, Mapping[str, float]] = MEASURED) -> Desk:
    """Return what serverless.yml deploys with the settings of an environment; what has no default is made up."""
    spec, alarms = _stack(frozenset(env.items()))
    return Desk(spec=spec, alarms=alarms, traders=traders, measured=measured)


def list_usd(desk: Desk) -> float:
    """Return what a month costs without a free tier, Supabase left out."""
    return sum(line.list_usd for line in desk.lines())


def closes_a_month() -> int:
    """Return how many boundaries the six timeframes have."""
    return sum(DAYS * 86_400_000 // timeframe.ms for timeframe in TIMEFRAMES)


def queues_polled(spec: DeskSpec) -> list[str]:
    """Return the queues Lambda asks for messages, day and night."""
    return [event.queue for function in spec.functions.values() for event in function.queues]


def measured_here() -> Mapping[str, Mapping[str, float]]:
    """Return what each function's invocations take: on this machine where they were measured, else the constants."""
    path = OUT / "invocations.json"
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    return {**MEASURED, **{row["function"]: {**MEASURED[row["function"]], **row} for row in rows}}


@cache
def _stack(env: frozenset[tuple[str, str]]) -> tuple[DeskSpec, int]:
    """Return what serverless.yml deploys, and how many alarms it has: a second to read, and asked for many times."""
    path = ROOT / "serverless.yml"
    needed = dict.fromkeys(frozenset().union(*required_variables(path).values()), "x")
    resources = yaml.safe_load(path.read_text())["resources"]["Resources"].values()
    alarms = sum(each["Type"] == "AWS::CloudWatch::Alarm" for each in resources)
    return read_spec(path, needed | dict(env)), alarms


def _sum_of(parts: Mapping[str, int]) -> str:
    return " + ".join(f"{count:,} {name}" for name, count in parts.items() if count)
