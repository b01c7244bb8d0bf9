"""A function that starts imports what it needs, and no library that only another function, or a rare path, needs."""

import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import TypeAdapter

import shared
from bench.cold import ENVIRONMENT, arguments
from desk.local.process import PROJECT, clean_env
from shared.adapters.row_type import RowType

CLIENTS: Final = {
    "boto3",
    "botocore.session",
    "postgrest",
    "httpx",
    "upstash_redis",
    "redis",
    "aiohttp",
    "ccxt",
    "apprise",
}
"""What others are reached with: imported where a part is built."""
RARE: Final = {"aws_xray_sdk", "yaml", "shared.runtime.agent_config"}
"""What only a sampled invocation, or an agent's run, needs."""
WEB: Final = {"fastapi", "starlette", "mangum", "jwt", "cryptography", "upstash_ratelimit"}
NUMBERS: Final = {"numpy", "talib"}
EVERYWHERE: Final = CLIENTS | RARE
TOKENS: Final = {"jwt", "cryptography"}
RULES: Final = NUMBERS | {"shared.domain.rules", "shared.domain.decision"}
NEVER: Final = {
    "api": EVERYWHERE | RULES | TOKENS | {"upstash_ratelimit", "functions.routes", "shared.messages"},
    "execute_trader": EVERYWHERE | WEB,
    "execution_agent": EVERYWHERE | WEB | {"talib"},
    "notify": EVERYWHERE | WEB | NUMBERS,
    "risk_agent": EVERYWHERE | WEB | {"talib"},
    "scheduled_monitor": EVERYWHERE | WEB | NUMBERS,
    "signal_agent": EVERYWHERE | WEB | NUMBERS,
    "trigger_executions": EVERYWHERE | WEB | NUMBERS,
}
SENDING: Final = {"botocore.session", "urllib3"}
"""What only an invocation needs that sends something, or asks how much waits."""
NOT_AT_FIRST: Final = {
    "api": SENDING,
    "execute_trader": SENDING | WEB,
    "execution_agent": SENDING | WEB | {"talib", "ccxt", "shared.domain.rules"},
    "notify": SENDING | WEB | NUMBERS | {"apprise"},
    "risk_agent": SENDING | WEB | {"talib", "shared.domain.rules"},
    "scheduled_monitor": WEB | NUMBERS | {"shared.domain.rules"},
    "signal_agent": SENDING | WEB | NUMBERS,
    "trigger_executions": SENDING | WEB | {"talib", "shared.domain.rules"},
}
"""Nor may a first invocation that reaches nothing import these: moved there, an import has not become cheaper."""


NOT_FOR_ROUTES: Final = {
    "/health": EVERYWHERE | RULES | TOKENS | {"shared.messages"},
    "/api/v1/me": EVERYWHERE | RULES | TOKENS | {"shared.messages"},
    "/api/v1/traders": EVERYWHERE | RULES | TOKENS | {"shared.messages"},
    "/api/v1/signals": EVERYWHERE | RULES | TOKENS,
    "/api/v1/market-data/candles": EVERYWHERE | RULES | TOKENS,
    "/api/v1/engine/trade-intent": EVERYWHERE | TOKENS | NUMBERS | {"shared.domain.rules", "shared.usecases.working"},
}
"""What making the routes of a path, for the first request, must not import."""


def test_every_function_is_held_to_it() -> None:
    functions = {path.stem for path in (PROJECT / "functions").glob("*.py")} - {"__init__"}
    assert NEVER.keys() == NOT_AT_FIRST.keys() == functions


@pytest.mark.parametrize("function", sorted(NEVER))
def test_a_function_does_not_import_what_it_may_not_need(function: str, tmp_path: Path) -> None:
    loaded = loaded_by(f"import functions.{function}", clean_env(), tmp_path)
    assert f"functions.{function}" in loaded
    assert loaded & NEVER[function] == set()


@pytest.mark.parametrize("function", sorted(NOT_AT_FIRST))
def test_nor_does_its_first_invocation(function: str, tmp_path: Path) -> None:
    argv = arguments(function)
    code = f"import runpy, sys; sys.argv = ['', *{argv}]; runpy.run_module('bench.cold_import', run_name='__main__')"
    loaded = loaded_by(code, clean_env(ENVIRONMENT | {"BENCH_MISSING": "[]", "BENCH_BEGAN_S": "0"}), tmp_path)
    assert "shared.adapters.supabase.client" in loaded
    assert loaded & NOT_AT_FIRST[function] == set()


@pytest.mark.parametrize("path", sorted(NOT_FOR_ROUTES))
def test_the_routes_of_a_path_are_made_without_what_others_need(path: str, tmp_path: Path) -> None:
    code = f"from functions.api import app; app.state.routers.serve({path!r})"
    loaded = loaded_by(code, clean_env(), tmp_path)
    assert "functions.routes.common" in loaded
    assert loaded & NOT_FOR_ROUTES[path] == set()


def loaded_by(code: str, env: dict[str, str], folder: Path) -> set[str]:
    """Return the modules a fresh process has after some code."""
    code += "; import json, sys; print(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=folder, capture_output=True, text=True, check=True, timeout=60
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def _adapters() -> list[tuple[str, TypeAdapter[Any]]]:
    """Return everything in `shared` that rows and messages are read by."""
    modules = [importlib.import_module(found.name) for found in pkgutil.walk_packages(shared.__path__, "shared.")]
    return [
        (f"{module.__name__}.{name}", value.adapter if isinstance(value, RowType) else value)
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, RowType | TypeAdapter)
    ]


def test_what_reads_rows_and_messages_knows_every_type_it_names() -> None:
    adapters = _adapters()
    assert len(adapters) > 50
    for name, adapter in adapters:
        adapter.rebuild(raise_errors=False)
        assert adapter.pydantic_complete, f"{name} names a type that is imported for type checkers alone"
