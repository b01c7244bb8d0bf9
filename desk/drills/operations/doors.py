"""Doors that are opened and shut from any thread: gates that run in a thread of their own."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from desk.drills.gate import Gate
from desk.local.process import HOST, claim_port

_BUSY: Final = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Door:
    """A gate in front of a local port."""

    def __init__(self, gate: Gate, loop: asyncio.AbstractEventLoop) -> None:
        self._gate, self._loop = gate, loop

    @property
    def port(self) -> int:
        """Return the port in front."""
        return self._gate.port

    @property
    def url(self) -> str:
        """Return the address in front."""
        return f"http://{HOST}:{self.port}"

    def open(self) -> None:
        """Let everything pass."""
        self._do(self._gate.open)

    def shut(self) -> None:
        """Cut every connection, and those that come."""
        self._do(self._gate.shut)

    def freeze(self) -> None:
        """Hold back everything."""
        self._do(self._gate.freeze)

    def refuse(self) -> None:
        """Answer 503 to everything, as a proxy does whose server is away."""
        self._do(lambda: self._gate.answer(_BUSY))

    def _do(self, what: Callable[[], None]) -> None:
        done = threading.Event()

        def act() -> None:
            what()
            done.set()

        self._loop.call_soon_threadsafe(act)
        done.wait()


@contextmanager
def door(target_port: int) -> Iterator[Door]:
    """Put an open door in front of a local port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="a door", daemon=True)
    thread.start()
    gate = Gate(target_port, port=claim_port(None, "a door"))
    asyncio.run_coroutine_threadsafe(gate.__aenter__(), loop).result()
    try:
        yield Door(gate, loop)
    finally:
        asyncio.run_coroutine_threadsafe(gate.__aexit__(None, None, None), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
