"""Decide trade intents, each once (SQS: intents), and those nobody has decided yet (EventBridge)."""

from shared.messages import CronTick, IntentRaised
from shared.runtime.entrypoint import entrypoint
from shared.runtime.wiring import Deps
from shared.trading_messages import RiskRequest, RiskResult
from shared.usecases.risk_agent import risk_agent


@entrypoint(RiskRequest, service="risk-agent", agent="risk-agent")
def handler(event: IntentRaised | CronTick, deps: Deps) -> RiskResult:
    """Approve, reduce or deny what was raised, and pass on what may be worked."""
    return risk_agent(event, desk=deps.risk_desk)
