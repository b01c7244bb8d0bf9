"""/api/v1/audit: who did what, newest first; people see what they did, operators all."""

from typing import Annotated

from fastapi import APIRouter, Query

from functions.routes.audit_schemas import AuditEventOut, AuditPage
from functions.routes.common import PROBLEMS, DepsOf, VisitOf
from shared.runtime.door import person

router = APIRouter(prefix="/api/v1/audit", tags=["audit"], responses=PROBLEMS)


@router.get("")
def list_events(
    visit: VisitOf,
    deps: DepsOf,
    *,
    actor: Annotated[str | None, Query(max_length=128, description="Only what this person or machine did.")] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="At most this many.")] = 100,
    before: Annotated[int | None, Query(ge=1, lt=2**53, description="The `next` of the page before.")] = None,
) -> AuditPage:
    """List what was asked of the desk and what became of it, refusals too: yours, and everybody's for operators."""
    trail = deps.audit if visit.is_machine else deps.audit_of(person(visit).token)
    found = trail.list(limit=limit + 1, before=before, actor=actor)
    page = [AuditEventOut.of(row) for row in found[:limit]]
    return AuditPage(items=page, next=page[-1].event_id if len(found) > limit else None)
