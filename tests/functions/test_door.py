"""The door before the API: limits by address and by person, who may come from where, and what is kept of it."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from functions.api import app
from shared.domain.audit import ActorKind, AuditOutcome
from shared.domain.errors import FatalError, TransientError
from shared.runtime import limits
from shared.runtime.auditing import STRANGERS_PER_MINUTE
from shared.runtime.config import Settings
from shared.runtime.http import create_app
from shared.runtime.limits import ANONYMOUS_PER_MINUTE, PAUSE_S, Limits, address_key
from tests.fakes.people import MemoryProfiles
from tests.fakes.requests import MemoryRequestCounter, MemoryRequestLimits
from tests.functions.api_client import ALICE, BOB, Guards, call
from tests.functions.trading_desk import OPERATOR, SECRET
from tests.functions.whole_desk import WholeDesk, whole_api

RULES = "/api/v1/rules/functions"
HALT = {"state": "halted", "reason": "a test"}


@pytest.fixture
def desk() -> WholeDesk:
    return WholeDesk()


@pytest.fixture
def guards(desk: WholeDesk) -> Iterator[Guards]:
    with whole_api(desk, ADDRESS_REQUESTS_PER_MINUTE="5") as guards:
        yield guards


@pytest.fixture(autouse=True)
def _one_minute() -> None:
    """Let no minute end while a test counts."""
    left_s = 60 - time.time() % 60
    if left_s < 3:
        time.sleep(left_s)


def statuses(times: int, *asked: Any, **who: Any) -> list[int]:
    return [call(*asked, **who).status for _ in range(times)]


def test_an_address_is_limited_before_its_token_is_looked_at(guards: Guards) -> None:
    assert statuses(7, "GET", RULES, token="nonsense") == [401] * 5 + [429] * 2
    assert call("GET", RULES).status == 429, "whoever else comes from there waits too"
    assert call("GET", RULES, address="192.0.2.8").status == 200


def test_an_address_is_what_the_gateway_says(guards: Guards) -> None:
    for number in range(7):
        answer = call(
            "GET", RULES, x_forwarded_for=f"198.51.100.{number}", forwarded=f"for=198.51.100.{number}",
            x_real_ip=f"198.51.100.{number}",
        )  # fmt: skip
    assert answer.status == 429
    assert {who for who, _ in guards.counter.counted} == {"a:192.0.2.7", f"p:{ALICE}"}


def test_all_of_a_lines_addresses_count_as_one() -> None:
    assert address_key("2001:db8:1:2:aaaa::1") == address_key("2001:db8:1:2:bbbb::2") == "a:2001:db8:1:2::"
    assert address_key("2001:db8:1:3::1") != address_key("2001:db8:1:2::1")
    assert address_key("::ffff:192.0.2.7") == address_key("192.0.2.7") == "a:192.0.2.7"
    assert address_key("") == address_key("somewhere") == "a:unknown"


def test_a_person_is_limited_wherever_they_are(guards: Guards) -> None:
    guards.people.limit = 3
    found = [call("GET", RULES, address=f"192.0.2.{number}") for number in range(5)]
    assert [answer.status for answer in found] == [200, 200, 200, 429, 429]
    assert [answer.headers["ratelimit-remaining"] for answer in found] == ["2", "1", "0", "0", "0"]
    assert {answer.headers["ratelimit-limit"] for answer in found} == {"3"}
    assert all(1 <= int(answer.headers["ratelimit-reset"]) <= 60 for answer in found)
    assert "more than 3 requests a minute" in found[-1].body["detail"]
    assert call("GET", RULES, user=BOB, address="192.0.2.99").status == 200


def test_who_has_no_limit_is_not_counted(guards: Guards) -> None:
    guards.people.limit = None
    assert statuses(4, "GET", RULES) == [200] * 4
    assert {who for who, _ in guards.counter.counted} == {"a:192.0.2.7"}


def test_health_is_limited_by_address(guards: Guards) -> None:
    found = statuses(ANONYMOUS_PER_MINUTE + 2, "GET", "/health", user=None)
    assert (found.count(429), found[-2:]) == (2, [429, 429])


def test_who_was_refused_costs_redis_nothing_more(guards: Guards) -> None:
    statuses(6, "GET", RULES, token="nonsense")
    asked = guards.counter.asked
    assert statuses(20, "GET", RULES, token="nonsense") == [429] * 20
    assert guards.counter.asked == asked


def test_the_holder_of_the_service_secret_is_not_limited(guards: Guards) -> None:
    guards.people.limit = 1
    assert statuses(10, "GET", "/api/v1/books", token=SECRET) == [200] * 10
    assert guards.counter.asked == 0


def test_a_redis_that_does_not_answer_closes_nothing(
    desk: WholeDesk, guards: Guards, caplog: pytest.LogCaptureFixture
) -> None:
    guards.counter.broken, guards.people.limit = True, 1
    assert statuses(10, "GET", RULES) == [200] * 10
    assert call("PUT", "/api/v1/desk/state", HALT, user=OPERATOR).status == 200
    assert desk.trading.database.trading.desk_state == "halted"
    assert guards.counter.asked == 1, "nobody waits for it twice"
    assert guards.limits.let_through == 22
    assert caplog.messages.count("requests are not limited") == 1


def test_redis_is_asked_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    counter, now_s = MemoryRequestCounter(broken=True), [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    held = Limits(counter, MemoryRequestLimits())
    assert held.take("a:x", per_minute=5) is None
    counter.broken = False
    assert held.take("a:x", per_minute=5) is None
    now_s[0] += PAUSE_S
    quota = held.take("a:x", per_minute=5)
    assert quota is not None
    assert (quota.remaining, held.let_through) == (4, 2)


def test_a_limit_that_cannot_be_read_is_the_usual_one(guards: Guards) -> None:
    guards.people.error = TransientError("the database cannot be reached", source="database")
    assert call("GET", RULES).headers["ratelimit-limit"] == str(limits.DEFAULT_PER_MINUTE)


@pytest.mark.parametrize("path", ["/", "/api/v1/nothing", "/api/v1/traders/../../health", "/admin", "/docs"])
def test_where_nothing_is_strangers_are_not_told_so(guards: Guards, path: str) -> None:
    assert call("GET", path, user=None).status == 401
    assert call("GET", path).status == 404


@pytest.mark.parametrize("path", ["/api/openapi.json", "/api/docs"])
async def test_the_description_of_the_api_is_public_as_its_source_is(desk: WholeDesk, path: str) -> None:
    transport = httpx.ASGITransport(app)
    with whole_api(desk):
        async with httpx.AsyncClient(transport=transport, base_url="http://desk.test") as client:
            assert (await client.get(path)).status_code == 200


async def preflight(origin: str, headers: str = "authorization,content-type,idempotency-key") -> httpx.Response:
    listed = create_app({}, Settings.from_env({"CORS_ORIGINS": "https://desk.example, http://localhost:3000"}))
    asked = {"origin": origin, "access-control-request-method": "POST", "access-control-request-headers": headers}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(listed), base_url="http://desk.test") as client:
        return await client.options("/api/v1/engine/trade-intent", headers=asked)


@pytest.mark.parametrize("origin", ["https://desk.example", "http://localhost:3000"])
async def test_a_listed_origin_may_send_what_the_api_reads(origin: str) -> None:
    answer = await preflight(origin)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, origin)
    assert "idempotency-key" in answer.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in answer.headers
    assert "*" not in answer.headers.values()


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://desk.example.evil.example",
        "https://sub.desk.example",
        "http://desk.example",
        "https://desk.example:8443",
        "null",
        "http://localhost:3001",
    ],
)
async def test_another_origin_may_not(origin: str) -> None:
    answer = await preflight(origin)
    assert answer.status_code == 400
    assert "access-control-allow-origin" not in answer.headers


async def test_another_header_may_not_be_sent_from_a_browser() -> None:
    assert (await preflight("https://desk.example", "x-nightdesk-signature")).status_code == 400


def test_without_origins_no_browser_may_read_answers(guards: Guards) -> None:
    answer = call("GET", RULES, origin="https://desk.example")
    assert answer.status == 200
    assert not {name for name in answer.headers if name.startswith("access-control-allow")}


@pytest.mark.parametrize(
    "said",
    [
        "*",
        "https://*.example",
        "https://desk.example/",
        "https://desk.example/app",
        "http://desk.example",
        "desk.example",
        "null",
        "https://desk.example,*",
        "https://user@desk.example",
        "file://",
        "https://desk.example https://other.example",
    ],
)
def test_an_origin_that_is_none_stops_the_start(said: str) -> None:
    with pytest.raises(FatalError, match="CORS_ORIGINS"):
        Settings.from_env({"CORS_ORIGINS": said})


def test_an_oversized_body_is_audited_with_who_sent_it(guards: Guards) -> None:
    assert call("POST", "/api/v1/traders", "x" * 300_000).status == 413
    (event,) = guards.events
    assert (event.actor, event.status, event.outcome) == (ALICE, 413, AuditOutcome.REFUSED)


def test_machines_are_audited_as_machines(guards: Guards) -> None:
    assert call("PUT", "/api/v1/desk/state", HALT, token=SECRET).status == 200
    (event,) = guards.events
    assert (event.actor, event.actor_kind, event.outcome) == ("operator", ActorKind.MACHINE, AuditOutcome.OK)


def test_what_the_desk_could_not_do_is_audited_as_failed(guards: Guards, monkeypatch: pytest.MonkeyPatch) -> None:
    away = TransientError("the database cannot be reached", source="database")
    monkeypatch.setattr(MemoryProfiles, "role", lambda *_: (_ for _ in ()).throw(away))
    assert call("PUT", "/api/v1/desk/state", HALT, user=OPERATOR).status == 503
    (event,) = guards.events
    assert (event.status, event.outcome, event.actor) == (503, AuditOutcome.FAILED, OPERATOR)


def test_a_trail_that_cannot_be_written_is_logged_whole_and_changes_no_answer(
    desk: WholeDesk, guards: Guards, caplog: pytest.LogCaptureFixture
) -> None:
    guards.audit.broken = True
    assert call("PUT", "/api/v1/desk/state", HALT, user=OPERATOR).status == 200
    assert desk.trading.database.trading.desk_state == "halted"
    (record,) = [each for each in caplog.records if each.message == "audit events were not stored"]
    (event,) = vars(record)["events"]
    assert (event["actor"], event["action"], event["address"]) == (OPERATOR, "PUT /api/v1/desk/state", "192.0.2.7")
    assert (record.levelname, vars(record)["lost"]) == ("ERROR", 1)
    assert guards.trail.lost == 1


def test_a_flood_of_strangers_does_not_become_a_flood_of_rows(desk: WholeDesk) -> None:
    with whole_api(desk, ADDRESS_REQUESTS_PER_MINUTE="1000000") as guards:
        statuses(STRANGERS_PER_MINUTE + 40, "DELETE", "/api/v1/books", token="nonsense")
        assert len(guards.events) == STRANGERS_PER_MINUTE
        assert call("DELETE", "/api/v1/books").status == 405
        assert guards.events[-1].actor == ALICE
        assert guards.trail.strangers.passed_over == 40


def test_reading_leaves_no_event(guards: Guards) -> None:
    trader = {"name": "New", "rule": "close > 3", "timeframe": "1m"}
    assert call("POST", "/api/v1/traders/validate", trader).status == 200
    assert call("GET", "/api/v1/traders").status == 200
    assert guards.events == []


def test_people_see_what_they_did_and_operators_all(desk: WholeDesk) -> None:
    with whole_api(desk) as guards:
        for user in (ALICE, BOB, ALICE):
            call("POST", "/api/v1/books", {"name": "B", "capital": "1"}, user=user)
        call("POST", "/api/v1/books", {}, user=None)
        hers = call("GET", "/api/v1/audit")
        assert [item["actor"] for item in hers.body["items"]] == [ALICE, ALICE]
        assert call("GET", "/api/v1/audit", query=f"actor={ALICE}", user=BOB).body["items"] == []
        first = call("GET", "/api/v1/audit", user=OPERATOR, query="limit=3").body
        assert [item["actor"] for item in first["items"]] == ["anonymous", ALICE, BOB]
        rest = call("GET", "/api/v1/audit", token=SECRET, query=f"before={first['next']}").body
        assert ([item["actor"] for item in rest["items"]], rest["next"]) == ([ALICE], None)
        assert first["items"][0] | {"at": 0, "request_id": "", "correlation_id": "", "details": {}} == {
            "event_id": 4, "at": 0, "actor": "anonymous", "actor_kind": "person", "action": "POST /api/v1/books",
            "target": "", "outcome": "refused", "status": 401, "request_id": "", "correlation_id": "",
            "address": "192.0.2.7", "details": {},
        }  # fmt: skip
        assert guards.trail.lost == 0
