"""Import one function in a process that has just begun, then all its first invocation needs: what `cold` measures.

Arguments: the function's module, its recorded event, and the parts of `deps` its handler takes.
"""
# ruff: noqa: E402, PLC0415 - the clock starts before the imports, and the function is the first of them

import json
import os
import sys
import time
from importlib import import_module

MODULE, EVENT, *PARTS = sys.argv[1:]
MISSING = json.loads(os.environ["BENCH_MISSING"])
sys.modules.update(dict.fromkeys(MISSING))  # which refuses to import them
FUNCTION = import_module(f"functions.{MODULE}")
IMPORTED_S, CPU_S, MODULES = time.time(), time.process_time(), len(sys.modules) - len(MISSING)

import io
import resource
from contextlib import redirect_stdout, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def main() -> None:
    """Print what the import took and what came after it, as JSON."""
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
    event = _event()
    began, began_cpu = time.perf_counter(), time.process_time()
    with redirect_stdout(io.StringIO()):
        _first(event)
    told = {
        "import_ms": (IMPORTED_S - float(os.environ["BENCH_BEGAN_S"])) * 1e3,
        "cpu_ms": CPU_S * 1e3,
        "first_ms": (time.perf_counter() - began) * 1e3,
        "first_cpu_ms": (time.process_time() - began_cpu) * 1e3,
        "modules": MODULES,
        "first_modules": len(sys.modules) - len(MISSING) - MODULES,
        "rss_mb": rss_mb,
    }
    print(json.dumps({name: round(value, 1) for name, value in told.items()}))


def _event() -> Any:
    """Return the recorded event, or the clock's in place of a request, whose recorded signature opens nothing."""
    event = json.loads(Path(EVENT).read_text(encoding="utf-8"))
    return {"source": "aws.events"} if "requestContext" in event and MODULE != "api" else event


def _first(event: Any) -> None:
    """Handle the event and build every part; what asks the database is refused, and has imported what it asks with."""
    import stamina

    from shared.domain.errors import NightdeskError
    from shared.runtime.wiring import process_deps

    stamina.set_active(False)  # waiting between attempts is no import
    context = SimpleNamespace(aws_request_id="bench")
    with suppress(NightdeskError):
        FUNCTION.handler(event, context)
    for part in PARTS:
        with suppress(NightdeskError):
            getattr(process_deps(), part)


if __name__ == "__main__":
    main()
