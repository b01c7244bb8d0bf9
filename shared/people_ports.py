"""What the desk knows of people, and what it keeps of what they did."""

from collections.abc import Sequence
from typing import Protocol

from shared.domain.audit import Audited, AuditEvent
from shared.domain.people import PersonRole


class Profiles(Protocol):
    """What the desk knows of people."""

    def role(self, user_id: str) -> PersonRole:
        """Return what a person may do; somebody without a profile is a trader."""
        ...


class AuditLog(Protocol):
    """Who did what; rows are added and never changed."""

    def append(self, events: Sequence[AuditEvent]) -> None:
        """Add events to the trail, all of them or none.

        An event whose request_id and action are in the trail already is not added again: repeating changes nothing.
        """
        ...

    def list(self, *, limit: int, before: int | None = None, actor: str | None = None) -> Sequence[Audited]:
        """Return the events one may see, the newest first: those before an event_id, or of one actor."""
        ...
