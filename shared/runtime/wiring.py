"""Build what a function needs, when it first needs it: one lazy property per adapter.

Imports are inside the properties on purpose: a function pays at cold start only for what it touches.
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import TYPE_CHECKING

from shared.runtime.config import Settings
from shared.runtime.foundation import sqs
from shared.runtime.status import Telling

if TYPE_CHECKING:
    from shared.domain.consensus import SignalAgentSettings
    from shared.people_ports import AuditLog, RequestLimits
    from shared.ports import OutcomeStore, Queue, RunStore, SignalStore, TraderStore
    from shared.request_ports import RequestCounter
    from shared.runtime.auditing import AuditTrail
    from shared.runtime.limits import Limits
    from shared.signal_ports import IntelligenceStore, ProposalStore
    from shared.usecases.signal_agent import SignalDesk
    from shared.usecases.waking import Waking
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
    def watchlist(self) -> Watchlist:
        """The compiled traders a warm process keeps."""
        from shared.usecases.watchlist import Watchlist

        return Watchlist(self.traders, self.venues, self.wall_clock)

    @property
    def signal_agent_settings(self) -> SignalAgentSettings:
        """How signal-agent works, as it is set now."""
        from shared.domain.consensus import SignalAgentSettings

        return self.clearances.settings("signal-agent", SignalAgentSettings)

    @cached_property
    def signals_queue(self) -> Queue:
        """The queue of new signals, which wakes signal-agent."""
        return sqs(self.settings.need("signals_queue_url"))

    @cached_property
    def intelligence(self) -> IntelligenceStore:
        """What sources think of instruments."""
        from shared.adapters.supabase.intelligence import SupabaseIntelligenceStore

        return SupabaseIntelligenceStore(self.database)

    @cached_property
    def proposals(self) -> ProposalStore:
        """Everybody's proposals."""
        from shared.adapters.supabase.intelligence import SupabaseProposalStore

        return SupabaseProposalStore(self.database)

    @property
    def waking(self) -> Waking:
        """What wakes signal-agent."""
        from shared.usecases.waking import Waking

        return Waking(
            settings=lambda: self.signal_agent_settings, queue=self.signals_queue, notifications=self.notifications
        )

    @property
    def signal_desk(self) -> SignalDesk:
        """What signal-agent takes."""
        from shared.usecases.signal_agent import SignalDesk

        return SignalDesk(
            settings=self.signal_agent_settings,
            intelligence=self.intelligence,
            proposals=self.proposals,
            books=self.known_books,
            states=self.desk_states,
            instruments=self.instruments,
            intents_queue=self.intents_queue,
            notifications=self.notifications,
            clock=self.clock,
        )

    @cached_property
    def limits(self) -> Limits:
        """What people and addresses have left of their requests."""
        from shared.runtime.limits import Limits

        return Limits(self.request_counter, self.request_limits)

    @cached_property
    def request_counter(self) -> RequestCounter:
        """Requests counted in Redis."""
        from shared.adapters.request_counter import upstash_request_counter

        return upstash_request_counter(
            self.settings.need("upstash_redis_rest_url"), self.settings.need("upstash_redis_rest_token")
        )

    @cached_property
    def request_limits(self) -> RequestLimits:
        """How many requests people may make."""
        from shared.adapters.request_limits import TierRequestLimits

        return TierRequestLimits(profiles=self.profiles, wall_clock=self.wall_clock)

    @cached_property
    def audit(self) -> AuditLog:
        """The audit trail, all of it."""
        from shared.adapters.supabase.audit import SupabaseAuditLog

        return SupabaseAuditLog(self.database)

    def audit_of(self, token: str) -> AuditLog:
        """Return the events a signed-in person may see, decided by row security."""
        from shared.adapters.supabase.audit import SupabaseAuditLog

        return SupabaseAuditLog(self.database_as(token))

    @cached_property
    def trail(self) -> AuditTrail:
        """What is left of what people asked for."""
        from shared.runtime.auditing import AuditTrail

        return AuditTrail(lambda: self.audit)

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

    def intelligence_of(self, token: str) -> IntelligenceStore:
        """Return what sources think as far as a signed-in person may see it, decided by row security."""
        from shared.adapters.supabase.intelligence import SupabaseIntelligenceStore

        return SupabaseIntelligenceStore(self.database_as(token))

    def proposals_of(self, token: str) -> ProposalStore:
        """Return the proposals a signed-in person may see, decided by row security."""
        from shared.adapters.supabase.intelligence import SupabaseProposalStore

        return SupabaseProposalStore(self.database_as(token))


@cache
def process_deps() -> Deps:
    """Return the one set of adapters a warm process keeps; its secrets are read now, and stay as they were."""
    return Deps(Settings.of_process())
