"""`serverless.yml` is read as the Serverless Framework would, and what is not understood is refused."""

from pathlib import Path

import pytest

from desk.lambda_host.pool import Outcome
from desk.lambda_host.queue_source import failures
from desk.lambda_host.spec import Route, read_spec
from desk.local.process import LocalPartError

HEAD = "service: s\nprovider: {name: aws, stage: \"${opt:stage, 'dev'}\", timeout: 9}\n"


def write(tmp_path: Path, body: str) -> Path:
    path = tmp_path / "serverless.yml"
    path.write_text(HEAD + body)
    return path


def test_variables_come_from_the_environment_given_and_defaults(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
functions:
  f:
    handler: functions/f.handler
    environment: {A: "${env:A}", B: "${env:B, 'b'}", C: "${self:service}-${sls:stage}", D: "${env:D, ''}"}
""",
    )
    function = read_spec(path, {"A": "a"}).functions["f"]
    assert function.environment == {"A": "a", "B": "b", "C": "s-dev", "D": ""}
    assert (function.handler, function.timeout_s) == ("functions.f.handler", 9)
    with pytest.raises(LocalPartError, match=r"env:A.*is not set"):
        read_spec(path, {})


def test_secrets_by_reference_come_from_the_environment_given(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
custom: {parameters: "/${self:service}/${sls:stage}"}
functions:
  f:
    handler: functions/f.handler
    environment:
      A_SECRET: "ssm:${self:custom.parameters}/A_SECRET"
      B_KEY: "ssm-optional:${self:custom.parameters}/B_KEY"
      DEPLOYMENT: "${sls:instanceId}"
""",
    )
    environment = read_spec(path, {"A_SECRET": "a"}).functions["f"].environment
    assert environment == {"A_SECRET": "a", "B_KEY": "", "DEPLOYMENT": "local"}
    with pytest.raises(LocalPartError, match=r"A_SECRET.*is not set"):
        read_spec(path, {"B_KEY": "b"})


@pytest.mark.parametrize(
    ("event", "route"),
    [
        ("GET /health", Route(method="GET", path="/health")),
        ("ANY /api/{proxy+}", Route(method="ANY", path="/api/{proxy+}")),
        ("'*'", Route(method="ANY", path="$default")),
        ("{method: post, path: /x}", Route(method="POST", path="/x")),
    ],
)
def test_routes(tmp_path: Path, event: str, route: Route) -> None:
    path = write(tmp_path, f"functions:\n  f:\n    handler: f.h\n    events:\n      - httpApi: {event}\n")
    assert read_spec(path, {}).functions["f"].routes == (route,)


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        ("- kafka: {}", "does not know 'kafka'"),
        ('- sqs: {arn: {"Fn::GetAtt": [Nowhere, Arn]}}', "there is no queue Nowhere"),
    ],
)
def test_what_would_wake_a_function_otherwise_is_refused(tmp_path: Path, events: str, problem: str) -> None:
    path = write(tmp_path, f"functions:\n  f:\n    handler: f.h\n    events:\n      {events}\n")
    with pytest.raises(LocalPartError, match=problem):
        read_spec(path, {})


IDS = ["a", "b"]


@pytest.mark.parametrize(
    ("outcome", "kept"),
    [
        (Outcome(result={"batchItemFailures": []}), set()),
        (Outcome(result={}), set()),
        (Outcome(result=None), set()),
        (Outcome(result={"batchItemFailures": [{"itemIdentifier": "b"}]}), {"b"}),
        (Outcome(result={"batchItemFailures": [{"itemIdentifier": ""}]}), {"a", "b"}),
        (Outcome(result={"batchItemFailures": [{"itemIdentifier": "c"}]}), {"a", "b"}),
        (Outcome(result={"batchItemFailures": [{"id": "b"}]}), {"a", "b"}),
        (Outcome(result={"batchItemFailures": "b"}), {"a", "b"}),
        (Outcome(result="done"), {"a", "b"}),
        (Outcome(error={"errorType": "x", "errorMessage": "y"}), {"a", "b"}),
    ],
)
def test_what_a_batch_report_keeps_in_the_queue(outcome: Outcome, kept: set[str]) -> None:
    assert failures(outcome, IDS, partial=True) == kept


def test_without_partial_reports_a_batch_is_all_or_nothing() -> None:
    assert failures(Outcome(result={"batchItemFailures": [{"itemIdentifier": "b"}]}), IDS, partial=False) == set()
    assert failures(Outcome(error={"errorType": "x", "errorMessage": "y"}), IDS, partial=False) == {"a", "b"}
