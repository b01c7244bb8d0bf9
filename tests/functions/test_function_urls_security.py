"""Every address of a function that machines call, tried without proof, with stale and with forged ones."""

import json
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from desk.lambda_host.spec import read_spec
from desk.local.process import PROJECT
from shared.domain.audit import ActorKind, AuditEvent, AuditOutcome
from shared.domain.errors import FatalError
from shared.domain.signing import MAX_AGE_MS, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign
from shared.runtime.auditing import STRANGERS_PER_MINUTE, event_of_machine
from shared.runtime.config import Settings
from shared.runtime.wiring import Deps
from tests.architecture.packaging import VARIABLES
from tests.fakes.agents import MemoryAgentStore
from tests.fakes.audit import MemoryAuditLog

SPEC = read_spec(PROJECT / "serverless.yml", VARIABLES)
ADDRESSES = {
    f"{route.method} {route.path}": function.handler
    for function in SPEC.functions.values()
    for route in function.routes
    if route.path.startswith("/functions/")
}
SECRETS = {"TRIGGER_SECRET": "trigger-secret", "SERVICE_SECRET": "service-secret"}
BODY = json.dumps({"trigger": "cron"})
each_address = pytest.mark.parametrize("address", sorted(ADDRESSES))


class Untouchable(Deps):
    """A function's parts that fail the test when anything but the trail and the heartbeat is touched."""

    def __init__(self) -> None:
        super().__init__(Settings.from_env(SECRETS))
        self.audit, self.agents = MemoryAuditLog(), MemoryAgentStore()

    @property
    def events(self) -> list[AuditEvent]:
        assert isinstance(self.audit, MemoryAuditLog)
        return [row.event for row in self.audit.rows]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def request(address: str, headers: dict[str, str], body: str = BODY) -> dict[str, Any]:
    return {
        "routeKey": address,
        "headers": headers,
        "requestContext": {"http": {"sourceIp": "192.0.2.7", "method": "POST"}},
        "body": body,
    }


def call(address: str, event: dict[str, Any], deps: Deps) -> dict[str, Any]:
    answer: dict[str, Any] = import_module(ADDRESSES[address].rpartition(".")[0]).handler(event, None, deps=deps)
    return answer


FORGED: dict[str, Callable[[], dict[str, str]]] = {
    "no proof": dict,
    "expired signature": lambda: sign("trigger-secret", timestamp_ms=now_ms() - MAX_AGE_MS - 5_000, body=BODY),
    "signature of the future": lambda: sign("trigger-secret", timestamp_ms=now_ms() + MAX_AGE_MS + 5_000, body=BODY),
    "signed by another": lambda: sign("service-secret", timestamp_ms=now_ms(), body=BODY),
    "signed with nothing": lambda: sign("", timestamp_ms=now_ms(), body=BODY),
    "of another body": lambda: sign("trigger-secret", timestamp_ms=now_ms(), body='{"trigger":"cron" }'),
    "made younger": lambda: (
        sign("trigger-secret", timestamp_ms=now_ms() - 2 * MAX_AGE_MS, body=BODY)
        | {TIMESTAMP_HEADER: str(now_ms())}
    ),
    "without its time": lambda: {SIGNATURE_HEADER: sign("trigger-secret", timestamp_ms=0, body=BODY)[SIGNATURE_HEADER]},
    "time that is none": lambda: sign("trigger-secret", timestamp_ms=now_ms(), body=BODY) | {TIMESTAMP_HEADER: "now"},
    "empty signature beside the secret": lambda: {"authorization": "Bearer service-secret", SIGNATURE_HEADER: ""},
    "wrong secret": lambda: {"authorization": "Bearer service-secret-"},
    "the other secret": lambda: {"authorization": "Bearer trigger-secret"},
    "no secret": lambda: {"authorization": "Bearer "},
    "as a password": lambda: {"authorization": "Basic service-secret"},
}  # fmt: skip


def test_there_are_addresses_to_try() -> None:
    assert len(ADDRESSES) >= 3


@each_address
def test_a_machine_that_is_not_proved_is_refused_and_audited(address: str) -> None:
    deps = Untouchable()
    for what, headers in FORGED.items():
        answer = call(address, request(address, headers()), deps)
        assert answer["statusCode"] == 401, what
        event = deps.events[-1]
        assert (event.action, event.outcome, event.status) == (address, AuditOutcome.REFUSED, 401)
        assert (event.actor, event.actor_kind, event.address) == ("anonymous", ActorKind.MACHINE, "192.0.2.7")
        assert event.details["detail"]
    assert len(deps.events) == len(FORGED)
    touched = set(vars(deps)) & {
        "database",
        "dead_letters",
        "executions",
        "intents_queue",
        "orders_queue",
        "candle_log",
    }
    assert touched == set(), "nothing was as much as looked at"


@each_address
def test_a_flood_is_not_all_kept(address: str) -> None:
    deps = Untouchable()
    for _ in range(STRANGERS_PER_MINUTE + 20):
        call(address, request(address, {}), deps)
    assert STRANGERS_PER_MINUTE <= len(deps.events) <= STRANGERS_PER_MINUTE + 20
    assert deps.trail.strangers.passed_over + len(deps.events) == STRANGERS_PER_MINUTE + 20


@each_address
def test_a_refusal_stays_one_when_it_cannot_be_audited(address: str) -> None:
    deps = Deps(Settings.from_env(SECRETS))
    deps.agents = MemoryAgentStore()
    with pytest.raises(FatalError):
        deps.audit  # noqa: B018 - there is no database to keep a trail in
    assert call(address, request(address, {}), deps)["statusCode"] == 401


@pytest.mark.parametrize(
    ("headers", "body", "status", "kept"),
    [
        (sign("s", timestamp_ms=1, body="{}"), "{}", 200, None),
        (sign("s", timestamp_ms=1, body="{}"), "{}", 503, None),
        ({"Authorization": "Bearer s"}, '{"trigger": "cron"}', 200, None),
        ({"Authorization": "Bearer s"}, '{"task": "all"}', 200, None),
        ({"Authorization": "Bearer s"}, '{"task": "all"}', 503, AuditOutcome.FAILED),
        ({"Authorization": "Bearer s"}, '{"adopt_at": "binance"}', 200, AuditOutcome.OK),
        ({"Authorization": "Bearer s"}, "{", 400, AuditOutcome.REFUSED),
        ({"X-Nightdesk-Signature": "v1="}, "{}", 401, AuditOutcome.REFUSED),
    ],
)
def test_what_operators_ask_for_is_kept_and_the_desks_own_pulse_is_not(
    headers: dict[str, str], body: str, status: int, kept: AuditOutcome | None
) -> None:
    answer = {"statusCode": status, "body": json.dumps({"detail": "why"})}
    event = event_of_machine(request("POST /functions/v1/x", headers, body), answer, request_id="r")
    assert (event and event.outcome) == kept
