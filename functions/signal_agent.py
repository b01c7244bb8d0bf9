"""Form the consensus of intelligence and traders (SQS: signals), and what no message led to (EventBridge)."""

from shared.messages import CronTick
from shared.runtime.entrypoint import entrypoint
from shared.runtime.wiring import Deps
from shared.signal_messages import SignalAgentCommanded, SignalAgentResult, SignalRequest, SignalsRecorded
from shared.usecases.signal_agent import signal_agent


@entrypoint(SignalRequest, service="signal-agent", agent="signal-agent")
def handler(event: CronTick | SignalsRecorded | SignalAgentCommanded, deps: Deps) -> SignalAgentResult:
    """Propose, or raise, what independent sources agree on."""
    return signal_agent(event, desk=deps.signal_desk)
