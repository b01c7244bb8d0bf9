"""The desk's children: clear errors when they do not start, and none left behind however the desk ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from desk.local.process import PROJECT, Child, LocalPartError, accepts, claim_port, clean_env, python_module

FAMILY = """
import subprocess, sys, time
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(grandchild.pid, flush=True)
time.sleep(60)
"""
DESK = """
import sys, time
from pathlib import Path
from desk.local.process import Child
with Child(name="a part", argv=[sys.executable, "-c", "import time; time.sleep(60)"], log=Path(sys.argv[1])) as child:
    print(child.pid, flush=True)
    time.sleep(60)
"""


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(found.strip()) and not found.strip().startswith("Z")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_child_that_dies_while_starting_is_explained_by_its_log(tmp_path: Path) -> None:
    argv = python("print('the disk is full'); raise SystemExit(3)")
    with Child(name="a part", argv=argv, log=tmp_path / "log") as child, pytest.raises(LocalPartError) as problem:
        child.wait_ready(lambda: False)
    assert "a part stopped while starting" in str(problem.value)
    assert "the disk is full" in str(problem.value)


def test_a_child_that_never_gets_ready_is_stopped(tmp_path: Path) -> None:
    child = Child(name="a part", argv=python(FAMILY), log=tmp_path / "log").start()
    with pytest.raises(LocalPartError, match=r"a part is not ready after 0\.1 s"):
        child.wait_ready(lambda: False, timeout_s=0.1)
    assert not child.alive


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalPartError, match="a part cannot be started"):
        Child(name="a part", argv=["/no/such/program"], log=tmp_path / "log").start()


def test_stopping_ends_the_children_of_a_child_too(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Child(name="a part", argv=python(FAMILY), log=log):
        until(lambda: log.exists() and log.read_text().endswith("\n"))
        grandchild = int(log.read_text())
        assert is_alive(grandchild)
    until(lambda: not is_alive(grandchild))


@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGKILL])
def test_no_child_outlives_a_desk_however_it_ends(tmp_path: Path, with_signal: int) -> None:
    argv = [*python(DESK), str(tmp_path / "log")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=clean_env(), text=True) as desk:
        assert desk.stdout is not None
        child = int(desk.stdout.readline())
        assert is_alive(child)
        os.kill(desk.pid, with_signal)
    until(lambda: not is_alive(child))


def test_a_port_in_use_names_the_port_and_the_part() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert accepts(port)
        with pytest.raises(LocalPartError, match=f"port {port} is in use, and Redis wants it"):
            claim_port(port, "Redis")
    assert claim_port(port, "Redis") == port


def test_parts_that_start_side_by_side_get_different_ports() -> None:
    ports = [claim_port(None, "a part") for _ in range(50)]
    assert len(set(ports)) == 50


def test_a_child_inherits_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    assert "AWS_SECRET_ACCESS_KEY" not in clean_env()
    assert clean_env({"A": "1"})["A"] == "1"


def test_modules_are_found_from_anywhere(tmp_path: Path) -> None:
    argv = python_module("desk.local.reaper")
    done = subprocess.run(argv, cwd=tmp_path, env=clean_env(), input="", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (PROJECT / "pyproject.toml").exists()
