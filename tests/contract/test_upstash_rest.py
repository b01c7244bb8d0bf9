"""The Upstash façade answers as Upstash does: to its own client, and to plain HTTP."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from upstash_redis import Redis
from upstash_redis.errors import UpstashError

from desk.local.upstash import UpstashFacade


@pytest.fixture(params=["base64", None])
def client(request: pytest.FixtureRequest, upstash: UpstashFacade) -> Iterator[Redis]:
    with Redis(upstash.url, upstash.token, rest_encoding=request.param, allow_telemetry=False) as redis:
        yield redis


@pytest.fixture
def http(upstash: UpstashFacade) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=upstash.url, headers={"Authorization": f"Bearer {upstash.token}"}) as client:
        yield client


class TestClient:
    """What upstash-redis sees."""

    def test_values_come_back_as_they_were(self, client: Redis) -> None:
        assert client.execute(["SET", "façade:text", "Zürich\n0,1 %"]) is True
        assert client.get("façade:text") == "Zürich\n0,1 %"
        assert client.get("façade:absent") is None
        assert client.incrby("façade:number", 5) >= 5

    def test_streams_hashes_and_lists_keep_their_shape(self, client: Redis) -> None:
        client.delete("façade:stream", "façade:hash", "façade:list")
        first = client.xadd("façade:stream", "*", {"a": "1", "b": "2"}, maxlen=10, approximate_trim=False)
        client.hset("façade:hash", values={"x": "1", "y": "OK"})
        client.rpush("façade:list", "OK", "")
        assert client.execute(["XRANGE", "façade:stream", "-", "+"]) == [[first, ["a", "1", "b", "2"]]]
        assert client.hgetall("façade:hash") == {"x": "1", "y": "OK"}
        assert client.lrange("façade:list", 0, -1) == ["OK", ""]

    def test_a_pipeline_answers_in_order(self, client: Redis) -> None:
        pipeline = client.pipeline()
        pipeline.set("façade:p", "1")
        pipeline.incr("façade:p")
        pipeline.get("façade:p")
        assert pipeline.exec() == [True, 2, "2"]

    def test_a_transaction_answers_in_order(self, client: Redis) -> None:
        transaction = client.multi()
        transaction.set("façade:t", "1")
        transaction.incr("façade:t")
        assert transaction.exec() == [True, 2]

    def test_an_error_has_the_words_of_redis(self, client: Redis) -> None:
        client.set("façade:text", "x")
        with pytest.raises(UpstashError, match="WRONGTYPE Operation against a key"):
            client.lpush("façade:text", "y")

    def test_commands_that_hold_a_connection_are_refused(self, client: Redis) -> None:
        for command in (["BLPOP", "k", "0"], ["XREAD", "BLOCK", "0", "STREAMS", "s", "$"], ["SUBSCRIBE", "c"]):
            with pytest.raises(UpstashError, match="not available"):
                client.execute(command)


class TestHttp:
    """What any HTTP client sees."""

    @pytest.mark.parametrize("path", ["/", "/pipeline", "/multi-exec", "/get/k", "/set/k/v"])
    @pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}])
    def test_every_route_wants_the_token(self, upstash: UpstashFacade, path: str, headers: dict[str, str]) -> None:
        answer = httpx.post(upstash.url + path, json=["PING"], headers=headers)
        assert (answer.status_code, list(answer.json())) == (401, ["error"])

    def test_the_token_may_be_in_the_query(self, upstash: UpstashFacade) -> None:
        assert httpx.get(f"{upstash.url}/ping?_token={upstash.token}").json() == {"result": "PONG"}

    def test_commands_in_the_path(self, http: httpx.Client) -> None:
        assert http.get("/set/path:k/a%2Fb%20c?EX=100").json() == {"result": "OK"}
        assert http.get("/get/path:k").json() == {"result": "a/b c"}
        assert 0 < http.get("/ttl/path:k").json()["result"] <= 100
        assert http.post("/set/path:body", content=b'{"json": 1}').json() == {"result": "OK"}
        assert http.get("/get/path:body").json() == {"result": '{"json": 1}'}

    @pytest.mark.parametrize("body", ["", "{", "[]", "{}", "[[1]]", '"PING"', "[null]"])
    def test_a_command_that_is_none_is_a_bad_request(self, http: httpx.Client, body: str) -> None:
        answer = http.post("/", content=body)
        assert (answer.status_code, list(answer.json())) == (400, ["error"])

    def test_a_failed_command_is_a_bad_request_but_not_for_its_pipeline(self, http: httpx.Client) -> None:
        assert http.post("/", json=["INCR"]).status_code == 400
        answer = http.post("/pipeline", json=[["INCR"], ["PING"]])
        assert answer.status_code == 200
        results: list[dict[str, Any]] = answer.json()
        assert "wrong number of arguments" in results[0]["error"]
        assert results[1] == {"result": "PONG"}

    def test_a_transaction_is_all_or_nothing(self, http: httpx.Client) -> None:
        http.post("/set/path:t/1")
        answer = http.post("/multi-exec", json=[["SET", "path:t", "2"], ["NOSUCHCOMMAND"]])
        assert answer.status_code == 400
        assert answer.json()["error"].startswith("EXECABORT")
        assert http.get("/get/path:t").json() == {"result": "1"}

    def test_ten_megabytes_are_the_limit(self, http: httpx.Client) -> None:
        answer = http.post("/set/path:big", content=bytes(10 * 1024 * 1024 + 1))
        assert answer.status_code == 400
        assert "max request size exceeded" in answer.json()["error"]
