"""Child processes of the desk: started with a log file, awaited with a clear error, never left behind."""

import atexit
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, Self

from shared.domain.errors import NightdeskError

HOST: Final = "127.0.0.1"
INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT")
PROJECT: Final = Path(__file__).resolve().parents[2]
_POLL_S: Final = 0.02


class LocalPartError(NightdeskError):
    """Say which part of the local desk could not start or has stopped, and what its log ends with."""


def clean_env(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment with what a program needs to run on this machine, `extra`, and nothing else."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return inherited | {"PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": "1"} | dict(extra or {})


def python_module(name: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of this project with this interpreter."""
    return [sys.executable, "-m", name, *arguments]


class _Reaper:
    """The process that outlives this one just long enough to end its children."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def watch(self, group: int) -> None:
        """End a process group when this process ends, in whatever way."""
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """Leave a process group alone from now on: it has ended, and its number may be used again."""
        self._tell(f"-{group}\n")

    def _tell(self, line: str) -> None:
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                script = Path(__file__).with_name("reaper.py")
                self._process = subprocess.Popen(
                    [sys.executable, "-ES", str(script)], stdin=subprocess.PIPE, text=True, start_new_session=True
                )
                atexit.register(_dismiss, self._process)
            stdin = self._process.stdin
            if stdin is None:
                raise LocalPartError("the reaper has no input")
            stdin.write(line)
            stdin.flush()


def _dismiss(process: subprocess.Popen[str]) -> None:
    """Close a reaper's input, at which it ends what is left and itself."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        process.communicate(timeout=5)


reaper: Final = _Reaper()


def end_group(pid: int, *, with_signal: int = signal.SIGKILL) -> None:
    """Send a signal to a process group; it is no error when the group is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        os.killpg(pid, with_signal)


@dataclass(slots=True, kw_only=True)
class Child:
    """One part of the desk in its own process group, its output in a log file; a context manager."""

    name: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    grace_s: float = 3.0
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def pid(self) -> int:
        """Return the process id; raise `LocalPartError` before the start."""
        if self._process is None:
            raise LocalPartError(f"{self.name} has not been started")
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Tell whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start the process; raise `LocalPartError` when the program cannot be run."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as output:
            self._process = self._spawn(output)
        reaper.watch(self._process.pid)
        return self

    def _spawn(self, output: IO[bytes]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=clean_env(self.env),
                cwd=self.cwd,
                start_new_session=True,  # a Ctrl-C reaches the desk alone, which stops its parts in order
            )
        except OSError as error:
            raise LocalPartError(f"{self.name} cannot be started: {error}") from error

    def wait_ready(self, is_ready: Callable[[], bool], *, timeout_s: float = 120.0) -> Self:
        """Wait until a probe succeeds; raise `LocalPartError` with the end of the log when it does not, or dies."""
        deadline = time.monotonic() + timeout_s
        while not is_ready():
            if not self.alive or time.monotonic() > deadline:
                what = f"is not ready after {timeout_s:g} s" if self.alive else "stopped while starting"
                self.stop()
                raise LocalPartError(f"{self.name} {what}; {self._evidence()}")
            time.sleep(_POLL_S)
        return self

    def stop(self) -> None:
        """Ask the process to end, then end its whole group; returns when it is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            end_group(process.pid, with_signal=signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(self.grace_s)
        end_group(process.pid)
        process.wait()
        reaper.forget(process.pid)

    def tail(self, lines: int = 20) -> str:
        """Return the end of the log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def __enter__(self) -> Self:
        """Start the process."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop the process."""
        self.stop()

    def _evidence(self) -> str:
        return f"{self.log} ends with:\n{self.tail() or '(nothing)'}"


_handed_out: set[int] = set()
_port_lock = threading.Lock()


def claim_port(port: int | None, part: str) -> int:
    """Return the port if it is free, or a free one for None; raise `LocalPartError` that names port and part."""
    with _port_lock:
        if port:
            _check_free(port, part)
            return port
        while True:
            with socket.socket() as probe:
                probe.bind((HOST, 0))
                found = int(probe.getsockname()[1])
            if found not in _handed_out:  # parts start side by side: two must not be told the same
                _handed_out.add(found)
                return found


def _check_free(port: int, part: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise LocalPartError(
                f"port {port} is in use, and {part} wants it: end what uses it or choose another port"
            ) from error


def accepts(port: int) -> bool:
    """Tell whether something listens on a local port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((HOST, port)) == 0


def answers(url: str, *, headers: Mapping[str, str] | None = None) -> bool:
    """Tell whether a GET of the URL succeeds (status 2xx)."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers or {})), timeout=2.0):  # noqa: S310
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
