"""What the API reads and answers about agents."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from functions.routes.schemas import EXAMPLE_TIME, Schema
from shared.domain.agents import AgentState, Autonomy, Remembered
from shared.usecases.agent_commands import Action, ToldAgent

AgentName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
EventType = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class AgentOut(Schema):
    """An agent: how it is, what it goes by, what its last run did."""

    agent: str = Field(description="Its name.", examples=["risk-agent"])
    state: AgentState = Field(
        description="`degraded`: its last run failed; `offline`: it is silent, or has never run.", examples=["online"]
    )
    version: str | None = Field(description="What ran last; null when it never ran.", examples=["0.1.0"])
    last_beat_ms: int | None = Field(
        description="Its last heartbeat (epoch ms, database clock); null when it never ran.", examples=[EXAMPLE_TIME]
    )
    last_error: str | None = Field(description="What went wrong last.", examples=["TransientError: busy"])
    last_error_at_ms: int | None = Field(description="When (epoch ms).", examples=[EXAMPLE_TIME])
    paused_by: str | None = Field(description="Who paused it; null unless it is paused.", examples=["operator"])
    paused_reason: str | None = Field(description="Why, as they said.", examples=["looks wrong"])
    problem: str | None = Field(
        description="Why it does nothing beside a pause: it is not enabled, or a setting means nothing any more.",
        examples=[None],
    )
    capabilities: list[str] = Field(description="What it is there for.", examples=[["decide_intents"]])
    autonomies: list[Autonomy] = Field(description="The levels of autonomy it has.", examples=[["full"]])
    settings: dict[str, Any] | None = Field(
        description="All it goes by now; null while that means nothing.",
        examples=[{"enabled": True, "autonomy": "full", "limits": {"max_leverage": "3"}}],
    )
    operators_settings: dict[str, Any] = Field(
        description="What of it operators have set; the rest is the deployment's.", examples=[{}]
    )
    last_run: dict[str, Any] = Field(
        description="Figures of its last run.", examples=[{"messages": 1, "failed": 0, "duration_ms": 41.7}]
    )
    paused_means: str = Field(description="What a pause of it stops.", examples=["no intent is decided"])

    @classmethod
    def of(cls, told: ToldAgent) -> "AgentOut":
        """Describe an agent."""
        known = told.known
        has_run = known is not None and known.last_beat_ms > 0
        return cls(
            agent=told.agent,
            state=AgentState.OFFLINE if known is None else known.state,
            version=known.version if known is not None and has_run else None,
            last_beat_ms=known.last_beat_ms if known is not None and has_run else None,
            last_error=known.last_error if known else None,
            last_error_at_ms=known.last_error_at_ms if known else None,
            paused_by=known.paused_by if known else None,
            paused_reason=known.paused_reason if known else None,
            problem=told.problem,
            capabilities=[*told.spec.capabilities],
            autonomies=[*told.spec.autonomies],
            settings=None if told.settings is None else dict(told.settings),
            operators_settings=dict(known.settings) if known else {},
            last_run=dict(known.last_run) if known else {},
            paused_means=told.spec.paused_means,
        )


class AgentList(Schema):
    """Every agent of the desk, by name."""

    items: list[AgentOut] = Field(description="The agents.")


class CommandBody(Schema):
    """What an agent is to do."""

    agent_type: AgentName = Field(
        description="Its name; `risk`, `risk_agent` and `risk-agent` are one.", examples=["risk"]
    )
    action: Action = Field(description="What to do.", examples=["pause"])
    params: dict[str, Any] = Field(
        default_factory=dict,
        description="`pause`: `reason`. `set_config`: settings by name, null takes one back to the deployment's. "
        "`run_now`: `trader_id` for strategy-agent, `instruments` for signal-agent. Others take none.",
        examples=[{"reason": "looks wrong"}],
    )


class StartedOut(Schema):
    """A function that was started; its answer is in its log, its figures in the agent's last run."""

    function: str = Field(description="Which.", examples=["risk-agent"])
    message: dict[str, Any] = Field(description="What it was sent.", examples=[{"trigger": "cron"}])


class CommandOut(Schema):
    """What became of a command."""

    status: Literal["done", "started"] = Field(description="`started`: it runs meanwhile.", examples=["done"])
    result: AgentOut | StartedOut = Field(description="How the agent stands now, or what was started.")


class MemoryOut(Schema):
    """One thing an agent did or saw."""

    memory_id: str = Field(description="Its number.", examples=["4711"])
    event_type: str = Field(description="Its kind.", examples=["decided"])
    data: dict[str, Any] = Field(description="What it was.", examples=[{"state": "approved"}])
    at_ms: int = Field(description="When (epoch ms, database clock).", examples=[EXAMPLE_TIME])

    @classmethod
    def of(cls, remembered: Remembered) -> "MemoryOut":
        """Describe a memory."""
        return cls(
            memory_id=remembered.memory_id,
            event_type=remembered.memory.event_type,
            data=dict(remembered.memory.data),
            at_ms=remembered.at_ms,
        )


class MemoryPage(Schema):
    """What an agent remembers, the newest first."""

    items: list[MemoryOut] = Field(description="The memories.")
    next: str | None = Field(description="Pass as `cursor` for the next page; null on the last.", examples=["MTY0MDk5"])
