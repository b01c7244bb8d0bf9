"""A venue's REST on a thread of its own: what it answers is a function, and it may fail after it has acted."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import parse_qsl, urlsplit

from tests.fakes.live_venues.ledger import VenueLedger


class Speaks(Protocol):
    """A venue's way of speaking."""

    ledger: VenueLedger

    def answer(self, method: str, path: str, query: dict[str, str], body: str) -> tuple[int, Any]:
        """Return status and body of an answer; raise KeyError for what the venue does not have."""


class VenueServer:
    """Serves one venue at `url`; `asked` has method and path of every request."""

    def __init__(self, venue: Speaks) -> None:
        self.venue = venue
        self.asked: list[tuple[str, str]] = []
        self.lose: str | None = None
        self.refuse: tuple[str, int] | None = None
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # or each answer waits 40 ms for the client to say that it has the headers

            def _serve(self) -> None:
                server.serve(self)

            do_GET = do_POST = do_DELETE = _serve  # noqa: N815 - names of http.server

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(10)

    def lose_answers_of(self, path: str | None) -> None:
        """Act on writes to a path and break the connection instead of answering."""
        self.lose = path

    def refuse_with(self, path: str, status: int) -> None:
        """Answer writes to a path with a status, without acting on them."""
        self.refuse = (path, status)

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        length = int(request.headers.get("Content-Length") or 0)
        body = request.rfile.read(length).decode()
        parts = urlsplit(request.path)
        self.asked.append((request.command, parts.path))
        writes = request.command != "GET"
        if writes and self.refuse is not None and parts.path == self.refuse[0]:
            self._send(request, self.refuse[1], {"error": "busy"})
            return
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        try:
            status, answer = self.venue.answer(request.command, parts.path, query, body)
        except KeyError as missing:
            status, answer = 404, {"error": f"no such thing here: {request.command} {parts.path} {missing}"}
        if writes and parts.path == self.lose:
            request.close_connection = True
            request.connection.shutdown(socket.SHUT_RDWR)
            return
        self._send(request, status, answer)

    def _send(self, request: BaseHTTPRequestHandler, status: int, answer: Any) -> None:
        content = json.dumps(answer).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)
