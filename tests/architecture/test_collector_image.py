"""What the collector is shipped with agrees with the code: the image, Fly's configuration, the systemd unit."""

import configparser
import importlib.metadata
import json
import re
import shlex
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from collector.__main__ import DRAIN_S, SAVE_S
from collector.config import Settings

ROOT = Path(__file__).parents[2]
PORT = Settings.model_fields["collector_port"].default
REQUIREMENTS = "requirements/collector.txt"

ALONE = """\
import importlib, json, pkgutil, sys

refused = set(json.loads(sys.argv[1])) - sys.stdlib_module_names


class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in refused:
            raise ModuleNotFoundError(f"{name} is not in the image", name=name)


sys.meta_path.insert(0, Refuse())
import collector

for module in pkgutil.walk_packages(collector.__path__, "collector."):
    importlib.import_module(module.name)
print(json.dumps([collector.__file__, "redis" in sys.modules, "prometheus_client" in sys.modules]))
"""


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, each with its arguments on one line."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]


def final_stage() -> list[tuple[str, str]]:
    every = instructions()
    return every[max(at for at, (name, _) in enumerate(every) if name == "FROM") :]


def arguments(name: str) -> list[str]:
    return [rest for found, rest in final_stage() if found == name]


def copied() -> list[str]:
    """Return what the image takes from the project, in any stage."""
    found = [shlex.split(rest) for name, rest in instructions() if name == "COPY"]
    return [source for words in found if not words[0].startswith("--from") for source in words[:-1]]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The folder /app of the image."""
    for source in copied():
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, tmp_path / source, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.fixture
def fly() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "fly.toml").read_text())
    return found


def test_the_image_holds_the_collector_and_what_it_imports_and_nothing_else(image: Path) -> None:
    assert sorted(copied()) == ["collector", REQUIREMENTS, "shared"]
    assert sorted(path.name for path in image.iterdir()) == ["collector", "shared"]
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    assert {f"!{source}" for source in copied()} <= set(ignored)


def test_it_starts_with_the_packages_of_its_group_alone(image: Path) -> None:
    locked = {line.partition("==")[0] for line in (ROOT / REQUIREMENTS).read_text().splitlines() if "==" in line}
    owners = importlib.metadata.packages_distributions()
    others = [name for name, by in owners.items() if not {re.sub(r"[-_.]+", "-", one).lower() for one in by} & locked]
    assert {"httpx", "boto3", "typer"} <= set(others)
    ours = [path.name for path in ROOT.iterdir()]
    run = subprocess.run(
        [sys.executable, "-c", ALONE, json.dumps([*{*others, *ours} - set(copied())])],
        cwd=image,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    where, *loaded = json.loads(run.stdout)
    assert Path(where).is_relative_to(image)
    assert all(loaded), "what is imported late would not have been tried"


def test_packages_come_by_hash_as_wheels_and_nothing_runs_as_root() -> None:
    builds = [rest for name, rest in instructions() if name == "RUN" and "pip" in rest]
    assert len(builds) == 1
    assert {"--require-hashes", "--only-binary"} <= set(shlex.split(builds[0]))
    assert "pip" not in " ".join(arguments("RUN")), "the final stage installs nothing"
    (user,) = arguments("USER")
    assert all(int(number) > 0 for number in user.split(":"))
    names = [name for name, _ in final_stage()]
    assert names.index("USER") > max(at for at, name in enumerate(names) if name in {"COPY", "RUN"})
    assert all(rest.split()[0] == "python:3.13-slim" for name, rest in instructions() if name == "FROM")


def test_it_stops_on_sigterm_and_speaks_at_once() -> None:
    assert arguments("STOPSIGNAL") == ["SIGTERM"]
    assert "PYTHONUNBUFFERED=1" in " ".join(arguments("ENV"))
    assert json.loads(arguments("CMD")[0]) == ["python", "-m", "collector"]
    assert arguments("EXPOSE") == [str(PORT)]


@pytest.fixture
def health(request: pytest.FixtureRequest) -> Iterator[int]:
    """Answer /health with a status: the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(request.param if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.mark.parametrize(("health", "is_healthy"), [(200, True), (503, False)], indirect=["health"])
def test_the_image_is_as_healthy_as_the_collector(health: int, is_healthy: bool) -> None:
    (check,) = arguments("HEALTHCHECK")
    program, *options = json.loads(check.partition("CMD ")[2])
    assert program == "python"
    run = subprocess.run(
        [sys.executable, *options], env={"COLLECTOR_PORT": str(health)}, capture_output=True, check=False
    )
    assert (run.returncode == 0) is is_healthy


def test_fly_keeps_one_machine_that_never_sleeps(fly: dict[str, Any]) -> None:
    service = fly["http_service"]
    assert (service["auto_stop_machines"], service["auto_start_machines"]) == ("off", False)
    assert service["min_machines_running"] == 1
    assert service["internal_port"] == PORT
    assert fly["env"]["COLLECTOR_PORT"] == str(PORT)
    (check,) = service["checks"]
    assert check["path"] == "/health"
    assert (fly["metrics"]["port"], fly["metrics"]["path"]) == (PORT, "/metrics")
    assert fly["restart"] == [{"policy": "always"}]


def test_fly_knows_the_settings_and_no_secret(fly: dict[str, Any]) -> None:
    known = {name.upper() for name in Settings.model_fields} | {"LOG_LEVEL"}
    required = {name.upper() for name, field in Settings.model_fields.items() if field.is_required()}
    text = (ROOT / "fly.toml").read_text()
    secrets = re.search(r"fly secrets set (.*)", text)
    assert secrets is not None
    assert {word.partition("=")[0] for word in secrets[1].split()} == required
    assert fly["env"].keys() <= known - required
    assert (ROOT / str(fly["build"]["dockerfile"])).is_file()


def test_whoever_stops_it_waits_until_it_has_drained(fly: dict[str, Any]) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(ROOT / "collector" / "nightdesk-collector.service")
    service = unit["Service"]
    for patience_s in (fly["kill_timeout"], int(service["TimeoutStopSec"])):
        assert float(str(patience_s).removesuffix("s")) > DRAIN_S + SAVE_S
    assert fly["kill_signal"] == "SIGTERM"
    assert service["ExecStart"].endswith("python -m collector")
    assert service["DynamicUser"] == "yes"
    assert service["RestartPreventExitStatus"] == "2"
