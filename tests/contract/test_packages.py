"""Each package, unpacked where there is nothing else, answers its functions' events through AWS's runtime client."""

import json
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from desk.lambda_host.host import environment_of
from desk.lambda_host.spec import DeskSpec, FunctionSpec, read_spec
from desk.local.aws import LocalSqs
from desk.local.process import PROJECT, clean_env
from desk.local.supabase_lite import SupabaseLite
from desk.local.upstash import UpstashFacade
from desk.packaging.build import Package, artifacts, build, package
from desk.packaging.wheels import HERE, LAMBDA, REQUIREMENTS, compiler_of, install
from shared.domain.errors import FatalError, TransientError
from shared.domain.signing import sign
from tests.contract.stores import empty
from tests.fakes.lambda_runtime import running

SECRETS = {"TRIGGER_SECRET": "of-the-collector-0001", "SERVICE_SECRET": "of-the-machines-0001"}
RUNTIME = REQUIREMENTS / "runtime.txt"
FUNCTIONS = artifacts()


@dataclass(frozen=True)
class Unpacked:
    """Packages as this machine's Python runs them, each in its folder, and beside them AWS's runtime client."""

    folder: Path
    runtime: Path
    packages: tuple[Package, ...]

    @property
    def bytecode(self) -> Path:
        """Return where Python keeps what it compiles; like Lambda's, the folder of a package is never written to."""
        return self.folder / "bytecode"

    def of(self, function: str) -> Path:
        (found,) = [each.group for each in self.packages if function in each.functions]
        return self.folder / found


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    folder = tmp_path_factory.mktemp("packages")
    try:
        install(RUNTIME, folder / "runtime", HERE)
        packages = build(folder, HERE, compiler=None)
    except TransientError as error:
        pytest.skip(f"wheels cannot be fetched: {error}")
    for each in packages:
        with zipfile.ZipFile(each.archive.path) as archive:
            archive.extractall(folder / each.group)
    return Unpacked(folder, folder / "runtime", tuple(packages))


@pytest.fixture(scope="module")
def spec(supabase: SupabaseLite, upstash: UpstashFacade) -> DeskSpec:
    """The desk on an empty database."""
    empty(supabase)
    variables = {
        "SUPABASE_URL": supabase.url,
        "SUPABASE_KEY": supabase.publishable_key,
        "SUPABASE_SERVICE_ROLE_KEY": supabase.secret_key,
        "SUPABASE_JWT_SECRET": supabase.jwt_secret,
        "UPSTASH_REDIS_REST_URL": upstash.url,
        "UPSTASH_REDIS_REST_TOKEN": upstash.token,
        **SECRETS,
    }
    return read_spec(PROJECT / "serverless.yml", variables)


@pytest.fixture(scope="module")
def sqs(spec: DeskSpec, log_dir: Path) -> Iterator[LocalSqs]:
    with LocalSqs(spec=spec, log_dir=log_dir / "packages") as queues:
        yield queues


def recorded(function: FunctionSpec) -> Any:
    """Return a function's recorded event, with proof of who sends it made now."""
    event = json.loads((PROJECT / "tests" / "events" / f"{function.name}.json").read_text())
    if "body" in event:
        proof = sign(SECRETS["TRIGGER_SECRET"], timestamp_ms=time.time_ns() // 1_000_000, body=event["body"])
        event["headers"] |= proof | {"authorization": f"Bearer {SECRETS['SERVICE_SECRET']}"}
    return event


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_function_answers_its_event_from_its_package(
    name: str, unpacked: Unpacked, spec: DeskSpec, sqs: LocalSqs, tmp_path: Path
) -> None:
    function = spec.functions[name]
    env = {**environment_of(function, sqs.queue_urls), **sqs.env}
    log, event = tmp_path / "log", recorded(function)
    package, runtime, bytecode = unpacked.of(name), unpacked.runtime, unpacked.bytecode
    with running(function, package=package, runtime=runtime, bytecode=bytecode, env=env, log=log) as lambda_:
        answer = lambda_.invoke(event)
    said = f"{answer}\n{log.read_text()}"
    assert answer.kind == "response", said
    assert answers_well(name, event, answer.body), said
    assert "Traceback" not in said


def answers_well(name: str, event: Any, answer: Any) -> bool:
    """Tell whether a desk where nothing has happened yet would answer so."""
    match name:
        case "execution-agent":  # there is no such intent, which is for the queue to try again
            failed = [record["messageId"] for record in event["Records"]]
            return bool(answer == {"batchItemFailures": [{"itemIdentifier": each} for each in failed]})
        case "api":  # no candle has been written, which it says
            health = json.loads(answer["body"])
            return (answer["statusCode"], health["status"], health["database"]) == (503, "unhealthy", "connected")
        case _ if "Records" in event:
            return bool(answer == {"batchItemFailures": []})
        case _:
            return bool(answer["statusCode"] == 200 and json.loads(answer["body"]))


LATE = {
    "api": """
from functions.api import app
assert len(app.openapi()["paths"]) > 50
from shared.runtime import users
from shared.usecases import execute_trader, history, signals, tracing
""",
    "execution-agent": """
from shared.adapters.ccxt_venues import ccxt_class, dialect_of
from shared.runtime.config import TRADED_VENUES
for venue in TRADED_VENUES:
    dialect = dialect_of(venue)
    print(ccxt_class(dialect.ccxt_id, dialect.static)({"apiKey": "a", "secret": "b"}).id)
""",
    "notify": """
from shared.adapters.apprise_notifier import Apprise
assert Apprise().add("tgram://123456789:abcdefghijklmnopqrstuvwxyzABCDEFGHI/12345678/")
assert Apprise().add("json://example.com")
""",
    "execute-trader": """
from shared.adapters import lambda_invoker, sqs
from shared.domain.rules.functions import patterns
from botocore.session import Session
aws = Session().create_client
aws("sqs", region_name="eu-central-1"), aws("lambda", region_name="eu-central-1")
try:
    aws("ec2", region_name="eu-central-1")
except Exception as error:
    assert type(error).__name__ == "UnknownServiceError", repr(error)
else:
    raise AssertionError("it has what the desk does not use")
""",
}


@pytest.mark.parametrize("name", sorted(LATE))
def test_what_a_function_imports_late_is_in_its_package(name: str, unpacked: Unpacked) -> None:
    """Clients of venues, senders of messages and descriptions of services are looked for when they are needed."""
    done = subprocess.run(
        [sys.executable, "-S", "-s", "-c", LATE[name]],
        cwd=unpacked.of(name),
        env=clean_env({"PYTHONPATH": str(unpacked.of(name)), "PYTHONPYCACHEPREFIX": str(unpacked.bytecode)}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_botocore_is_all_of_the_sdk_that_is_packed(unpacked: Unpacked) -> None:
    for each in unpacked.packages:
        assert (unpacked.folder / each.group / "botocore").is_dir()
        assert not (unpacked.folder / each.group / "boto3").exists()


def test_only_what_trades_has_the_client_of_venues(unpacked: Unpacked) -> None:
    has = {name for name in FUNCTIONS if (unpacked.of(name) / "ccxt").exists()}
    assert has == {"execution-agent"}


def test_packages_are_within_their_budgets_and_have_no_tests(unpacked: Unpacked) -> None:
    assert {function for each in unpacked.packages for function in each.functions} == set(FUNCTIONS)
    for each in unpacked.packages:
        assert not each.is_too_large, f"{each.group}: {each.archive.unzipped:,} of {each.budget:,} bytes"
        with zipfile.ZipFile(each.archive.path) as archive:
            folders = {part for name in archive.namelist() for part in name.split("/")[:-1]}
        assert not folders & {"test", "tests", "__pycache__", "bin"}


def test_the_same_input_makes_the_same_bytes(tmp_path: Path) -> None:
    """Whenever the files were written, in whatever folder, also with byte code."""
    try:
        first = package(RUNTIME, tmp_path / "a.zip", HERE, compiler_of(HERE))
        second = package(RUNTIME, tmp_path / "elsewhere" / "b.zip", HERE, compiler_of(HERE))
    except TransientError as error:
        pytest.skip(f"wheels cannot be fetched: {error}")
    assert first.sha256 == second.sha256
    with zipfile.ZipFile(first.path) as archive:
        names = archive.namelist()
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert str(tmp_path.parent).encode() not in b"".join(archive.read(name) for name in names)
    assert names == sorted(names)
    assert any(name.startswith("shared/domain/__pycache__/candles.") for name in names)


def test_what_has_no_wheel_or_another_hash_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.txt"
    wrong.write_text(f"snapshot-restore-py==1.0.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises((FatalError, TransientError), match=r"(?i)hash|fetch"):
        install(wrong, tmp_path / "wheels", LAMBDA)
    assert not (tmp_path / "wheels" / "snapshot_restore_py.py").exists()


def test_a_group_no_function_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"desk, only with .*functions"):
        build(tmp_path, HERE, ["desk"], compiler=None)
