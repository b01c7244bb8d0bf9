"""The audit trail in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.domain.audit import ActorKind, Audited, AuditEvent
from shared.domain.errors import TransientError


@dataclass
class MemoryAuditLog:
    """Events as they are kept, seen by the desk (`user_id` None) or by one person."""

    rows: list[Audited] = field(default_factory=list)
    user_id: str | None = None
    broken: bool = False

    def append(self, events: Sequence[AuditEvent]) -> None:
        """Add events to the trail; those of a request that are in it already only once."""
        if self.broken:
            raise TransientError("the database cannot be reached", source="database")
        for event in events:
            known = {(row.event.request_id, row.event.action) for row in self.rows if row.event.request_id}
            if (event.request_id, event.action) not in known:
                self.rows.append(Audited(event_id=len(self.rows) + 1, event=event))

    def list(self, *, limit: int, before: int | None = None, actor: str | None = None) -> Sequence[Audited]:
        """Return the events one may see, the newest first: those before an event_id, or of one actor."""
        own = (ActorKind.PERSON, self.user_id)
        return [
            row
            for row in reversed(self.rows)
            if (before is None or row.event_id < before)
            and actor in {None, row.event.actor}
            and (self.user_id is None or (row.event.actor_kind, row.event.actor) == own)
        ][:limit]
