"""The audit trail in Supabase; the client's key or token decides whose events are seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from postgrest import SyncPostgrestClient

from shared.adapters.row_type import RowType
from shared.adapters.supabase.client import PAGE, Row, call, repeatable, rows
from shared.adapters.supabase.times import to_ms
from shared.adapters.supabase.trading_rows import read
from shared.domain.audit import Audited, AuditEvent

_EVENTS: Final = RowType(list[AuditEvent])
_AUDITED: Final = RowType(list[Audited])


@dataclass(frozen=True, slots=True)
class SupabaseAuditLog:
    """Audit events as rows of `audit_events`, which only grows."""

    client: SyncPostgrestClient

    def append(self, events: Sequence[AuditEvent]) -> None:
        """Add events to the trail, all of them or none; those of a request that are in it already only once."""
        if events:
            call(self.client, "record_audit", {"p_events": _storable(_EVENTS.write([*events]))})

    def list(self, *, limit: int, before: int | None = None, actor: str | None = None) -> Sequence[Audited]:
        """Return the events one may see, the newest first: those before an event_id, or of one actor."""
        found: list[Row] = []
        while len(found) < limit:
            query = self.client.from_("audit_events").select("*").order("event_id", desc=True)
            last = found[-1]["event_id"] if found else before
            query = query if last is None else query.lt("event_id", last)
            query = query if actor is None else query.eq("actor", actor)
            batch = rows(repeatable(query.limit(min(limit - len(found), PAGE))))
            if not batch:
                break
            found += batch
        return read(_AUDITED, [_told(row) for row in found], "no trail")


def _told(row: Row) -> dict[str, Any]:
    event = {name: value for name, value in row.items() if name not in {"event_id", "at"}}
    return {"event_id": row["event_id"], "event": event | {"at_ms": to_ms(row["at"])}}


def _storable(value: Any) -> Any:
    """Return json Postgres can keep: what a stranger sends as a path may hold NUL, and halves of characters."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, Mapping):
        return {_storable(key): _storable(each) for key, each in value.items()}
    return [_storable(each) for each in value] if isinstance(value, list) else value
