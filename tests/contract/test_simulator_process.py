"""The simulator as the desk starts it: a process that follows a clock file."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from shared.adapters.clock import steer
from shared.domain.timeframe import Timeframe

LIVE_FROM = 1_704_067_200_000


def start(folder: Path, *options: str, **spec: object) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    tape = folder / "tape.json"
    tape.write_text(json.dumps({"kind": "synthetic", "symbols": 2, "history_bars": 10, "live_bars": 10} | spec))
    command = [sys.executable, "-m", "desk.simulator", "--tape", str(tape), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 our own server
        return json.load(answer)


def test_it_follows_the_clock_file_and_ends_cleanly(tmp_path: Path) -> None:
    clock = tmp_path / "clock.json"
    steer(clock, tape_ms=LIVE_FROM, speed=0)
    with start(tmp_path, "--clock-file", str(clock)) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        assert get(f"{url}/api/v3/time") == {"serverTime": LIVE_FROM}
        steer(clock, tape_ms=LIVE_FROM + 3 * Timeframe.M1.ms, speed=0)
        rows = get(f"{url}/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime={LIVE_FROM}")
        assert [row[0] for row in rows] == [LIVE_FROM + bar * Timeframe.M1.ms for bar in range(4)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        assert process.communicate() == ("", "")


def test_what_prevents_it_from_starting_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        attempts = {
            f"simulator: port {port} of 127.0.0.1 cannot be used": start(tmp_path, "--port", str(port)),
            "simulator: tape.json: synthetic.symbols: expected": start(tmp_path / "a", symbols=0),
            "simulator: nowhere.json does not exist": start(tmp_path / "b", "--clock-file", "nowhere.json"),
        }
        for problem, process in attempts.items():
            output, errors = process.communicate(timeout=60)
            assert process.returncode == 1
            assert output == ""
            assert errors.startswith(problem)
            assert errors.count("\n") == 1
