"""Agents: the parts of the desk that act by themselves, what they are allowed to, and what they remember."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class AgentState(StrEnum):
    """How an agent is.

    `online`: its last run went well and its heart beats; `degraded`: its last run failed; `offline`: it is silent,
    until its next heartbeat; `paused`: somebody has stopped it, and it does nothing until somebody resumes it.
    """

    ONLINE = "online"
    DEGRADED = "degraded"
    OFFLINE = "offline"
    PAUSED = "paused"


class Autonomy(StrEnum):
    """How far an agent goes by itself.

    `full`: it acts; `semi`: it prepares, and a person approves what trades; `user_triggered`: it does what somebody has
    asked for, and nothing of its own.
    """

    FULL = "full"
    SEMI = "semi"
    USER_TRIGGERED = "user_triggered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """One thing an agent did or saw, and why: `event_type` is its kind, `data` JSON."""

    event_type: str
    data: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """A memory as it is kept."""

    memory_id: str
    agent: str
    memory: Memory
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An agent as the desk knows it; times are the database's (epoch ms), `last_run` are the figures of its last run.

    `settings` are those an operator has set, which win over the deployment's (config/agents.yaml). `paused_by` and
    `paused_reason` are None unless it is paused.
    """

    agent: str
    version: str
    state: AgentState
    last_beat_ms: int
    last_error: str | None = None
    last_error_at_ms: int | None = None
    paused_by: str | None = None
    paused_reason: str | None = None
    capabilities: tuple[str, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    last_run: Mapping[str, object] = field(default_factory=dict)
