"""`make deploy` and its settings: read from `.env.STAGE`, and what is missing is named before anything is built."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from desk.local.process import PROJECT, clean_env
from tests.architecture.packaging import OPEN

MAKE = shutil.which("make")
pytestmark = pytest.mark.skipif(MAKE is None, reason="there is no make on the PATH")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What make finds beside a Makefile that was set up, without the desk's own settings."""
    shutil.copy(PROJECT / "serverless.yml", tmp_path)
    for name in (".venv", "node_modules"):
        (tmp_path / name).symlink_to(PROJECT / name)
    return tmp_path


def make(folder: Path, *goals: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run goals of the Makefile in a folder, taking what `make setup` installs as it is."""
    argv = [str(MAKE), "-f", str(PROJECT / "Makefile"), "-o", "setup", "-o", ".venv/.ready", *goals]
    return subprocess.run(argv, cwd=folder, env=clean_env(env), capture_output=True, text=True, check=False)


def settings(folder: Path, stage: str = "dev", **env: str) -> dict[str, str]:
    """Return the environment in which a deployment runs."""
    done = make(folder, "--eval", "probe: ; @$(CLOUD) && env -0", "probe", f"STAGE={stage}", **env)
    assert done.returncode == 0, done.stderr
    pairs = (entry.partition("=") for entry in done.stdout.split("\0") if entry)
    return {name: value for name, _, value in pairs}


def test_settings_are_those_of_the_stage_and_what_is_empty_is_not_set(folder: Path) -> None:
    shutil.copy(PROJECT / ".env.example", folder / ".env.dev")
    found = settings(folder, AWS_REGION="eu-west-1", LOG_LEVEL="", RISK_TIER="1")
    assert found["AWS_REGION"] == found["AWS_DEFAULT_REGION"] == "eu-central-1", "the file is read over the environment"
    assert found["RISK_TIER"] == "1"
    assert not {"LOG_LEVEL", "SUPABASE_URL", "SERVICE_SECRET"} & found.keys()
    (folder / ".env.prod").write_text("SUPABASE_URL='https://a.example/?x=1&y=2' # where it is\n")
    assert settings(folder, stage="prod")["SUPABASE_URL"] == "https://a.example/?x=1&y=2"


def test_what_is_missing_is_named_before_anything_is_built(folder: Path) -> None:
    shutil.copy(PROJECT / ".env.example", folder / ".env.dev")
    done = make(folder, "deploy")
    assert done.returncode != 0
    assert all(re.search(rf'at ".*\.{name}": Value not found', done.stdout) for name in OPEN), done.stdout
    assert not (folder / "dist").exists()
