"""config/agents.yaml is held to what agents know: whatever else is written is refused by its name."""

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.domain.agent_settings import ExecutionSettings, RiskSettings
from shared.domain.agents import Agent, AgentState, Autonomy, merge_patch
from shared.domain.errors import ConflictError, FatalError, InvalidMessageError, RefusedError
from shared.domain.trading.intents import AlgorithmName
from shared.domain.trading.limits import Caps
from shared.runtime.agent_config import AGENTS_FILE, SPECS, deployed_agents, read_agents
from shared.usecases.agent_specs import config_of, settings_json
from shared.usecases.clearance import Clearances
from tests.fakes.agents import MemoryAgentStore
from tests.fakes.clock import ManualClock

SHIPPED: dict[str, dict[str, Any]] = yaml.safe_load(AGENTS_FILE.read_text())["agents"]


def clearances_of(agents: MemoryAgentStore, clock: ManualClock) -> Clearances:
    return Clearances(
        directory=lambda: agents, hasty=lambda: agents, specs=SPECS, deployed=deployed_agents(), wall_clock=clock
    )


def written(folder: Path, raw: Any) -> Path:
    path = folder / "agents.yaml"
    path.write_text(raw if isinstance(raw, str) else yaml.safe_dump(raw))
    return path


def test_the_file_has_every_agent_with_the_defaults_the_desk_was_asked_for() -> None:
    assert {*deployed_agents()} == {*SPECS} == {*SHIPPED}
    configs = {agent: config_of(SPECS[agent], given, place=agent) for agent, given in deployed_agents().items()}
    assert all(config.enabled for config in configs.values())
    caps = Caps(
        max_leverage=Decimal("3.0"),
        max_drawdown_daily=Decimal("0.05"),
        max_concentration=Decimal("0.25"),
        var_limit=Decimal("0.02"),
    )
    assert configs["risk-agent"].settings == RiskSettings(limits=caps)
    assert configs["execution-agent"].settings == ExecutionSettings(algos=configs["execution-agent"].settings.algos)
    assert set(configs["execution-agent"].settings.algos) == set(AlgorithmName)
    assert {agent: config.autonomy for agent, config in configs.items()} == {
        "strategy-agent": Autonomy.SEMI,
        "signal-agent": Autonomy.SEMI,
        "ops-agent": Autonomy.FULL,
        "risk-agent": Autonomy.FULL,
        "execution-agent": Autonomy.USER_TRIGGERED,
    }


@pytest.mark.parametrize("agent", sorted(SPECS))
def test_what_is_not_set_is_as_the_settings_class_has_it(agent: str) -> None:
    config = config_of(SPECS[agent], {}, place=agent)
    assert (config.enabled, config.autonomy, config.settings) == (
        True, SPECS[agent].autonomies[0], SPECS[agent].settings(),
    )  # fmt: skip


@pytest.mark.parametrize("agent", sorted(SPECS))
def test_what_holds_is_told_as_json_and_reads_as_the_same_again(agent: str) -> None:
    config = config_of(SPECS[agent], SHIPPED[agent], place=agent)
    told = settings_json(SPECS[agent], config)
    assert config_of(SPECS[agent], json.loads(json.dumps(told)), place=agent) == config


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("agents: [", "cannot be read"),
        ("- 1", "agents: expected"),
        ("agents: {}\nmore: 1", "agents: expected"),
        ({"agents": []}, "agents: expected"),
        (
            {"agents": SHIPPED | {"juggling-agent": {}}},
            "agents.juggling-agent: unknown, expected one of strategy-agent",
        ),
        ({"agents": SHIPPED | {"risk-agent": 1}}, "agents.risk-agent: expected names"),
        (
            {"agents": SHIPPED | {"risk-agent": {"limits": {"leverage": 1}}}},
            "agents.risk-agent.limits.leverage: unknown",
        ),
        ({"agents": SHIPPED | {"risk-agent": {"limits": {"var_limit": ".inf"}}}}, "agents.risk-agent.limits.var_limit"),
        ({"agents": SHIPPED | {"risk-agent": {"limits": {"var_limit": -1}}}}, "agents.risk-agent.limits.var_limit"),
        (
            {"agents": SHIPPED | {"strategy-agent": {"autonomy": "full"}}},
            "agents.strategy-agent.autonomy: expected semi",
        ),
        ({"agents": SHIPPED | {"strategy-agent": {"enabled": "on"}}}, "agents.strategy-agent.enabled: expected true"),
        ({"agents": {"risk-agent": {}}}, "agents.strategy-agent: expected its settings"),
    ],
    ids=range(12),
)
def test_what_is_wrong_with_a_file_is_said_by_name(tmp_path: Path, raw: Any, said: str) -> None:
    with pytest.raises((InvalidMessageError, FatalError), match=said.replace(".", r"\.")):
        read_agents(written(tmp_path, raw))


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    raw = {
        "agents": SHIPPED | {"risk-agent": {"limit": 1, "autonomy": "semi"}, "execution-agent": {"algos": ["guess"]}}
    }
    with pytest.raises(RefusedError) as refused:
        read_agents(written(tmp_path, raw))
    assert {field for field, _ in refused.value.errors} == {
        "agents.risk-agent.limit", "agents.risk-agent.autonomy", "agents.execution-agent.algos.0",
    }  # fmt: skip


def places(kind: type[Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], set[str]]]:
    """Yield every place that has names, with the names it has."""
    yield above, {each.name for each in fields(kind)} | (set() if above else {"enabled", "autonomy"})
    for name, hint in get_type_hints(kind).items():
        if isinstance(hint, type) and is_dataclass(hint):
            yield from places(hint, (*above, name))


PLACES = [(agent, place, names) for agent in sorted(SPECS) for place, names in places(SPECS[agent].settings)]
JSON = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.lists(st.integers())


@given(st.sampled_from(PLACES), st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12), JSON)
def test_a_name_nobody_knows_is_refused_wherever_it_is(
    at: tuple[str, tuple[str, ...], set[str]], name: str, value: Any
) -> None:
    agent, place, names = at
    patch: dict[str, Any] = {name: value if value is not None else 0}
    for part in reversed(place):
        patch = {part: patch}
    given = merge_patch(SHIPPED[agent], patch)
    assume(name not in names)
    with pytest.raises(RefusedError) as refused:
        config_of(SPECS[agent], given, place=agent)
    assert (".".join((agent, *place, name)), True) in [
        (field, "unknown, expected one of" in problem) for field, problem in refused.value.errors
    ]


NAMES = ["enabled", "autonomy", "limits", "algos", "min_sources", "half_lives_ms", "kept_days"]


@given(st.sampled_from(sorted(SPECS)), st.dictionaries(st.sampled_from(NAMES), JSON))
def test_whatever_is_set_is_either_used_or_refused_by_name(agent: str, given: dict[str, Any]) -> None:
    config, refused = None, []
    try:
        config = config_of(SPECS[agent], given, place=agent)
    except RefusedError as error:
        refused = [field for field, _ in error.errors]
    assert all(field.startswith(f"{agent}.") for field in refused)
    assert bool(refused) is (config is None)
    if config is not None:
        assert config.autonomy in SPECS[agent].autonomies
        assert isinstance(config.settings, SPECS[agent].settings)


def test_an_operators_settings_win_over_the_deployments() -> None:
    agents, clock = MemoryAgentStore(), ManualClock()
    clearances = clearances_of(agents, clock)
    assert clearances.settings("risk-agent", RiskSettings).limits.var_limit == Decimal("0.02")
    agents.configure("risk-agent", {"limits": {"var_limit": 0.01}}, actor="ann")
    clock.advance(5_000)
    limits = clearances.settings("risk-agent", RiskSettings).limits
    assert (limits.var_limit, limits.max_leverage) == (Decimal("0.01"), Decimal("3.0"))
    with pytest.raises(FatalError, match="juggling-agent"):
        clearances.autonomy("juggling-agent")
    with pytest.raises(FatalError, match="not ExecutionSettings"):
        clearances.settings("risk-agent", ExecutionSettings)


def test_who_is_stopped_says_why() -> None:
    agents, clock = MemoryAgentStore(), ManualClock()
    clearances = clearances_of(agents, clock)
    clearances.require("risk-agent")
    agents.pause("risk-agent", actor="ann", reason="drill")
    clock.advance(5_000)
    with pytest.raises(ConflictError, match="risk-agent is paused by ann: drill"):
        clearances.require("risk-agent")
    stranger = Agent(agent="x", version="", state=AgentState.PAUSED, last_beat_ms=0, paused_by="ann", paused_reason="")
    assert clearances.judge("x", stranger).stopped == "paused by ann"
