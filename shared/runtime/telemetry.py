"""What functions say of themselves: JSON log lines, one of them what an invocation measured, and traces.

A log line carries the correlation id that follows a boundary to its signals, intents and fills.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger
from pydantic import BaseModel

from shared.runtime.config import Settings
from shared.runtime.metrics import (
    COLD_STARTS,
    DURATION,
    FAILURES,
    MEASURED,
    MONITOR,
    MONITOR_RUNS,
    Published,
    added,
    embedded,
    measured,
)
from shared.runtime.redaction import redacted_json

if TYPE_CHECKING:
    from aws_lambda_powertools import Tracer

VERSION: Final = "0.1.0"
STANDARD_LOGGERS: Final = ("shared", "asyncio", "aiohttp", "stamina")
"""Who logs by the standard library: our own `shared`, and libraries with something to say."""
TRACED_LIBRARIES: Final = ("botocore", "httpx")
"""What calls are made with: queues, and the database and Redis."""

_started: Final[set[str]] = set()
"""The services this process has run before."""


@cache
def start_logging(service: str) -> Logger:
    """Return the JSON logger of a service; what is logged by the standard library comes out in the same shape."""
    made = Logger(service=service, level=os.environ.get("LOG_LEVEL", "INFO"), utc=True, json_serializer=redacted_json)
    for name in STANDARD_LOGGERS:
        standard = logging.getLogger(name)
        standard.handlers = [made.registered_handler]
        standard.propagate = False
        standard.setLevel(made.log_level)
    return made


class Invocation:
    """One run of a function, and what is measured of it."""

    def __init__(self, service: str, published: Published) -> None:
        self._service, self._published = service, published
        self._found: dict[str, float] = {}
        self._failures = 0
        self._answers = 0

    def answered(self, asked: BaseModel, answer: BaseModel, *, now_ms: int) -> None:
        """Measure an answer; `now_ms` is market time."""
        self._answers += 1
        self._found = added(self._found, measured(asked, answer, now_ms=now_ms))

    def failed(self) -> None:
        """Count a message or a request that failed."""
        self._failures += 1

    def write(self, *, request_id: str, took_ms: float) -> None:
        """Write everything measured as one line, which CloudWatch reads metrics from where any are to be published."""
        found: dict[str, float] = {DURATION.name: round(took_ms, 3), FAILURES.name: self._failures}
        if self._service not in _started:
            _started.add(self._service)
            found[COLD_STARTS.name] = 1
        if self._service == MONITOR and self._answers:
            found[MONITOR_RUNS.name] = 1
        found |= self._found
        line = {"message": MEASURED, "service": self._service, "request_id": request_id, **found}
        line |= embedded(found, self._published, now_ms=time.time_ns() // 1_000_000)
        sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")  # at once: lines are not to run into another


@contextmanager
def invocation(service: str, request_id: str, published: Published) -> Iterator[Invocation]:
    """Measure, and trace where it is sampled, what happens inside; an exception is a failure, and goes on."""
    run, began = Invocation(service, published), time.perf_counter()
    try:
        with _traced(service):
            yield run
    except BaseException:
        run.failed()
        raise
    finally:
        run.write(request_id=request_id, took_ms=(time.perf_counter() - began) * 1_000)


def measured_http(handle: Callable[[Any, Any], Any], *, service: str) -> Callable[[Any, Any], Any]:
    """Return a handler of HTTP events that is measured; an answer of 500 and above is a failure."""
    published = Settings.from_env().metrics_published

    def measuring(event: Any, context: Any) -> Any:
        with invocation(service, str(getattr(context, "aws_request_id", "")), published) as run:
            answer = handle(event, context)
            if answer["statusCode"] >= 500:
                run.failed()
            return answer

    return measuring


def is_traced(env: Mapping[str, str] = os.environ) -> bool:
    """Tell whether X-Ray takes a sample of this invocation: only then are its libraries imported.

    Who sent a message may have been sampled, which is no reason for a function that is not traced to be.
    """
    return env.get("TRACING") == "Active" and "Sampled=1" in env.get("_X_AMZN_TRACE_ID", "").split(";")


@contextmanager
def _traced(service: str) -> Iterator[None]:
    if not is_traced():
        yield
        return
    with _tracer(service).provider.in_subsegment(name=f"## {service}"):
        yield


@cache
def _tracer(service: str) -> "Tracer":
    """Return the process's tracer, with calls of libraries as parts of the trace from now on."""
    from aws_lambda_powertools import Tracer  # noqa: PLC0415 - half a second that only a sampled invocation pays

    tracer = Tracer(service=service, auto_patch=False)
    tracer.patch(TRACED_LIBRARIES)
    return tracer
