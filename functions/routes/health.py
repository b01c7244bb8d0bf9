"""GET /health: the only route without a token."""

import time

from fastapi import APIRouter, Response

from functions.routes.common import TOO_MANY, DepsOf
from functions.routes.schemas import CollectorHealth, HealthOut
from shared.usecases.health import check_health

router = APIRouter(tags=["health"])
_STARTED = time.monotonic()


@router.get("/health", responses=TOO_MANY | {503: {"model": HealthOut, "description": "The desk is not at work."}})
def health(deps: DepsOf, response: Response) -> HealthOut:
    """Say whether the desk is at work; 503 when its candles are stale or a store cannot be reached."""
    found = check_health(
        venues=deps.venues,
        agents=deps.agents,
        candles=deps.candle_log,
        clock=deps.clock,
        wall_clock=deps.wall_clock,
    )
    response.status_code = 503 if found.status == "unhealthy" else 200
    return HealthOut(
        status=found.status,
        agents=found.agents,
        uptime_seconds=int(time.monotonic() - _STARTED),
        timestamp=found.now_ms,
        database=found.database,
        collector=CollectorHealth(
            data_age_ms={str(timeframe): age for timeframe, age in found.data_age_ms.items()},
            stale=[str(timeframe) for timeframe in found.stale],
        ),
    )
