"""Lambda's Runtime API, and a package that runs behind it as in the cloud: unpacked, with AWS's own runtime client.

Source: AWS Lambda developer guide, "Using the Lambda runtime API for custom runtimes" (version 2018-06-01).
"""

import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Final
from uuid import uuid4

from desk.lambda_host.host import runtime_variables
from desk.lambda_host.spec import ACCOUNT, FunctionSpec
from desk.local.process import Child

API: Final = "/2018-06-01/runtime"
TRACE: Final = "Root=1-65920080-000000000000000000000001;Parent=0000000000000001;Sampled=1"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a function posted: a `response`, or an `error` as AWS words it."""

    kind: str
    body: Any


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let a client that has been ended be gone."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class RuntimeApi:
    """The Runtime API of one execution environment; a context manager."""

    def __init__(self, function: FunctionSpec) -> None:
        self.function = function
        self.answers: Queue[Answer] = Queue()
        self._events: Queue[bytes | None] = Queue()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    def send(self, event: Any) -> None:
        """Let the function have an event next."""
        self._events.put(json.dumps(event).encode())

    def __enter__(self) -> "RuntimeApi":
        """Serve."""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let who waits for an event go, and end."""
        self._events.put(None)
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                assert self.path == f"{API}/invocation/next", self.path
                event = api._events.get()
                if event is None:
                    self.close_connection = True
                    return
                self._answer(200, event, api._headers())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                assert self.path.startswith(API), self.path
                api.answers.put(Answer(self.path.rpartition("/")[2], json.loads(body or b"null")))
                self._answer(202, b"{}", {})

            def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def _headers(self) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": str(uuid4()),
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + self.function.timeout_s) * 1_000)),
            "Lambda-Runtime-Invoked-Function-Arn": (
                f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:{self.function.name}"
            ),
            "Lambda-Runtime-Trace-Id": TRACE,
        }


@dataclass(slots=True, kw_only=True)
class UnpackedFunction:
    """A function that runs from its unpacked package."""

    api: RuntimeApi
    child: Child

    def invoke(self, event: Any, *, timeout_s: float = 60.0) -> Answer:
        """Return what the function answers to an event; fail with its log when it dies or says nothing."""
        self.api.send(event)
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                return self.api.answers.get(timeout=0.1)
            except Empty:
                said = f"{self.api.function.name} does not answer:\n{self.child.tail()}"
                assert self.child.alive, said
                assert time.monotonic() < deadline, said


@contextmanager
def running(
    function: FunctionSpec, *, package: Path, runtime: Path, bytecode: Path, env: Mapping[str, str], log: Path
) -> Iterator[UnpackedFunction]:
    """Run a function with nothing to import but its package, AWS's runtime client and the standard library.

    The code directory of Lambda cannot be written to: what Python compiles is kept in `bytecode`.
    """
    with RuntimeApi(function) as api:
        lambdas = {
            "AWS_LAMBDA_RUNTIME_API": api.address,
            "LAMBDA_TASK_ROOT": str(package),
            "PYTHONPATH": f"{package}:{runtime}",
            "PYTHONPYCACHEPREFIX": str(bytecode),
        }
        argv = [sys.executable, "-S", "-s", "-m", "awslambdaric", function.handler]
        variables = {**env, **runtime_variables(function), **lambdas}
        with Child(name=function.name, argv=argv, env=variables, log=log, cwd=package, grace_s=0.5) as child:
            yield UnpackedFunction(api=api, child=child)
