"""The first request of a cold API: what loading it costs, and what answering its first caller costs beyond that.

`import_ms` is the time to load `functions.api` in a fresh process, `first_ms` that of the one request the process then
answers; the columns with `cpu` are the same on a processor, which other work on the machine does not lengthen. The
database answers at once and has nothing, Redis and the queues refuse, so that what is left is our own work: imports,
routes, clients. Medians of five fresh processes; byte code is at hand, as in a deployed package.
"""

import json
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from bench.cold import ENVIRONMENT
from desk.local.process import HOST, PROJECT, clean_env
from desk.local.supabase_lite import sign_token
from desk.packaging.cold import STARTS

PERSON: Final = "aaaaaaaa-0000-4000-8000-000000000001"
ASK: Final = {"instrument": "BTC/USDT", "direction": "long", "size_usd": 50, "confidence": 0.5}
REQUESTS: Final[dict[str, Any]] = {
    "GET /health": None,
    "GET /api/v1/traders": None,
    "POST /api/v1/engine/trade-intent": ASK,
}
TOLD: Final = ("import_ms", "cpu_ms", "first_ms", "first_cpu_ms", "modules", "first_modules", "status")


def run() -> list[dict[str, Any]]:
    """Return one row per request."""
    with _empty_database() as url:
        return [_row(request, body, url) for request, body in REQUESTS.items()]


def _row(request: str, body: Any, url: str) -> dict[str, Any]:
    event = json.dumps(_event(request, body, url))
    _start(event, url)  # so that the byte code is at hand
    starts = [_start(event, url) for _ in range(STARTS)]
    return {"request": request, **{name: statistics.median(start[name] for start in starts) for name in TOLD}}


def _start(event: str, url: str) -> dict[str, float]:
    env = clean_env(ENVIRONMENT | {"SUPABASE_URL": url})
    argv = [sys.executable, "-m", "bench.first_request"]
    done = subprocess.run(argv, env=env, cwd=PROJECT, input=event, capture_output=True, text=True, check=True)
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def _event(request: str, body: Any, url: str) -> dict[str, Any]:
    """Return a request as API Gateway hands it on, from somebody signed in."""
    method, path = request.split()
    event: dict[str, Any] = json.loads((PROJECT / "tests" / "events" / "api.json").read_text(encoding="utf-8"))
    token = sign_token(PERSON, ENVIRONMENT["SUPABASE_JWT_SECRET"], url=url)
    event["rawPath"] = event["requestContext"]["http"]["path"] = path
    event["requestContext"]["http"]["method"] = method
    event["headers"] |= {"authorization": f"Bearer {token}", "content-type": "application/json"}
    return event | {"body": None if body is None else json.dumps(body)}


class _Nothing(BaseHTTPRequestHandler):
    """PostgREST over empty tables: no rows, and functions that return null."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        text = b"null" if "/rpc/" in self.path else b"[]"
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _empty_database() -> Iterator[str]:
    server = ThreadingHTTPServer((HOST, 0), _Nothing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
