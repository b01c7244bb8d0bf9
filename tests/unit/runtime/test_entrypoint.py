"""One entrypoint serves queues, HTTP, schedules and direct calls, and answers each error as its reaction needs."""

import base64
import json
import time
from typing import Any

import pytest

from shared.domain.errors import ConflictError, InvalidMessageError, NotFoundError, TransientError
from shared.domain.signing import sign
from shared.messages import BoundaryClosed, CronTick, Message, TriggerRequest
from shared.runtime.config import Settings
from shared.runtime.entrypoint import MAX_BODY_BYTES, LambdaHandler, entrypoint
from shared.runtime.wiring import Deps
from tests.fakes.agents import MemoryAgentStore
from tests.fakes.queue import MemoryQueue

BOUNDARY = {"venue": "binance", "timeframe": "1m", "close_time": 1_640_995_260_000, "correlation_id": "abcdef123456"}
SECRETS = {"TRIGGER_SECRET": "trigger-secret", "SERVICE_SECRET": "service-secret"}


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
    handler_of(TransientError("busy"))(batch(BOUNDARY), None, deps=deps)
    assert isinstance(deps.agents, MemoryAgentStore)
    assert deps.agents.heartbeats()["test-agent"] > 0
    assert "busy" in (deps.agents.database.errors["test-agent"] or "")


def test_a_log_line_carries_the_correlation_id(capsys: pytest.CaptureFixture[str]) -> None:
    handler_of(service="log-test")(batch(BOUNDARY), None, deps=make_deps())
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["correlation_id"] for line in lines] == ["abcdef123456"]
