"""Evaluate one shard of traders against one closed candle boundary (SQS: executions), or one trader now (HTTP)."""

from shared.messages import ExecuteRequest, RunTrader, ShardDue, ShardResult
from shared.runtime.entrypoint import entrypoint
from shared.runtime.wiring import Deps
from shared.usecases.execute_trader import execute_trader


@entrypoint(ExecuteRequest, service="execute-trader", agent="strategy-agent")
def handler(event: ShardDue | RunTrader, deps: Deps) -> ShardResult:
    """Run the traders that are due and record the signals that are new."""
    return execute_trader(
        event,
        candles=deps.candle_log,
        watchlist=deps.watchlist,
        traders=deps.traders,
        venues=deps.venues,
        runs=deps.runs,
        signals=deps.signals,
        outcomes=deps.outcomes,
        intents_queue=deps.intents_queue,
        waking=deps.waking,
        clock=deps.clock,
        lease_ms=deps.settings.run_lease_ms,
        autonomy=deps.autonomy("strategy-agent"),
    )
