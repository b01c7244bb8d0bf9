"""Agents by their heartbeats alone: one that is silent is offline, any other online."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.agent_ports import AgentStore
from shared.domain.agents import Agent, AgentState
from shared.ports import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatAgents:
    """Agents whose state nobody keeps."""

    store: AgentStore
    wall_clock: Clock
    stale_ms: int

    def list(self) -> Sequence[Agent]:
        """Return every agent that ever ran, by name."""
        return self._older_than(self.stale_ms)

    def silence(self, *, older_than_ms: int) -> Sequence[Agent]:
        """Return all that are offline."""
        return [each for each in self._older_than(older_than_ms) if each.state is AgentState.OFFLINE]

    def _older_than(self, stale_ms: int) -> Sequence[Agent]:
        now_ms = self.wall_clock.now_ms()
        return [
            Agent(
                agent=agent,
                version="",
                state=AgentState.OFFLINE if now_ms - beat_ms > stale_ms else AgentState.ONLINE,
                last_beat_ms=beat_ms,
            )
            for agent, beat_ms in sorted(self.store.heartbeats().items())
        ]
