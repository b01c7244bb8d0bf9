"""Work approved intents at their venues (SQS: orders), watch what is protected (HTTP), repair (EventBridge)."""

from shared.messages import (
    AdoptBalances,
    CronTick,
    ExecutionRequest,
    ExecutionResult,
    IntentDecided,
    SliceDue,
    TickersWritten,
)
from shared.runtime.entrypoint import entrypoint
from shared.runtime.wiring import Deps
from shared.usecases.execution_agent import execution_agent


@entrypoint(ExecutionRequest, service="execution-agent", agent="execution-agent")
def handler(event: IntentDecided | SliceDue | TickersWritten | AdoptBalances | CronTick, deps: Deps) -> ExecutionResult:
    """Take every intent as far as it goes now."""
    return execution_agent(event, desk=deps.execution_desk)
