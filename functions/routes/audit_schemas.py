"""What the API answers about the audit trail."""

from collections.abc import Mapping
from typing import Self

from pydantic import Field

from functions.routes.schemas import EXAMPLE_ID, EXAMPLE_TIME, Schema
from shared.domain.audit import ActorKind, Audited, AuditOutcome


class AuditEventOut(Schema):
    """One thing somebody did, or tried to."""

    event_id: int = Field(description="Its place in the trail.", examples=[4_711])
    at: int = Field(description="When (epoch ms).", examples=[EXAMPLE_TIME])
    actor: str = Field(
        description="Who: a person's id, a name, `anonymous` or empty for nobody who is known.", examples=[EXAMPLE_ID]
    )
    actor_kind: ActorKind = Field(description="What the actor is.", examples=["person"])
    action: str = Field(description="What was asked for.", examples=["PATCH /api/v1/books/{book_id}"])
    target: str = Field(description="What it was asked to be done to.", examples=[f"book_id={EXAMPLE_ID}"])
    outcome: AuditOutcome = Field(description="What became of it.", examples=["refused"])
    status: int | None = Field(description="The HTTP status, where there was one.", examples=[403])
    request_id: str | None = Field(description="The request, as its answer and the log name it.", examples=["5f0c…"])
    correlation_id: str | None = Field(description="What it has in common with what followed.", examples=["5f0c…"])
    address: str | None = Field(description="Where it came from.", examples=["192.0.2.7"])
    details: Mapping[str, object] = Field(description="More of it.", examples=[{"took_ms": 4.2}])

    @classmethod
    def of(cls, row: Audited) -> Self:
        """Describe an event of the trail."""
        event = row.event
        return cls(
            event_id=row.event_id,
            at=event.at_ms,
            actor=event.actor,
            actor_kind=event.actor_kind,
            action=event.action,
            target=event.target,
            outcome=event.outcome,
            status=event.status,
            request_id=event.request_id,
            correlation_id=event.correlation_id,
            address=event.address,
            details=event.details,
        )


class AuditPage(Schema):
    """Events, newest first."""

    items: list[AuditEventOut] = Field(description="The events.", examples=[[]])
    next: int | None = Field(description="What to ask with as `before` for more; null at the end.", examples=[4_611])
