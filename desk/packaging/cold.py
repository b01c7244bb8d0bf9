"""What loading a function costs at its cold start: its source as it is here, with the libraries of its package alone.

The wheels of a package are another processor's, so what is measured is this environment's Python and its libraries of
the same versions; those the package does not have cannot be imported.
"""

import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from typing import Final

from desk.local.process import PROJECT, clean_env
from desk.packaging.build import artifacts
from desk.packaging.strip import UNUSED
from desk.packaging.wheels import REQUIREMENTS
from shared.domain.errors import FatalError

STARTS: Final = 5
ENVIRONMENT: Final = {"PYDANTIC_DISABLE_PLUGINS": "true"}
"""What serverless.yml sets of what libraries read as they are loaded."""
_LOCKED: Final = re.compile(r"^([A-Za-z0-9._-]+)(?:\[.*\])?==", re.MULTILINE)
_IMPORT: Final = """
import json, sys, time
sys.modules.update(dict.fromkeys(json.loads(sys.argv[2])))
__import__(sys.argv[1])
print(json.dumps({"imported_s": time.time(), "cpu_ms": time.process_time() * 1e3}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdImport:
    """Medians of fresh processes: from the start of the process to a function's module, and its time on a processor."""

    import_ms: float
    cpu_ms: float


def cold_import(function: str, *, starts: int = STARTS) -> ColdImport:
    """Return what importing a function takes; byte code is at hand. Raise `FatalError` when it cannot be imported."""
    module, missing = module_of(function), missing_for(function)
    start(module, missing)  # so that the byte code is there
    found = [start(module, missing) for _ in range(starts)]
    return ColdImport(
        import_ms=statistics.median(each.import_ms for each in found),
        cpu_ms=statistics.median(each.cpu_ms for each in found),
    )


def module_of(function: str) -> str:
    """Return the module of a function's handler."""
    return f"functions.{function.replace('-', '_')}"


def missing_for(function: str) -> Sequence[str]:
    """Return the modules that are installed here and are not in a function's package."""
    group = artifacts()[function].stem
    named = _LOCKED.findall((REQUIREMENTS / f"{group}.txt").read_text(encoding="utf-8"))
    locked = {_canonical(name) for name in named}
    stripped = {name for name in UNUSED if "/" not in name}
    return sorted(
        module
        for module, owners in _installed().items()
        if module in stripped or locked.isdisjoint(_canonical(owner) for owner in owners)
    )


def start(module: str, missing: Sequence[str]) -> ColdImport:
    """Return what importing a module takes in one fresh process, without some modules; raise as `cold_import` does."""
    began_s = time.time()
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT, module, json.dumps(missing)],
        env=clean_env(ENVIRONMENT),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise FatalError(f"{module} cannot be imported with what is in its package: {done.stderr[-2_000:]}")
    told = json.loads(done.stdout)
    return ColdImport(import_ms=(told["imported_s"] - began_s) * 1e3, cpu_ms=told["cpu_ms"])


@cache
def _installed() -> Mapping[str, list[str]]:
    return packages_distributions()


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
