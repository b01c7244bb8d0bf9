"""/api/v1/engine/intelligence: what independent sources make of instruments."""

from typing import Annotated

from fastapi import APIRouter, Header, Query

from functions.routes.callers import ViewerOf
from functions.routes.common import PROBLEMS, DepsOf
from functions.routes.intelligence_schemas import ConsensusOut, IntelligenceSummaryOut
from functions.routes.schemas import Symbol
from shared.runtime.auth import bearer
from shared.usecases.signal_agent import consensus_now

router = APIRouter(prefix="/api/v1/engine/intelligence", tags=["intelligence"], responses=PROBLEMS)


@router.get("/summary")
def summary(
    viewer: ViewerOf,
    deps: DepsOf,
    *,
    instrument: Annotated[Symbol | None, Query(description="Only this one.", examples=["BTC/USDT"])] = None,
    authorization: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> IntelligenceSummaryOut:
    """Return the current consensus of every instrument with its votes: of intelligence, the built-in traders and
    yours."""
    settings, now_ms = deps.signal_agent_settings, deps.clock.now_ms()
    own = deps.intelligence if viewer.user_id is None else deps.intelligence_of(bearer(authorization))
    formed = consensus_now(
        own,
        person=viewer.user_id,
        instruments=settings.instruments if instrument is None else (instrument,),
        settings=settings,
        now_ms=now_ms,
    )
    return IntelligenceSummaryOut(
        timestamp=now_ms,
        min_sources=settings.min_sources,
        min_share=float(settings.min_share),
        instruments=[ConsensusOut.of(consensus, settings) for consensus in formed],
    )
