"""What the desk keeps of its agents: heartbeats, state, settings, memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from shared.domain.agents import Agent, Memory, Remembered


@runtime_checkable
class Remembers(Protocol):
    """A result that says what is to be remembered of it."""

    def memories(self) -> Sequence[Memory]:
        """Return what was done, in order; nothing when nothing was."""
        ...


class AgentStore(Protocol):
    """Heartbeats of the desk's agents."""

    def beat(
        self,
        agent: str,
        *,
        version: str,
        error: str | None = None,
        run: Mapping[str, object] | None = None,
        memories: Sequence[Memory] = (),
        capabilities: Sequence[str] | None = None,
    ) -> None:
        """Record that an agent ran just now, its last error if it failed, and in the same call the figures of its run,
        what it remembers of it and what it is capable of.

        It is then `online`, or `degraded` when it failed; a paused agent stays paused. Figures and capabilities that
        are None stay as they were. A memory that is the agent's last of its kind again is not stored again.
        """
        ...

    def heartbeats(self) -> dict[str, int]:
        """Return the last heartbeat of every agent that ever ran (epoch ms)."""
        ...


class AgentDirectory(Protocol):
    """Every agent there is, with its state and settings."""

    def list(self) -> Sequence[Agent]:
        """Return every agent that ever ran, or was paused or configured before, by name."""
        ...

    def get(self, agent: str) -> Agent:
        """Return an agent; raise `NotFoundError` for one nobody has heard of."""
        ...

    def silence(self, *, older_than_ms: int, longer: Mapping[str, int] | None = None) -> Sequence[Agent]:
        """Mark agents offline whose last heartbeat is older (by the database's clock); return all that are offline.

        Agents by name in `longer` may be silent for as many milliseconds more. A paused agent stays paused. The next
        heartbeat of an agent brings it back by itself.
        """
        ...

    def pause(self, agent: str, *, actor: str, reason: str) -> Agent:
        """Have an agent do nothing until it is resumed; pausing a paused one keeps the first reason.

        One that has not run yet is paused before it does.
        """
        ...

    def resume(self, agent: str, *, actor: str) -> Agent:
        """Let an agent run again: `offline` until its next heartbeat. Raise `NotFoundError` for one nobody has heard
        of."""
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


class Agents(AgentStore, AgentDirectory, AgentMemory, Protocol):
    """All the desk keeps of its agents."""


class Invoker(Protocol):
    """What starts a function of the desk."""

    def invoke(self, function: str, message: Mapping[str, object]) -> None:
        """Have a function handle a message soon, without waiting; raise `TransientError` unless it surely will."""
        ...
