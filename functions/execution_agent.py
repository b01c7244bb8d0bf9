"""Work approved intents at their venues (SQS: orders), watch what is protected (HTTP), repair (EventBridge)."""

from shared.messages import CronTick
from shared.runtime.entrypoint import entrypoint
from shared.runtime.wiring import Deps
from shared.trading_messages import (
    AdoptBalances,
    ExecutionRequest,
    ExecutionResult,
    IntentDecided,
    SliceDue,
    TickersWritten,
)
from shared.usecases.execution_agent import execution_agent
from shared.usecases.paused_execution import end_what_is_halted

Event = IntentDecided | SliceDue | TickersWritten | AdoptBalances | CronTick


def while_paused(event: Event, deps: Deps, why: str) -> ExecutionResult:
    """End what a halt ends, and nothing else."""
    return end_what_is_halted(event, why, states=deps.desk_states, desk=deps.execution_desk)


@entrypoint(ExecutionRequest, service="execution-agent", agent="execution-agent", while_paused=while_paused)
def handler(event: Event, deps: Deps) -> ExecutionResult:
    """Take every intent as far as it goes now."""
    return execution_agent(event, desk=deps.execution_desk)
