"""What belongs to agents, as lazily as the rest: their rows, how they stand, what starts their functions."""

from functools import cached_property
from typing import TYPE_CHECKING

from shared.agent_ports import Agents, Invoker
from shared.domain.agent_settings import ExecutionSettings, RiskSettings
from shared.domain.agents import Autonomy
from shared.domain.trading.intents import AlgorithmName
from shared.domain.trading.limits import Caps
from shared.runtime.foundation import Foundation

if TYPE_CHECKING:
    from shared.usecases.clearance import Clearances


class AgentParts(Foundation):
    """The part of what is outside the process that says how agents stand."""

    @cached_property
    def agents(self) -> Agents:
        """Heartbeats, states, settings and memory."""
        from shared.adapters.supabase.agents import SupabaseAgentStore

        return SupabaseAgentStore(self.database)

    @cached_property
    def clearances(self) -> "Clearances":
        """Whether agents may run, and how."""
        from shared.runtime.agent_config import SPECS, deployed_agents
        from shared.usecases.clearance import Clearances

        return Clearances(directory=self.agents, specs=SPECS, deployed=deployed_agents(), wall_clock=self.wall_clock)

    @cached_property
    def invoker(self) -> Invoker:
        """What starts functions of the desk."""
        from shared.adapters.lambda_invoker import LambdaInvoker

        return LambdaInvoker(self.settings.need("function_prefix"))

    def autonomy(self, agent: str) -> Autonomy:
        """Return how far an agent goes by itself, as it is set now."""
        return self.clearances.autonomy(agent)

    def caps(self) -> Caps:
        """Return the most any book may risk, as it is set now."""
        return self.clearances.settings("risk-agent", RiskSettings).limits

    def algorithms(self) -> frozenset[AlgorithmName]:
        """Return the algorithms people and their traders may ask for, as it is set now."""
        return frozenset(self.clearances.settings("execution-agent", ExecutionSettings).algos)
