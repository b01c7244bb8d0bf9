"""Agents in Supabase: heartbeats, states, settings, memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from postgrest import SyncPostgrestClient

from shared.adapters.row_type import RowType
from shared.adapters.supabase.client import PAGE, Query, Row, call, every_row
from shared.adapters.supabase.times import to_ms
from shared.domain.agents import Agent, Memory, Remembered, bounded
from shared.domain.errors import NotFoundError

_AGENT: Final = RowType(Agent)
_AGENTS: Final = RowType(list[Agent])
_NEVER: Final = "1970-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class SupabaseAgentStore:
    """Agents as rows of `agents` and `agent_memory`, stamped by the database's clock."""

    client: SyncPostgrestClient

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
        """Record a run in one call: that it was, its error, its figures, what is remembered of it."""
        said = {
            "p_agent": agent,
            "p_version": version,
            "p_error": error,
            "p_run": None if run is None else dict(run),
            "p_memories": [{"event_type": each.event_type, "data": dict(each.data)} for each in bounded(memories)],
            "p_capabilities": None if capabilities is None else [*capabilities],
            "p_beat_id": str(uuid4()),
        }
        call(self.client, "beat_agent", said)

    def heartbeats(self) -> dict[str, int]:
        """Return the last heartbeat of every agent that ever ran (epoch ms)."""
        return {row["agent"]: to_ms(row["last_beat_at"]) for row in every_row(self._page)}

    def list(self) -> Sequence[Agent]:
        """Return every agent there is, by name."""
        return _AGENTS.read(call(self.client, "list_agents", {}))

    def get(self, agent: str) -> Agent:
        """Return an agent; raise `NotFoundError` for one nobody has heard of."""
        return _found(agent, call(self.client, "agent_gate", {"p_agent": agent}))

    def silence(self, *, older_than_ms: int, longer: Mapping[str, int] | None = None) -> Sequence[Agent]:
        """Mark silent agents offline; return all that are."""
        asked = {"p_older_than_ms": older_than_ms, "p_longer": dict(longer or {})}
        return _AGENTS.read(call(self.client, "silence_agents", asked))

    def pause(self, agent: str, *, actor: str, reason: str) -> Agent:
        """Have an agent do nothing until it is resumed."""
        said = {"p_agent": agent, "p_actor": actor, "p_reason": reason}
        return _found(agent, call(self.client, "pause_agent", said))

    def resume(self, agent: str, *, actor: str) -> Agent:
        """Let an agent run again."""
        return _found(agent, call(self.client, "resume_agent", {"p_agent": agent, "p_actor": actor}))

    def configure(self, agent: str, settings: Mapping[str, object], *, actor: str) -> Agent:
        """Merge settings into those an operator has set."""
        said = {"p_agent": agent, "p_actor": actor, "p_settings": dict(settings)}
        return _found(agent, call(self.client, "configure_agent", said))

    def recall(
        self, agent: str, *, event_type: str | None = None, limit: int = 50, before: tuple[int, str] | None = None
    ) -> Sequence[Remembered]:
        """Return an agent's memories, the newest first."""
        asked = {
            "p_agent": agent,
            "p_limit": limit,
            "p_event_type": event_type,
            "p_before": None if before is None else int(before[1]),
        }
        return [_remembered(row) for row in call(self.client, "recall_memories", asked)]

    def _page(self, last: Row | None) -> Query:
        query = self.client.from_("agents").select("agent,last_beat_at").gt("last_beat_at", _NEVER)
        query = query.order("agent").limit(PAGE)
        return query if last is None else query.gt("agent", last["agent"])


def _found(agent: str, row: Any) -> Agent:
    if row is None:
        raise NotFoundError(f"nobody has heard of agent {agent!r}")
    return _AGENT.read(row)


def _remembered(row: Row) -> Remembered:
    return Remembered(
        memory_id=str(row["memory_id"]),
        agent=row["agent"],
        memory=Memory(event_type=row["event_type"], data=row["data"]),
        at_ms=row["at_ms"],
    )
