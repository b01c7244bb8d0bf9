"""Every invocation writes one line of what it measured, from one table; CloudWatch is told what it is to keep of it."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from typing import Annotated, Any, Final, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from desk.metrics_reference import PAGE, with_table
from shared.domain.errors import FatalError, NotFoundError, TransientError
from shared.domain.monitoring import Task
from shared.domain.timeframe import Timeframe
from shared.messages import BoundaryClosed, Message, RunTrader, ShardDue, ShardResult, Swept, Triggered
from shared.monitor_messages import MonitorResult, RunMonitor, TaskResult
from shared.notification_messages import NotifyResult
from shared.runtime.config import Settings
from shared.runtime.metrics import ANSWERS, MEASURED, METRICS, NAMESPACE, Published, measured
from shared.runtime.telemetry import invocation, is_traced, measured_http
from shared.trading_messages import ExecutionResult, RiskResult
from tests.unit.runtime.test_entrypoint import BOUNDARY, SECRETS, batch, handler_of, make_deps, request

CLOSE: Final = 1_640_995_260_000
ROOT: Final = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8"
SHARD = ShardDue(
    venue="binance", timeframe=Timeframe.M1, close_time=CLOSE, shard=0, shards=1, correlation_id="abcdef123456"
)
SHARD_DONE = ShardResult(
    venue="binance", timeframe=Timeframe.M1, close_time=CLOSE, traders=3, evaluations=600, signals=2,
    errors={"t": "broken"}, correlation_id="abcdef123456",
)  # fmt: skip


class Definition(BaseModel):
    """A MetricDefinition of CloudWatch's embedded metric format, of those units the desk uses."""

    model_config = ConfigDict(strict=True, extra="forbid")

    Name: Annotated[str, Field(min_length=1, max_length=1_024)]
    Unit: Literal["Count", "Milliseconds"]
    StorageResolution: Literal[1, 60] = 60


class Directive(BaseModel):
    """A MetricDirective."""

    model_config = ConfigDict(strict=True, extra="forbid")

    Namespace: Annotated[str, Field(min_length=1, max_length=1_024)]
    Dimensions: Annotated[
        list[Annotated[list[Annotated[str, Field(min_length=1, max_length=250)]], Field(min_length=1, max_length=30)]],
        Field(min_length=1),
    ]
    Metrics: Annotated[list[Definition], Field(min_length=1, max_length=100)]


class Metadata(BaseModel):
    """The metadata object. Source: CloudWatch user guide, "Specification: Embedded metric format", its schema."""

    model_config = ConfigDict(strict=True, extra="forbid")

    Timestamp: Annotated[int, Field(gt=1_600_000_000_000)]
    CloudWatchMetrics: Annotated[list[Directive], Field(min_length=1)]


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return the lines of what was measured."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in lines if line["message"] == MEASURED]


def published(line: dict[str, Any]) -> set[str]:
    """Return which metrics CloudWatch takes from a line, which is one its format allows."""
    if "_aws" not in line:
        return set()
    (directive,) = Metadata.model_validate(line["_aws"]).CloudWatchMetrics
    assert (directive.Namespace, directive.Dimensions) == (NAMESPACE, [["service"]])
    assert isinstance(line["service"], str)  # a target member of each dimension is a text, of each metric a number
    assert all(isinstance(line[metric.Name], int | float) for metric in directive.Metrics)
    assert all(metric.Unit == METRICS[metric.Name].unit for metric in directive.Metrics)
    return {metric.Name for metric in directive.Metrics}


def test_an_invocation_is_one_line_however_many_messages_it_had(capsys: pytest.CaptureFixture[str]) -> None:
    handler = handler_of(service="metrics-of-a-batch")
    handler(batch(BOUNDARY, BOUNDARY), None, deps=make_deps())
    handler(batch(BOUNDARY), None, deps=make_deps())
    first, second = written(capsys)
    assert (first["ColdStarts"], "ColdStarts" in second) == (1, False)
    assert first["Failures"] == second["Failures"] == 0
    assert first["Duration"] > 0
    assert first["service"] == "metrics-of-a-batch"


def test_answers_of_one_invocation_add_up_and_the_slowest_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with invocation("execute-trader", "r1", Published.ALL) as run:
        run.answered(SHARD, SHARD_DONE, now_ms=CLOSE + 3_000)
        run.answered(SHARD, SHARD_DONE.model_copy(update={"errors": {}}), now_ms=CLOSE + 2_000)
    (line,) = written(capsys)
    assert (line["Evaluations"], line["Signals"], line["TraderErrors"], line["BoundaryLag"]) == (1_200, 4, 1, 3_000)


MONITORED = MonitorResult(
    success=True, run_id="r", timestamp=CLOSE, total_duration_ms=1.0,
    results=[TaskResult(task=Task.MARKET_DATA, success=True, checked=1, duration_ms=1.0,
                        details={"binance": {"age_ms": {"1m": 65_000}, "open_gaps": 0}})],
)  # fmt: skip


def test_cloudwatch_is_told_what_alarms_read_and_the_log_has_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    with invocation("scheduled-monitor", "r1", Published.ALARMS) as run:
        run.answered(RunMonitor(task="all"), MONITORED, now_ms=CLOSE)
    with invocation("execute-trader", "r2", Published.ALARMS) as run:
        run.answered(SHARD, SHARD_DONE, now_ms=CLOSE)
    monitor, trader = written(capsys)
    assert published(monitor) == {metric.name for metric in METRICS.values() if metric.is_watched}
    assert monitor["_aws"]["Timestamp"] == pytest.approx(time.time() * 1_000, abs=60_000)
    assert (published(trader), trader["Signals"], trader["Failures"]) == (set(), 2, 0)


def test_whoever_asks_for_all_metrics_has_cloudwatch_told_all(capsys: pytest.CaptureFixture[str]) -> None:
    handler_of(service="told")(BOUNDARY, None, deps=make_deps(SECRETS | {"METRICS_PUBLISHED": "all"}))
    with invocation("execute-trader", "r2", Published.ALL) as run:
        run.answered(SHARD, SHARD_DONE, now_ms=CLOSE)
    first, second = written(capsys)
    assert published(first) == {"Duration", "Failures", "ColdStarts"}
    assert published(second) >= {"Duration", "Failures", "BoundaryLag", "Evaluations", "Signals", "TraderErrors"}


def test_a_word_nobody_knows_is_refused_by_name() -> None:
    with pytest.raises(FatalError, match="METRICS_PUBLISHED: expected 'alarms' or 'all'"):
        Settings.from_env({"METRICS_PUBLISHED": "none"})


def test_failures_are_counted_and_refusals_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    deps, wrong = make_deps(), BOUNDARY | {"timeframe": "7m"}
    handler_of(TransientError("busy"))(batch(BOUNDARY, wrong), None, deps=deps)
    handler_of(NotFoundError("no such trader"))(request(BOUNDARY), None, deps=deps)
    handler_of(TransientError("busy"))(request(BOUNDARY), None, deps=deps)
    with pytest.raises(TransientError):
        handler_of(TransientError("busy"))(BOUNDARY, None, deps=deps)
    assert [line["Failures"] for line in written(capsys)] == [2, 0, 1, 1]


def test_the_monitor_beats_only_when_it_came_to_an_answer(capsys: pytest.CaptureFixture[str]) -> None:
    deps = make_deps()
    handler_of(service="scheduled-monitor")(BOUNDARY, None, deps=deps)
    handler_of(service="other")(BOUNDARY, None, deps=deps)
    with pytest.raises(TransientError):
        handler_of(TransientError("busy"), service="scheduled-monitor")(BOUNDARY, None, deps=deps)
    assert [line.get("MonitorRuns") for line in written(capsys)] == [1, None, None]


def test_http_answers_of_500_and_above_are_failures(capsys: pytest.CaptureFixture[str]) -> None:
    for status in (200, 404, 503):
        measured_http(lambda event, _context: {"statusCode": event}, service="api")(status, None)
    assert [line["Failures"] for line in written(capsys)] == [0, 0, 1]


@pytest.mark.parametrize(
    ("asked", "answer", "found"),
    [
        (SHARD, SHARD_DONE, {"BoundaryLag": 1_234, "Evaluations": 600, "Signals": 2, "TraderErrors": 1}),
        (
            RunTrader(trader_id="7b1f6a52-0f7e-5b38-9d5c-1d2f3a4b5c6d"),
            SHARD_DONE,
            {"Evaluations": 600, "Signals": 2, "TraderErrors": 1},
        ),
        (SHARD, SHARD_DONE.model_copy(update={"skipped": "before", "evaluations": 0, "signals": 0, "errors": {}}), {}),
        (SHARD, RiskResult(decided={"a": "approved", "b": "denied", "c": "denied", "d": "decided before"}),
         {"IntentsApproved": 1, "IntentsDenied": 2}),
        (SHARD, RiskResult(decided={"a": "modified"}, tripped={"b": ["loss"]}, errors={"c": "x"}),
         {"IntentsModified": 1, "BreakersTripped": 1, "RiskErrors": 1}),
        (SHARD, ExecutionResult(orders=3, fills=5, exits=["i"], differences=["x", "y"], errors={"z": "w"}),
         {"Orders": 3, "Fills": 5, "Exits": 1, "Differences": 2, "ExecutionErrors": 1}),
        (SHARD, Triggered(venue="binance", timeframe=Timeframe.M1, close_time=CLOSE, claimed=True, shards=4,
                          correlation_id="abcdef123456"), {"ShardsDispatched": 4}),
        (SHARD, Swept(claimed=[], redispatched=7, missing=[BoundaryClosed.model_validate(BOUNDARY)]),
         {"RunsRedispatched": 7, "BoundariesMissing": 1}),
    ],
)  # fmt: skip
def test_the_table_reads_answers(asked: Message, answer: Message, found: dict[str, float]) -> None:
    assert measured(asked, answer, now_ms=CLOSE + 1_234) == found


def looked(task: Task, *, success: bool = True, **details: object) -> TaskResult:
    return TaskResult(task=task, success=success, checked=1, details=details, duration_ms=1.0)


def monitored(*results: TaskResult) -> dict[str, float]:
    answer = MonitorResult(success=True, run_id="r", timestamp=CLOSE, total_duration_ms=1.0, results=[*results])
    return measured(RunMonitor(task="all"), answer, now_ms=CLOSE)


def test_data_is_as_old_as_the_newest_candle_of_the_venue_that_lags_most() -> None:
    brisk = {"age_ms": {"1m": 20_000, "1h": 900_000}, "open_gaps": 0}
    lagging = {"age_ms": {"1m": 65_000, "1h": None}, "open_gaps": 2}
    blank = {"age_ms": {"1m": None}, "open_gaps": None}
    data = looked(Task.MARKET_DATA, binance=brisk, kraken=lagging, okx=blank)
    assert monitored(data) == {"DataAge": 65_000}
    assert monitored(data.model_copy(update={"success": False})) == {"TasksFailed": 1}
    assert monitored(looked(Task.MARKET_DATA, okx=blank)) == monitored(looked(Task.MARKET_DATA)) == {}


def test_tasks_that_failed_are_counted_whatever_they_found() -> None:
    failed = [looked(task, success=False) for task in (Task.SIGNALS, Task.QUOTAS)]
    assert monitored(*failed, looked(Task.RETENTION)) == {"TasksFailed": 2}


def test_the_table_names_fields_that_are_there_and_every_metric_once() -> None:
    assert len(METRICS) == len({metric.name for metric in METRICS.values()})
    names = [metric.name for metric in ANSWERS]
    assert len(set(names)) == len(names)
    answers: tuple[BaseModel, ...] = (
        Triggered(
            venue="v1", timeframe=Timeframe.M1, close_time=CLOSE, claimed=False, shards=0, correlation_id="abcdef123456"
        ),
        Swept(claimed=[], redispatched=0, missing=[]),
        SHARD_DONE,
        RiskResult(),
        ExecutionResult(),
        MonitorResult(success=True, run_id="r", timestamp=CLOSE, total_duration_ms=1.0, results=[]),
        NotifyResult(),
    )
    blank = {type(answer).__name__: answer for answer in answers}
    for metric in ANSWERS:
        assert metric.value is not None
        assert metric.answer is not None
        metric.value(blank[metric.answer], CLOSE)
    assert {metric.asked for metric in ANSWERS} == {None, ShardDue.__name__}


@pytest.mark.parametrize(
    ("env", "traced"),
    [
        ({}, False),
        ({"TRACING": "Active", "_X_AMZN_TRACE_ID": f"{ROOT};Sampled=1"}, True),
        ({"TRACING": "Active", "_X_AMZN_TRACE_ID": f"{ROOT};Sampled=0"}, False),
        ({"TRACING": "PassThrough", "_X_AMZN_TRACE_ID": f"{ROOT};Sampled=1"}, False),
    ],
)
def test_only_a_sampled_invocation_of_a_traced_function_is_traced(env: dict[str, str], traced: bool) -> None:
    assert is_traced(env) is traced


TRACED = """
import sys
from shared.runtime.metrics import Published
from shared.runtime.telemetry import invocation
assert "aws_xray_sdk" not in sys.modules
with invocation("traced", "r1", Published.ALARMS):
    assert ("aws_xray_sdk.core" in sys.modules) is (sys.argv[1] == "1")
"""


@pytest.mark.parametrize("sampled", ["1", "0"])
def test_a_trace_reaches_the_daemon_and_costs_nothing_where_nobody_samples(sampled: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(20)
        env = {
            "LAMBDA_TASK_ROOT": "/var/task",
            "TRACING": "Active",
            "_X_AMZN_TRACE_ID": f"{ROOT};Sampled={sampled}",
            "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{daemon.getsockname()[1]}",
            "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        }
        subprocess.run([sys.executable, "-c", TRACED, sampled], env={**os.environ, **env}, check=True, timeout=60)
        daemon.settimeout(20 if sampled == "1" else 0.2)
        if sampled == "0":
            with pytest.raises(TimeoutError):
                daemon.recv(65_536)
            return
        _header, _, segment = daemon.recv(65_536).partition(b"\n")
    sent = json.loads(segment)
    assert (sent["name"], sent["trace_id"]) == ("## traced", "1-5759e988-bd862e3fe1be46a994272793")


def test_what_is_interrupted_is_a_failure_and_still_measured(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), invocation("broken", "r1", Published.ALARMS):
        raise ZeroDivisionError
    (line,) = written(capsys)
    assert (line["Failures"], line["request_id"]) == (1, "r1")


def test_the_page_for_people_has_the_same_table() -> None:
    page = PAGE.read_text()
    assert with_table(page) == page, "write it anew: python -m desk.metrics_reference"
    assert all(f"| `{name}` |" in page for name in METRICS)


WORDS: Final = {"and", "as", "by", "count", "desc", "fields", "filter", "ispresent", "limit", "max", "pct", "sort",
                "stats", "sum"}  # fmt: skip
"""What the page's queries use of Logs Insights' language."""


def test_the_queries_of_the_page_ask_for_fields_that_lines_have(capsys: pytest.CaptureFixture[str]) -> None:
    handler_of()(BOUNDARY, None, deps=make_deps())
    (line,) = written(capsys)
    queries = re.findall(r"```text\n(filter .*?)```", PAGE.read_text(), re.DOTALL)
    assert len(queries) == 3
    for query in queries:
        assert 'message = "measured"' in query
        bare = re.sub(r'"[^"]*"|as \w+|bin\(\w+\)|@timestamp', "", query)
        assert set(re.findall(r"[A-Za-z_]+", bare)) - WORDS <= METRICS.keys() | line.keys()
    assert line["message"] == "measured"
