"""Audit: who did what at the desk, also what was refused; a trail that only grows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class ActorKind(StrEnum):
    """What somebody is: a person by token, a machine by secret, an agent by name, or a session of the database."""

    PERSON = "person"
    MACHINE = "machine"
    AGENT = "agent"
    SQL = "sql"


class AuditOutcome(StrEnum):
    """What became of what was asked: done, refused (somebody's fault), or failed (the desk's)."""

    OK = "ok"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One thing somebody did, or tried to; `action` is a verb with its object (`POST /api/v1/books`, `books update`).

    `target` names what it was done to, `actor` who did it: a person's id, a name, or empty for nobody who is known.
    `status` is the HTTP status where there was one. `details` is JSON without secrets.
    """

    at_ms: int
    actor: str
    actor_kind: ActorKind
    action: str
    target: str = ""
    outcome: AuditOutcome = AuditOutcome.OK
    status: int | None = None
    request_id: str | None = None
    correlation_id: str | None = None
    address: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """An event as it is kept; `event_id` orders the trail."""

    event_id: int
    event: AuditEvent
