"""/api/v1/agents and /api/v1/engine/agent/command: how agents are, what they remember, what operators have them do."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query

from functions.routes.agent_schemas import (
    AgentList,
    AgentName,
    AgentOut,
    CommandBody,
    CommandOut,
    EventType,
    MemoryOut,
    MemoryPage,
    StartedOut,
)
from functions.routes.callers import FORBIDDEN, OperatorOf
from functions.routes.common import NOT_FOUND, PAUSED, PROBLEMS, DepsOf, read_cursor, write_cursor
from shared.usecases.agent_commands import AgentOffice, Started, agent_named, command_agent, list_agents

router = APIRouter(prefix="/api/v1", tags=["agents"], responses=PROBLEMS | FORBIDDEN)
_ROW: Final = "[0-9]{1,18}"


@router.get("/agents")
def read_agents(operator: OperatorOf, deps: DepsOf) -> AgentList:  # noqa: ARG001 - an operator's
    """List the desk's agents: how each is, what it goes by and what its last run did; for operators."""
    return AgentList(items=[AgentOut.of(told) for told in list_agents(agents=deps.agents, clearances=deps.clearances)])


@router.get("/agents/{agent}/memory", responses=NOT_FOUND)
def read_memory(
    agent: Annotated[AgentName, Path(description="Its name.", examples=["risk-agent"])],
    operator: OperatorOf,  # noqa: ARG001 - an operator's
    deps: DepsOf,
    *,
    event_type: Annotated[EventType | None, Query(description="Only of this kind.")] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="At most this many.")] = 50,
    cursor: Annotated[str | None, Query(max_length=200, description="The `next` of the page before.")] = None,
) -> MemoryPage:
    """List what an agent did and saw, the newest first; for operators."""
    name = agent_named(agent, deps.clearances.specs)
    before = read_cursor(cursor, _ROW) if cursor else None
    found = deps.agents.recall(name, event_type=event_type, limit=limit + 1, before=before)
    page = found[:limit]
    return MemoryPage(
        items=[MemoryOut.of(each) for each in page],
        next=write_cursor(page[-1].at_ms, page[-1].memory_id) if len(found) > limit else None,
    )


@router.post("/engine/agent/command", responses=NOT_FOUND | PAUSED)
def command(body: CommandBody, operator: OperatorOf, deps: DepsOf) -> CommandOut:
    """Pause, resume or configure an agent, have it run now, or ask how it is; for operators.

    A pause reaches functions that are at work within five seconds. `run_now` starts the agent's function and does not
    wait for it.
    """
    agent = agent_named(body.agent_type, deps.clearances.specs)
    office = AgentOffice(agents=deps.agents, clearances=deps.clearances, invoker=lambda: deps.invoker)
    done = command_agent(agent, body.action, body.params, actor=operator.actor, office=office)
    if isinstance(done, Started):
        return CommandOut(status="started", result=StartedOut(function=done.function, message=dict(done.message)))
    return CommandOut(status="done", result=AgentOut.of(done))
