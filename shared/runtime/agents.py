"""What belongs to agents, as lazily as the rest: their rows, how they stand, what starts their functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from shared.runtime.foundation import Foundation

if TYPE_CHECKING:
    from shared.agent_ports import Agents, Invoker
    from shared.domain.agents import Autonomy
    from shared.domain.trading.intents import AlgorithmName
    from shared.domain.trading.limits import Caps
    from shared.usecases.clearance import Clearances


class AgentParts(Foundation):
    """The part of what is outside the process that says how agents stand."""

    @cached_property
    def agents(self) -> Agents:
        """Heartbeats, states, settings and memory."""
        from shared.adapters.supabase.agents import SupabaseAgentStore

        return SupabaseAgentStore(self.database)

    @cached_property
    def hasty_agents(self) -> Agents:
        """The same for a watchman, who cannot wait for the database."""
        from shared.adapters.supabase.agents import SupabaseAgentStore

        return SupabaseAgentStore(self.hasty_database)

    @cached_property
    def clearances(self) -> Clearances:
        """Whether agents may run, and how."""
        return self._clearances(lambda: self.agents)

    @cached_property
    def hasty_clearances(self) -> Clearances:
        """The same for whoever cannot wait for the database."""
        return self._clearances(lambda: self.hasty_agents)

    @cached_property
    def invoker(self) -> Invoker:
        """What starts functions of the desk."""
        from shared.adapters.lambda_invoker import LambdaInvoker

        return LambdaInvoker(self.settings.need("function_prefix"))

    def _clearances(self, directory: Callable[[], Agents]) -> Clearances:
        from shared.runtime.agent_config import SPECS, deployed_agents
        from shared.usecases.clearance import Clearances

        return Clearances(
            directory=directory,
            hasty=lambda: self.hasty_agents,
            specs=SPECS,
            deployed=deployed_agents(),
            wall_clock=self.wall_clock,
        )

    def autonomy(self, agent: str) -> Autonomy:
        """Return how far an agent goes by itself, as it is set now."""
        return self.clearances.autonomy(agent)

    def caps(self) -> Caps:
        """Return the most any book may risk, as it is set now."""
        from shared.domain.agent_settings import RiskSettings

        return self.clearances.settings("risk-agent", RiskSettings).limits

    def algorithms(self) -> frozenset[AlgorithmName]:
        """Return the algorithms people and their traders may ask for, as it is set now."""
        from shared.domain.agent_settings import ExecutionSettings

        return frozenset(self.clearances.settings("execution-agent", ExecutionSettings).algos)
