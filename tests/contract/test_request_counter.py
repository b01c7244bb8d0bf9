"""Requests are counted alike in memory and through upstash-ratelimit, and cost one command each."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from desk.local.redis import LocalRedis
from desk.local.upstash import UpstashFacade
from shared.adapters.request_counter import TIMEOUT_S, upstash_request_counter
from shared.domain.errors import FatalError, TransientError
from shared.request_ports import RequestCounter
from tests.fakes.requests import MemoryRequestCounter


@pytest.fixture(params=["memory", "upstash"])
def counter(request: pytest.FixtureRequest) -> Iterator[RequestCounter]:
    if request.param == "memory":
        yield MemoryRequestCounter()
        return
    facade: UpstashFacade = request.getfixturevalue("upstash")
    made = upstash_request_counter(facade.url, facade.token)
    yield made
    made.close()


@pytest.fixture
def who() -> str:
    """Somebody nobody has seen."""
    wait_s = 60 - time.time() % 60
    if wait_s < 5:
        time.sleep(wait_s)  # what is counted here is of one minute
    return f"p:{uuid4()}"


def test_a_limit_is_used_up_and_then_holds(counter: RequestCounter, who: str) -> None:
    quotas = [counter.count(who, per_minute=3) for _ in range(5)]
    assert [quota.allowed for quota in quotas] == [True, True, True, False, False]
    assert [quota.remaining for quota in quotas] == [2, 1, 0, 0, 0]
    assert {quota.limit for quota in quotas} == {3}
    assert all(0 < quota.reset_ms - time.time() * 1_000 <= 60_000 for quota in quotas)


def test_everybody_has_a_limit_of_their_own(counter: RequestCounter, who: str) -> None:
    assert counter.count(who, per_minute=1).allowed
    assert not counter.count(who, per_minute=1).allowed
    assert counter.count(who + "-other", per_minute=1).allowed


def test_a_greater_limit_counts_at_once(counter: RequestCounter, who: str) -> None:
    counter.count(who, per_minute=1)
    assert not counter.count(who, per_minute=1).allowed
    assert counter.count(who, per_minute=5).remaining == 3


def test_requests_at_the_same_time_share_one_limit(upstash: UpstashFacade, who: str) -> None:
    counters = [upstash_request_counter(upstash.url, upstash.token) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        quotas = list(pool.map(lambda n: counters[n % 4].count(who, per_minute=10), range(40)))
    assert sum(quota.allowed for quota in quotas) == 10
    for each in counters:
        each.close()


def test_a_request_is_one_call_by_digest_and_what_the_script_calls(
    upstash: UpstashFacade, local_redis: LocalRedis, who: str
) -> None:
    counter = upstash_request_counter(upstash.url, upstash.token)
    counter.count(who + "-first", per_minute=2)
    costs = []
    for _ in range(3):
        local_redis.reset_stats()
        counter.count(who, per_minute=2)
        costs.append(local_redis.stats())
    counter.close()
    # EVALSHA · GET · GET · INCRBY · PEXPIRE, then without the last, then refused by the two reads
    assert [cost.commands for cost in costs] == [5, 4, 3]
    assert max(cost.bytes_in for cost in costs) < 400  # the script alone has 1,300


def test_the_embedded_redis_counts_too(tmp_path: Path, who: str) -> None:
    with (
        LocalRedis(log_dir=tmp_path, embedded=True) as redis,
        UpstashFacade(redis_port=redis.port or 0, token="t", log_dir=tmp_path) as facade,
    ):
        counter = upstash_request_counter(facade.url, facade.token)
        assert [counter.count(who, per_minute=2).allowed for _ in range(3)] == [True, True, False]
        counter.close()


def test_a_redis_that_has_lost_its_scripts_is_sent_them_again(upstash: UpstashFacade, who: str) -> None:
    counter = upstash_request_counter(upstash.url, upstash.token)
    counter.count(who, per_minute=9)
    counter.redis.execute(["SCRIPT", "FLUSH"])
    assert counter.count(who, per_minute=9).remaining == 7
    counter.close()


def test_a_wrong_token_is_told_apart(upstash: UpstashFacade) -> None:
    counter = upstash_request_counter(upstash.url, "another")
    with pytest.raises(FatalError, match="WRONGPASS"):
        counter.count("p:x", per_minute=9)
    counter.close()


def test_an_absent_redis_is_an_error_at_once() -> None:
    counter = upstash_request_counter("http://127.0.0.1:9", "t")
    with pytest.raises(TransientError):
        counter.count("p:x", per_minute=9)
    counter.close()


def hanging(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(TIMEOUT_S * 3)


def page(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(502)
    handler.end_headers()
    handler.wfile.write(b"<html>bad gateway</html>")


@pytest.mark.parametrize("answer", [hanging, page])
def test_a_redis_that_hangs_or_talks_nonsense_is_an_error_soon(
    answer: Callable[[BaseHTTPRequestHandler], None],
) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answer(self)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - overrides the server's
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    counter = upstash_request_counter(f"http://127.0.0.1:{server.server_address[1]}", "t")
    began = time.perf_counter()
    with pytest.raises(TransientError):
        counter.count("p:x", per_minute=9)
    assert time.perf_counter() - began < TIMEOUT_S * 2.5
    counter.close()
    server.shutdown()
    server.server_close()
    thread.join()
