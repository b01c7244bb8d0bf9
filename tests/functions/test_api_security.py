"""Every endpoint that changes something, tried by everybody who may not: refused, audited, nothing changed.

The endpoints are read from the application: a new one that has no case here fails the first test.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest

from functions.api import app
from shared.domain.audit import ActorKind, AuditEvent, AuditOutcome
from shared.domain.people import PersonRole
from shared.runtime.routers import READS
from tests.functions.api_client import ALICE, BOB, JWT_SECRET, Answer, Guards, call, token_of
from tests.functions.trading_desk import HERS, HIS, OPERATOR, SECRET
from tests.functions.whole_desk import ADMIN, HER_TRADER, HIS_TRADER, VIEWER, WholeDesk, whole_api
from tests.usecases.trading_in_memory import SYMBOL, VENUE

Endpoint = tuple[str, str]
REASON = {"reason": "because"}


@dataclass(frozen=True)
class Case:
    """How an endpoint is used by who may: `named` fills its path with something of Alice's, `theirs` of Bob's."""

    body: Any = None
    named: dict[str, str] = field(default_factory=dict)
    theirs: dict[str, str] | None = None
    theirs_in_body: dict[str, str] | None = None
    by: str = ALICE
    done: int = 200


HER_OWN, HIS_OWN = {"trader_id": HER_TRADER}, {"trader_id": HIS_TRADER}
HER_CHANNEL, HIS_CHANNEL = {"channel_id": "her_channel"}, {"channel_id": "his_channel"}
HER_PROPOSAL, HIS_PROPOSAL = {"proposal_id": "her_proposal"}, {"proposal_id": "his_proposal"}
TRADER = {"name": "New", "rule": "close > 3", "timeframe": "1m"}
INTENT = {"instrument": SYMBOL, "direction": "long", "size_usd": 50, "confidence": 0.5, "book_id": HERS}

CASES: dict[Endpoint, Case] = {
    ("POST", "/api/v1/traders"): Case(TRADER, done=201),
    ("PATCH", "/api/v1/traders/{trader_id}"): Case({"enabled": False}, HER_OWN, HIS_OWN),
    ("DELETE", "/api/v1/traders/{trader_id}"): Case(None, HER_OWN, HIS_OWN, done=204),
    ("POST", "/api/v1/traders/{trader_id}/clone"): Case(None, HER_OWN, HIS_OWN, done=201),
    ("POST", "/api/v1/traders/{trader_id}/versions/{version}/restore"): Case(
        None, HER_OWN | {"version": "1"}, HIS_OWN | {"version": "1"}
    ),
    ("POST", "/api/v1/traders/{trader_id}/run"): Case(None, HER_OWN, HIS_OWN),
    ("POST", "/api/v1/engine/trade-intent"): Case(INTENT, theirs_in_body={"book_id": HIS}, done=202),
    ("POST", "/api/v1/intents/{intent_id}/withdraw"): Case(
        REASON, {"intent_id": "her_intent"}, {"intent_id": "his_intent"}
    ),
    ("POST", "/api/v1/books"): Case({"name": "Second", "capital": "1000"}, done=201),
    ("PATCH", "/api/v1/books/{book_id}"): Case({"name": "Renamed"}, {"book_id": HERS}, {"book_id": HIS}),
    ("PUT", "/api/v1/books/{book_id}/state"): Case({"state": "halted"} | REASON, {"book_id": HERS}, {"book_id": HIS}),
    ("POST", "/api/v1/accounts/{venue}/adopt"): Case(REASON, {"venue": VENUE}, by=OPERATOR, done=202),
    ("PATCH", "/api/v1/people/{user_id}"): Case({"tier": "free"}, {"user_id": ALICE}, by=ADMIN),
    ("POST", "/api/v1/alerts/{alert_id}/acknowledge"): Case(None, {"alert_id": "her_alert"}, {"alert_id": "his_alert"}),
    ("POST", "/api/v1/proposals/{proposal_id}/approve"): Case(None, HER_PROPOSAL, HIS_PROPOSAL),
    ("POST", "/api/v1/proposals/{proposal_id}/dismiss"): Case(REASON, HER_PROPOSAL, HIS_PROPOSAL),
    ("POST", "/api/v1/channels"): Case({"name": "H", "kind": "webhook", "target": "https://example.com/h"}, done=201),
    ("PATCH", "/api/v1/channels/{channel_id}"): Case({"enabled": False}, HER_CHANNEL, HIS_CHANNEL),
    ("DELETE", "/api/v1/channels/{channel_id}"): Case(None, HER_CHANNEL, HIS_CHANNEL, done=204),
    ("POST", "/api/v1/channels/{channel_id}/test"): Case(None, HER_CHANNEL, HIS_CHANNEL, done=202),
    ("POST", "/api/v1/engine/agent/command"): Case({"agent_type": "risk", "action": "pause"}, by=OPERATOR),
    ("PUT", "/api/v1/desk/state"): Case({"state": "halted"} | REASON, by=OPERATOR),
}
READING: frozenset[Endpoint] = frozenset(
    {
        ("POST", "/api/v1/traders/validate"),
        ("POST", "/api/v1/traders/{trader_id}/history"),
        ("POST", "/api/risk/calculate-position"),
    }
)
"""Sent with POST, and changing nothing."""


def operations() -> Iterator[tuple[Endpoint, dict[str, Any]]]:
    """Return every operation of the application that is not sent with GET."""
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            if method != "get":
                yield (method.upper(), path), operation


def has_two_people(endpoint: Endpoint) -> bool:
    return CASES[endpoint].theirs is not None or CASES[endpoint].theirs_in_body is not None


each_endpoint = pytest.mark.parametrize("endpoint", sorted(CASES), ids="{0[0]} {0[1]}".format)
each_endpoint_of_a_person = pytest.mark.parametrize(
    "endpoint", sorted(filter(has_two_people, CASES)), ids="{0[0]} {0[1]}".format
)
each_endpoint_of_others = pytest.mark.parametrize(
    "endpoint", sorted(each for each in CASES if CASES[each].by != ALICE), ids="{0[0]} {0[1]}".format
)


@pytest.fixture
def desk() -> WholeDesk:
    return WholeDesk()


@pytest.fixture
def guards(desk: WholeDesk) -> Iterator[Guards]:
    with whole_api(desk) as guards:
        yield guards


def ask(desk: WholeDesk, endpoint: Endpoint, *, theirs: bool = False, body: Any = ..., **who: Any) -> Answer:
    """Use an endpoint on something of Alice's, or on something of Bob's."""
    case, (method, path) = CASES[endpoint], endpoint
    sent = case.body if body is ... else body
    if theirs and case.theirs_in_body:
        sent = sent | case.theirs_in_body
    for name, value in ((case.theirs if theirs else case.named) or {}).items():
        path = path.replace(f"{{{name}}}", str(getattr(desk, value, value)))
    return call(method, path, sent, **who)


def refused(guards: Guards, endpoint: Endpoint, status: int, actor: str) -> AuditEvent:
    """Return the one event a refusal left; fail when there is none, or another."""
    (event,) = guards.events
    assert (event.action, event.outcome, event.status) == (" ".join(endpoint), AuditOutcome.REFUSED, status)
    assert (event.actor, event.actor_kind, event.address) == (actor, ActorKind.PERSON, "192.0.2.7")
    assert event.request_id
    assert event.details["detail"]
    return event


def test_every_endpoint_that_changes_something_is_tried_here() -> None:
    found = {endpoint for endpoint, _ in operations()}
    assert found == CASES.keys() | READING, "give a new endpoint a case, or say that it only reads"


def test_what_only_reads_says_so_where_it_is_written() -> None:
    marked = {endpoint for endpoint, operation in operations() if operation.get(next(iter(READS)))}
    assert marked == READING


@each_endpoint
def test_who_may_use_it_does_and_it_is_audited(desk: WholeDesk, guards: Guards, endpoint: Endpoint) -> None:
    case, before = CASES[endpoint], desk.dump()
    user = case.by
    answer = ask(desk, endpoint, user=user)
    assert answer.status == case.done, answer.body
    assert desk.dump() != before, "a case that changes nothing proves nothing about refusals"
    (event,) = guards.events
    assert (event.action, event.outcome, event.status) == (" ".join(endpoint), AuditOutcome.OK, case.done)
    assert (event.actor, event.request_id) == (user, answer.headers["x-request-id"])
    assert all(f"{name}=" in event.target for name in case.named)


STRANGERS: dict[str, Callable[[], str | None]] = {
    "no token": lambda: None,
    "expired": lambda: token_of(ALICE, exp=int(time.time()) - 60),
    "alg none": lambda: jwt.encode(claims(), "", "none"),
    "wrong key": lambda: jwt.encode(claims(), "another-" + JWT_SECRET, "HS256"),
    "other algorithm": lambda: jwt.encode(claims(), JWT_SECRET * 2, "HS512"),
    "unsigned": lambda: token_of(ALICE).rpartition(".")[0] + ".",
    "other issuer": lambda: token_of(ALICE, iss="https://evil.example/auth/v1"),
    "other audience": lambda: token_of(ALICE, aud="anon"),
    "service role": lambda: token_of(ALICE, role="service_role"),
    "nobody's": lambda: token_of("operator"),
    "nearly the service secret": lambda: SECRET + "x",
    "empty": lambda: "",
}


def claims() -> dict[str, Any]:
    return dict(jwt.decode(token_of(ALICE), options={"verify_signature": False}))


@each_endpoint
def test_strangers_are_refused(desk: WholeDesk, guards: Guards, endpoint: Endpoint) -> None:
    before = desk.dump()
    for what, token in STRANGERS.items():
        for body in (..., "{"):
            answer = ask(desk, endpoint, user=None, token=token(), body=body)
            assert (answer.status, answer.body["title"]) == (401, "Unauthorized"), what
            assert answer.headers["www-authenticate"] == "Bearer"
            refused(guards, endpoint, 401, "anonymous")
            guards.audit.rows.clear()
    assert desk.dump() == before


@each_endpoint
@pytest.mark.parametrize("what", ["X-User-Id", "X-Forwarded-User", "Apikey", "X-Nightdesk-Signature"])
def test_no_other_header_proves_anybody(desk: WholeDesk, guards: Guards, endpoint: Endpoint, what: str) -> None:
    header: dict[str, Any] = {what.lower().replace("-", "_"): ALICE}
    answer = ask(desk, endpoint, user=None, **header)
    assert answer.status == 401


@each_endpoint
def test_viewers_only_read(desk: WholeDesk, guards: Guards, endpoint: Endpoint) -> None:
    desk.trading.database.people.enrol(ALICE, role=PersonRole.VIEWER)
    before = desk.dump()
    for user in (ALICE, VIEWER):
        assert ask(desk, endpoint, user=user).status == 403
        refused(guards, endpoint, 403, user)
        guards.audit.rows.clear()
    assert desk.dump() == before


@each_endpoint_of_a_person
def test_what_is_somebody_elses_is_not_touched(desk: WholeDesk, guards: Guards, endpoint: Endpoint) -> None:
    before = desk.dump()
    answer = ask(desk, endpoint, theirs=True)
    assert answer.status in {403, 404}, answer.body
    event = refused(guards, endpoint, answer.status, ALICE)
    theirs = CASES[endpoint].theirs or {}
    assert all(str(getattr(desk, value, value)) in event.target for value in theirs.values())
    assert desk.dump() == before


@each_endpoint_of_others
def test_what_operators_and_admins_do_others_may_not(desk: WholeDesk, guards: Guards, endpoint: Endpoint) -> None:
    before = desk.dump()
    for user in (BOB,) if CASES[endpoint].by == OPERATOR else (BOB, OPERATOR):
        assert ask(desk, endpoint, user=user).status == 403
        refused(guards, endpoint, 403, user)
        guards.audit.rows.clear()
    assert desk.dump() == before


@each_endpoint
def test_a_bad_body_or_path_changes_nothing(desk: WholeDesk, guards: Guards, endpoint: Endpoint) -> None:
    before = desk.dump()
    user = CASES[endpoint].by
    takes_a_body = CASES[endpoint].body is not None
    for body in ("{", "[]", json.dumps({"surprise": 1})) if takes_a_body else ():
        assert ask(desk, endpoint, user=user, body=body).status == 400
        refused(guards, endpoint, 400, user)
        guards.audit.rows.clear()
    if CASES[endpoint].named:
        method, path = endpoint
        for name in CASES[endpoint].named:
            path = path.replace(f"{{{name}}}", "NO%20SUCH")
        assert call(method, path, CASES[endpoint].body, user=user).status in {400, 404}
        assert len(guards.events) == 1
    assert desk.dump() == before


@each_endpoint
def test_beyond_a_limit_nothing_is_done(desk: WholeDesk, guards: Guards, endpoint: Endpoint) -> None:
    user = CASES[endpoint].by
    guards.people.limit = 1
    call("GET", "/api/v1/rules/functions", user=user)
    before = desk.dump()
    answer = ask(desk, endpoint, user=user)
    assert (answer.status, answer.headers["content-type"]) == (429, "application/problem+json")
    assert int(answer.headers["retry-after"]) in range(1, 61)
    assert answer.headers["ratelimit-remaining"] == "0"
    refused(guards, endpoint, 429, user)
    assert desk.dump() == before
