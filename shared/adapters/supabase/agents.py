"""Heartbeats in Supabase."""

from dataclasses import dataclass

from postgrest import SyncPostgrestClient

from shared.adapters.supabase.client import PAGE, Query, Row, call, every_row
from shared.adapters.supabase.times import to_ms


@dataclass(frozen=True, slots=True)
class SupabaseAgentStore:
    """Agents as rows of `agents`, stamped by the database's clock."""

    client: SyncPostgrestClient

    def beat(self, agent: str, *, version: str, error: str | None = None) -> None:
        """Record that an agent ran just now, and its last error if it failed."""
        call(self.client, "beat_agent", {"p_agent": agent, "p_version": version, "p_error": error})

    def heartbeats(self) -> dict[str, int]:
        """Return the last heartbeat of every agent (epoch ms)."""
        return {row["agent"]: to_ms(row["last_beat_at"]) for row in every_row(self._page)}

    def _page(self, last: Row | None) -> Query:
        query = self.client.from_("agents").select("agent,last_beat_at").order("agent").limit(PAGE)
        return query if last is None else query.gt("agent", last["agent"])
