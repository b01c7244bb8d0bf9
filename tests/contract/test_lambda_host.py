"""The Lambda host wakes functions as AWS does: real worker processes, real SQS messages, real HTTP."""

import base64
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from desk.lambda_host.host import LambdaHost
from desk.lambda_host.spec import DeskSpec, read_spec
from desk.local.aws import LocalSqs
from desk.local.process import LocalPartError, claim_port
from shared.adapters.clock import TapeClock, steer
from shared.adapters.lambda_invoker import LambdaInvoker
from shared.domain.errors import NotFoundError, TransientError

SERVERLESS = """
service: tested
provider: {name: aws, region: eu-central-1}
functions:
  worker:
    handler: tests/fakes/lambda_functions.handler
    timeout: 2
    memorySize: 256
    environment: {NOTES: "${env:NOTES}", QUEUE_URL: {Ref: Jobs}}
    events:
      - sqs: {arn: {"Fn::GetAtt": [Jobs, Arn]}, batchSize: 5, functionResponseType: ReportBatchItemFailures}
  other:
    handler: tests/fakes/lambda_functions.handler
    environment: {NOTES: "${env:NOTES}"}
    events:
      - sqs: {arn: {"Fn::GetAtt": [Others, Arn]}, batchSize: 1, functionResponseType: ReportBatchItemFailures}
  web:
    handler: tests/fakes/lambda_functions.handler
    timeout: 1
    environment: {NOTES: "${env:NOTES}"}
    events:
      - httpApi: GET /health
      - httpApi: ANY /api/{proxy+}
      - httpApi: GET /api/things/{name}
  cron:
    handler: tests/fakes/lambda_functions.handler
    environment: {NOTES: "${env:NOTES}"}
    events:
      - schedule: rate(1 minute)
resources:
  Resources:
    Jobs:
      Type: AWS::SQS::Queue
      Properties:
        QueueName: jobs
        VisibilityTimeout: 1
        RedrivePolicy: {deadLetterTargetArn: {"Fn::GetAtt": [Dead, Arn]}, maxReceiveCount: 2}
    Others:
      Type: AWS::SQS::Queue
      Properties: {QueueName: others, VisibilityTimeout: 5}
    Dead: {Type: "AWS::SQS::Queue", Properties: {QueueName: dead}}
"""
CLOCK_START = 1_700_000_010_000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("host")


@pytest.fixture(scope="module")
def spec(home: Path) -> DeskSpec:
    path = home / "serverless.yml"
    path.write_text(SERVERLESS)
    return read_spec(path, {"NOTES": str(home / "notes")})


@pytest.fixture(scope="module")
def sqs(spec: DeskSpec, home: Path) -> Iterator[LocalSqs]:
    with LocalSqs(spec=spec, log_dir=home) as queues:
        yield queues


@pytest.fixture(scope="module")
def host(spec: DeskSpec, sqs: LocalSqs, home: Path) -> Iterator[LambdaHost]:
    steer(home / "clock.json", tape_ms=CLOCK_START, speed=0)
    clock = TapeClock(home / "clock.json")
    with LambdaHost(spec=spec, log_dir=home, queue_urls=sqs.queue_urls, env=sqs.env, clock=clock) as running:
        yield running


@pytest.fixture
def notes(home: Path) -> Callable[[], list[str]]:
    """What the functions have done in this test."""
    path = home / "notes"
    path.write_text("")
    return lambda: path.read_text().splitlines()


@pytest.fixture
def send(sqs: LocalSqs) -> Iterator[Callable[..., None]]:
    client = sqs.client()

    def put(do: str, name: str = "", *, queue: str = "Jobs", delay_s: int = 0) -> None:
        body = json.dumps({"do": do, "name": name})
        client.send_message(QueueUrl=sqs.queue_urls[queue], MessageBody=body, DelaySeconds=delay_s)

    yield put
    client.close()


def until(condition: Callable[[], bool]) -> None:
    """Wait for something another process does."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


class TestInvocations:
    def test_an_event_crosses_as_json_and_its_answer_too(self, host: LambdaHost) -> None:
        assert host.invoke("worker", {"price": "0.1", "list": [1, None]}).result == {"price": "0.1", "list": [1, None]}

    def test_a_worker_stays_warm(self, host: LambdaHost) -> None:
        assert host.invoke("worker", {"do": "pid"}).result == host.invoke("worker", {"do": "pid"}).result

    def test_a_function_knows_its_name_and_the_time_left(self, host: LambdaHost) -> None:
        context = host.invoke("worker", {"do": "context"}).result
        assert context["name"] == "worker"
        assert 0 < context["left_ms"] <= 2_000

    def test_a_function_gets_only_its_own_variables(self, host: LambdaHost, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SECRET_OF_THE_OPERATOR", "x")
        environment = host.invoke("worker", {"do": "env"}).result
        assert environment["QUEUE_URL"].endswith("/jobs")
        assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "worker"
        assert "SECRET_OF_THE_OPERATOR" not in environment
        assert "QUEUE_URL" not in host.invoke("web", {"do": "env"}).result

    def test_an_exception_is_an_error_and_leaves_the_worker_warm(self, host: LambdaHost) -> None:
        before = host.invoke("worker", {"do": "pid"}).result
        error = host.invoke("worker", {"do": "raise"}).error
        assert error is not None
        assert (error["errorType"], error["errorMessage"]) == ("ValueError", "as told")
        assert host.invoke("worker", {"do": "pid"}).result == before

    def test_a_worker_that_ends_is_replaced(self, host: LambdaHost) -> None:
        before = host.invoke("worker", {"do": "pid"}).result
        assert (host.invoke("worker", {"do": "exit"}).error or {})["errorType"] == "Runtime.ExitError"
        assert host.invoke("worker", {"do": "pid"}).result != before

    def test_a_timeout_kills_the_worker(self, host: LambdaHost) -> None:
        before = host.invoke("worker", {"do": "pid"}).result
        outcome = host.invoke("worker", {"do": "sleep"})
        assert outcome.timed_out
        assert "timed out after 2.00 seconds" in (outcome.error or {})["errorMessage"]
        assert host.invoke("worker", {"do": "pid"}).result != before
        with pytest.raises(ProcessLookupError):
            os.kill(before, 0)

    def test_what_a_function_prints_is_no_answer(self, host: LambdaHost) -> None:
        assert host.invoke("worker", {"do": "print"}).result == {"do": "print"}

    def test_an_unknown_function_is_named(self, host: LambdaHost) -> None:
        with pytest.raises(LocalPartError, match=r"no function 'wroker', there are worker, other, web, cron"):
            host.invoke("wroker", {})

    def test_invocations_and_errors_are_counted(self, host: LambdaHost) -> None:
        stats = host.stats()["worker"]
        before = (stats.invocations, stats.errors)
        host.invoke("worker", {})
        host.invoke("worker", {"do": "raise"})
        assert (stats.invocations - before[0], stats.errors - before[1]) == (2, 1)


class TestQueue:
    @pytest.mark.usefixtures("host")
    def test_each_queue_wakes_its_own_function(self, notes: Callable[[], list[str]], send: Callable[..., None]) -> None:
        send("work", "a")
        send("work", "b", queue="Others")
        until(lambda: sorted(notes()) == ["work a 1", "work b 1"])

    @pytest.mark.usefixtures("host")
    def test_a_delayed_message_comes_when_its_delay_is_over_and_not_before(
        self, notes: Callable[[], list[str]], send: Callable[..., None]
    ) -> None:
        began = time.monotonic()
        send("work", "late", delay_s=3)
        send("work", "now")
        until(lambda: notes() == ["work now 1"])
        until(lambda: notes() == ["work now 1", "work late 1"])
        assert time.monotonic() - began > 2.5

    def test_a_message_is_handled_once_and_gone(
        self, host: LambdaHost, sqs: LocalSqs, send: Callable[..., None], notes: Callable[[], list[str]]
    ) -> None:
        send("work", "a")
        until(lambda: notes() == ["work a 1"] and sqs.depth("Jobs") == (0, 0))

    def test_only_the_failed_message_of_a_batch_comes_back(
        self, host: LambdaHost, sqs: LocalSqs, send: Callable[..., None], notes: Callable[[], list[str]]
    ) -> None:
        for order in ("fail", "work"):
            send(order, "b")
        until(lambda: sorted(notes()) == ["fail b 1", "fail b 2", "work b 1"])
        until(lambda: sqs.depth("Dead")[0] == 1)
        assert sorted(notes()) == ["fail b 1", "fail b 2", "work b 1"]

    def test_a_worker_killed_in_the_middle_leaves_the_message_to_be_delivered_again(
        self, host: LambdaHost, sqs: LocalSqs, send: Callable[..., None], notes: Callable[[], list[str]]
    ) -> None:
        send("hang", "c")
        until(lambda: notes() == ["hang c 1"])
        for pid in host.worker_pids("worker"):
            os.kill(pid, signal.SIGKILL)
        until(lambda: "hang c 2" in notes())

    def test_a_crash_of_the_worker_is_a_redelivery_too(
        self, host: LambdaHost, sqs: LocalSqs, send: Callable[..., None], notes: Callable[[], list[str]]
    ) -> None:
        send("die-first", "d")
        until(lambda: "die-first d 2" in notes())
        until(lambda: sqs.depth("Jobs") == (0, 0))


class TestHttp:
    def test_a_request_is_an_event_of_format_2(self, host: LambdaHost) -> None:
        event = httpx.post(
            f"{host.url}/api/orders/7?side=buy&side=sell&q=%C3%A9",
            json={"qty": "0.1"},
            headers={"Cookie": "a=1; b=2"},
        ).json()
        assert event["version"] == "2.0"
        assert (event["rawPath"], event["routeKey"]) == ("/api/orders/7", "ANY /api/{proxy+}")
        assert event["queryStringParameters"] == {"side": "buy,sell", "q": "é"}
        assert event["pathParameters"] == {"proxy": "orders/7"}
        assert event["cookies"] == ["a=1", "b=2"]
        assert json.loads(event["body"]) == {"qty": "0.1"}
        assert event["isBase64Encoded"] is False
        assert event["requestContext"]["http"]["method"] == "POST"

    def test_the_most_specific_route_wins(self, host: LambdaHost) -> None:
        assert httpx.get(f"{host.url}/api/things/x").json()["routeKey"] == "GET /api/things/{name}"
        assert httpx.put(f"{host.url}/api/things/x").json()["routeKey"] == "ANY /api/{proxy+}"

    def test_a_binary_body_travels_as_base64(self, host: LambdaHost) -> None:
        headers = {"content-type": "application/octet-stream"}
        event = httpx.post(f"{host.url}/api/x", content=b"\x00\xff", headers=headers).json()
        assert event["isBase64Encoded"] is True
        assert base64.b64decode(event["body"]) == b"\x00\xff"

    def test_the_response_is_what_the_function_says(self, host: LambdaHost) -> None:
        response = httpx.get(f"{host.url}/api/cookies")
        assert (response.status_code, response.text, response.headers["x-kind"]) == (201, "made", "test")
        assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]
        assert httpx.get(f"{host.url}/api/binary").content == b"\x00\xff"

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [("GET", "/nowhere", 404), ("DELETE", "/health", 404), ("GET", "/api/fail", 502), ("GET", "/api/slow", 504)],
    )
    def test_what_cannot_be_answered(self, host: LambdaHost, method: str, path: str, status: int) -> None:
        response = httpx.request(method, host.url + path)
        assert response.status_code == status
        assert response.json()["message"]

    def test_a_body_above_ten_megabytes_is_refused(self, host: LambdaHost) -> None:
        assert httpx.post(f"{host.url}/api/x", content=bytes(10 * 1024 * 1024 + 1)).status_code == 413

    def test_lambdas_own_invoke_interface(self, host: LambdaHost) -> None:
        def invoke(name: str, content: Any) -> httpx.Response:
            return httpx.post(f"{host.url}/2015-03-31/functions/{name}/invocations", content=content)

        assert invoke("worker", '{"a": 1}').json() == {"a": 1}
        failed = invoke("worker", '{"do": "raise"}')
        assert (failed.status_code, failed.headers["x-amz-function-error"]) == (200, "Unhandled")
        assert invoke("nobody", "{}").status_code == 404
        assert invoke("worker", "{").status_code == 400


def test_a_schedule_follows_the_clock_of_the_tape(host: LambdaHost, home: Path, notes: Callable[[], list[str]]) -> None:
    assert notes() == []
    steer(home / "clock.json", tape_ms=CLOCK_START + 55_000, speed=0)
    until(lambda: notes() == ["2023-11-14T22:14:25Z"])


def test_a_function_that_cannot_be_imported_stops_the_start(home: Path, spec: DeskSpec, sqs: LocalSqs) -> None:
    path = home / "broken.yml"
    path.write_text(
        "service: broken\nprovider: {name: aws}\nfunctions: {bad: {handler: tests/fakes/no_such_module.handler}}"
    )
    with pytest.raises(LocalPartError, match=r"bad cannot be imported: No module named"):
        LambdaHost(spec=read_spec(path, {}), log_dir=home).start()


def test_a_port_in_use_names_the_port_and_the_part(home: Path, spec: DeskSpec, host: LambdaHost) -> None:
    with pytest.raises(LocalPartError, match=rf"port {host.port} is in use, and the API \(Lambda host\) wants it"):
        LambdaHost(spec=spec, log_dir=home, port=host.port).start()
    assert claim_port(None, "anything") != host.port


class TestInvoker:
    """The desk's own way to start a function, over boto3."""

    @pytest.fixture(autouse=True)
    def _here(self, host: LambdaHost, sqs: LocalSqs, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in {**sqs.env, "AWS_ENDPOINT_URL_LAMBDA": host.url}.items():
            monkeypatch.setenv(name, value)

    def test_a_function_is_started_and_not_waited_for(self, notes: Callable[[], list[str]]) -> None:
        invoker = LambdaInvoker("tested-dev-")
        began = time.monotonic()
        invoker.invoke("cron", {"source": "aws.events", "time": "now"})
        until(lambda: notes() == ["now"])
        invoker.invoke("worker", {"do": "sleep"})
        assert time.monotonic() - began < 2

    def test_a_function_may_start_another(self, host: LambdaHost) -> None:
        assert host.invoke("worker", {"do": "env"}).result["AWS_ENDPOINT_URL_LAMBDA"] == host.url

    def test_what_cannot_be_started_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(NotFoundError, match="tested-dev-nothing"):
            LambdaInvoker("tested-dev-").invoke("nothing", {})
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", "http://127.0.0.1:9")
        with pytest.raises(TransientError, match="was not started"):
            LambdaInvoker("tested-dev-").invoke("cron", {})
