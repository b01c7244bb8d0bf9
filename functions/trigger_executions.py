"""Fan a closed candle boundary out to shards of traders, or repair what was missed (HTTP; EventBridge; pg_cron)."""

from shared.messages import BoundaryClosed, CronTick, Swept, Triggered, TriggerRequest
from shared.runtime.entrypoint import entrypoint
from shared.runtime.wiring import Deps
from shared.usecases.trigger_executions import trigger_executions


@entrypoint(TriggerRequest, service="trigger-executions")
def handler(event: BoundaryClosed | CronTick, deps: Deps) -> Triggered | Swept:
    """Claim the boundary and dispatch its shards, exactly once however often it is announced."""
    return trigger_executions(
        event,
        venues=deps.venues,
        candles=deps.candle_log,
        traders=deps.traders,
        runs=deps.runs,
        queue=deps.executions,
        clock=deps.clock,
        traders_per_shard=deps.settings.traders_per_shard,
    )
