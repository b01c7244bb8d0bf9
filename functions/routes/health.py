"""GET /health: the only route without a token."""

import time

from fastapi import APIRouter, Response

from functions.routes.common import TOO_MANY, DepsOf
from functions.routes.health_schemas import CollectorHealth, HealthOut, MonitorHealth, QuotaStatus
from shared.domain.status import SILENT_MS
from shared.usecases.health import Health

router = APIRouter(tags=["health"])
_STARTED = time.monotonic()


@router.get("/health", responses=TOO_MANY | {503: {"model": HealthOut, "description": "The desk is not at work."}})
def health(deps: DepsOf, response: Response) -> HealthOut:
    """Say whether the desk is at work, as it was five seconds ago at most, and within two seconds.

    503 when candles are stale or the database cannot be reached; a store that is merely slow is `degraded`, 200.
    """
    found = deps.health_check.now()
    response.status_code = 503 if found.status == "unhealthy" else 200
    return HealthOut(
        status=found.status,
        agents=dict(found.agents),
        uptime_seconds=int(time.monotonic() - _STARTED),
        timestamp=found.now_ms,
        database=found.database,
        collector=CollectorHealth(
            data_age_ms={str(timeframe): age for timeframe, age in found.data_age_ms.items()},
            stale=[str(timeframe) for timeframe in found.stale],
            unknown=[str(timeframe) for timeframe in found.unknown],
        ),
        monitor=_monitor(found),
        lastAnalysis=found.last_finished_ms,
        nextScheduledRun=found.next_close,
        quotaStatus=_quotas(found),
    )


def _monitor(found: Health) -> MonitorHealth:
    run = found.monitor
    if run is None:
        return MonitorHealth(last_run=None, age_ms=None, success=None, overdue=True)
    return MonitorHealth(
        last_run=run.finished_ms, age_ms=run.age_ms, success=run.success, overdue=run.age_ms > SILENT_MS
    )


def _quotas(found: Health) -> dict[str, QuotaStatus]:
    month = found.usage
    if month is None:
        return {}
    counted = QuotaStatus(month=month.month, since=month.since_ms, commands=month.used.commands, bytes=month.used.bytes)
    return {"redis": counted}
