"""The desk's own Redis: a redis-server from the PATH if there is one, else an embedded one in Python."""

import shutil
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from desk.local.fake_redis import read_counters
from desk.local.process import HOST, Child, LocalPartError, accepts, claim_port

PART: Final = "Redis"


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisStats:
    """What a Redis has served: commands (also those of a pipeline), bytes received, bytes sent."""

    commands: int
    bytes_in: int
    bytes_out: int


@dataclass(slots=True, kw_only=True)
class LocalRedis:
    """A Redis on this machine that keeps nothing on disk; a context manager.

    `embedded` True insists on the Python one, False on a redis-server, None takes what there is.
    """

    log_dir: Path
    port: int | None = None
    embedded: bool | None = None
    _child: Child | None = field(default=None, init=False)
    _counters: "_InfoCounters | _FileCounters | None" = field(default=None, init=False)
    _baseline: tuple[int, int, int] = field(default=(0, 0, 0), init=False)

    @property
    def url(self) -> str:
        """Return the address for Redis clients."""
        return f"redis://{HOST}:{self.port}/0"

    @property
    def kind(self) -> str:
        """Return what serves: `redis-server` or `fakeredis`."""
        return "redis-server" if isinstance(self._counters, _InfoCounters) else "fakeredis"

    def start(self) -> Self:
        """Start serving; raise `LocalPartError` when the port is taken or no Redis can be had."""
        program = None if self.embedded else shutil.which("redis-server")
        if program is None and self.embedded is False:
            raise LocalPartError("there is no redis-server on the PATH")
        self.port = port = claim_port(self.port, PART)
        self.log_dir.mkdir(parents=True, exist_ok=True)
        counter_file = self.log_dir / f"redis-{port}.counters"
        argv = _server(program, port) if program else _embedded(port, counter_file)
        self._child = Child(name=PART, argv=argv, log=self.log_dir / "redis.log").start()
        self._child.wait_ready(lambda: accepts(port))
        self._counters = _InfoCounters(port) if program else _FileCounters(counter_file)
        self.reset_stats()
        return self

    def stop(self) -> None:
        """Stop serving; what was stored is gone."""
        if self._counters is not None:
            self._counters.close()
        if self._child is not None:
            self._child.stop()

    def stats(self) -> RedisStats:
        """Return what was served since the start or the last reset, without what asking for it took."""
        now = self._totals()
        commands, bytes_in, bytes_out = (total - before for total, before in zip(now, self._baseline, strict=True))
        return RedisStats(commands=commands, bytes_in=bytes_in, bytes_out=bytes_out)

    def reset_stats(self) -> None:
        """Count from zero again."""
        self._baseline = self._totals()

    def __enter__(self) -> Self:
        """Start serving."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop serving."""
        self.stop()

    def _totals(self) -> tuple[int, int, int]:
        if self._counters is None:
            raise LocalPartError(f"{PART} has not been started")
        return self._counters.read()


def _server(program: str, port: int) -> list[str]:
    return [program, "--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "no", "--loglevel", "warning"]


def _embedded(port: int, counter_file: Path) -> list[str]:
    return [sys.executable, "-m", "desk.local.fake_redis", "--port", str(port), "--counters", str(counter_file)]


class _FileCounters:
    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> tuple[int, int, int]:
        return read_counters(self._path)

    def close(self) -> None:
        self._path.unlink(missing_ok=True)


class _InfoCounters:
    """The totals of a redis-server, without this connection's own questions and answers."""

    _QUESTION: Final = b"*2\r\n$4\r\nINFO\r\n$5\r\nstats\r\n"
    _FIELDS: Final = ("total_commands_processed", "total_net_input_bytes", "total_net_output_bytes")

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((HOST, port), timeout=5.0)
        self._asked = 0
        self._answered = 0

    def read(self) -> tuple[int, int, int]:
        self._socket.sendall(self._QUESTION)
        self._asked += 1
        text = self._answer()
        values = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        commands, bytes_in, bytes_out = (int(values[name]) for name in self._FIELDS)
        # The server counts a command when it has run and a reply when it is sent: this one is only in the input yet.
        own = (self._asked - 1, self._asked * len(self._QUESTION), self._answered)
        self._answered += len(text)
        return commands - own[0], bytes_in - own[1], bytes_out - own[2]

    def close(self) -> None:
        self._socket.close()

    def _answer(self) -> str:
        received = b""
        while b"\r\n" not in received:
            received += self._receive()
        head, _, _ = received.partition(b"\r\n")
        total = len(head) + 2 + int(head[1:]) + 2
        while len(received) < total:
            received += self._receive()
        return received.decode()

    def _receive(self) -> bytes:
        chunk = self._socket.recv(65_536)
        if not chunk:
            raise LocalPartError(f"{PART} closed the connection")
        return chunk
