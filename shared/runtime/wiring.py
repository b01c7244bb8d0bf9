"""Build what a function needs, when it first needs it: one lazy property per adapter.

Imports are inside the properties on purpose: a function pays at cold start only for what it touches.
"""

from functools import cache, cached_property
from typing import TYPE_CHECKING

from shared.agent_ports import AgentStore
from shared.ports import OutcomeStore, Queue, RunStore, SignalStore, TraderStore
from shared.runtime.config import Settings
from shared.runtime.foundation import sqs
from shared.runtime.status import Telling

if TYPE_CHECKING:
    from shared.usecases.watchlist import Watchlist


class Deps(Telling):
    """Everything outside the process, with the desk's own credentials."""

    @cached_property
    def executions(self) -> Queue:
        """The queue of shards to evaluate."""
        return sqs(self.settings.need("executions_queue_url"))

    @cached_property
    def traders(self) -> TraderStore:
        """Every person's traders."""
        from shared.adapters.supabase.traders import SupabaseTraderStore

        return SupabaseTraderStore(self.database)

    @cached_property
    def runs(self) -> RunStore:
        """Execution runs."""
        from shared.adapters.supabase.runs import SupabaseRunStore

        return SupabaseRunStore(self.database)

    @cached_property
    def signals(self) -> SignalStore:
        """Every trader's signals."""
        from shared.adapters.supabase.signals import SupabaseSignalStore

        return SupabaseSignalStore(self.database)

    @cached_property
    def outcomes(self) -> OutcomeStore:
        """What became of every trader's signals."""
        from shared.adapters.supabase.outcomes import SupabaseOutcomeStore

        return SupabaseOutcomeStore(self.database)

    @cached_property
    def agents(self) -> AgentStore:
        """Heartbeats."""
        from shared.adapters.supabase.agents import SupabaseAgentStore

        return SupabaseAgentStore(self.database)

    @cached_property
    def watchlist(self) -> "Watchlist":
        """The compiled traders a warm process keeps."""
        from shared.usecases.watchlist import Watchlist

        return Watchlist(self.traders, self.venues, self.wall_clock)

    def traders_of(self, token: str) -> TraderStore:
        """Return the traders a signed-in person may see and change, decided by row security."""
        from shared.adapters.supabase.traders import SupabaseTraderStore

        return SupabaseTraderStore(self.database_as(token))

    def signals_of(self, token: str) -> SignalStore:
        """Return the signals a signed-in person may see, decided by row security."""
        from shared.adapters.supabase.signals import SupabaseSignalStore

        return SupabaseSignalStore(self.database_as(token))

    def outcomes_of(self, token: str) -> OutcomeStore:
        """Return what became of the signals a signed-in person may see, decided by row security."""
        from shared.adapters.supabase.outcomes import SupabaseOutcomeStore

        return SupabaseOutcomeStore(self.database_as(token))


@cache
def process_deps() -> Deps:
    """Return the one set of adapters a warm process keeps."""
    return Deps(Settings.from_env())
