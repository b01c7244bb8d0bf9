"""Secrets by reference, read from a Parameter Store over HTTP: moto's, and one that fails on purpose."""

import os
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from http import HTTPStatus

import boto3
import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from desk.lambda_host.spec import DeskSpec
from desk.local.aws import LocalSqs
from shared.adapters import ssm_parameters
from shared.adapters.ssm_parameters import MAX_NAMES, read_parameters, signed_headers
from shared.domain.errors import FatalError, TransientError
from shared.runtime import redaction
from shared.runtime.config import Settings
from shared.runtime.redaction import HIDDEN, redact

NOW = datetime(2026, 1, 31, 12, 0, 1, tzinfo=UTC)
KEYS = {"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "of-an-example"}
SECRET = secrets.token_hex(16)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The variables a function finds a Parameter Store with, which has two secrets and a dozen others."""
    spec = DeskSpec(service="tested", stage="dev", region="eu-central-1", functions={}, queues={})
    with LocalSqs(spec=spec, log_dir=tmp_path_factory.mktemp("ssm")) as moto:
        client = boto3.client(
            "ssm",
            endpoint_url=moto.url,
            region_name="eu-central-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )
        for name, value in {"SERVICE_SECRET": SECRET, **{f"N{number}": f"v{number}" for number in range(12)}}.items():
            client.put_parameter(Name=f"/desk/dev/{name}", Value=value, Type="SecureString")
        client.close()
        yield moto.env


@pytest.fixture(autouse=True)
def _unlearned() -> Iterator[None]:
    yield
    redaction._learned.clear()
    redaction._own_secrets.cache_clear()


def test_parameters_are_read_decrypted_and_more_than_one_call_takes(store: Mapping[str, str]) -> None:
    names = [f"/desk/dev/N{number}" for number in range(12)]
    assert len(names) > MAX_NAMES
    assert read_parameters([*names, "/desk/dev/ABSENT"], store) == {
        f"/desk/dev/N{number}": f"v{number}" for number in range(12)
    }


def test_a_process_has_the_secrets_its_environment_refers_to(
    store: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in Settings.variables() & set(os.environ):
        monkeypatch.delenv(name)
    references = {
        "SERVICE_SECRET": "ssm:/desk/dev/SERVICE_SECRET",
        "SERVICE_SECRET_PREVIOUS": "ssm-optional:/desk/dev/ABSENT",
        "OKX_API_KEY": "ssm-optional:/desk/dev/N1",
        "TRIGGER_SECRET": "written out",
    }
    for name, value in {**store, **references}.items():
        monkeypatch.setenv(name, value)
    settings = Settings.of_process()
    assert settings.need("service_secret") == SECRET
    assert settings.service_secret_previous is None
    assert settings.venue_access["okx"].api_key is not None
    assert settings.need("trigger_secret") == "written out"
    assert redact(f"it said {SECRET}") == f"it said {HIDDEN}", "what was read is as secret as what was given"


def test_a_missing_secret_stops_the_process_by_name(store: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**store, "TRIGGER_SECRET": "ssm:/desk/dev/NOT_PUT"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(FatalError, match="no parameter for TRIGGER_SECRET: expected /desk/dev/NOT_PUT"):
        Settings.of_process()


@pytest.mark.parametrize("token", [None, "a-session-token"])
def test_requests_are_signed_as_botocore_signs_them(token: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    env = KEYS | ({"AWS_SESSION_TOKEN": token} if token else {})
    ours = signed_headers('{"Names": []}', host="ssm.eu-central-1.amazonaws.com", env=env, now=NOW)
    unsigned = ("content-type", "x-amz-target")
    request = AWSRequest(
        "POST",
        "https://ssm.eu-central-1.amazonaws.com/",
        data='{"Names": []}',
        headers={name: ours[name] for name in unsigned},
    )
    credentials = Credentials(KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"], token)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda **_: NOW)
    SigV4Auth(credentials, "ssm", "eu-central-1").add_auth(request)
    assert ours["authorization"] == request.headers["Authorization"]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Response | Exception]:
    """What Systems Manager answers, in turn."""
    queued: list[httpx.Response | Exception] = []

    def post(url: str, **_: object) -> httpx.Response:
        answer = queued.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(httpx, "post", post)
    monkeypatch.setattr(ssm_parameters, "_PAUSES_S", (0.0, 0.0, 0.0))
    return queued


def test_what_passes_is_asked_again(answers: list[httpx.Response | Exception]) -> None:
    good = httpx.Response(200, json={"Parameters": [{"Name": "/a", "Value": "b"}]})
    answers += [
        httpx.Response(HTTPStatus.BAD_REQUEST, json={"__type": "ThrottlingException"}),
        httpx.ConnectError("reset"),
        httpx.Response(HTTPStatus.INTERNAL_SERVER_ERROR),
        good,
    ]
    assert read_parameters(["/a"], KEYS) == {"/a": "b"}


def test_what_does_not_answer_is_left_to_the_next_invocation(answers: list[httpx.Response | Exception]) -> None:
    answers += [httpx.ReadTimeout("slow")] * 4
    with pytest.raises(TransientError, match="Systems Manager"):
        read_parameters(["/a"], KEYS)
    assert not answers


def test_what_is_not_allowed_is_not_asked_again(answers: list[httpx.Response | Exception]) -> None:
    answers += [httpx.Response(HTTPStatus.BAD_REQUEST, json={"__type": "AccessDeniedException"})]
    with pytest.raises(FatalError, match="AccessDenied"):
        read_parameters(["/a"], KEYS)


@pytest.mark.parametrize("name", sorted(KEYS))
def test_what_lambda_does_not_say_of_itself_is_named(name: str) -> None:
    with pytest.raises(FatalError, match=name):
        read_parameters(["/a"], {each: value for each, value in KEYS.items() if each != name})
