"""How answers of PostgREST become the desk's errors, and which requests are repeated."""

import json
from collections.abc import Callable, Iterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from postgrest import APIError, SyncPostgrestClient

from shared.adapters.supabase.client import connect, once, refuse_busy, repeatable, rows
from shared.adapters.supabase.errors import named
from shared.adapters.supabase.runs import SupabaseRunStore
from shared.adapters.supabase.signals import SupabaseSignalStore
from shared.adapters.supabase.times import to_ms, to_text
from shared.adapters.supabase.traders import SupabaseTraderStore
from shared.domain.errors import (
    ConflictError,
    FatalError,
    ForbiddenError,
    HaltedError,
    InvalidMessageError,
    NightdeskError,
    NotFoundError,
    TransientError,
)
from shared.domain.runs import ClosedBoundary, Shard
from shared.domain.timeframe import Timeframe
from shared.domain.traders import Trader

Answer = Callable[[httpx.Request], httpx.Response]


class Server:
    """A PostgREST that gives the answers it was told to, and remembers what it was asked."""

    def __init__(self, *answers: Answer | httpx.Response | Exception) -> None:
        self.answers: Iterator[Answer | httpx.Response | Exception] = iter(answers)
        self.asked: list[httpx.Request] = []
        self.session = httpx.Client(
            transport=httpx.MockTransport(self._answer), event_hooks={"response": [refuse_busy]}
        )

    def client(self, *, token: str | None = None) -> SyncPostgrestClient:
        return connect("http://supabase.test/", "sb_key", token=token, session=self.session)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else answer


def problem(status: int, code: str, message: str = "no") -> httpx.Response:
    return httpx.Response(status, json={"code": code, "message": message, "details": None, "hint": None})


BUSY = httpx.Response(503, text="<html>try later</html>")
TRADER = Trader(trader_id="t", owner_id=None, name="n", description="", rule="close > 1", timeframe=Timeframe.M1)
BOUNDARY = ClosedBoundary(venue="binance", timeframe=Timeframe.M1, close_time=60_000)


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("23505", "duplicate key", ConflictError),
        ("ND001", "halted: desk", HaltedError),
        ("ND002", "filled cannot become open", ConflictError),
        ("ND003", "at version 2, not 1", ConflictError),
        ("ND004", "book b is not yours", ForbiddenError),
        ("23514", 'new row for relation "traders" violates check constraint "traders_rule_check"', InvalidMessageError),
        ("22P02", "invalid input syntax for type uuid", InvalidMessageError),
        ("42501", "permission denied for table traders", FatalError),
        ("42501", 'new row violates row-level security policy for table "traders"', InvalidMessageError),
        ("42P01", "no such table", FatalError),
        ("40001", "could not serialize access", TransientError),
        ("40P01", "deadlock detected", TransientError),
        ("57014", "canceling statement due to statement timeout", TransientError),
        ("PGRST003", "timed out acquiring connection from pool", TransientError),
        ("PGRST301", "JWT expired", FatalError),
        ("500", "Internal Server Error", TransientError),
        ("21000", "UPDATE requires a WHERE clause", FatalError),
        ("", "who knows", FatalError),
    ],
)
def test_codes_have_reactions(code: str, message: str, kind: type[NightdeskError]) -> None:
    error = named(APIError({"code": code, "message": message}))
    assert type(error) is kind


def test_a_refused_row_names_its_field() -> None:
    message = 'insert or update on table "execution_runs" violates foreign key constraint "execution_runs_venue_fkey"'
    refused = named(APIError({"code": "23503", "message": message}))
    assert isinstance(refused, InvalidMessageError)
    assert refused.field == "venue"


@pytest.mark.parametrize(
    "trouble", [BUSY, httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), problem(500, "XX000")]
)
def test_reads_are_repeated_until_they_succeed(trouble: httpx.Response | Exception) -> None:
    server = Server(trouble, trouble, httpx.Response(200, json=[{"venue": "binance"}]))
    answer = repeatable(server.client().from_("venues").select("venue"))
    assert rows(answer) == [{"venue": "binance"}]
    assert len(server.asked) == 3


def test_patience_ends() -> None:
    server = Server(*[BUSY] * 20)
    with pytest.raises(TransientError):
        repeatable(server.client().from_("venues").select("venue"))
    assert len(server.asked) == 4


def test_a_server_that_wants_a_long_pause_is_left_to_the_queue() -> None:
    server = Server(httpx.Response(429, headers={"retry-after": "60"}))
    with pytest.raises(TransientError) as refused:
        repeatable(server.client().from_("venues").select("venue"))
    assert refused.value.retry_after_s == 60
    assert len(server.asked) == 1


def test_what_can_never_succeed_is_not_repeated() -> None:
    server = Server(problem(400, "22P02"))
    with pytest.raises(InvalidMessageError):
        repeatable(server.client().from_("venues").select("venue"))
    assert len(server.asked) == 1


def test_a_write_without_an_identity_is_sent_once() -> None:
    server = Server(httpx.ReadTimeout("was it stored?"))
    with pytest.raises(TransientError):
        SupabaseTraderStore(server.client()).create(TRADER)
    assert len(server.asked) == 1


def test_a_claim_is_repeated_under_the_same_id() -> None:
    server = Server(httpx.ReadTimeout("lost"), httpx.Response(200, json=True))
    assert SupabaseRunStore(server.client()).claim(BOUNDARY, shards=1, source="cron", correlation_id="c")
    first, second = (json.loads(request.content)["p_claim_id"] for request in server.asked)
    assert first == second


def test_a_lease_is_asked_for_again_by_the_same_holder() -> None:
    server = Server(BUSY, httpx.Response(200, json=True))
    shard = Shard(boundary=BOUNDARY, shard=0, shards=1)
    assert SupabaseRunStore(server.client()).start(shard, lease_ms=1_000)
    first, second = (json.loads(request.content)["p_holder"] for request in server.asked)
    assert first == second


def test_a_page_shorter_than_asked_is_not_the_end() -> None:
    def row(n: int) -> dict[str, str]:
        return {"trader_id": f"t{n}", "updated_at": f"2026-01-01T00:00:0{n}+00:00"}

    server = Server(*(httpx.Response(200, json=page) for page in ([row(1), row(2)], [row(3)], [])))
    assert SupabaseTraderStore(server.client()).deleted_since(0) == ["t1", "t2", "t3"]
    assert 'and(updated_at.eq."2026-01-01T00:00:02.000000Z",trader_id.gt."t2")' in server.asked[1].url.params["or"]


def test_another_server_than_postgrest_is_no_answer() -> None:
    server = Server(*[httpx.Response(200, text="<html>sign in to the network</html>")] * 9)
    with pytest.raises(TransientError):
        rows(once(server.client().from_("venues").select("venue")))
    with pytest.raises(NotFoundError):
        SupabaseTraderStore(Server(httpx.Response(200, json=[])).client()).get("t")


def test_a_person_is_known_by_the_token_and_the_project_by_its_key() -> None:
    server = Server(*[httpx.Response(200, json=[])] * 2)
    once(server.client(token="ey.user.token").from_("traders").select("*"))
    once(server.client().from_("traders").select("*"))
    seen = [(request.headers["apikey"], request.headers["authorization"]) for request in server.asked]
    assert seen == [("sb_key", "Bearer ey.user.token"), ("sb_key", "Bearer sb_key")]
    assert str(server.asked[0].url).startswith("http://supabase.test/rest/v1/traders")


def test_a_cursor_cannot_smuggle_a_filter() -> None:
    server = Server()
    with pytest.raises(InvalidMessageError, match="before"):
        SupabaseSignalStore(server.client()).list(limit=1, before=(1, '0),signal_id.gt."0"'))
    assert server.asked == []


@given(st.integers(min_value=0, max_value=4_102_444_800_000))
def test_record_times_survive_the_wire(time_ms: int) -> None:
    assert to_ms(to_text(time_ms)) == time_ms


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("1970-01-01T00:00:01.5+00:00", 1_500),  # PostgREST: as many digits as there are
        ("1970-01-01T00:00:01.999999+00:00", 1_999),
        ("1970-01-01 00:00:01.25+00", 1_250),  # Supabase Lite
        ("1970-01-01T01:00:00+01:00", 0),
    ],
)
def test_times_are_read_as_servers_write_them(text: str, time_ms: int) -> None:
    assert to_ms(text) == time_ms
