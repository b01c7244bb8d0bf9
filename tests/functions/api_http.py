"""The API in memory as a command sees it over HTTP."""

from functools import partial
from urllib.parse import unquote

import httpx
import pytest

from tests.functions.api_client import call


def _serve(request: httpx.Request) -> httpx.Response:
    answer = call(
        request.method,
        unquote(request.url.path),
        request.content.decode() or None,
        token=request.headers["authorization"].removeprefix("Bearer "),
        query=request.url.query.decode(),
    )
    return httpx.Response(answer.status, json=answer.body)


def serve_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands' HTTP client talk to the API in memory."""
    monkeypatch.setattr("desk.api.httpx.Client", partial(httpx.Client, transport=httpx.MockTransport(_serve)))
