"""GET /api/metrics: everything at once, for operators; what cannot be read is null and says why."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from functions.api import app, handler
from shared.domain.alerts import Alert, Severity
from shared.domain.errors import TransientError
from shared.domain.monitoring import MonitorRun
from shared.domain.status import DeskStatus, Pulse, QueueDepth, Schema
from shared.domain.usage import MonthUsage, Usage, month_of, month_start
from shared.runtime.wiring import process_deps
from shared.usecases.metrics import cost_of
from tests.fakes.agents import MemoryAgentStore
from tests.fakes.alerts import MemoryAlertStore
from tests.fakes.monitor import MemoryMonitorStore, ran
from tests.fakes.status import MemoryDepths, MemoryUsage
from tests.functions.api_client import ALICE, Guards, call, event_loop
from tests.functions.trading_desk import OPERATOR, SECRET, TradingDeps, trade, trading_desk
from tests.usecases.trading_in_memory import SYMBOL, TradingInMemory

QUEUES = [
    QueueDepth(queue="executions", waiting=3, in_flight=1, delayed=0, dead=2),
    QueueDepth(queue="orders", waiting=0, in_flight=0, delayed=4, dead=None),
]


class NoDatabase:
    """A database that does not answer."""

    def pulse(self) -> Pulse:
        raise TransientError("the database cannot be reached", source="database")

    def status(self, *, limit: int) -> DeskStatus:
        raise TransientError("the database cannot be reached", source="database")

    def schema(self) -> Schema:
        raise TransientError("the database cannot be reached", source="database")


class NoMonitorRuns(MemoryMonitorStore):
    """The monitor's record in a database that does not answer."""

    def last_run(self) -> MonitorRun | None:
        raise TransientError("the database cannot be reached", source="database")


@pytest.fixture
def desk() -> TradingInMemory:
    return trading_desk()


@pytest.fixture
def deps(desk: TradingInMemory) -> Iterator[TradingDeps]:
    deps = TradingDeps(desk)
    deps.queue_depths = MemoryDepths(QUEUES)
    guards = Guards()
    app.dependency_overrides[process_deps] = lambda: guards.give(deps)
    yield deps
    app.dependency_overrides.clear()


def read(token: str | None = SECRET, **change: Any) -> dict[str, Any]:
    answer = call("GET", "/api/metrics", token=token, **change)
    assert answer.status == 200, answer.body
    body: dict[str, Any] = answer.body
    return body


def test_only_operators_and_the_machine_read_it(deps: TradingDeps) -> None:
    assert call("GET", "/api/metrics", user=None).status == 401
    assert call("GET", "/api/metrics", user=ALICE).status == 403
    assert call("GET", "/api/metrics", user=OPERATOR).status == 200
    assert call("GET", "/api/metrics", token=SECRET).status == 200


def test_everything_is_there_at_once(deps: TradingDeps, desk: TradingInMemory) -> None:
    trade(desk, size_usd=4_000)
    MemoryAgentStore(desk.database).beat("ops-agent", version="0.1.0")
    ran(deps.monitor_runs, at_ms=desk.clock.now_ms())
    now_ms, month = desk.clock.now_ms(), month_of(desk.clock.now_ms())
    deps.redis_usage = MemoryUsage(
        {month: MonthUsage(month=month, since_ms=month_start(month), used=Usage(commands=600_000, bytes=7))}
    )
    MemoryAlertStore(desk.database).settle(
        ["x"],
        [Alert(dedupe_key="x", kind="test", severity=Severity.CRITICAL, sentence="it is wrong")],
        at_ms=now_ms,
    )
    told = read()
    assert told["unreadable"] == {}
    assert (told["timestamp"], told["trading_state"]) == (now_ms, "active")
    assert [agent["state"] for agent in told["agents"]] == ["online"]
    assert told["monitor"]["success"] is True
    assert {queue["queue"]: queue["dead"] for queue in told["queues"]} == {"executions": 2, "orders": None}
    assert (told["alerts"], told["open_alerts"][0]["sentence"]) == ({"critical": 1}, "it is wrong")
    (held,) = told["positions"]
    assert held["symbol"] == SYMBOL
    assert Decimal(held["unrealised"]) == Decimal(held["qty"]) * (Decimal(held["mark"]) - Decimal(held["entry_price"]))
    assert told["open_positions"] == 1
    assert {venue["venue"] for venue in told["venues"]} == {"binance"}
    assert told["redis"]["commands"] == 600_000
    assert Decimal(told["redis"]["usd"]) == Decimal("1.2")
    assert {last["timeframe"] for last in told["boundaries"]} >= {"1m", "1h"}
    assert all(last["data_age_ms"] is not None for last in told["boundaries"])


def test_what_does_not_answer_takes_nothing_from_the_rest(deps: TradingDeps) -> None:
    deps.queue_depths, deps.redis_usage = MemoryDepths(broken=True), MemoryUsage(broken=True)
    told = read()
    assert (told["queues"], told["redis"], told["trading_state"]) == (None, None, "active")
    assert sorted(told["unreadable"]) == ["queues", "redis"]
    deps.queue_depths, deps.status_reads = MemoryDepths(QUEUES), NoDatabase()
    deps.monitor_runs = NoMonitorRuns(deps.desk.database)
    del deps.__dict__["metrics_desk"]
    told = read()
    assert (told["agents"], told["alerts"], told["trading_state"], told["positions"]) == (None, None, None, None)
    assert sorted(told["unreadable"]) == ["database", "monitor", "redis"]
    assert len(told["queues"]) == 2


def test_prometheus_reads_the_same(deps: TradingDeps, desk: TradingInMemory) -> None:
    trade(desk, size_usd=4_000)
    MemoryAgentStore(desk.database).beat("strategy-agent", version="0.1.0")
    headers = {
        "accept": "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
        "authorization": f"Bearer {SECRET}",
        "host": "desk.test",
    }
    event = {
        "version": "2.0", "routeKey": "ANY /api/{proxy+}", "rawPath": "/api/metrics", "rawQueryString": "",
        "headers": headers, "isBase64Encoded": False,
        "requestContext": {"http": {"method": "GET", "path": "/api/metrics", "protocol": "HTTP/1.1",
                                    "sourceIp": "127.0.0.1"}, "stage": "$default"},
    }  # fmt: skip
    with event_loop():
        answer = handler(event, None)
    assert answer["headers"]["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = {family.name: family for family in text_string_to_metric_families(answer["body"])}
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families.values()
        for sample in family.samples
    }
    assert samples["nightdesk_queue_messages", ("queue", "executions"), ("state", "dead")] == 2
    assert ("nightdesk_queue_messages", ("queue", "orders"), ("state", "dead")) not in samples
    assert samples["nightdesk_agent_online", ("agent", "strategy-agent")] == 1
    assert samples["nightdesk_open_positions",] == read()["open_positions"] == 1
    assert samples["nightdesk_open_alerts", ("severity", "critical")] == 0
    assert samples["nightdesk_up", ("part", "queues")] == 1
    assert all(family.type == "gauge" and family.documentation for family in families.values())


def test_a_month_costs_nothing_within_the_free_plan_and_every_command_beyond_it() -> None:
    start = month_start("2026-11")
    half = start + 15 * 86_400_000
    small = cost_of(MonthUsage(month="2026-11", since_ms=start, used=Usage(commands=300_000)), now_ms=half)
    assert (small.usd, small.projected_usd) == (Decimal(0), Decimal("1.2"))
    early = cost_of(MonthUsage(month="2026-11", since_ms=start, used=Usage(commands=700_000)), now_ms=start + 1)
    assert (early.usd, early.projected_usd) == (Decimal("1.4"), None)
