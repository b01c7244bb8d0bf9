"""GET /api/v1/traders/{id}/why: why a trader fired on a symbol at a close, or why not."""

from typing import Annotated

from fastapi import APIRouter, Query

from functions.routes.common import NOT_FOUND, PROBLEMS, DepsOf, TradersOf
from functions.routes.schemas import EpochMs, Symbol
from functions.routes.traders import Id
from functions.routes.why_schemas import WhyOut
from shared.usecases.why import explain_trader

router = APIRouter(prefix="/api/v1/traders", tags=["traders"], responses=PROBLEMS)


@router.get("/{trader_id}/why", responses=NOT_FOUND)
def explain(
    trader_id: Id,
    store: TradersOf,
    deps: DepsOf,
    *,
    symbol: Annotated[Symbol, Query(description="Unified symbol.", examples=["BTC/USDT"])],
    at: Annotated[
        EpochMs | None, Query(description="A close still in the log (epoch ms); absent is the newest.")
    ] = None,
) -> WhyOut:
    """Make a decision again and show every condition's value, threshold and margin, and which one decided."""
    found = explain_trader(
        store.get(trader_id),
        symbol,
        at,
        traders=store,
        venues=deps.venues,
        candles=deps.candle_log,
        runs=deps.runs,
        clock=deps.clock,
    )
    return WhyOut.of(found)
