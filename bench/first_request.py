"""Load the API in a process that has just begun, and answer one request: what `first_requests` measures.

The request is read from standard input, as API Gateway hands it on.
"""
# ruff: noqa: E402, PLC0415 - the clock starts before the imports, and the API is the first of them

import sys
import time

BEGAN_S, BEGAN_CPU_S = time.perf_counter(), time.process_time()

from functions.api import handler

IMPORTED_S, IMPORTED_CPU_S, MODULES = time.perf_counter(), time.process_time(), len(sys.modules)

import io
import json
from contextlib import redirect_stdout
from types import SimpleNamespace


def main() -> None:
    """Print what the import took, and the request, as JSON."""
    event = json.load(sys.stdin)
    before, began_s, began_cpu_s = len(sys.modules), time.perf_counter(), time.process_time()
    import stamina

    stamina.set_active(False)  # waiting between attempts is no work
    with redirect_stdout(io.StringIO()):
        answer = handler(event, SimpleNamespace(aws_request_id="bench"))
    ended_s, ended_cpu_s = time.perf_counter(), time.process_time()
    told = {
        "import_ms": round((IMPORTED_S - BEGAN_S) * 1e3, 1),
        "cpu_ms": round((IMPORTED_CPU_S - BEGAN_CPU_S) * 1e3, 1),
        "first_ms": round((ended_s - began_s) * 1e3, 1),
        "first_cpu_ms": round((ended_cpu_s - began_cpu_s) * 1e3, 1),
        "modules": MODULES,
        "first_modules": len(sys.modules) - before,
        "status": answer["statusCode"],
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
