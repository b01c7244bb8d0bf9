"""What the desk knows of people, and what it keeps of what they did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from shared.domain.audit import Audited, AuditEvent
    from shared.domain.people import Person, PersonRole, PersonStanding, Tier


class Profiles(Protocol):
    """What the desk knows of people."""

    def role(self, user_id: str) -> PersonRole:
        """Return what a person may do; somebody without a profile is a trader."""
        ...

    def tier(self, user_id: str) -> Tier:
        """Return how much of the desk a person has; somebody without a profile is anonymous."""
        ...

    def standing(self, user_id: str) -> PersonStanding:
        """Return what a person may do, how much of it, and what of that is used."""
        ...

    def list(self, *, limit: int, after: str | None = None) -> Sequence[Person]:
        """Return people by id, those after one."""
        ...

    def change(self, user_id: str, *, actor: str, role: PersonRole | None = None, tier: str | None = None) -> Person:
        """Give somebody a role, a tier or both, and return them as stored; None leaves it.

        Raise `NotFoundError`, `InvalidMessageError` for a tier there is none of, `ConflictError` when no admin would be
        left, `ForbiddenError` when the actor is a person and no admin.
        """
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


class RequestLimits(Protocol):
    """How many requests people may make."""

    def per_minute(self, user_id: str) -> int | None:
        """Return how many requests a minute somebody may make, at least one; None for as many as they like."""
        ...
