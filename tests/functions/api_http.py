"""The API in memory as a command sees it over HTTP."""

import io
from contextlib import redirect_stdout
from functools import partial
from urllib.parse import unquote

import httpx
import pytest

from tests.functions.api_client import call


class ApiTransport(httpx.BaseTransport):
    """Answer an HTTP client with the API; `writes` are the requests that asked for a change."""

    def __init__(self) -> None:
        self.writes: list[tuple[str, str]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Pass one request to the function, and its answer back."""
        path = unquote(request.url.path)
        if request.method != "GET" and not path.endswith("/validate"):
            self.writes.append((request.method, path))
        with redirect_stdout(io.StringIO()):  # a function's log is no part of what a command prints
            answer = call(
                request.method,
                path,
                request.content.decode() or None,
                token=request.headers["authorization"].removeprefix("Bearer "),
                query=request.url.query.decode(),
            )
        return httpx.Response(answer.status, json=answer.body)


def serve_commands(monkeypatch: pytest.MonkeyPatch, transport: httpx.BaseTransport | None = None) -> None:
    """Let the commands' HTTP client talk to the API in memory, or to another transport."""
    monkeypatch.setattr("desk.api.httpx.Client", partial(_Client, transport=transport or ApiTransport()))


_Client = httpx.Client  # as it is before anything is replaced
