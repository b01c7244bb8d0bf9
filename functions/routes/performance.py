"""GET /api/v1/traders/{id}/performance: how good a trader's signals were."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BeforeValidator

from functions.routes.common import NOT_FOUND, PROBLEMS, DepsOf, OutcomesOf, TradersOf
from functions.routes.performance_schemas import PerformanceOut
from functions.routes.traders import Id
from shared.usecases.outcomes import performance

router = APIRouter(prefix="/api/v1/traders", tags=["traders"], responses=PROBLEMS)

Horizon = Annotated[Literal[1, 5, 20, 60], BeforeValidator(int)]


@router.get("/{trader_id}/performance", responses=NOT_FOUND)
def score_trader(
    trader_id: Id,
    store: TradersOf,
    outcomes: OutcomesOf,
    deps: DepsOf,
    *,
    bars: Annotated[Horizon, Query(description="Judge signals after so many bars.")] = 20,
    fee_bps: Annotated[
        float, Query(ge=0, le=1_000, description="Fee of one trade, in hundredths of a percent of its value.")
    ] = 10.0,
    every_rule: Annotated[
        bool, Query(description="Count the signals of every rule the trader ever had, not only of its present one.")
    ] = False,
) -> PerformanceOut:
    """Score a trader's signals: hit rate with its interval, expectancy before and after fees, by symbol and by hour."""
    card = performance(
        store.get(trader_id),
        bars=bars,
        fee_rate=fee_bps / 10_000,
        every_rule=every_rule,
        outcomes=outcomes,
        clock=deps.clock,
    )
    return PerformanceOut.of(trader_id, card, bars=bars, fee_bps=fee_bps)
