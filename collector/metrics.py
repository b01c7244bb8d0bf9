"""/metrics: what the report says at the moment of a scrape, and how long writes took, in Prometheus' text format."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from collector.health import Report

PREFIX: Final = "nightdesk_collector"
APPEND_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

COUNTERS: Final = {
    "frames": ("frames", "Frames taken off the sockets."),
    "invalid_frames": ("invalid_frames", "Frames that could not be read."),
    "closed": ("candles", "Closed candles taken in, from frames or from REST, corrections included."),
    "boundaries": ("boundaries", "Boundaries assembled and handed to the writer."),
    "corrections": ("corrections", "Candles of closed boundaries that came again with another value."),
    "gaps": ("gaps", "Candles that were missing when their boundary was written."),
    "repairs": ("repairs", "Times REST was asked for what the stream lacked."),
    "never_confirmed": ("never_confirmed", "Candles that the clock closed and REST has not confirmed in time."),
    "tickers": ("tickers", "Snapshots of tickers put up."),
    "tickers_failed": ("tickers_failed", "Times there was no new snapshot of tickers to put up."),
    "tickers_told": ("tickers_told", "Times execution-agent was told of fresh tickers."),
    "tickers_untold": ("tickers_untold", "Times it could not be told."),
    "funding": ("funding", "Snapshots of funding put up."),
    "funding_failed": ("funding_failed", "Times there was no new snapshot of funding to put up."),
    "refused_subscriptions": ("refused_subscriptions", "Subscriptions the venue turned down."),
    "resubscriptions": ("resubscriptions", "Symbols subscribed to again, since they traded and nothing came."),
    "disconnects": ("disconnects", "Connections that ended."),
    "runs": ("runs", "Runs started; more than one means that a run failed."),
}
"""The counts of a report, by their name there: the metric, and what it counts."""

Value = float | None


class Metrics:
    """The registry of one process; what is not known is left out of a scrape."""

    def __init__(self, report: Callable[[], Report]) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_ReportCollector(report))
        ProcessCollector(registry=self._registry)
        self._append = Histogram(
            f"{PREFIX}_append_seconds",
            "From handing boundaries to Redis to its acknowledgement.",
            ["venue"],
            buckets=APPEND_BUCKETS_S,
            registry=self._registry,
        ).labels(report().venue)

    def observe_append(self, seconds: float) -> None:
        """Note how long an acknowledged append took."""
        self._append.observe(seconds)

    def text(self) -> bytes:
        """Return the answer of /metrics."""
        return generate_latest(self._registry)


class _ReportCollector(Collector):
    def __init__(self, report: Callable[[], Report]) -> None:
        self._report = report

    def collect(self) -> Iterable[Metric]:
        report = self._report()
        for name, help_, value in (*_counts(report), *_redis_counts(report)):
            counter = CounterMetricFamily(f"{PREFIX}_{name}", help_, labels=["venue"])
            counter.add_metric([report.venue], value)
            yield counter
        for name, help_, known in (*_gauges(report), *_redis_gauges(report)):
            gauge = GaugeMetricFamily(f"{PREFIX}_{name}", help_, labels=["venue"])
            if known is not None:
                gauge.add_metric([report.venue], known)
            yield gauge
        yield _data_age(report)


def _counts(report: Report) -> Iterator[tuple[str, str, float]]:
    for key, (name, help_) in COUNTERS.items():
        yield name, help_, report.counts.get(key, 0)


def _gauges(report: Report) -> Iterator[tuple[str, str, Value]]:
    yield "healthy", "1 while /health answers 200.", report.is_healthy
    yield "standby", "1 while another instance writes and this one stands by.", report.status == "standby"
    yield "open_gaps", "Candles missing from the log that are asked for again and again.", report.open_gaps
    yield "pending_instants", "Instants whose boundaries are being assembled.", report.pending_instants
    yield "buffered_writes", "Writes that wait for Redis.", report.buffered
    yield "symbols", "Symbols followed.", report.symbols
    yield "connections_open", "Connections that are open.", report.connections_open
    yield "connections_wanted", "Connections there should be.", report.connections_wanted
    yield "backfill_done", "Series that are whole, of those this run looks at before it is live.", report.backfill_done
    yield "backfill_wanted", "Series this run looks at before it is live.", report.backfill_total
    yield "clock_offset_seconds", "The venue's clock less ours.", _seconds(report.clock_offset_ms)
    yield "last_write_timestamp_seconds", "When Redis last acknowledged a write.", _seconds(report.last_write_ms)


def _redis_counts(report: Report) -> Iterator[tuple[str, str, float]]:
    if (redis := report.redis) is not None:
        yield "redis_commands", "Commands sent to Redis.", redis.commands
        yield "redis_sent_bytes", "Bytes of requests sent to Redis.", redis.bytes_sent
        yield "redis_received_bytes", "Bytes of answers received from Redis.", redis.bytes_received


def _redis_gauges(report: Report) -> Iterator[tuple[str, str, Value]]:
    redis = report.redis
    if redis is None:
        return
    used = redis.month.used if redis.month else None
    foretold = redis.projected
    which = "this UTC month by all collectors of this Redis."
    yield "redis_month_commands", f"Commands sent {which}", used.commands if used else None
    yield "redis_month_bytes", f"Bytes sent and received {which}", used.bytes if used else None
    yield (
        "redis_projected_commands",
        "Commands the month comes to at this rate.",
        foretold.commands if foretold else None,
    )
    yield "redis_projected_bytes", "Bytes the month comes to at this rate.", foretold.bytes if foretold else None
    yield "redis_plan_commands", "Commands a month in the plan.", redis.plan.commands
    yield "redis_plan_bytes", "Bytes a month in the plan.", redis.plan.bytes


def _data_age(report: Report) -> Metric:
    ages = GaugeMetricFamily(
        f"{PREFIX}_data_age_seconds",
        "The market's time since the newest close in the log.",
        labels=["venue", "timeframe"],
    )
    for timeframe in report.timeframes:
        if (age_ms := report.age_ms(timeframe)) is not None:
            ages.add_metric([report.venue, str(timeframe)], age_ms / 1_000)
    return ages


def _seconds(time_ms: int | None) -> Value:
    return None if time_ms is None else time_ms / 1_000
