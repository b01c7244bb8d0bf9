"""What the desk measures of itself: one table says which field of which answer is which metric, in which unit.

Functions know nothing of it: the entrypoint holds every answer against the table and writes what it finds as one line
of the log. CloudWatch bills every metric it is told, so it is told those that an alarm reads, and the others where
somebody asks for them. docs/operations/observability.md has the same table for people.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel

from shared.domain.trading.states import IntentState

if TYPE_CHECKING:
    from shared.messages import ShardResult
    from shared.monitor_messages import MonitorResult

NAMESPACE: Final = "nightdesk"
MONITOR: Final = "scheduled-monitor"
MEASURED: Final = "measured"
"""The `message` of a line that says what an invocation measured."""

Unit = Literal["Count", "Milliseconds"]
Value = Callable[[Any, int], float | None]
"""Reads a metric from an answer at an instant of market time (epoch ms); None where there is nothing to say."""


class Published(StrEnum):
    """Which metrics CloudWatch is told as such: those its alarms read, or all of them."""

    ALARMS = "alarms"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric: what it means to people, and where it is read from; `is_watched` when an alarm reads it.

    `answer` names the type it is read from, `asked` the message that led there when only that one counts: names, since
    a function has no use for the answers of the others. A metric without a `value` is written by the entrypoint about
    every invocation.
    """

    name: str
    unit: Unit
    means: str
    answer: str | None = None
    asked: str | None = None
    value: Value | None = None
    is_watched: bool = False


def field_of(name: str) -> Value:
    """Return what reads a number, or the size of a collection; nothing of something is not written."""

    def read(answer: Any, _now_ms: int) -> float | None:
        found = getattr(answer, name)
        return (found if isinstance(found, int | float) else len(found)) or None

    return read


def _lag(answer: ShardResult, now_ms: int) -> float | None:
    return None if answer.skipped else max(now_ms - answer.close_time, 0)


def _tasks_failed(answer: MonitorResult, _now_ms: int) -> float | None:
    return sum(not result.success for result in answer.results) or None


def _data_age(answer: MonitorResult, _now_ms: int) -> float | None:
    """Return the age of the newest candle of the venue that lags most (ms)."""
    from shared.domain.monitoring import Task  # noqa: PLC0415 - only the monitor answers so, and has it at hand

    looks = [result.details for result in answer.results if result.task is Task.MARKET_DATA and result.success]
    ages = [[age for age in venue["age_ms"].values() if age is not None] for look in looks for venue in look.values()]
    return max((min(known) for known in ages if known), default=None)


def _decided(state: IntentState) -> Value:
    return lambda answer, _now_ms: list(answer.decided.values()).count(state.value) or None


DURATION: Final = Metric(name="Duration", unit="Milliseconds", means="how long one invocation took")
FAILURES: Final = Metric(
    name="Failures", unit="Count", means="messages and requests that failed, 0 too; refusals of a caller are none"
)
COLD_STARTS: Final = Metric(name="ColdStarts", unit="Count", means="first invocations of a process")
MONITOR_RUNS: Final = Metric(
    name="MonitorRuns", unit="Count", means="runs of scheduled-monitor that came to an answer: its heartbeat",
    is_watched=True,
)  # fmt: skip

INVOCATION: Final = (DURATION, FAILURES, COLD_STARTS, MONITOR_RUNS)
ANSWERS: Final = (
    Metric(
        name="ShardsDispatched", unit="Count", means="shards sent to be evaluated", answer="Triggered",
        value=field_of("shards"),
    ),
    Metric(
        name="BoundariesRepaired", unit="Count", means="boundaries whose announcement was missed, claimed by the clock",
        answer="Swept", value=field_of("claimed"),
    ),
    Metric(
        name="RunsRedispatched", unit="Count", means="runs that were overdue or had failed, sent again", answer="Swept",
        value=field_of("redispatched"),
    ),
    Metric(
        name="BoundariesMissing", unit="Count", means="boundaries that are due and whose candles are not in the log",
        answer="Swept", value=field_of("missing"),
    ),
    Metric(
        name="BoundaryLag", unit="Milliseconds", means="from a close to its signals being stored, of the slowest shard",
        answer="ShardResult", asked="ShardDue", value=_lag,
    ),
    Metric(
        name="Evaluations", unit="Count", means="pairs of trader and symbol that were evaluated", answer="ShardResult",
        value=field_of("evaluations"),
    ),
    Metric(
        name="Signals", unit="Count", means="signals that were new", answer="ShardResult", value=field_of("signals")
    ),
    Metric(
        name="TraderErrors", unit="Count", means="traders that could not be evaluated", answer="ShardResult",
        value=field_of("errors"),
    ),
    *(
        Metric(
            name=f"Intents{state.value.title()}", unit="Count", means=f"intents that risk {said}", answer="RiskResult",
            value=_decided(state),
        )
        for state, said in (
            (IntentState.APPROVED, "approved"), (IntentState.MODIFIED, "approved with less"),
            (IntentState.DENIED, "denied"),
        )
    ),
    Metric(
        name="BreakersTripped", unit="Count", means="books whose breakers went off", answer="RiskResult",
        value=field_of("tripped"),
    ),
    Metric(
        name="RiskErrors", unit="Count", means="intents and books risk could not do anything about",
        answer="RiskResult", value=field_of("errors"),
    ),
    Metric(
        name="Orders", unit="Count", means="orders that were sent to a venue", answer="ExecutionResult",
        value=field_of("orders"),
    ),
    Metric(
        name="Fills", unit="Count", means="fills that were posted to the ledger", answer="ExecutionResult",
        value=field_of("fills"),
    ),
    Metric(
        name="Exits", unit="Count", means="positions that were left because their protection said so",
        answer="ExecutionResult", value=field_of("exits"),
    ),
    Metric(
        name="Differences", unit="Count", means="differences between the ledger and a venue that stay",
        answer="ExecutionResult", value=field_of("differences"),
    ),
    Metric(
        name="TasksFailed", unit="Count", means="tasks of the monitor that could not look", answer="MonitorResult",
        value=_tasks_failed,
    ),
    Metric(
        name="DataAge", unit="Milliseconds", means="age of the newest candle of the venue that lags most",
        answer="MonitorResult", value=_data_age, is_watched=True,
    ),
    Metric(
        name="NotificationsSent", unit="Count", means="deliveries that arrived", answer="NotifyResult",
        value=field_of("sent"),
    ),
    Metric(
        name="NotificationsFailed", unit="Count", means="deliveries that were given up", answer="NotifyResult",
        value=field_of("failed"),
    ),
    Metric(
        name="ExecutionErrors", unit="Count", means="intents and places execution could not do anything about",
        answer="ExecutionResult", value=field_of("errors"),
    ),
)  # fmt: skip
METRICS: Final[Mapping[str, Metric]] = {metric.name: metric for metric in (*INVOCATION, *ANSWERS)}


def added(found: Mapping[str, float], more: Mapping[str, float]) -> dict[str, float]:
    """Return what several answers of one invocation say: counts are added up, of times the longest is kept."""
    both = found.keys() & more.keys()
    told = {name: max if METRICS[name].unit == "Milliseconds" else operator.add for name in both}
    return {**found, **more, **{name: combine(found[name], more[name]) for name, combine in told.items()}}


def embedded(names: Iterable[str], published: Published, *, now_ms: int) -> dict[str, Any]:
    """Return what makes of a line one of CloudWatch's embedded metric format, nothing when none is to be published.

    The line has the metrics and the dimension `service` beside it; `now_ms` is epoch ms. Source: CloudWatch user guide,
    "Specification: Embedded metric format".
    """
    told = [METRICS[name] for name in names if published is Published.ALL or METRICS[name].is_watched]
    if not told:
        return {}
    metrics = [{"Name": metric.name, "Unit": metric.unit} for metric in told]
    directive = {"Namespace": NAMESPACE, "Dimensions": [["service"]], "Metrics": metrics}
    return {"_aws": {"Timestamp": now_ms, "CloudWatchMetrics": [directive]}}


def measured(asked: BaseModel, answer: BaseModel, *, now_ms: int) -> dict[str, float]:
    """Return what an answer says, by metric; `now_ms` is market time."""
    found = {
        metric.name: metric.value(answer, now_ms)
        for metric in ANSWERS
        if metric.value is not None
        and metric.answer == type(answer).__name__
        and metric.asked in {None, type(asked).__name__}
    }
    return {name: value for name, value in found.items() if value is not None}
