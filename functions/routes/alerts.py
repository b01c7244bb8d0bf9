"""/api/v1/alerts: what is wrong, and who looks after it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query

from functions.routes.alert_schemas import AlertId, AlertOut, AlertPage
from functions.routes.callers import FORBIDDEN, CallerOf
from functions.routes.common import CONFLICT, NOT_FOUND, PROBLEMS, DepsOf, read_cursor, write_cursor
from functions.routes.schemas import EXAMPLE_ID
from functions.routes.trade_schemas import BookId
from shared.alert_ports import AlertStore
from shared.domain.alerts import AlertState, Severity
from shared.runtime.auth import bearer
from shared.usecases.alerts import acknowledge_alert

router = APIRouter(prefix="/api/v1/alerts", tags=["alerts"], responses=PROBLEMS)


def seen_alerts(
    deps: DepsOf, caller: CallerOf, authorization: Annotated[str | None, Header(include_in_schema=False)] = None
) -> AlertStore:
    """Return the alerts a caller may see: operators all, people those of their books and the desk's books."""
    return deps.kept_alerts if caller.operates else deps.alerts_of(bearer(authorization))


SeenAlerts = Annotated[AlertStore, Depends(seen_alerts)]


@router.get("")
def list_alerts(
    alerts: SeenAlerts,
    *,
    state: Annotated[list[AlertState] | None, Query(description="Only in these states; repeat it.")] = None,
    severity: Annotated[Severity | None, Query(description="Only this severe or more.", examples=["warning"])] = None,
    book_id: Annotated[BookId | None, Query(description="Only of this book.", examples=[EXAMPLE_ID])] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="At most this many.")] = 100,
    cursor: Annotated[str | None, Query(max_length=200, description="The `next` of the page before.")] = None,
) -> AlertPage:
    """List alerts, those found last first: operators see all, people those of their books."""
    before = read_cursor(cursor) if cursor else None
    found = alerts.list(limit=limit + 1, states=state, min_severity=severity, book_id=book_id, before=before)
    page = found[:limit]
    more = len(found) > limit
    return AlertPage(
        items=[AlertOut.of(stored) for stored in page],
        next=write_cursor(page[-1].last_at_ms, page[-1].alert_id) if more else None,
    )


@router.post("/{alert_id}/acknowledge", responses=NOT_FOUND | FORBIDDEN | CONFLICT)
def acknowledge(
    alert_id: Annotated[AlertId, Path(description="The alert's id.", examples=[EXAMPLE_ID])],
    alerts: SeenAlerts,
    caller: CallerOf,
    deps: DepsOf,
) -> AlertOut:
    """Say that you look after an alert; who said so first stays. It resolves when it is no longer so."""
    stored = acknowledge_alert(
        alert_id, caller=caller, seen=alerts, alerts=deps.kept_alerts, books=deps.books, clock=deps.clock
    )
    return AlertOut.of(stored)
