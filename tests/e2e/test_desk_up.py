"""`desk up` starts a whole desk, and Ctrl-C leaves no process behind."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from desk.deploy_check import LiveDesk, check
from desk.local.process import clean_env

DESK = """
import sys
from pathlib import Path
from desk.up import run_until_interrupted
from shared.domain.timeframe import Timeframe
run_until_interrupted(symbols=3, timeframes=(Timeframe.M1,), home=Path(sys.argv[1]))
"""
START_S = 300


def processes_of(session: str) -> list[str]:
    """Return the command lines of the processes that were started with a variable in their environment."""
    found = subprocess.run(["ps", "axeww", "-o", "pid=,command="], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if session in line and "ps axeww" not in line]


def prices(addresses: dict[str, Any]) -> httpx.Response:
    """Ask the desk what bitcoin trades at."""
    return httpx.get(
        f"{addresses['api_url']}/api/v1/engine/market-data/prices",
        params={"symbols": "BTC/USDT"},
        headers={"authorization": f"Bearer {addresses['token']}"},
        timeout=20,
    )


def checked_from_outside(addresses: dict[str, Any]) -> dict[str, str]:
    """Save a trader that fires at every close, and return what `desk deploy-check` finds, each with its state."""
    trader = {"name": "always", "rule": "close > 0", "timeframe": "1m", "edge": "level"}
    with httpx.Client(base_url=addresses["api_url"], timeout=30) as client:
        client.post(
            "/api/v1/traders", json=trader, headers={"authorization": f"Bearer {addresses['token']}"}
        ).raise_for_status()
        desk = LiveDesk(
            client=client,
            venue="binance",
            trigger_secret=addresses["variables"]["TRIGGER_SECRET"],
            token=addresses["token"],
        )
        return {finding.name: str(finding.state) for finding in check(desk, wait_s=150)}


def until(condition: Callable[[], bool], *, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes by their environment, which macOS hides")
def test_a_desk_starts_answers_and_leaves_nothing_behind(tmp_path: Path) -> None:
    home, mark = tmp_path / "home", f"{tmp_path}"
    home.mkdir()
    # Every part inherits TMPDIR, so the whole family can be found by it, also those whose parent is gone.
    env = clean_env({"TMPDIR": mark})
    with (tmp_path / "output").open("wb") as output:
        desk = subprocess.Popen([sys.executable, "-c", DESK, str(home)], env=env, stdout=output, stderr=output)
    try:
        until(lambda: (home / "desk.json").exists() or desk.poll() is not None, within_s=START_S)
        assert desk.poll() is None, (tmp_path / "output").read_text()
        addresses = json.loads((home / "desk.json").read_text())
        assert (home / "desk.json").stat().st_mode & 0o077 == 0, "it has keys in it"
        assert httpx.get(f"{addresses['api_url']}/health", timeout=20).status_code == 200
        assert httpx.get(f"{addresses['collector_url']}/health", timeout=20).status_code == 200
        until(lambda: prices(addresses).status_code == 200, within_s=30)
        (price,) = prices(addresses).json()["BTC/USDT"]
        assert price["venue"] == "binance"
        assert 0 < price["bid"] < price["ask"]
        found = checked_from_outside(addresses)
        assert found.pop("health") in {"ok", "warn"}  # the monitor may not have run yet
        assert found == dict.fromkeys(("data age", "unsigned", "trigger", "signal"), "ok")
        assert len(processes_of(mark)) > 8
        desk.send_signal(signal.SIGINT)
        assert desk.wait(120) == 0
    finally:
        desk.kill()
        desk.wait()
    until(lambda: not processes_of(mark), within_s=60)
    assert not (home / "desk.json").exists()
