"""GET /api/v1/signals: what traders fired, newest first, and everything about one signal."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from functions.routes.candles import candle_out
from functions.routes.common import (
    NOT_FOUND,
    PROBLEMS,
    DepsOf,
    OutcomesOf,
    SignalsOf,
    TradersOf,
    UserOf,
    read_cursor,
    write_cursor,
)
from functions.routes.schemas import EpochMs, Symbol, TraderId
from functions.routes.signal_schemas import OutcomeOut, SignalOut, SignalPage, SignalStoryOut
from shared.domain.signals import StoredSignal
from shared.domain.timeframe import Timeframe

router = APIRouter(prefix="/api/v1/signals", tags=["signals"], responses=PROBLEMS)


@router.get("")
def list_signals(
    signals: SignalsOf,
    user: UserOf,
    *,
    trader_id: Annotated[TraderId | None, Query(description="Only this trader's.")] = None,
    others: Annotated[bool, Query(description="Also those of other people's public traders.")] = False,
    symbol: Annotated[Symbol | None, Query(description="Only this symbol.", examples=["BTC/USDT"])] = None,
    timeframe: Annotated[Timeframe | None, Query(description="Only this timeframe.", examples=["5m"])] = None,
    since: Annotated[EpochMs | None, Query(description="Close times from here on (epoch ms).")] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="At most this many.")] = 100,
    cursor: Annotated[str | None, Query(max_length=200, description="The `next` of the page before.")] = None,
) -> SignalPage:
    """List signals of your traders and the built-in ones, of others when asked for them or by trader, newest first."""
    found = signals.list(
        limit=limit + 1,
        before=read_cursor(cursor) if cursor else None,
        trader_id=trader_id,
        symbol=symbol,
        timeframe=timeframe,
        since_ms=since,
        person=None if others or trader_id is not None else user.user_id,
    )
    page = found[:limit]
    more = len(found) > limit
    return SignalPage(
        items=[_signal_out(signal) for signal in page],
        next=write_cursor(page[-1].signal.close_time, page[-1].signal_id) if more else None,
    )


@router.get("/{signal_id}", responses=NOT_FOUND)
def read_signal(
    signal_id: Annotated[
        TraderId, Path(description="The signal's id.", examples=["7b1f6a52-0f7e-5b38-9d5c-1d2f3a4b5c6d"])
    ],
    signals: SignalsOf,
    traders: TradersOf,
    outcomes: OutcomesOf,
    deps: DepsOf,
) -> SignalStoryOut:
    """Return a signal with what decided it in words, the candles it saw, and what became of it."""
    from shared.usecases.signals import tell_signal  # noqa: PLC0415 - brings the rule library

    story = tell_signal(
        signal_id,
        signals=signals,
        traders=traders,
        outcomes=outcomes,
        candles=deps.candle_log,
        clock=deps.clock,
    )
    return SignalStoryOut(
        signal=_signal_out(story.stored),
        sentence=story.sentence,
        candles=[candle_out(candle, story.stored.signal.timeframe) for candle in story.candles],
        outcomes=[OutcomeOut.of(outcome) for outcome in story.outcomes],
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
