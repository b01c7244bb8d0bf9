"""The monitor as a function: who may call it, what is refused, what it answers, and that it beats."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from functions.scheduled_monitor import handler
from shared.domain.errors import FatalError
from shared.domain.monitoring import Occasion, Task
from shared.runtime.config import Settings
from shared.runtime.wiring import Deps
from tests.fakes.agents import MemoryAgentStore
from tests.usecases.monitor_in_memory import MonitorInMemory

SECRET = "a-service-secret"
SAMPLE = json.loads((Path(__file__).parents[1] / "events" / "scheduled-monitor.json").read_text())
CRON = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


class Watched(Deps):
    """The runtime's parts around a desk in memory."""

    def __init__(self, desk: MonitorInMemory) -> None:
        super().__init__(Settings.from_env({"SERVICE_SECRET": SECRET}))
        self.monitor_desk, self.hasty_agents = desk.desk, MemoryAgentStore(desk.database)


@pytest.fixture
def desk() -> MonitorInMemory:
    return MonitorInMemory()


def post(desk: MonitorInMemory, body: object, *, secret: str = SECRET) -> tuple[int, Any]:
    text = body if isinstance(body, str) else json.dumps(body)
    event = SAMPLE | {"body": text, "headers": {"authorization": f"Bearer {secret}"}}
    answer = handler(event, None, deps=Watched(desk))
    return answer["statusCode"], json.loads(answer["body"])


def test_everything_is_looked_at_for_the_clock_and_for_whoever_asks(desk: MonitorInMemory) -> None:
    scheduled = handler(CRON, None, deps=Watched(desk))
    assert [each["task"] for each in scheduled["results"]] == list(Task)
    assert desk.database.agents.keys() == {"ops-agent"}
    for body in ({"task": "all"}, {"trigger": "cron"}):
        status, answer = post(desk, body)
        assert status == 200
        assert answer["success"] is True
        assert len(answer["results"]) == len(Task)


def test_one_task_is_looked_at_by_name(desk: MonitorInMemory) -> None:
    status, answer = post(desk, {"task": "agent_health"})
    assert status == 200
    assert [each["task"] for each in answer["results"]] == ["agent_health"]


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"task": "everything"}, "task", "expected one of all, kill_switch, exchange_health"),
        ({"task": 5}, "task", "expected a text"),
        ({"task": ["all"]}, "task", "expected a text"),
        ({}, "task", "missing"),
        ({"task": "all", "tusk": 1}, "tusk", "unknown"),
        ("", "body", "JSON"),
        ("[]", "body", "names with values"),
    ],
    ids=["unknown", "number", "list", "nothing", "more", "empty", "array"],
)
def test_what_is_not_understood_is_refused_with_its_field(
    desk: MonitorInMemory, body: object, field: str, said: str
) -> None:
    status, problem = post(desk, body)
    assert status == 400
    assert problem["errors"][0]["field"] == field
    assert said in problem["errors"][0]["problem"]
    assert not desk.store.tables.runs


def test_nobody_without_the_secret_runs_it(desk: MonitorInMemory) -> None:
    status, _ = post(desk, {"task": "all"}, secret="another")
    assert status == 401
    signed = SAMPLE | {"body": base64.b64encode(b"{}").decode(), "isBase64Encoded": True, "headers": {}}
    assert handler(signed, None, deps=Watched(desk))["statusCode"] == 401
    assert not desk.store.tables.runs


def test_a_desk_without_settings_fails_task_by_task_not_as_a_whole() -> None:
    env = {"SUPABASE_URL": "http://127.0.0.1:9", "SUPABASE_SERVICE_ROLE_KEY": "k"}
    checks = Deps(Settings.from_env(env))._checks()
    assert set(checks) == set(Task)
    for task, variable in ((Task.EXECUTIONS, "EXECUTIONS_QUEUE_URL"), (Task.MARKET_DATA, "UPSTASH_REDIS_REST_URL")):
        with pytest.raises(FatalError, match=variable):
            checks[task](Occasion(now_ms=1))
