"""One entrypoint serves queues, HTTP, schedules and direct calls, and answers each error as its reaction needs."""

import base64
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from shared.domain.agent_settings import NoSettings
from shared.domain.agents import AgentState, Autonomy, Memory
from shared.domain.errors import ConflictError, FatalError, InvalidMessageError, NotFoundError, TransientError
from shared.domain.signing import sign
from shared.messages import BoundaryClosed, CronTick, Message, TriggerRequest
from shared.runtime.agent_config import SPECS
from shared.runtime.config import Settings
from shared.runtime.entrypoint import MAX_BODY_BYTES, LambdaHandler, entrypoint
from shared.runtime.metrics import MEASURED
from shared.runtime.wiring import Deps
from shared.usecases.agent_specs import AgentSpec, Errand
from shared.usecases.clearance import REMEMBERED_MS, Clearances
from tests.fakes.agents import MemoryAgentStore
from tests.fakes.clock import ManualClock
from tests.fakes.queue import MemoryQueue

BOUNDARY = {"venue": "binance", "timeframe": "1m", "close_time": 1_640_995_260_000, "correlation_id": "abcdef123456"}
SECRETS = {"TRIGGER_SECRET": "trigger-secret", "SERVICE_SECRET": "service-secret"}


class Acted(Message):
    """What the function under test did."""

    did: str
    numbers: tuple[int, ...] = (1, 2)
    price: float = 2.5

    def memories(self) -> list[Memory]:
        """Return what is remembered of it."""
        return [Memory(event_type="did", data={"what": self.did})]


class Seen(Message):
    """What the function under test was called with."""

    what: str


def make_deps(variables: dict[str, str] = SECRETS) -> Deps:
    deps = Deps(Settings.from_env(variables))
    deps.agents = MemoryAgentStore()
    deps.dead_letters = MemoryQueue()
    return deps


def handler_of(failure: Exception | None = None, service: str = "test") -> LambdaHandler:
    @entrypoint(TriggerRequest, service=service, agent="test-agent")
    def handle(event: BoundaryClosed | CronTick, deps: Deps) -> Seen:
        if failure is not None:
            raise failure
        return Seen(what=type(event).__name__)

    return handle


def request(payload: Any, headers: dict[str, str] | None = None) -> dict[str, Any]:
    body = payload if isinstance(payload, str) else json.dumps(payload)
    if headers is None:
        headers = sign(SECRETS["TRIGGER_SECRET"], timestamp_ms=time.time_ns() // 1_000_000, body=body)
    return {"requestContext": {}, "headers": {k.title(): v for k, v in headers.items()}, "body": body}


def batch(*payloads: Any) -> dict[str, Any]:
    records = [{"messageId": f"m{n}", "body": json.dumps(payload)} for n, payload in enumerate(payloads)]
    return {"Records": records}


def test_a_signed_request_is_answered_with_the_result() -> None:
    answer = handler_of()(request(BOUNDARY), None, deps=make_deps())
    assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"what": "BoundaryClosed"})


def test_a_base64_body_is_the_same_body() -> None:
    event = request(BOUNDARY)
    event |= {"body": base64.b64encode(event["body"].encode()).decode(), "isBase64Encoded": True}
    assert handler_of()(event, None, deps=make_deps())["statusCode"] == 200


def test_the_service_secret_opens_the_same_door() -> None:
    event = request({"trigger": "cron"}, {"authorization": "Bearer service-secret"})
    assert json.loads(handler_of()(event, None, deps=make_deps())["body"]) == {"what": "CronTick"}


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({}, "Bearer"),
        ({"authorization": "Bearer wrong"}, "service secret"),
        (sign("wrong", timestamp_ms=time.time_ns() // 1_000_000, body=json.dumps(BOUNDARY)), "wrong signature"),
        (sign("trigger-secret", timestamp_ms=1, body=json.dumps(BOUNDARY)), "stale"),
    ],
)
def test_an_unproved_machine_is_refused(headers: dict[str, str], why: str) -> None:
    answer = handler_of()(request(BOUNDARY, headers), None, deps=make_deps())
    assert answer["statusCode"] == 401
    assert answer["headers"]["content-type"] == "application/problem+json"
    assert why in json.loads(answer["body"])["detail"]


def test_while_secrets_are_rotated_the_one_before_opens_too_and_then_no_longer() -> None:
    new = {"TRIGGER_SECRET": "trigger-new", "SERVICE_SECRET": "service-new"}
    both = new | {f"{name}_PREVIOUS": secret for name, secret in SECRETS.items()}

    def status(variables: dict[str, str], *, trigger: str = "", service: str = "", at_ms: int = 0) -> tuple[int, str]:
        deps = make_deps(variables)
        at_ms = at_ms or time.time_ns() // 1_000_000
        signed = sign(trigger, timestamp_ms=at_ms, body=json.dumps(BOUNDARY))
        headers = signed if trigger else {"authorization": f"Bearer {service}"}
        answer = handler_of()(request(BOUNDARY, headers), None, deps=deps)
        return answer["statusCode"], json.loads(answer["body"]).get("detail", "")

    for trigger in ("trigger-secret", "trigger-new"):
        assert status(both, trigger=trigger)[0] == 200
    for service in ("service-secret", "service-new"):
        assert status(both, service=service)[0] == 200
    refused, why = status(both, trigger="trigger-new", at_ms=1)
    assert (refused, "stale" in why) == (401, True)
    assert status(both, trigger="another")[0] == status(both, service="another")[0] == 401
    assert status(new, trigger="trigger-secret")[0] == status(new, service="service-secret")[0] == 401


@pytest.mark.parametrize("payload", ["{", "[" * 60_000, "x" * (MAX_BODY_BYTES + 1), {"timeframe": "1m"}, []])
def test_a_bad_body_is_a_400_that_names_what_is_wrong(payload: Any) -> None:
    answer = handler_of()(request(payload), None, deps=make_deps())
    assert answer["statusCode"] == 400
    assert json.loads(answer["body"])["errors"][0]["field"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidMessageError("close_time", "expected a boundary"), 400),
        (NotFoundError("no such trader"), 404),
        (ConflictError("changed meanwhile"), 409),
        (TransientError("busy", retry_after_s=7), 503),
        (ZeroDivisionError("a bug with a secret in its text"), 500),
    ],
)
def test_each_error_has_its_status(error: Exception, status: int) -> None:
    answer = handler_of(error)(request(BOUNDARY), None, deps=make_deps())
    body = json.loads(answer["body"])
    assert answer["statusCode"] == body["status"] == status
    assert answer["headers"].get("retry-after") == ("7" if status == 503 else None)
    assert ("secret" in body["detail"]) is False


def test_a_failed_message_is_retried_and_the_others_are_not() -> None:
    deps = make_deps()
    answer = handler_of(TransientError("busy"))(batch(BOUNDARY), None, deps=deps)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert handler_of()(batch(BOUNDARY, BOUNDARY), None, deps=deps) == {"batchItemFailures": []}


def test_a_message_that_can_never_succeed_goes_to_the_dead_letters_at_once() -> None:
    deps, wrong = make_deps(), BOUNDARY | {"timeframe": "7m"}
    assert handler_of()(batch(wrong, BOUNDARY), None, deps=deps) == {"batchItemFailures": []}
    assert isinstance(deps.dead_letters, MemoryQueue)
    assert [json.loads(body) for body in deps.dead_letters.bodies] == [wrong]


def test_a_message_is_kept_when_the_dead_letters_are_down() -> None:
    deps = make_deps()
    deps.dead_letters = MemoryQueue(broken=True)
    answer = handler_of()(batch({"timeframe": "7m"}), None, deps=deps)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}


def test_a_schedule_and_a_direct_call_need_no_signature() -> None:
    deps = make_deps()
    assert (
        handler_of()({"source": "aws.events", "detail-type": "Scheduled Event"}, None, deps=deps)["what"] == "CronTick"
    )
    assert handler_of()(BOUNDARY, None, deps=deps) == {"what": "BoundaryClosed"}
    with pytest.raises(TransientError):
        handler_of(TransientError("busy"))(BOUNDARY, None, deps=deps)


def test_every_invocation_beats_and_a_failing_one_says_why() -> None:
    deps = make_deps()
    handler_of()(BOUNDARY, None, deps=deps)
    assert deps.agents.get("test-agent").state is AgentState.ONLINE
    handler_of(TransientError("busy"))(batch(BOUNDARY), None, deps=deps)
    known = deps.agents.get("test-agent")
    assert (known.state, known.last_error) == (AgentState.DEGRADED, "TransientError: busy")
    assert {**known.last_run, "duration_ms": 0} == {"messages": 1, "failed": 1, "duration_ms": 0}
    for call in (BOUNDARY, {"source": "aws.events"}):
        with pytest.raises(ZeroDivisionError):
            handler_of(ZeroDivisionError("a bug"))(call, None, deps=deps)
    assert deps.agents.get("test-agent").last_error == "ZeroDivisionError: a bug"


def test_what_a_caller_got_wrong_is_no_failure_of_the_agent() -> None:
    deps = make_deps()
    handler_of()(request(BOUNDARY, {}), None, deps=deps)
    handler_of()(request({}), None, deps=deps)
    handler_of(ConflictError("changed meanwhile"))(request(BOUNDARY), None, deps=deps)
    assert deps.agents.heartbeats() == {}
    handler_of(TransientError("busy"))(request(BOUNDARY), None, deps=deps)
    assert deps.agents.get("test-agent").state is AgentState.DEGRADED


def test_a_paused_agent_does_nothing_says_why_and_beats() -> None:
    deps = make_deps()
    deps.agents.beat("test-agent", version="1", run={"messages": 7})
    deps.agents.pause("test-agent", actor="ann", reason="looks wrong")
    handler, why = handler_of(ZeroDivisionError("it ran")), {"skipped": "paused by ann: looks wrong"}
    assert handler(batch(BOUNDARY, BOUNDARY), None, deps=deps) == {"batchItemFailures": []}
    assert json.loads(handler(request(BOUNDARY), None, deps=deps)["body"]) == why
    assert handler({"source": "aws.events"}, None, deps=deps) == why
    assert handler(BOUNDARY, None, deps=deps) == why
    known = deps.agents.get("test-agent")
    assert (known.state, known.last_run, known.last_error) == (AgentState.PAUSED, {"messages": 7}, None)
    assert [each.memory.event_type for each in deps.agents.recall("test-agent")] == ["paused"]


def test_what_a_pause_must_not_stop_is_done_and_remembered() -> None:
    @entrypoint(TriggerRequest, service="test", agent="test-agent", while_paused=lambda _, __, why: Acted(did=why))
    def handle(event: BoundaryClosed | CronTick, deps: Deps) -> Acted:
        return Acted(did="all of it")

    deps = make_deps()
    deps.agents.pause("test-agent", actor="ann", reason="")
    assert handle(BOUNDARY, None, deps=deps) == {"did": "paused by ann", "numbers": [1, 2], "price": 2.5}
    assert deps.agents.recall("test-agent")[0].memory == Memory(event_type="did", data={"what": "paused by ann"})


def test_a_resumed_agent_runs_once_what_was_read_of_it_is_old() -> None:
    deps = make_deps()
    deps.wall_clock = clock = ManualClock()
    deps.agents.pause("test-agent", actor="ann", reason="")
    assert handler_of()(BOUNDARY, None, deps=deps) == {"skipped": "paused by ann"}
    deps.agents.resume("test-agent", actor="ann")
    assert handler_of()(BOUNDARY, None, deps=deps) == {"skipped": "paused by ann"}
    clock.advance(REMEMBERED_MS)
    assert handler_of()(BOUNDARY, None, deps=deps) == {"what": "BoundaryClosed"}


def test_an_agent_reads_how_it_stands_once_in_a_while_however_many_messages_there_are() -> None:
    deps = make_deps()
    deps.wall_clock = clock = ManualClock()
    handler_of()(batch(*[BOUNDARY] * 5), None, deps=deps)
    handler_of()(BOUNDARY, None, deps=deps)
    assert isinstance(deps.agents, MemoryAgentStore)
    assert deps.agents.reads == 1
    clock.advance(REMEMBERED_MS)
    handler_of()(BOUNDARY, None, deps=deps)
    assert deps.agents.reads == 2


def test_an_agent_that_cannot_know_whether_it_may_run_does_not() -> None:
    deps = make_deps()
    deps.agents = MemoryAgentStore(broken=True)
    handler = handler_of(ZeroDivisionError("it ran"))
    failed = [{"itemIdentifier": f"m{n}"} for n in range(3)]
    assert handler(batch(*[BOUNDARY] * 3), None, deps=deps) == {"batchItemFailures": failed}
    assert handler(request(BOUNDARY), None, deps=deps)["statusCode"] == 503
    with pytest.raises(TransientError, match="answers nothing"):
        handler(BOUNDARY, None, deps=deps)


def watched(deps: Deps, *, watchman: bool) -> Deps:
    """Register the agent under test."""
    errand = Errand(function="test", messages=lambda: TriggerRequest)
    spec = AgentSpec(
        settings=NoSettings, autonomies=(Autonomy.FULL,), capabilities=("look",), errand=errand,
        paused_means="nothing is looked at", watchman=watchman,
    )  # fmt: skip
    specs = {"test-agent": spec}
    deps.clearances = Clearances(
        directory=lambda: deps.agents, hasty=lambda: deps.agents, specs=specs, deployed={}, wall_clock=deps.wall_clock
    )
    return deps


def test_a_watchman_runs_on_when_it_cannot_be_read_whether_it_may() -> None:
    deps = make_deps()
    deps.agents = MemoryAgentStore(broken=True)
    assert handler_of()(BOUNDARY, None, deps=watched(deps, watchman=True)) == {"what": "BoundaryClosed"}
    with pytest.raises(TransientError):
        handler_of()(BOUNDARY, None, deps=watched(deps, watchman=False))


def test_a_watchman_is_paused_like_anybody() -> None:
    deps = watched(make_deps(), watchman=True)
    deps.agents.pause("test-agent", actor="ann", reason="")
    assert handler_of()(BOUNDARY, None, deps=deps) == {"skipped": "paused by ann"}


@pytest.mark.parametrize("settings", [{"enabled": "yes"}, {"autonomy": "semi"}, {"gone": 1}], ids=min)
def test_settings_that_mean_nothing_any_more_stop_all_but_a_watchman(settings: dict[str, Any]) -> None:
    deps = make_deps()
    deps.agents.configure("test-agent", settings, actor="ann")
    (name,) = settings
    with pytest.raises(FatalError, match=rf"test-agent\.{name}"):
        handler_of()(BOUNDARY, None, deps=watched(deps, watchman=False))
    event = batch(BOUNDARY)
    assert handler_of()(event, None, deps=deps) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert isinstance(deps.dead_letters, MemoryQueue)
    assert deps.dead_letters.bodies == []
    assert handler_of()(BOUNDARY, None, deps=watched(deps, watchman=True)) == {"what": "BoundaryClosed"}


def test_an_agent_that_is_not_enabled_does_nothing() -> None:
    deps = watched(make_deps(), watchman=False)
    deps.agents.configure("test-agent", {"enabled": False}, actor="ann")
    assert handler_of()(BOUNDARY, None, deps=deps) == {"skipped": "not enabled in its settings"}


def test_what_was_done_before_a_failure_is_remembered_with_it() -> None:
    @entrypoint(TriggerRequest, service="test", agent="test-agent")
    def handle(event: BoundaryClosed | CronTick, deps: Deps) -> Acted:
        if isinstance(event, CronTick):
            raise TransientError("busy")
        return Acted(did="one")

    deps = make_deps()
    handle(batch(BOUNDARY, {"trigger": "cron"}, BOUNDARY), None, deps=deps)
    known = deps.agents.get("test-agent")
    assert {**known.last_run, "duration_ms": 0} == {
        "messages": 3, "failed": 1, "duration_ms": 0, "numbers": 4, "price": 5.0,
    }  # fmt: skip
    assert {each.memory.event_type: each.memory.data for each in deps.agents.recall("test-agent")} == {
        "failed": {"error": "TransientError: busy"},
        "did": {"what": "one"},
    }


def test_a_run_whose_heartbeat_is_lost_is_still_answered(capsys: pytest.CaptureFixture[str]) -> None:
    deps = make_deps()
    known = deps.agents
    deps.clearances.of("test-agent")
    assert isinstance(known, MemoryAgentStore)
    known.broken = True
    assert handler_of(service="beat-test")(BOUNDARY, None, deps=deps) == {"what": "BoundaryClosed"}
    assert "the heartbeat was not recorded" in capsys.readouterr().out


def test_every_agent_of_the_functions_is_registered_and_every_registered_one_runs() -> None:
    functions = Path(__file__).parents[3] / "functions"
    named = {name for path in functions.glob("*.py") for name in re.findall(r'agent="([a-z-]+)"', path.read_text())}
    assert named == set(SPECS)


def test_a_log_line_carries_the_correlation_id(capsys: pytest.CaptureFixture[str]) -> None:
    handler_of(service="log-test")(batch(BOUNDARY), None, deps=make_deps())
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line.get("correlation_id") for line in lines] == ["abcdef123456", None]
    assert lines[-1]["message"] == MEASURED
