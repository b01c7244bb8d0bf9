"""GET /api/v1/signals: what traders fired, newest first."""

from typing import Annotated

from fastapi import APIRouter, Query

from functions.routes.common import PROBLEMS, SignalsOf, read_cursor, write_cursor
from functions.routes.schemas import EpochMs, SignalOut, SignalPage, Symbol, TraderId
from shared.domain.signals import StoredSignal
from shared.domain.timeframe import Timeframe

router = APIRouter(prefix="/api/v1/signals", tags=["signals"], responses=PROBLEMS)


@router.get("")
def list_signals(
    signals: SignalsOf,
    *,
    trader_id: Annotated[TraderId | None, Query(description="Only this trader's.")] = None,
    symbol: Annotated[Symbol | None, Query(description="Only this symbol.", examples=["BTC/USDT"])] = None,
    timeframe: Annotated[Timeframe | None, Query(description="Only this timeframe.", examples=["5m"])] = None,
    since: Annotated[EpochMs | None, Query(description="Close times from here on (epoch ms).")] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="At most this many.")] = 100,
    cursor: Annotated[str | None, Query(max_length=200, description="The `next` of the page before.")] = None,
) -> SignalPage:
    """List the signals you may see, newest first."""
    found = signals.list(
        limit=limit + 1,
        before=read_cursor(cursor) if cursor else None,
        trader_id=trader_id,
        symbol=symbol,
        timeframe=timeframe,
        since_ms=since,
    )
    page = found[:limit]
    more = len(found) > limit
    return SignalPage(
        items=[_signal_out(signal) for signal in page],
        next=write_cursor(page[-1].signal.close_time, page[-1].signal_id) if more else None,
    )


def _signal_out(stored: StoredSignal) -> SignalOut:
    signal = stored.signal
    return SignalOut(
        signal_id=stored.signal_id,
        trader_id=signal.trader_id,
        venue=stored.venue,
        symbol=signal.symbol,
        timeframe=signal.timeframe,
        close_time=signal.close_time,
        side=signal.side,
        price=signal.price,
        rule_hash=signal.rule_hash,
        values=dict(signal.values),
        correlation_id=stored.correlation_id,
        recorded_at_ms=stored.recorded_at_ms,
    )
