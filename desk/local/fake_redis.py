"""Serve an in-memory Redis in pure Python, for machines without a redis-server; it counts what it serves.

fakeredis answers no INFO, so the three counters INFO would give live in a small memory-mapped file instead.
"""

import mmap
import select
import socket
import struct
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from fakeredis import TcpFakeServer
from fakeredis._clients._tcp_server import TCPFakeRequestHandler
from redis.exceptions import ResponseError

from desk.local.process import HOST

COMMANDS, BYTES_IN, BYTES_OUT = range(3)
_PUSHES: Final = tuple(kind + b"3\r\n$7\r\nmessage\r\n" for kind in (b"*", b">"))
_LAYOUT: Final = struct.Struct("<3q")


class Counters:
    """Three totals other processes can read: commands answered, bytes received, bytes sent."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(_LAYOUT.size))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), _LAYOUT.size)
        self._totals = [0, 0, 0]
        self._lock = threading.Lock()

    def add(self, which: int, count: int) -> None:
        """Add to one of the totals."""
        with self._lock:
            self._totals[which] += count
            _LAYOUT.pack_into(self._shared, 0, *self._totals)


def read_counters(path: Path) -> tuple[int, int, int]:
    """Return commands, bytes in and bytes out as another process counts them."""
    commands, bytes_in, bytes_out = _LAYOUT.unpack(path.read_bytes())
    return commands, bytes_in, bytes_out


class _CountedInput:
    def __init__(self, inner: Any, counters: Counters) -> None:
        self._inner, self._counters = inner, counters

    def readline(self) -> bytes:
        line: bytes = self._inner.readline()
        self._counters.add(BYTES_IN, len(line))
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _CountedOutput:
    """What goes to a client, however long it takes to read it: fakeredis would hang up when the socket is full."""

    def __init__(self, connection: socket.socket, counters: Counters) -> None:
        self._connection, self._counters = connection, counters

    def write(self, reply: bytes) -> int:
        if not reply.startswith(_PUSHES):
            self._counters.add(COMMANDS, 1)  # the server writes each reply in one piece
        self._counters.add(BYTES_OUT, len(reply))
        left = memoryview(reply)
        while left:
            select.select([], [self._connection], [])
            with suppress(BlockingIOError):
                left = left[self._connection.send(left) :]
        return len(reply)

    def flush(self) -> None:
        """Do nothing: what is written is sent."""


class _ErrorsAsReplies:
    """A connection that goes on after an error reply, as Redis does; fakeredis would close it."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def read_response(self) -> Any:
        try:
            return self._inner.read_response()
        except ResponseError as error:
            return error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def serve(port: int, counters: Counters) -> None:
    """Serve Redis on a local port until the process is ended."""

    class CountedHandler(TCPFakeRequestHandler):
        disable_nagle_algorithm = True  # replies of a pipeline are separate writes: each would wait for an ACK

        def setup(self) -> None:
            super().setup()
            streams: Any = self  # fakeredis wants buffers by class, but reads and writes by these methods alone
            streams.rfile = _CountedInput(self.rfile, counters)
            streams.current_client = _ErrorsAsReplies(self.current_client)
            streams.writer.writer = _CountedOutput(self.connection, counters)
            session: Any = self.current_client.get_socket()
            call = session._lua_redis_call  # noqa: SLF001 - Redis counts, and Upstash bills, what a script calls

            def counted_call(*args: Any) -> Any:
                counters.add(COMMANDS, 1)
                return call(*args)

            session._lua_redis_call = counted_call  # noqa: SLF001

    class CountedServer(TcpFakeServer):
        daemon_threads = True
        request_queue_size = 64

    server = CountedServer((HOST, port), server_version=(7, 0))
    server.RequestHandlerClass = CountedHandler
    server.serve_forever()


if __name__ == "__main__":
    import argparse

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--counters", type=Path, required=True)
    options = parser.parse_args()
    serve(options.port, Counters(options.counters))
