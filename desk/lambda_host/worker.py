"""One warm execution environment of one function: import its handler once, then answer event after event.

Events come in on standard input and answers go out on what was standard output, one JSON object a line. Whatever the
function itself prints goes to its log. The end of the input ends the process.
"""

import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any


@dataclass(frozen=True, slots=True)
class LambdaContext:
    """What AWS tells a function about its invocation."""

    aws_request_id: str
    function_name: str
    memory_limit_in_mb: int
    invoked_function_arn: str
    deadline_ms: int
    function_version: str = "$LATEST"
    log_group_name: str = ""
    log_stream_name: str = ""

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the function may still run."""
        return max(self.deadline_ms - time.time_ns() // 1_000_000, 0)


def load(handler: str) -> Callable[[Any, LambdaContext], Any]:
    """Return the handler of a dotted name, e.g. `functions.execute_trader.handler`."""
    module, _, name = handler.rpartition(".")
    found: Callable[[Any, LambdaContext], Any] = getattr(importlib.import_module(module), name)
    return found


def main(handler_name: str) -> None:
    """Serve one function until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        handler = load(handler_name)
    except BaseException as error:
        _write(answers, _failure(error, time.perf_counter()))
        raise
    _write(answers, {"ready": True})
    for line in sys.stdin:
        _write(answers, _run(handler, json.loads(line)))


def _run(handler: Callable[[Any, LambdaContext], Any], call: dict[str, Any]) -> dict[str, Any]:
    began = time.perf_counter()
    try:
        result = handler(call["event"], LambdaContext(**call["context"]))
        return {"ok": json.loads(json.dumps(result)), "took_ms": (time.perf_counter() - began) * 1_000}
    except Exception as error:  # noqa: BLE001 - as in the cloud: the error is the answer, the environment stays warm
        return _failure(error, began)


def _failure(error: BaseException, began: float) -> dict[str, Any]:
    traceback.print_exception(error)
    details = {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "stackTrace": traceback.format_tb(error.__traceback__),
    }
    return {"error": details, "took_ms": (time.perf_counter() - began) * 1_000}


def _write(answers: IO[str], answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
