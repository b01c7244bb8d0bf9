"""/api/v1/traders: save, change, try and run traders."""

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Path, Query, Response

from functions.routes.common import CONFLICT, NOT_FOUND, PROBLEMS, DepsOf, TradersOf, UserOf
from functions.routes.schemas import (
    CheckOut,
    FiringOut,
    HistoryBody,
    HistoryOut,
    RunOut,
    SavedTraderOut,
    TraderBody,
    TraderId,
    TraderOut,
    TraderPage,
    TraderPatch,
)
from shared.domain.traders import Trader
from shared.messages import RunTrader
from shared.usecases.execute_trader import run_trader
from shared.usecases.history import trader_history
from shared.usecases.traders import TraderCheck, change_trader, check, create_trader

router = APIRouter(prefix="/api/v1/traders", tags=["traders"], responses=PROBLEMS)
Id = Annotated[TraderId, Path(description="The trader's id.", examples=["7b1f6a52-0f7e-5b38-9d5c-1d2f3a4b5c6d"])]


@router.get("")
def list_traders(
    store: TradersOf,
    *,
    limit: Annotated[int, Query(ge=1, le=500, description="At most this many.")] = 100,
    after: Annotated[TraderId | None, Query(description="The `next` of the page before.")] = None,
) -> TraderPage:
    """List your traders and the desk's built-in ones, in id order."""
    found = store.list(limit=limit + 1, after=after)
    page = found[:limit]
    return TraderPage(
        items=[TraderOut.of(trader) for trader in page], next=page[-1].trader_id if len(found) > limit else None
    )


@router.post("", status_code=201, responses=CONFLICT)
def create(body: TraderBody, store: TradersOf, deps: DepsOf, user: UserOf) -> SavedTraderOut:
    """Save a new trader; its rule is compiled and tried on recorded candles first."""
    trader, found = create_trader(
        body.trader(str(uuid4()), user.user_id),
        store=store,
        venues=deps.venues,
        candles=deps.candle_log,
        clock=deps.clock,
    )
    return _saved(trader, found)


@router.post("/validate")
def validate(body: TraderBody, deps: DepsOf, user: UserOf) -> CheckOut:
    """Compile a trader and try it on recorded candles, storing nothing."""
    trader = body.trader(str(uuid4()), user.user_id)
    return _check_out(check(trader, venues=deps.venues, candles=deps.candle_log, clock=deps.clock))


@router.get("/{trader_id}", responses=NOT_FOUND)
def read(trader_id: Id, store: TradersOf) -> TraderOut:
    """Return one trader."""
    return TraderOut.of(store.get(trader_id))


@router.patch("/{trader_id}", responses=NOT_FOUND | CONFLICT)
def change(trader_id: Id, body: TraderPatch, store: TradersOf, deps: DepsOf) -> SavedTraderOut:
    """Change fields of one of your traders; it takes effect at the next boundary."""
    trader, found = change_trader(
        trader_id,
        body.changes(),
        store=store,
        venues=deps.venues,
        candles=deps.candle_log,
        clock=deps.clock,
    )
    return _saved(trader, found)


@router.delete("/{trader_id}", status_code=204, responses=NOT_FOUND)
def delete(trader_id: Id, store: TradersOf) -> Response:
    """Delete one of your traders; the signals it gave stay."""
    store.delete(trader_id)
    return Response(status_code=204)


@router.post("/{trader_id}/run", responses=NOT_FOUND)
def run(trader_id: Id, store: TradersOf, deps: DepsOf) -> RunOut:
    """Evaluate a trader now, on its last closed candle, and record what fires."""
    result = run_trader(
        RunTrader(trader_id=trader_id),
        candles=deps.candle_log,
        traders=store,
        venues=deps.venues,
        signals=deps.signals,
        clock=deps.clock,
    )
    return RunOut(
        close_time=result.close_time,
        evaluations=result.evaluations,
        insufficient=result.insufficient,
        signals=result.signals,
        signals_duplicate=result.signals_duplicate,
        correlation_id=result.correlation_id,
    )


@router.post("/{trader_id}/history", responses=NOT_FOUND)
def history(trader_id: Id, body: HistoryBody, store: TradersOf, deps: DepsOf) -> HistoryOut:
    """Say where a trader would have fired over the log's history, edge and cool-down applied."""
    trader = store.get(trader_id)
    page = trader_history(
        trader,
        venues=deps.venues,
        candles=deps.candle_log,
        since=body.since,
        until=body.until,
        symbol=body.symbol,
        limit=body.limit,
    )
    return HistoryOut(
        items=[
            FiringOut(
                symbol=firing.symbol,
                open_time=firing.close_time - trader.timeframe.ms,
                close_time=firing.close_time,
                price=firing.price,
                values=dict(firing.values),
            )
            for firing in page.firings
        ],
        evaluated=page.evaluations,
        insufficient=page.insufficient,
        until=page.until,
    )


def _saved(trader: Trader, found: TraderCheck) -> SavedTraderOut:
    return SavedTraderOut(trader=TraderOut.of(trader), check=_check_out(found))


def _check_out(found: TraderCheck) -> CheckOut:
    return CheckOut(
        normal_form=found.normal_form,
        rule_hash=found.rule_hash,
        needs={str(timeframe): bars for timeframe, bars in found.needs.items()},
        symbols=found.symbols,
        matched=found.matched,
        insufficient=found.insufficient,
        close_time=found.close_time,
    )
