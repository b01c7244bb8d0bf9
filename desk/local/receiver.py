"""A receiver of notifications on this machine: it takes what channels send here, keeps it, and counts it."""

import json
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self

from desk.local.process import HOST

_POLL_S: Final = 0.1
_KEPT: Final = 1_000


class LocalReceiver:
    """An HTTP server in a thread of this process; a context manager.

    `received` are the newest messages: the path each came to, and its JSON.
    """

    def __init__(self) -> None:
        self.messages = 0
        self.received: deque[tuple[str, Any]] = deque(maxlen=_KEPT)
        self._server = ThreadingHTTPServer((HOST, 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_S,), daemon=True)

    @property
    def port(self) -> int:
        """Return where it listens."""
        return int(self._server.server_address[1])

    @property
    def target(self) -> str:
        """Return where it is, as Apprise has it."""
        return f"json://{HOST}:{self.port}/demo"

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                receiver.messages += 1
                receiver.received.append((self.path, json.loads(body)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler
