"""The doctor finds each thing that can be wrong, says what to do, and shows no secret."""

import ast
import hashlib
import inspect
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import jwt
import pytest
from typer.testing import CliRunner

from desk import doctor, doctor_settings
from desk.cli import app
from desk.doctor import Finding, State, Surroundings, examine
from desk.doctor_settings import check_settings, required_variables, secret_values
from desk.migrate import SqlFile
from desk.schema_check import drift_of
from shared.domain.errors import FatalError, NightdeskError, TransientError
from shared.domain.status import (
    AgentPulse,
    DeskStatus,
    LastBoundary,
    Pulse,
    QueueDepth,
    Schema,
    VenueState,
)
from shared.domain.timeframe import Timeframe
from shared.domain.trading.states import TradingState
from shared.domain.usage import MonthUsage, Usage, month_of
from shared.runtime.config import Settings
from shared.status_ports import LastMonitorRun
from tests.fakes.clock import ManualClock
from tests.fakes.monitor import a_run
from tests.fakes.status import MemoryDepths, MemoryUsage

READ_ELSEWHERE = {"DATABASE_URL", "UPSTASH_REDIS_URL", "TICKER_INTERVAL_S"}
"""Variables of `desk migrate` and of the collector."""

NOW = 1_700_000_040_000
MONTH = month_of(NOW)
BODY = "\n  select 1\n"
FILES = (
    SqlFile(
        name="0001_a.sql",
        text="create table if not exists public.things (\n  thing text\n);\n"
        f"create or replace function public.look() returns integer\nlanguage sql\nas $${BODY}$$;",
    ),
    SqlFile(name="0002_b.sql", text="alter table public.things add column if not exists size integer;"),
)
SCHEMA = Schema(
    now_ms=NOW,
    version="17.5",
    files=None,
    functions={},
    columns=frozenset({"things.thing", "things.size"}),
)
STATUS = DeskStatus(
    now_ms=NOW, database_bytes=1, trading_state=TradingState.ACTIVE, unfinished_runs=0, alerts={}, worst_alerts=(),
    agents=(AgentPulse(agent="risk-agent", version="1", last_beat_ms=NOW),), books=(), open_positions=0, positions=(),
    boundaries=(
        LastBoundary(venue="binance", timeframe=Timeframe.M1, close_time=NOW - 60_000, finished_at_ms=NOW - 59_000),
    ),
    venues=(
        VenueState(
            venue="binance", enabled=True, state=TradingState.ACTIVE, timeframes=(Timeframe.M1,), log_depth=10
        ),
    ),
)  # fmt: skip


@dataclass
class HandDatabase:
    """A database that has what a test says."""

    found: Schema
    status_now: DeskStatus = STATUS
    error: NightdeskError | None = None
    ahead_ms: int = 0

    def schema(self) -> Schema:
        if self.error is not None:
            raise self.error
        return self.found

    def pulse(self) -> Pulse:
        return Pulse(now_ms=NOW + self.ahead_ms, venues=(), agents=self.status_now.agents, last_finished_ms=None)

    def status(self, *, limit: int) -> DeskStatus:
        if self.error is not None:
            raise self.error
        return self.status_now


@dataclass
class HandMonitor:
    """A monitor that ran when a test says."""

    run: LastMonitorRun | None = None

    def last_run(self) -> LastMonitorRun | None:
        return self.run


@dataclass
class HandRedis:
    """A Redis that answers what a test says."""

    is_one: bool = True
    policy: str | None = None
    error: NightdeskError | None = None

    def ping(self) -> bool:
        if self.error is not None:
            raise self.error
        return self.is_one

    def eviction(self) -> str | None:
        return self.policy


def schema_of(body: str = BODY, **change: Any) -> Schema:
    digest = hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()
    return replace(SCHEMA, functions={"public.look": frozenset({digest})}, **change)


def usage(commands: int) -> MemoryUsage:
    counted = MonthUsage(month=MONTH, since_ms=NOW - 1_000, used=Usage(commands=commands))
    return MemoryUsage({MONTH: counted})


def well(**change: Any) -> Surroundings:
    """Return surroundings in which nothing is wrong, but what a test changes."""
    parts: dict[str, Any] = {
        "status": HandDatabase(schema_of()),
        "monitor": HandMonitor(a_run(finished_ms=NOW - 9_000, age_ms=9_000, success=True)),
        "redis": HandRedis(),
        "usage": usage(10),
        "queues": MemoryDepths([QueueDepth(queue="orders", waiting=1, in_flight=0, delayed=0, dead=0)]),
        "try_token": lambda: None,
        "channels": lambda: (2, 0),
        "venue_times": lambda venues: dict.fromkeys(venues, NOW),
        "wall_clock": ManualClock(NOW),
        "files": FILES,
    }
    return Surroundings(**(parts | change))


def found(around: Surroundings) -> dict[str, list[Finding]]:
    by_name: dict[str, list[Finding]] = {}
    for finding in examine(around):
        by_name.setdefault(finding.name, []).append(finding)
    return by_name


def texts_of(module: ModuleType) -> list[str]:
    """Return every text in a module's code that is no docstring."""
    tree = ast.parse(inspect.getsource(module))
    spoken = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
    return [
        each.value
        for each in ast.walk(tree)
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and id(each) not in spoken
    ]


def refuse() -> None:
    raise FatalError("No suitable key or wrong key type (PGRST301)")


def no_channels() -> tuple[int, int]:
    raise TransientError("the database cannot be reached")


def test_nothing_is_wrong() -> None:
    findings = [each for several in found(well()).values() for each in several]
    assert {each.state for each in findings} == {State.OK}, findings
    assert {each.name for each in findings} == {
        "database", "migrations", "token", "redis", "redis plan", "queues", "clock", "boundaries", "monitor", "agents",
        "channels",
    }  # fmt: skip


DOWN = TransientError("the database cannot be reached", source="database")
LATE = replace(STATUS, boundaries=(replace(STATUS.boundaries[0], close_time=NOW - 60_000 - 180_001),))
NEVER = replace(STATUS, boundaries=(LastBoundary(venue="binance", timeframe=Timeframe.M1),))
SILENT = replace(STATUS, agents=(AgentPulse(agent="risk-agent", version="1", last_beat_ms=NOW - 120_001),))


@pytest.mark.parametrize(
    ("name", "state", "said", "change"),
    [
        ("database", State.FAIL, "cannot be reached", {"status": HandDatabase(schema_of(), error=DOWN)}),
        ("database", State.SKIP, "SUPABASE_URL", {"status": None}),
        ("migrations", State.FAIL, "0002_b.sql",
         {"status": HandDatabase(schema_of(), error=FatalError("no function public.read_schema (PGRST202)"))}),
        ("migrations", State.FAIL, "missing: 0002_b.sql",
         {"status": HandDatabase(schema_of(columns=frozenset({"things.thing"})))}),
        ("migrations", State.FAIL, "missing: 0001_a.sql", {"status": HandDatabase(SCHEMA)}),
        ("migrations", State.FAIL, "changed: public.look (0001_a.sql)",
         {"status": HandDatabase(schema_of("\n  select 2\n"))}),
        ("migrations", State.FAIL, "edited since: 0001_a.sql",
         {"status": HandDatabase(schema_of(files={"0001_a.sql": "x", "0002_b.sql": FILES[1].sha256}))}),
        ("migrations", State.FAIL, "missing: 0002_b.sql",
         {"status": HandDatabase(schema_of(files={"0001_a.sql": FILES[0].sha256}))}),
        ("token", State.FAIL, "PGRST301", {"try_token": refuse}),
        ("token", State.SKIP, "not configured", {"try_token": None}),
        ("redis", State.FAIL, "no answer", {"redis": HandRedis(error=TransientError("no answer"))}),
        ("redis", State.FAIL, "no Redis", {"redis": HandRedis(is_one=False)}),
        ("redis", State.WARN, "allkeys-lru", {"redis": HandRedis(policy="allkeys-lru")}),
        ("redis plan", State.WARN, "600,000 commands", {"usage": usage(600_000)}),
        ("redis plan", State.WARN, "nobody has counted", {"usage": MemoryUsage()}),
        ("redis plan", State.FAIL, "no answer", {"usage": MemoryUsage(broken=True)}),
        ("queues", State.FAIL, "no answer", {"queues": MemoryDepths(broken=True)}),
        ("queues", State.WARN, "orders 4",
         {"queues": MemoryDepths([QueueDepth(queue="orders", waiting=0, in_flight=0, delayed=0, dead=4)])}),
        ("queues", State.SKIP, "no queue", {"queues": MemoryDepths()}),
        ("clock", State.WARN, "1,500 ms behind the database", {"status": HandDatabase(schema_of(), ahead_ms=1_500)}),
        ("clock", State.FAIL, "6,000 ms ahead of the database", {"status": HandDatabase(schema_of(), ahead_ms=-6_000)}),
        ("clock", State.FAIL, "7,000 ms behind binance", {"venue_times": lambda _: {"binance": NOW + 7_000}}),
        ("clock", State.WARN, "does not tell", {"venue_times": lambda _: {"binance": TransientError("down")}}),
        ("boundaries", State.FAIL, "binance 1m 240 s ago", {"status": HandDatabase(schema_of(), LATE)}),
        ("boundaries", State.FAIL, "binance 1m never", {"status": HandDatabase(schema_of(), NEVER)}),
        ("monitor", State.FAIL, "never run", {"monitor": HandMonitor()}),
        ("monitor", State.FAIL, "121 s ago",
         {"monitor": HandMonitor(a_run(finished_ms=0, age_ms=121_000, success=True))}),
        ("monitor", State.WARN, "everything",
         {"monitor": HandMonitor(a_run(finished_ms=0, age_ms=1_000, success=False))}),
        ("agents", State.WARN, "silent: risk-agent", {"status": HandDatabase(schema_of(), SILENT)}),
        ("agents", State.WARN, "no agent", {"status": HandDatabase(schema_of(), replace(STATUS, agents=()))}),
        ("channels", State.WARN, "nobody is told", {"channels": lambda: (0, 0)}),
        ("channels", State.WARN, "1 of 2 fail", {"channels": lambda: (2, 1)}),
        ("channels", State.OK, "3 in ALERT_URLS", {"channels": lambda: (0, 0), "urgent_urls": 3}),
        ("channels", State.FAIL, "cannot be reached", {"channels": no_channels}),
    ],
)  # fmt: skip
def test_each_thing_that_is_wrong_is_found(name: str, state: State, said: str, change: Mapping[str, Any]) -> None:
    told = next(each for each in found(well(**change))[name] if each.state is state)
    assert said in told.found
    if state in {State.FAIL, State.WARN}:
        assert told.advice


@pytest.mark.parametrize("module", [doctor, doctor_settings])
def test_every_variable_that_people_are_told_of_is_read_by_somebody(module: ModuleType) -> None:
    words = {each for text in texts_of(module) for each in re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", text)}
    assert words <= Settings.variables() | READ_ELSEWHERE


def test_one_failure_stops_no_other_check() -> None:
    told = found(
        well(
            status=HandDatabase(schema_of(), error=DOWN), redis=HandRedis(error=TransientError("no answer")),
            queues=MemoryDepths(broken=True), try_token=refuse, channels=no_channels,
        )
    )  # fmt: skip
    failed = {name for name, several in told.items() if any(each.state is State.FAIL for each in several)}
    assert failed == {"database", "token", "redis", "queues", "channels"}


def token_of(role: str) -> str:
    return jwt.encode({"role": role}, "a-synthetic-secret-of-at-least-thirty-two-bytes")


GOOD = {
    "SUPABASE_URL": "https://project.supabase.co",
    "SUPABASE_KEY": token_of("anon"),
    "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_abcdefghijklmnop",
    "SUPABASE_JWT_SECRET": "of-the-deployer-and-quite-long-1",
    "UPSTASH_REDIS_REST_URL": "https://eu1.upstash.io",
    "UPSTASH_REDIS_REST_TOKEN": "of-the-deployer-2",
    "TRIGGER_SECRET": "of-the-deployer-and-quite-long-3",
    "SERVICE_SECRET": "of-the-deployer-and-quite-long-4",
}


def test_good_settings_are_good() -> None:
    assert set().union(*required_variables().values()) <= set(GOOD)
    assert [finding.state for finding in check_settings(GOOD)] == [State.OK, State.OK]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"SERVICE_SECRET": ""}, "execute-trader lacks SERVICE_SECRET"),
        ({"SUPABASE_URL": "project.supabase.co"}, "SUPABASE_URL"),
        ({"RUN_LEASE_MS": "soon"}, "RUN_LEASE_MS"),
        ({"SUPABASE_URL": "http://project.supabase.co"}, "SUPABASE_URL is not encrypted"),
        ({"UPSTASH_REDIS_URL": "redis://default:pw@eu1.upstash.io"}, "UPSTASH_REDIS_URL is not encrypted"),
        ({"SUPABASE_KEY": token_of("service_role")}, "SUPABASE_KEY is not the project's key of anon"),
        ({"SUPABASE_KEY": "sb_secret_abcdefghijklmnop"}, "SUPABASE_KEY is not the project's key of anon"),
        ({"SUPABASE_SERVICE_ROLE_KEY": token_of("anon")}, "SUPABASE_SERVICE_ROLE_KEY is not"),
        ({"TRIGGER_SECRET": "short"}, "TRIGGER_SECRET is shorter than 16"),
        ({"TRIGGER_SECRET": GOOD["SERVICE_SECRET"]}, "are the same"),
        ({"BINANCE_API_KEY": "of-the-deployer-9"}, "BINANCE_API_KEY is set and BINANCE_API_SECRET is not"),
        ({"AGENT_MODE": "live"}, "no venue has keys"),
    ],
)
def test_settings_that_are_wrong_are_named_and_never_shown(change: Mapping[str, str], said: str) -> None:
    env = GOOD | dict(change)
    told = [finding for finding in check_settings(env) if finding.state is not State.OK]
    assert any(said in finding.found for finding in told), told
    shown = " ".join(f"{finding.found} {finding.advice}" for finding in told)
    assert not [value for value in secret_values(env) if value in shown]


def test_a_dropped_function_and_one_made_again_are_no_drift() -> None:
    files: Sequence[SqlFile] = (
        FILES[0],
        SqlFile(
            name="0003_c.sql",
            text="drop function if exists public.look();\nalter table public.things drop column size;",
        ),
    )
    schema = replace(SCHEMA, columns=frozenset({"things.thing"}))
    assert drift_of(files, schema).is_none
    again = SqlFile(name="0004_d.sql", text=f"create or replace function public.look() returns int as $${BODY}$$;")
    assert drift_of([*files, again], schema).missing == ("0004_d.sql",)


def test_the_command_needs_a_desk_or_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in GOOD:
        monkeypatch.delenv(name, raising=False)
    refused = CliRunner().invoke(app, ["doctor"])
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "--deployed" in refused.stderr


def test_the_command_fails_on_what_fails_and_shows_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    unreachable = {"SUPABASE_URL": "http://127.0.0.1:9", "UPSTASH_REDIS_REST_URL": "http://127.0.0.1:9"}
    env = GOOD | unreachable | {"ALERT_URLS": "json://secret-place.example"}
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    told = CliRunner().invoke(app, ["doctor", "--deployed", "--json"])
    assert told.exit_code == 1, told.output
    findings = {finding["name"]: finding for finding in json.loads(told.stdout)}
    assert (findings["variables"]["state"], findings["database"]["state"], findings["redis"]["state"]) == (
        "ok", "fail", "fail",
    )  # fmt: skip
    assert not [value for value in secret_values(env) if value in told.output]
