"""The desk's agents, and what config/agents.yaml sets for them. A new agent is one entry here and one there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shared.domain.agent_settings import ExecutionSettings, NoSettings, RiskSettings
from shared.domain.agents import Autonomy
from shared.domain.consensus import SignalAgentSettings
from shared.domain.errors import FatalError, InvalidMessageError, RefusedError
from shared.domain.monitoring import MonitorSettings, Task
from shared.messages import ExecuteRequest, TriggerRequest
from shared.usecases.agent_specs import AgentSpec, Errand, Problem, config_of

if TYPE_CHECKING:
    from pydantic import TypeAdapter

AGENTS_FILE: Final = Path(__file__).resolve().parents[2] / "config" / "agents.yaml"
"""Beside `shared`, wherever the package is unpacked."""
SWEEP: Final[Mapping[str, object]] = {"trigger": "cron"}


def _monitoring() -> TypeAdapter[Any]:
    from shared.monitor_messages import MonitorRequest

    return MonitorRequest


def _signalling() -> TypeAdapter[Any]:
    from shared.signal_messages import SignalRequest

    return SignalRequest


def _deciding() -> TypeAdapter[Any]:
    from shared.trading_messages import RiskRequest

    return RiskRequest


def _working() -> TypeAdapter[Any]:
    from shared.trading_messages import ExecutionRequest

    return ExecutionRequest


_SIGNAL_ERRAND: Final = Errand(function="signal-agent", messages=_signalling, message={"trigger": "command"})

SPECS: Final[Mapping[str, AgentSpec]] = {
    "strategy-agent": AgentSpec(
        settings=NoSettings,
        autonomies=(Autonomy.SEMI, Autonomy.USER_TRIGGERED),
        capabilities=("evaluate_traders", "record_signals", "measure_outcomes"),
        errand=Errand(function="trigger-executions", messages=lambda: TriggerRequest, message=SWEEP),
        asked={"trader_id": Errand(function="execute-trader", messages=lambda: ExecuteRequest)},
        paused_means="no trader is evaluated; closes are kept, and evaluated after it is resumed",
    ),
    "signal-agent": AgentSpec(
        settings=SignalAgentSettings,
        autonomies=(Autonomy.SEMI, Autonomy.FULL, Autonomy.USER_TRIGGERED),
        capabilities=("form_consensus", "propose_trades", "raise_intents"),
        errand=_SIGNAL_ERRAND,
        asked={"instruments": _SIGNAL_ERRAND},
        paused_means="no consensus is formed, nothing is proposed, and no proposal expires; people still decide them",
    ),
    "ops-agent": AgentSpec(
        settings=MonitorSettings,
        autonomies=(Autonomy.FULL,),
        capabilities=tuple(task.value for task in Task),
        errand=Errand(function="scheduled-monitor", messages=_monitoring, message={"task": "all"}),
        asked={"task": Errand(function="scheduled-monitor", messages=_monitoring)},
        paused_means="nothing is watched: no alert opens or resolves, and the dead man's alarm goes off",
        watchman=True,
    ),
    "risk-agent": AgentSpec(
        settings=RiskSettings,
        autonomies=(Autonomy.FULL,),
        capabilities=("decide_intents", "watch_books", "trip_breakers"),
        errand=Errand(function="risk-agent", messages=_deciding, message=SWEEP),
        paused_means="no intent is decided, exits included, and no breaker goes off; stops at venues stand",
    ),
    "execution-agent": AgentSpec(
        settings=ExecutionSettings,
        autonomies=(Autonomy.USER_TRIGGERED,),
        capabilities=("work_intents", "protect_positions", "reconcile_accounts", "adopt_balances"),
        errand=Errand(function="execution-agent", messages=_working, message=SWEEP),
        paused_means="nothing is ordered, watched or reconciled; a halt still cancels; stops at venues stand",
    ),
}


def read_agents(path: Path = AGENTS_FILE, specs: Mapping[str, AgentSpec] = SPECS) -> Mapping[str, dict[str, object]]:
    """Return the settings of the deployment by agent; raise `RefusedError` with every name and value that is wrong,
    `FatalError` when the file cannot be read."""
    import yaml

    try:
        raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise FatalError(f"{path.name} cannot be read: {error}") from error
    if not isinstance(raw, dict) or set(raw) != {"agents"} or not isinstance(raw["agents"], dict):
        raise InvalidMessageError("agents", f"expected {path.name} to have this one name, with every agent below it")
    problems: list[Problem] = []
    for agent, given in raw["agents"].items():
        place = f"agents.{agent}"
        if agent not in specs:
            problems.append((place, f"unknown, expected one of {', '.join(specs)}"))
        elif not isinstance(given, dict):
            problems.append((place, f"expected names with values, got {given!r}"))
        else:
            try:
                config_of(specs[agent], given, place=place)
            except InvalidMessageError as error:
                problems += error.errors
    problems += [(f"agents.{agent}", "expected its settings") for agent in specs if agent not in raw["agents"]]
    if problems:
        raise RefusedError(problems)
    return {agent: dict(given) for agent, given in raw["agents"].items()}


@cache
def deployed_agents() -> Mapping[str, dict[str, object]]:
    """Return the settings of this deployment, read once a process; raise `FatalError` when they cannot be used."""
    try:
        return read_agents()
    except InvalidMessageError as error:
        raise FatalError(f"{AGENTS_FILE.name}: {error}") from error
