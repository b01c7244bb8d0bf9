"""/api/v1/traders: save, change, try and run traders."""

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Path, Query, Response

from functions.routes.common import CONFLICT, NOT_FOUND, PAUSED, PROBLEMS, DepsOf, TradersOf, UserOf
from functions.routes.schemas import TraderId
from functions.routes.trader_schemas import (
    CheckOut,
    FiringOut,
    HistoryBody,
    HistoryOut,
    RunOut,
    SavedTraderOut,
    TraderBody,
    TraderOut,
    TraderPage,
    TraderPatch,
)
from functions.routes.version_schemas import CloneBody, TraderVersionOut, TraderVersionPage
from shared.domain.traders import Owner, Trader
from shared.runtime.routers import READS
from shared.usecases.traders import (
    TraderCheck,
    change_trader,
    check,
    check_runnable,
    clone_trader,
    create_trader,
    list_versions,
    restore_version,
)

router = APIRouter(prefix="/api/v1/traders", tags=["traders"], responses=PROBLEMS)
Id = Annotated[TraderId, Path(description="The trader's id.", examples=["7b1f6a52-0f7e-5b38-9d5c-1d2f3a4b5c6d"])]

VersionNumber = Annotated[int, Path(ge=1, lt=2**31 - 1, description="The version's number.", examples=[3])]


@router.get("")
def list_traders(
    store: TradersOf,
    user: UserOf,
    *,
    owner: Annotated[
        Owner | None,
        Query(description="`me`: yours; `desk`: the built-in ones; `others`: other people's public ones; absent: all."),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="At most this many.")] = 100,
    after: Annotated[TraderId | None, Query(description="The `next` of the page before.")] = None,
) -> TraderPage:
    """List the traders you may see, in id order: yours, the desk's built-in ones, other people's public ones."""
    found = store.list(limit=limit + 1, after=after, owner=owner, user_id=user.user_id)
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
        algorithms=deps.algorithms(),
    )
    return _saved(trader, found)


@router.post("/validate", openapi_extra=READS)
def validate(body: TraderBody, deps: DepsOf, user: UserOf) -> CheckOut:
    """Compile a trader and try it on recorded candles, storing nothing."""
    trader = body.trader(str(uuid4()), user.user_id)
    return _check_out(
        check(
            trader,
            venues=deps.venues,
            candles=deps.candle_log,
            clock=deps.clock,
            algorithms=deps.algorithms(),
        )
    )


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
        algorithms=deps.algorithms(),
    )
    return _saved(trader, found)


@router.delete("/{trader_id}", status_code=204, responses=NOT_FOUND)
def delete(trader_id: Id, store: TradersOf) -> Response:
    """Delete one of your traders; the signals it gave stay."""
    store.delete(trader_id)
    return Response(status_code=204)


@router.post("/{trader_id}/clone", status_code=201, responses=NOT_FOUND)
def clone(trader_id: Id, store: TradersOf, deps: DepsOf, user: UserOf, body: CloneBody | None = None) -> SavedTraderOut:
    """Save a private copy of a trader you may see as your own; it is checked like a new one."""
    trader, found = clone_trader(
        trader_id,
        clone_id=str(uuid4()),
        owner_id=user.user_id,
        name=body.name if body else None,
        store=store,
        venues=deps.venues,
        candles=deps.candle_log,
        clock=deps.clock,
        algorithms=deps.algorithms(),
    )
    return _saved(trader, found)


@router.get("/{trader_id}/versions", responses=NOT_FOUND)
def versions(
    trader_id: Id,
    store: TradersOf,
    *,
    limit: Annotated[int, Query(ge=1, le=200, description="At most this many.")] = 50,
    before: Annotated[int | None, Query(ge=1, lt=2**31, description="The `next` of the page before.")] = None,
) -> TraderVersionPage:
    """List every definition one of your traders, or a built-in one, has had, newest first."""
    found = list_versions(trader_id, limit=limit + 1, before=before, store=store)
    page = [TraderVersionOut.of(version, rule_hash) for version, rule_hash in found[:limit]]
    return TraderVersionPage(items=page, next=page[-1].version if len(found) > limit else None)


@router.post("/{trader_id}/versions/{version}/restore", responses=NOT_FOUND | CONFLICT)
def restore(trader_id: Id, version: VersionNumber, store: TradersOf, deps: DepsOf) -> SavedTraderOut:
    """Give one of your traders the whole definition of an earlier version; that is a new version itself."""
    trader, found = restore_version(
        trader_id,
        version,
        store=store,
        venues=deps.venues,
        candles=deps.candle_log,
        clock=deps.clock,
        algorithms=deps.algorithms(),
    )
    return _saved(trader, found)


@router.post("/{trader_id}/run", responses=NOT_FOUND | PAUSED)
def run(trader_id: Id, store: TradersOf, deps: DepsOf, user: UserOf) -> RunOut:
    """Evaluate one of your traders, or a built-in one, now on its last closed candle, and record what fires."""
    from shared.messages import RunTrader  # noqa: PLC0415 - only a run is told so
    from shared.usecases.execute_trader import run_trader  # noqa: PLC0415 - brings the rule library

    check_runnable(trader_id, user_id=user.user_id, store=store)
    deps.clearances.require("strategy-agent")
    result = run_trader(
        RunTrader(trader_id=trader_id),
        candles=deps.candle_log,
        traders=store,
        venues=deps.venues,
        signals=deps.signals,
        intents_queue=deps.intents_queue,
        waking=deps.waking,
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


@router.post("/{trader_id}/history", responses=NOT_FOUND, openapi_extra=READS)
def history(trader_id: Id, body: HistoryBody, store: TradersOf, deps: DepsOf) -> HistoryOut:
    """Say where a trader would have fired over the log's history, edge and cool-down applied."""
    from shared.usecases.history import trader_history  # noqa: PLC0415 - brings the rule library

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
