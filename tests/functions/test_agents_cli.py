"""`desk agents` as a person types it, against a desk in memory."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from desk.cli import app as desk_app
from functions.api import app
from shared.domain.agents import Memory
from shared.runtime.telemetry import start_logging
from shared.runtime.wiring import process_deps
from tests.fakes.agents import MemoryAgentStore
from tests.functions.api_client import ALICE, Guards, token_of
from tests.functions.api_http import serve_commands
from tests.functions.test_agents_api import MemoryInvoker
from tests.functions.trading_desk import SECRET, TradingDeps, trading_desk
from tests.usecases.trading_in_memory import TradingInMemory

Run = Callable[..., Result]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TradingInMemory]:
    start_logging("api")  # its log goes where this process writes, not into what a command printed
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".desk").mkdir()
    here = {"api_url": "http://desk.test", "token": token_of(ALICE), "service_secret": SECRET}
    (tmp_path / ".desk" / "desk.json").write_text(json.dumps(here))
    desk = trading_desk()
    deps = TradingDeps(desk)
    Guards().give(deps)
    deps.invoker = MemoryInvoker()
    app.dependency_overrides[process_deps] = lambda: deps
    try:
        yield desk
    finally:
        app.dependency_overrides.clear()


@pytest.fixture
def run(desk: TradingInMemory, monkeypatch: pytest.MonkeyPatch) -> Run:
    def invoke(*arguments: str) -> Result:
        serve_commands(monkeypatch)
        return CliRunner().invoke(desk_app, ["agents", *arguments])

    return invoke


def agents_of(desk: TradingInMemory) -> MemoryAgentStore:
    return MemoryAgentStore(desk.database)


@pytest.mark.parametrize("command", [("list",), ("config", "risk"), ("memory", "risk")], ids=" ".join)
def test_what_is_told_fits_eighty_columns_and_is_json_when_asked(
    desk: TradingInMemory, run: Run, command: tuple[str, ...]
) -> None:
    agents = agents_of(desk)
    figures = {"messages": 12, "failed": 1, "duration_ms": 1234.5}
    memory = Memory(event_type="decided", data={"why": "x" * 300})
    agents.beat("risk-agent", version="0.1.0", run=figures, memories=[memory])
    told = run(*command)
    assert told.exit_code == 0, told.output
    assert told.stdout.strip()
    assert max(map(len, told.stdout.splitlines())) <= 80, told.stdout
    assert json.loads(run(*command, "--json").stdout)


def test_agents_are_listed_with_what_is_wrong(desk: TradingInMemory, run: Run) -> None:
    agents = agents_of(desk)
    agents.beat(
        "risk-agent", version="0.1.0", error="TransientError: busy", run={"messages": 1, "failed": 1, "duration_ms": 9}
    )
    agents.pause("execution-agent", actor="ann", reason="drill")
    lines = run("list").stdout.splitlines()
    rows = {line.split()[0]: line for line in lines[1:6]}
    assert "paused" in rows["execution-agent"]
    assert "never" in rows["execution-agent"]
    assert "degraded" in rows["risk-agent"]
    assert "1 in 9 ms, 1 failed" in rows["risk-agent"]
    assert "execution-agent: paused by ann: drill; nothing is ordered" in "\n".join(lines[6:])
    assert "TransientError: busy" in "\n".join(lines[6:])


def test_an_agent_is_paused_run_and_resumed(desk: TradingInMemory, run: Run) -> None:
    assert run("run", "risk").stdout == 'risk-agent was started with {"trigger": "cron"}\n'
    assert run("run", "strategy", "--trader", "x").exit_code == 1
    paused = run("pause", "risk", "--reason", "drill").stdout.splitlines()
    assert paused[0] == "risk-agent is paused by operator, everywhere within 5 s"
    assert "no intent is decided" in paused[1]
    refused = run("run", "risk")
    assert (refused.exit_code, refused.stderr) == (1, "risk-agent is paused by operator: drill\n")
    assert run("resume", "risk").stdout == "risk-agent may run again, it is offline\n"
    assert run("run", "risk").exit_code == 0


def test_settings_are_shown_set_and_taken_back(desk: TradingInMemory, run: Run) -> None:
    shown = run("config", "risk", "limits.max_leverage=2").stdout
    (line,) = [line for line in shown.splitlines() if line.startswith("limits.max_leverage")]
    assert line.split() == ["limits.max_leverage", "2", "set", "by", "an", "operator"]
    assert "operator" not in run("config", "risk", "limits.max_leverage=none").stdout
    assert agents_of(desk).get("risk-agent").settings == {"limits": {}}
    assert '["twap", "limit"]' in run("config", "execution", "algos=twap,limit").stdout
    for wrong, said in (
        ("limits.leverage=2", "params.limits.leverage"),
        ("limits", "NAME=VALUE"),
        ("x.=1", "NAME=VALUE"),
    ):
        refused = run("config", "risk", wrong)
        assert (refused.exit_code, said in refused.stderr) == (1, True)


def test_memory_is_a_list_or_what_a_prompt_is_told(desk: TradingInMemory, run: Run) -> None:
    memories = [Memory(event_type=kind, data={"n": n}) for n, kind in enumerate(("decided", "tripped", "decided"))]
    agents_of(desk).beat("risk-agent", version="1", memories=memories)
    assert [line.split()[2] for line in run("memory", "risk").stdout.splitlines()[1:]] == [
        "decided",
        "tripped",
        "decided",
    ]
    told = run("memory", "risk", "--context", "--type", "decided").stdout.splitlines()
    assert [line.partition("] ")[2] for line in told] == ['decided: {"n": 0}', 'decided: {"n": 2}']
    assert run("memory", "juggling").exit_code == 1


def test_a_file_of_settings_is_checked(run: Run, tmp_path: Path) -> None:
    assert run("check").stdout.startswith("agents.yaml sets 5 agents")
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("agents: {risk-agent: {limits: {leverage: 3}}}")
    refused = run("check", str(wrong))
    assert refused.exit_code == 1
    assert "agents.risk-agent.limits.leverage: unknown, expected one of max_leverage" in refused.stderr
    assert "agents.execution-agent: expected its settings" in refused.stderr
