"""Cold imports of each function: what loading its module costs, and what its first invocation imports beyond that.

`import_ms` is `python -c "import functions.X"`, from the start of the process, as its parent sees it. `first_ms` is
what comes after it: the recorded event is handled, and every part its handler takes is built, with nothing to reach:
every address refuses. `cpu_ms` and `first_cpu_ms` are their time on a processor, which other work on the machine
lengthens less. Medians of five fresh processes, with byte code at hand, and the libraries of its package alone.
"""

import ast
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from desk.local.process import PROJECT, clean_env
from desk.packaging.cold import ENVIRONMENT as LOADING
from desk.packaging.cold import STARTS, missing_for

REFUSES: Final = "http://127.0.0.1:9"
BUDGETS_MS: Final = {
    "execute-trader": 450,
    "trigger-executions": 350,
    "scheduled-monitor": 450,
    "api": 700,
    "execution-agent": 900,
}
"""The most `import_ms` may be; of the other functions no more was asked than that it is told."""
ENVIRONMENT: Final = {
    **LOADING,
    "SUPABASE_URL": REFUSES,
    "SUPABASE_KEY": "bench-anonymous",
    "SUPABASE_SERVICE_ROLE_KEY": "bench-service",
    "SUPABASE_JWT_SECRET": "bench-secret-of-at-least-32-characters",
    "UPSTASH_REDIS_REST_URL": REFUSES,
    "UPSTASH_REDIS_REST_TOKEN": "bench-token",
    "FUNCTION_PREFIX": "nightdesk-bench-",
    "AWS_ENDPOINT_URL": REFUSES,
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    **{
        f"{name}_QUEUE_URL": f"{REFUSES}/{name.lower()}"
        for name in ("EXECUTIONS", "INTENTS", "ORDERS", "NOTIFICATIONS", "SIGNALS", "DEAD_LETTER")
    },
}


def run() -> list[dict[str, Any]]:
    """Return one row per function."""
    names = [path.stem for path in sorted((PROJECT / "functions").glob("*.py")) if path.stem != "__init__"]
    return [_row(name) for name in names]


def _row(module: str) -> dict[str, Any]:
    function = module.replace("_", "-")
    missing = missing_for(function)
    _start(module, missing)  # so that the byte code is at hand
    starts = [_start(module, missing) for _ in range(STARTS)]
    middle = {name: round(statistics.median(start[name] for start in starts), 1) for name in starts[0]}
    return {"function": function, **middle, "budget_ms": BUDGETS_MS.get(function)}


def arguments(module: str) -> list[str]:
    """Return what `bench.cold_import` takes: the function's module, its recorded event, the parts its handler names."""
    event = PROJECT / "tests" / "events" / f"{module.replace('_', '-')}.json"
    return [module, str(event), *parts_of(PROJECT / "functions" / f"{module}.py")]


def parts_of(source: Path) -> list[str]:
    """Return the parts of `deps` a handler names, in order."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    named = [
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "deps"
    ]
    return list(dict.fromkeys(named))


def _start(module: str, missing: Sequence[str]) -> dict[str, float]:
    argv = [sys.executable, "-m", "bench.cold_import", *arguments(module)]
    env = clean_env(ENVIRONMENT) | {"BENCH_MISSING": json.dumps(missing), "BENCH_BEGAN_S": repr(time.time())}
    done = subprocess.run(argv, env=env, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise RuntimeError(f"the first start of {module} failed: {done.stderr[-2_000:]}")
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told
