"""What operators do with agents: look at them, pause and resume them, have them run now, set what they go by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from shared.domain.agents import Agent, AgentState, merge_patch
from shared.domain.errors import ConflictError, FatalError, InvalidMessageError, NotFoundError, RefusedError
from shared.usecases.agent_specs import AgentSpec, Errand, config_of, settings_json

if TYPE_CHECKING:
    from shared.agent_ports import AgentDirectory, Invoker
    from shared.usecases.clearance import Clearance, Clearances

MAX_REASON_CHARS: Final = 500


class Action(StrEnum):
    """What may be asked of an agent."""

    PAUSE = "pause"
    RESUME = "resume"
    RUN_NOW = "run_now"
    STATUS = "status"
    SET_CONFIG = "set_config"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldAgent:
    """An agent as operators are told of it: its row, None when it never ran; all that holds for it, None when that
    means nothing any more, and `problem` says why."""

    agent: str
    known: Agent | None
    spec: AgentSpec
    settings: Mapping[str, object] | None
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A function that was started, and the message it was sent."""

    function: str
    message: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOffice:
    """What commanding agents takes; the invoker is asked for only where something is started."""

    agents: AgentDirectory
    clearances: Clearances
    invoker: Callable[[], Invoker]


def agent_named(name: str, specs: Mapping[str, AgentSpec]) -> str:
    """Return the agent a name means: `risk`, `risk_agent` and `risk-agent` are one; raise `NotFoundError`."""
    plain = name.strip().lower().replace("_", "-")
    for agent in (plain, f"{plain}-agent"):
        if agent in specs:
            return agent
    raise NotFoundError(f"no agent {name!r}, expected one of {', '.join(specs)}")


def list_agents(*, agents: AgentDirectory, clearances: Clearances) -> Sequence[ToldAgent]:
    """Return every agent of the desk, those that never ran too, by name."""
    known = {each.agent: each for each in agents.list()}
    return [_told(agent, known.get(agent), clearances) for agent in sorted(clearances.specs)]


def command_agent(
    agent: str, action: Action, params: Mapping[str, Any], *, actor: str, office: AgentOffice
) -> ToldAgent | Started:
    """Do what an operator asks of a registered agent, and return how it stands then, or what was started.

    Raise `InvalidMessageError` for parameters that are wrong, with what was expected.
    """
    match action:
        case Action.STATUS:
            _only(params)
            return _told(agent, _known(agent, office.agents), office.clearances)
        case Action.PAUSE:
            reason = _reason(params)
            return _told(agent, office.agents.pause(agent, actor=actor, reason=reason), office.clearances)
        case Action.RESUME:
            _only(params)
            return _told(agent, _resumed(agent, actor, office.agents), office.clearances)
        case Action.SET_CONFIG:
            return _configured(agent, params, actor=actor, office=office)
        case Action.RUN_NOW:
            return _started(agent, params, office)


def _configured(agent: str, params: Mapping[str, Any], *, actor: str, office: AgentOffice) -> ToldAgent:
    """Set what was given, once all of it means something together with what is set already."""
    if not params:
        raise InvalidMessageError("params", "expected settings by name; null takes one back to the deployment's")
    known = _known(agent, office.agents)
    own = merge_patch({} if known is None else known.settings, params)
    spec, deployed = office.clearances.specs[agent], office.clearances.deployed.get(agent, {})
    config_of(spec, merge_patch(deployed, own), place="params")
    return _told(agent, office.agents.configure(agent, params, actor=actor), office.clearances)


def _started(agent: str, params: Mapping[str, Any], office: AgentOffice) -> Started:
    """Start the agent's function, or the one that does what a parameter asks for."""
    clearance = office.clearances.judge(agent, _known(agent, office.agents))
    if clearance.stopped is not None:
        raise ConflictError(f"{agent} is {clearance.stopped}")
    spec = office.clearances.specs[agent]
    _only(params, *spec.asked)
    if len(params) > 1:
        raise InvalidMessageError("params", f"expected one at a time, got {', '.join(params)}")
    errand: Errand = next((spec.asked[name] for name in params), spec.errand)
    message = errand.read(params)
    office.invoker().invoke(errand.function, message)
    return Started(function=errand.function, message=message)


def _resumed(agent: str, actor: str, agents: AgentDirectory) -> Agent | None:
    """Resume an agent; one nobody has heard of is not paused."""
    try:
        return agents.resume(agent, actor=actor)
    except NotFoundError:
        return None


def _known(agent: str, agents: AgentDirectory) -> Agent | None:
    try:
        return agents.get(agent)
    except NotFoundError:
        return None


def _told(agent: str, known: Agent | None, clearances: Clearances) -> ToldAgent:
    spec = clearances.specs[agent]
    try:
        clearance: Clearance = clearances.judge(agent, known)
    except FatalError as error:
        return ToldAgent(agent=agent, known=known, spec=spec, settings=None, problem=str(error))
    settings = None if clearance.config is None else settings_json(spec, clearance.config)
    problem = None
    if known is None or known.state is not AgentState.PAUSED:
        problem = clearance.stopped
    return ToldAgent(agent=agent, known=known, spec=spec, settings=settings, problem=problem)


def _reason(params: Mapping[str, Any]) -> str:
    _only(params, "reason")
    reason = params.get("reason", "")
    if not isinstance(reason, str) or len(reason) > MAX_REASON_CHARS:
        raise InvalidMessageError("params.reason", f"expected a text of at most {MAX_REASON_CHARS} characters")
    return reason.strip()


def _only(params: Mapping[str, Any], *names: str) -> None:
    """Refuse parameters that mean nothing here."""
    expected = f"expected {' or '.join(names)}" if names else "expected none"
    if unknown := [name for name in params if name not in names]:
        raise RefusedError([(f"params.{name}", f"unknown, {expected}") for name in unknown])
