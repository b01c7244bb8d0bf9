"""Evaluate traders against one closed boundary and record the signals that are new."""

import time
from collections.abc import Sequence

from shared.domain.candles import CandleFrame
from shared.domain.decision import CompiledTrader, Market, compile_trader, decide
from shared.domain.errors import NightdeskError, TransientError
from shared.domain.runs import ClosedBoundary, Recorded, RunResult
from shared.domain.timeframe import Timeframe
from shared.domain.traders import Trader
from shared.messages import RunTrader, ShardDue, ShardResult
from shared.ports import CandleLog, Clock, RunStore, SignalStore, TraderStore
from shared.usecases.watchlist import Watchlist


def execute_trader(
    event: ShardDue | RunTrader,
    *,
    candles: CandleLog,
    watchlist: Watchlist,
    traders: TraderStore,
    runs: RunStore,
    signals: SignalStore,
    clock: Clock,
    lease_ms: int,
) -> ShardResult:
    """Evaluate a shard of traders at the boundary it is due, or one trader right now."""
    match event:
        case ShardDue():
            return execute_shard(event, candles=candles, watchlist=watchlist, runs=runs, clock=clock, lease_ms=lease_ms)
        case RunTrader():
            return run_trader(event, candles=candles, traders=traders, signals=signals, clock=clock)


def execute_shard(
    event: ShardDue, *, candles: CandleLog, watchlist: Watchlist, runs: RunStore, clock: Clock, lease_ms: int
) -> ShardResult:
    """Run every trader of the shard and record the signals that are new, finishing the run in the same transaction.

    A run finished before, or leased to somebody alive, is skipped; a failure gives the run back with its reason.
    """
    if not runs.start(event.run, lease_ms=lease_ms):
        return _skipped(event, "finished before, or running elsewhere")
    try:
        return _evaluate_shard(event, candles=candles, watchlist=watchlist, runs=runs, clock=clock)
    except NightdeskError as error:
        runs.fail(event.run, error=f"{type(error).__name__}: {error}")
        raise


def _evaluate_shard(
    event: ShardDue, *, candles: CandleLog, watchlist: Watchlist, runs: RunStore, clock: Clock
) -> ShardResult:
    began = time.perf_counter()
    boundary = event.run.boundary
    watchlist.refresh()
    traders, broken = watchlist.waiting(event.venue, event.timeframe, shard=event.shard, shards=event.shards)
    market = read_market(boundary, traders, candles, clock)

    decision = decide(traders, market, boundary.timeframe, boundary.close_time)

    errors = broken | dict(decision.errors)
    result = RunResult(
        traders=len(traders) + len(broken),
        evaluations=decision.evaluations,
        insufficient=decision.insufficient,
        errors=len(errors),
        duration_ms=round((time.perf_counter() - began) * 1_000, 3),
    )
    recorded = runs.finish(event.run, result=result, signals=decision.signals)
    return _answer(boundary, event.correlation_id, result=result, recorded=recorded, errors=errors)


def run_trader(
    event: RunTrader, *, candles: CandleLog, traders: TraderStore, signals: SignalStore, clock: Clock
) -> ShardResult:
    """Evaluate one trader now, on its last closed candle, exactly as its shard does, and record what fires."""
    began = time.perf_counter()
    trader = traders.get(event.trader_id)
    compiled = compile_trader(trader)
    boundary = last_boundary(trader, candles, clock)
    market = read_market(boundary, [compiled], candles, clock)

    decision = decide([compiled], market, boundary.timeframe, boundary.close_time)

    recorded = signals.record(trader.venue, event.correlation_id, decision.signals)
    result = RunResult(
        traders=1,
        evaluations=decision.evaluations,
        insufficient=decision.insufficient,
        errors=len(decision.errors),
        duration_ms=round((time.perf_counter() - began) * 1_000, 3),
    )
    return _answer(boundary, event.correlation_id, result=result, recorded=recorded, errors=dict(decision.errors))


def last_boundary(trader: Trader, candles: CandleLog, clock: Clock) -> ClosedBoundary:
    """Return the newest boundary of a trader's timeframe that is in the log, not after the desk's now."""
    newest = candles.newest_close(trader.venue, trader.timeframe)
    if newest is None:
        raise TransientError(f"no {trader.timeframe} candles of {trader.venue} in the log yet")
    close_time = min(newest, trader.timeframe.last_close(clock.now_ms()))
    return ClosedBoundary(venue=trader.venue, timeframe=trader.timeframe, close_time=close_time)


def read_market(
    boundary: ClosedBoundary, traders: Sequence[CompiledTrader], candles: CandleLog, clock: Clock
) -> Market:
    """Read every timeframe the traders look at, as deep as they look; the boundary itself must be there.

    A boundary evaluated late lies behind newer bars, which are read along with it.
    """
    late_ms = max(clock.now_ms() - boundary.close_time, 0)
    frames: dict[Timeframe, CandleFrame] = {
        timeframe: candles.frame(boundary.venue, timeframe, bars=bars + late_ms // timeframe.ms)
        for timeframe, bars in ({boundary.timeframe: 1} | bars_needed(traders)).items()
    }
    if not frames[boundary.timeframe].has_close(boundary.close_time):
        raise TransientError(
            f"{boundary.venue} {boundary.timeframe}: the candles closed at {boundary.close_time} are not in the log"
        )
    return Market(frames)


def bars_needed(traders: Sequence[CompiledTrader]) -> dict[Timeframe, int]:
    """Return how many bars of each timeframe a set of traders looks at."""
    needs: dict[Timeframe, int] = {}
    for trader in traders:
        for timeframe, bars in trader.needs.items():
            needs[timeframe] = max(bars, needs.get(timeframe, 0))
    return needs


def _answer(
    boundary: ClosedBoundary, correlation_id: str, *, result: RunResult, recorded: Recorded, errors: dict[str, str]
) -> ShardResult:
    return ShardResult(
        venue=boundary.venue,
        timeframe=boundary.timeframe,
        close_time=boundary.close_time,
        traders=result.traders,
        evaluations=result.evaluations,
        insufficient=result.insufficient,
        signals=recorded.new,
        signals_duplicate=recorded.duplicate,
        errors=errors,
        duration_ms=result.duration_ms,
        correlation_id=correlation_id,
    )


def _skipped(event: ShardDue, why: str) -> ShardResult:
    return ShardResult(
        venue=event.venue,
        timeframe=event.timeframe,
        close_time=event.close_time,
        skipped=why,
        correlation_id=event.correlation_id,
    )
