"""What the desk keeps of its agents: heartbeats, state, settings, memory."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from shared.domain.agents import Agent, Remembered


class AgentStore(Protocol):
    """Heartbeats of the desk's agents."""

    def beat(self, agent: str, *, version: str, error: str | None = None) -> None:
        """Record that an agent ran just now, and its last error if it failed."""
        ...

    def heartbeats(self) -> dict[str, int]:
        """Return the last heartbeat of every agent (epoch ms)."""
        ...


class AgentDirectory(Protocol):
    """Every agent there is, with its state and settings."""

    def list(self) -> Sequence[Agent]:
        """Return every agent that ever ran, by name."""
        ...

    def get(self, agent: str) -> Agent:
        """Return an agent; raise `NotFoundError` for one that never ran."""
        ...

    def silence(self, *, older_than_ms: int) -> Sequence[Agent]:
        """Mark agents offline whose last heartbeat is older (by the database's clock); return all that are offline.

        A paused agent stays paused. The next heartbeat of an agent brings it back by itself.
        """
        ...

    def pause(self, agent: str, *, actor: str, reason: str) -> Agent:
        """Have an agent do nothing until it is resumed; pausing a paused one keeps the first reason."""
        ...

    def resume(self, agent: str, *, actor: str) -> Agent:
        """Let an agent run again: `offline` until its next heartbeat."""
        ...

    def configure(self, agent: str, settings: Mapping[str, object], *, actor: str) -> Agent:
        """Merge settings into those an operator has set; a value of None takes one back to the deployment's."""
        ...


class AgentMemory(Protocol):
    """What agents remember; written with their heartbeats."""

    def recall(
        self, agent: str, *, event_type: str | None = None, limit: int = 50, before: tuple[int, str] | None = None
    ) -> Sequence[Remembered]:
        """Return an agent's memories, the newest first; those before a cursor (at_ms, memory_id)."""
        ...
