"""Evaluate traders against one closed boundary and record the signals that are new."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared.domain.agents import Autonomy
from shared.domain.decision import decide
from shared.domain.errors import ForbiddenError, NightdeskError
from shared.domain.runs import ClosedBoundary, Recorded, RunResult
from shared.messages import RunTrader, ShardDue, ShardResult
from shared.usecases.markets import compile_for, last_boundary, read_market
from shared.usecases.outcomes import BARS as OUTCOME_BARS
from shared.usecases.outcomes import measure_outcomes
from shared.usecases.raising import announce_intents

if TYPE_CHECKING:
    from shared.domain.rules import Market
    from shared.domain.signals import Signal
    from shared.ports import CandleLog, Clock, OutcomeStore, Queue, RunStore, SignalStore, TraderStore, VenueStore
    from shared.usecases.waking import Waking
    from shared.usecases.watchlist import Watchlist


def execute_trader(
    event: ShardDue | RunTrader,
    *,
    candles: CandleLog,
    watchlist: Watchlist,
    traders: TraderStore,
    venues: VenueStore,
    runs: RunStore,
    signals: SignalStore,
    outcomes: OutcomeStore,
    intents_queue: Queue,
    waking: Waking,
    clock: Clock,
    lease_ms: int,
    autonomy: Autonomy = Autonomy.SEMI,
) -> ShardResult:
    """Evaluate a shard of traders at the boundary it is due, or one trader right now.

    An agent that is only user-triggered evaluates none but the one somebody asks for.
    """
    match event:
        case ShardDue() if autonomy is Autonomy.USER_TRIGGERED:
            return pass_over(event, runs=runs, lease_ms=lease_ms)
        case ShardDue():
            return execute_shard(
                event,
                candles=candles,
                watchlist=watchlist,
                runs=runs,
                outcomes=outcomes,
                intents_queue=intents_queue,
                waking=waking,
                clock=clock,
                lease_ms=lease_ms,
            )
        case RunTrader():
            return run_trader(
                event,
                candles=candles,
                traders=traders,
                venues=venues,
                signals=signals,
                intents_queue=intents_queue,
                waking=waking,
                clock=clock,
            )


def execute_shard(
    event: ShardDue,
    *,
    candles: CandleLog,
    watchlist: Watchlist,
    runs: RunStore,
    outcomes: OutcomeStore,
    intents_queue: Queue,
    waking: Waking,
    clock: Clock,
    lease_ms: int,
) -> ShardResult:
    """Run every trader of the shard and record the signals that are new, finishing the run in the same transaction.

    A run finished before, or leased to somebody alive, is skipped; a failure gives the run back with its reason. When
    the first shard is done, the outcomes of earlier signals that are due by now are measured on the same candles.
    """
    if not runs.start(event.run, lease_ms=lease_ms):
        return _skipped(event, "finished before, or running elsewhere")
    try:
        done = _evaluate_shard(event, candles=candles, watchlist=watchlist, runs=runs, clock=clock)
    except NightdeskError as error:
        runs.fail(event.run, error=f"{type(error).__name__}: {error}")
        raise
    answer, market, recorded, signals = done
    announce_intents(recorded.intents, event.correlation_id, queue=intents_queue)
    waking.announce(recorded, signals, event.correlation_id)
    if event.shard == 0:
        measure_outcomes(event.run.boundary, market.frames[event.timeframe], outcomes=outcomes, candles=candles)
    return answer


def pass_over(event: ShardDue, *, runs: RunStore, lease_ms: int) -> ShardResult:
    """Finish a run without evaluating anybody, so that it does not come back."""
    if runs.start(event.run, lease_ms=lease_ms):
        nothing = RunResult(traders=0, evaluations=0, insufficient=0, errors=0, duration_ms=0.0)
        runs.finish(event.run, result=nothing, signals=[], digests=[])
    return _skipped(event, "traders are evaluated only when somebody asks for one")


def _evaluate_shard(
    event: ShardDue, *, candles: CandleLog, watchlist: Watchlist, runs: RunStore, clock: Clock
) -> tuple[ShardResult, Market, Recorded, Sequence[Signal]]:
    began = time.perf_counter()
    boundary = event.run.boundary
    watchlist.refresh()
    traders, broken = watchlist.waiting(event.venue, event.timeframe, shard=event.shard, shards=event.shards)
    market = read_market(boundary, traders, candles, clock, bars=OUTCOME_BARS if event.shard == 0 else 1)

    decision = decide(traders, market, boundary.timeframe, boundary.close_time)

    errors = broken | dict(decision.errors)
    result = RunResult(
        traders=len(traders) + len(broken),
        evaluations=decision.evaluations,
        insufficient=decision.insufficient,
        errors=len(errors),
        duration_ms=round((time.perf_counter() - began) * 1_000, 3),
    )
    recorded = runs.finish(event.run, result=result, signals=decision.signals, digests=decision.digests)
    answer = _answer(boundary, event.correlation_id, result=result, recorded=recorded, errors=errors)
    return answer, market, recorded, decision.signals


def run_trader(
    event: RunTrader,
    *,
    candles: CandleLog,
    traders: TraderStore,
    venues: VenueStore,
    signals: SignalStore,
    intents_queue: Queue,
    waking: Waking,
    clock: Clock,
) -> ShardResult:
    """Evaluate one trader now, on its last closed candle, exactly as its shard does, and record what fires.

    Raise `ForbiddenError` for one its shard would leave out because it is beyond its owner's tier.
    """
    began = time.perf_counter()
    trader = traders.get(event.trader_id)
    if trader.beyond_tier:
        raise ForbiddenError(f"trader {trader.trader_id!r} is more than its owner's tier has")
    compiled = compile_for(trader, venues)
    boundary = last_boundary(trader, candles, clock)
    market = read_market(boundary, [compiled], candles, clock)

    decision = decide([compiled], market, boundary.timeframe, boundary.close_time)

    recorded = signals.record(trader.venue, event.correlation_id, decision.signals)
    announce_intents(recorded.intents, event.correlation_id, queue=intents_queue)
    waking.announce(recorded, decision.signals, event.correlation_id)
    result = RunResult(
        traders=1,
        evaluations=decision.evaluations,
        insufficient=decision.insufficient,
        errors=len(decision.errors),
        duration_ms=round((time.perf_counter() - began) * 1_000, 3),
    )
    return _answer(boundary, event.correlation_id, result=result, recorded=recorded, errors=dict(decision.errors))


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
