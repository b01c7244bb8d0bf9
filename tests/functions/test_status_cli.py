"""`desk status` as a person types it, against a desk in memory."""

import json
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from rich.console import Console, RenderableType
from rich.live import Live
from typer.testing import CliRunner, Result

from desk.api import DeskApi
from desk.cli import app
from desk.status_view import render
from functions.api import app as api
from shared.domain.alerts import Alert, Severity
from shared.domain.errors import TransientError
from shared.domain.status import QueueDepth
from shared.runtime.telemetry import start_logging
from shared.runtime.wiring import process_deps
from tests.fakes.agents import MemoryAgentStore
from tests.fakes.alerts import MemoryAlertStore
from tests.fakes.monitor import ran
from tests.fakes.status import MemoryDepths
from tests.functions.api_client import ALICE, Guards, call, token_of
from tests.functions.api_http import serve_commands
from tests.functions.trading_desk import SECRET, TradingDeps, trade, trading_desk
from tests.usecases.trading_in_memory import SYMBOL, TradingInMemory

Run = Callable[..., Result]
DEPTHS = [QueueDepth(queue="executions", waiting=3, in_flight=1, delayed=0, dead=2)]


@pytest.fixture
def deps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TradingDeps]:
    start_logging("api")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".desk").mkdir()
    here = {"api_url": "http://desk.test", "token": token_of(ALICE), "service_secret": SECRET}
    (tmp_path / ".desk" / "desk.json").write_text(json.dumps(here))
    desk = trading_desk()
    deps = TradingDeps(desk)
    deps.queue_depths = MemoryDepths(DEPTHS)
    busy(desk)
    ran(deps.monitor_runs, at_ms=desk.clock.now_ms())
    guards = Guards()
    api.dependency_overrides[process_deps] = lambda: guards.give(deps)
    yield deps
    api.dependency_overrides.clear()


def busy(desk: TradingInMemory) -> None:
    """Let something be wrong, and an agent beat."""
    MemoryAgentStore(desk.database).beat("ops-agent", version="0.1.0")
    wrong = Alert(dedupe_key="x", kind="test", severity=Severity.CRITICAL, sentence="it [red]is[/] wrong")
    MemoryAlertStore(desk.database).settle(["x"], [wrong], at_ms=desk.clock.now_ms())


@pytest.fixture
def run(deps: TradingDeps, monkeypatch: pytest.MonkeyPatch) -> Run:
    def invoke(*arguments: str, by: httpx.BaseTransport | None = None) -> Result:
        serve_commands(monkeypatch, by)
        return CliRunner().invoke(app, ["status", *arguments])

    return invoke


def test_status_shows_every_part(deps: TradingDeps, run: Run) -> None:
    trade(deps.desk, size_usd=4_000)
    told = run()
    assert told.exit_code == 0, told.output
    for words in ("desk active", "ops-agent", "online", "executions", "binance 1m", "1 critical", SYMBOL, "0 s ago"):
        assert words in told.stdout, words
    assert "it [red]is[/] wrong" in told.stdout  # what the desk says is never markup


def test_a_desk_that_is_followed_is_drawn_anew_and_stays_while_it_does_not_answer(
    deps: TradingDeps, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([None, None, TransientError("the desk is away"), None])
    drawn: list[str] = []
    get = DeskApi.get

    def answer(desk: DeskApi, path: str) -> Any:
        error = next(answers, KeyboardInterrupt())
        if error is not None:
            raise error
        return get(desk, path)

    def wait(seconds: float) -> None:
        assert seconds == 0.5
        MemoryAgentStore(deps.desk.database).beat(f"agent-{len(drawn)}", version="0.1.0")

    def note(live: Live, drawing: RenderableType, *, refresh: bool = False) -> None:
        assert refresh
        screen = Console(file=StringIO(), width=100)
        screen.print(drawing)
        drawn.append(cast("StringIO", screen.file).getvalue())

    monkeypatch.setattr(DeskApi, "get", answer)
    monkeypatch.setattr("desk.status_cli.time.sleep", wait)
    monkeypatch.setattr(Live, "update", note)
    told = run("--watch", "--every", "0.5")
    assert told.exit_code == 0, told.output
    assert ["agent-0" in each for each in drawn] == [True, True, True]
    assert ["the desk is away" in each for each in drawn] == [False, True, False]
    assert ["agent-2" in each for each in drawn] == [False, False, True]


def test_json_is_what_the_api_says(run: Run) -> None:
    assert json.loads(run("--json").stdout).keys() == call("GET", "/api/metrics", token=SECRET).body.keys()


def test_what_cannot_be_read_is_said_and_an_exit_code(deps: TradingDeps, run: Run) -> None:
    deps.queue_depths = MemoryDepths(broken=True)
    told = run()
    assert told.exit_code == 1
    assert "cannot read queues: executions: no answer" in told.stdout
    assert "unknown" in told.stdout


def test_a_person_who_is_no_operator_is_refused(run: Run) -> None:
    refused = run("--api", "http://desk.test", "--token", token_of(ALICE))
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "only operators" in refused.stderr


def test_long_spans_are_told_in_their_units_and_what_nobody_counted_as_such(deps: TradingDeps) -> None:
    told = call("GET", "/api/metrics", token=SECRET).body
    told["boundaries"] = [{"venue": "binance", "timeframe": "1m", "close_time": 0, "lag_ms": 667_537, "data_age_ms": 0,
                           "signals": 0, "errors": 0}]  # fmt: skip
    told["redis"] = {"commands": 0, "bytes": 0, "usd": "0", "projected_usd": None}
    screen = Console(width=80, highlight=False, record=True, file=StringIO())
    screen.print(render(told, width=80))
    text = screen.export_text()
    assert "11 min 7 s" in text
    assert "none counted yet" in text


@pytest.mark.parametrize("width", [80, 120])
def test_it_fits_the_terminal(deps: TradingDeps, width: int) -> None:
    trade(deps.desk, size_usd=4_000)
    told = call("GET", "/api/metrics", token=SECRET).body
    screen = Console(width=width, highlight=False, record=True, file=StringIO())
    screen.print(render(told, width=width))
    text = screen.export_text()
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    beside = next(line for line in text.splitlines() if line.startswith("boundary"))
    assert ("queue" in beside) is (width >= 118)
