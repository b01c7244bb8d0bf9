"""Agents in memory, as the database keeps them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from shared.domain.agents import Agent, AgentState, Memory, Remembered, bounded, merge_patch
from shared.domain.errors import NotFoundError, TransientError
from tests.fakes.stores import MemoryDatabase

_SILENT = frozenset({AgentState.ONLINE, AgentState.DEGRADED})


@dataclass(slots=True)
class MemoryAgentStore:
    """Agents of one in-memory database; a broken one answers nothing."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    broken: bool = False
    reads: int = 0

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
        """Record a run."""
        self._answer()
        now_ms = self.database.clock.now_ms()
        known = self._of(agent)
        state = AgentState.ONLINE if error is None else AgentState.DEGRADED
        self.database.agents[agent] = replace(
            known,
            version=version,
            state=AgentState.PAUSED if known.state is AgentState.PAUSED else state,
            last_beat_ms=now_ms,
            last_error=known.last_error if error is None else error[:2_000],
            last_error_at_ms=known.last_error_at_ms if error is None else now_ms,
            last_run=known.last_run if run is None else dict(run),
            capabilities=known.capabilities if capabilities is None else tuple(capabilities),
        )
        known_before = {memory.event_type: self._last(agent, memory.event_type) for memory in bounded(memories)}
        for memory in bounded(memories):
            if known_before[memory.event_type] != memory:
                self._remember(agent, memory)

    def heartbeats(self) -> dict[str, int]:
        """Return the last heartbeat of every agent that ever ran (epoch ms)."""
        self._answer()
        return {name: each.last_beat_ms for name, each in self.database.agents.items() if each.last_beat_ms}

    def list(self) -> Sequence[Agent]:
        """Return every agent there is, by name."""
        self._answer()
        return [self.database.agents[name] for name in sorted(self.database.agents)]

    def get(self, agent: str) -> Agent:
        """Return an agent; raise `NotFoundError` for one nobody has heard of."""
        self._answer()
        self.reads += 1
        try:
            return self.database.agents[agent]
        except KeyError as error:
            raise NotFoundError(f"nobody has heard of agent {agent!r}") from error

    def silence(self, *, older_than_ms: int, longer: Mapping[str, int] | None = None) -> Sequence[Agent]:
        """Mark silent agents offline; return all that are."""
        now_ms = self.database.clock.now_ms()
        for name, each in self.database.agents.items():
            since_ms = now_ms - older_than_ms - (longer or {}).get(name, 0)
            if each.state in _SILENT and each.last_beat_ms < since_ms:
                self.database.agents[name] = replace(each, state=AgentState.OFFLINE)
        return [each for each in self.list() if each.state is AgentState.OFFLINE and each.last_beat_ms]

    def pause(self, agent: str, *, actor: str, reason: str) -> Agent:
        """Have an agent do nothing until it is resumed."""
        known = self._of(agent)
        if known.state is not AgentState.PAUSED:
            self._remember(agent, Memory(event_type="paused", data={"by": actor, "reason": reason}))
            known = replace(known, state=AgentState.PAUSED, paused_by=actor, paused_reason=reason)
            self.database.agents[agent] = known
        return known

    def resume(self, agent: str, *, actor: str) -> Agent:
        """Let an agent run again."""
        known = self.get(agent)
        if known.state is AgentState.PAUSED:
            self._remember(agent, Memory(event_type="resumed", data={"by": actor}))
            known = replace(known, state=AgentState.OFFLINE, paused_by=None, paused_reason=None)
            self.database.agents[agent] = known
        return known

    def configure(self, agent: str, settings: Mapping[str, object], *, actor: str) -> Agent:
        """Merge settings into those an operator has set."""
        known = self._of(agent)
        self._remember(agent, Memory(event_type="configured", data={"by": actor, "settings": dict(settings)}))
        self.database.agents[agent] = replace(known, settings=merge_patch(known.settings, settings))
        return self.database.agents[agent]

    def recall(
        self, agent: str, *, event_type: str | None = None, limit: int = 50, before: tuple[int, str] | None = None
    ) -> Sequence[Remembered]:
        """Return an agent's memories, the newest first."""
        self._answer()
        found = [
            each
            for each in reversed(self.database.memories)
            if each.agent == agent
            and event_type in {None, each.memory.event_type}
            and (before is None or int(each.memory_id) < int(before[1]))
        ]
        return found[:limit]

    def _of(self, agent: str) -> Agent:
        never = Agent(agent=agent, version="", state=AgentState.OFFLINE, last_beat_ms=0)
        return self.database.agents.get(agent, never)

    def _last(self, agent: str, event_type: str) -> Memory | None:
        return next((each.memory for each in self.recall(agent, event_type=event_type, limit=1)), None)

    def _remember(self, agent: str, memory: Memory) -> None:
        memories = self.database.memories
        memories.append(
            Remembered(memory_id=str(len(memories) + 1), agent=agent, memory=memory, at_ms=self.database.clock.now_ms())
        )

    def _answer(self) -> None:
        if self.broken:
            raise TransientError("the database answers nothing", source="database")
