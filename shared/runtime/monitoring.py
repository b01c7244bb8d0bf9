"""What the monitor needs: clients that do not wait, and each check built when it runs.

A check that cannot be built, because a setting is missing, fails by itself. The clients are the monitor's own, because
a store that hangs must be known to be away before the time of a check is over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final

from shared.runtime.trading import Trading

if TYPE_CHECKING:
    from shared.adapters.redis_rest import RestRedis
    from shared.adapters.sqs import SqsQueue
    from shared.domain.consensus import Consensus
    from shared.domain.monitoring import Looked, MonitorSettings, Occasion, Task
    from shared.monitor_ports import MonitorStore, VenuePings
    from shared.usecases.scheduled_monitor import MonitorDesk

REDIS_S: Final = 1.5


class Monitoring(Trading):
    """The part of what is outside the process that watches the rest."""

    @property
    def monitor_settings(self) -> MonitorSettings:
        """By which measures the monitor judges, as it is set now."""
        from shared.domain.monitoring import MonitorSettings

        return self.clearances.settings("ops-agent", MonitorSettings)

    @cached_property
    def monitor_runs(self) -> MonitorStore:
        """The monitor's runs, and what its checks read."""
        from shared.adapters.supabase.monitor import SupabaseMonitorStore

        return SupabaseMonitorStore(self.hasty_database)

    @cached_property
    def hasty_redis(self) -> RestRedis:
        """Redis for whoever cannot wait for it."""
        from shared.adapters.redis_rest import connect_rest

        url, token = self.settings.need("upstash_redis_rest_url"), self.settings.need("upstash_redis_rest_token")
        return connect_rest(url, token, timeout_s=REDIS_S)

    @cached_property
    def venue_pings(self) -> VenuePings:
        """Venues, asked whether they are there."""
        from shared.adapters.venue_ping import HttpVenuePings

        return HttpVenuePings({venue: access.url for venue, access in self.settings.venue_access.items() if access.url})

    @cached_property
    def monitor_desk(self) -> MonitorDesk:
        """What watching the desk takes."""
        from shared.adapters.redis_watch import UpstashPendingAlerts
        from shared.adapters.supabase.alerts import SupabaseAlertStore
        from shared.usecases.alerts import AnnouncedAlerts
        from shared.usecases.scheduled_monitor import MonitorDesk

        notices = _hasty_sqs(self.settings.need("notifications_queue_url"))
        return MonitorDesk(
            checks=self._checks(),
            runs=self.monitor_runs,
            alerts=AnnouncedAlerts(store=SupabaseAlertStore(self.hasty_database), queue=notices),
            pending=UpstashPendingAlerts(self.hasty_redis),
            notices=notices,
            clock=self.clock,
            settings=self.monitor_settings,
        )

    def _checks(self) -> Mapping[Task, Callable[[Occasion], Looked]]:
        from shared.domain.monitoring import Task

        return {
            Task.KILL_SWITCH: self._switch,
            Task.EXCHANGE_HEALTH: self._exchanges,
            Task.POSITION_RISK: self._books,
            Task.SIGNALS: self._signals,
            Task.VENUE_HEALTH: self._venues,
            Task.MARKET_DATA: self._data,
            Task.TRADE_INTENTS: self._intents,
            Task.AGENT_HEALTH: self._agents,
            Task.EXECUTIONS: self._runs,
            Task.RECONCILIATION: self._accounts,
            Task.QUOTAS: self._quotas,
            Task.RETENTION: self._retention,
        }

    def _switch(self, _: Occasion) -> Looked:
        from shared.adapters.supabase.desk_states import SupabaseDeskStates
        from shared.adapters.supabase.orders import SupabaseOrderStore
        from shared.usecases.checks.desk import check_switch

        return check_switch(
            states=SupabaseDeskStates(self.hasty_database),
            orders=SupabaseOrderStore(self.hasty_database),
            wall_clock=self.wall_clock,
            settings=self.monitor_settings,
        )

    def _exchanges(self, _: Occasion) -> Looked:
        from shared.usecases.checks.market import check_exchanges

        return check_exchanges(store=self.monitor_runs, pings=self.venue_pings, settings=self.monitor_settings)

    def _books(self, occasion: Occasion) -> Looked:
        from shared.adapters.redis_tickers import UpstashTickerBoard
        from shared.adapters.supabase.books import SupabaseBookStore
        from shared.domain.agent_settings import RiskSettings
        from shared.usecases.checks.books import check_books

        return check_books(
            occasion,
            books=SupabaseBookStore(self.hasty_database),
            tickers=UpstashTickerBoard(self.hasty_redis),
            store=self.monitor_runs,
            tier=self.settings.risk_tier,
            caps=self.hasty_clearances.settings("risk-agent", RiskSettings).limits,
            settings=self.monitor_settings,
        )

    def _signals(self, occasion: Occasion) -> Looked:
        from shared.usecases.checks.market import check_signals

        return check_signals(
            occasion,
            store=self.monitor_runs,
            consensus=self._consensus,
            wall_clock=self.wall_clock,
            settings=self.monitor_settings,
        )

    def _consensus(self, now_ms: int) -> Sequence[Consensus]:
        from shared.adapters.supabase.books import SupabaseBookStore
        from shared.adapters.supabase.intelligence import SupabaseIntelligenceStore
        from shared.domain.consensus import SignalAgentSettings
        from shared.usecases.signal_agent import consensus_seen

        return consensus_seen(
            intelligence=SupabaseIntelligenceStore(self.hasty_database),
            books=SupabaseBookStore(self.hasty_database),
            settings=self.hasty_clearances.settings("signal-agent", SignalAgentSettings),
            now_ms=now_ms,
        )

    def _venues(self, _: Occasion) -> Looked:
        from shared.usecases.checks.market import check_venues

        return check_venues(store=self.monitor_runs, settings=self.monitor_settings)

    def _data(self, occasion: Occasion) -> Looked:
        from shared.adapters.redis_watch import UpstashCollectorReads
        from shared.usecases.checks.market import check_data

        return check_data(
            occasion,
            store=self.monitor_runs,
            collectors=UpstashCollectorReads(self.hasty_redis),
            speed=self._speed,
            settings=self.monitor_settings,
        )

    def _intents(self, occasion: Occasion) -> Looked:
        from shared.adapters.supabase.intents import SupabaseIntentStore
        from shared.usecases.checks.desk import check_intents

        return check_intents(
            occasion,
            store=self.monitor_runs,
            intents=SupabaseIntentStore(self.hasty_database),
            settings=self.monitor_settings,
        )

    def _agents(self, occasion: Occasion) -> Looked:
        from shared.adapters.supabase.venues import SupabaseVenueStore
        from shared.usecases.checks.desk import check_agents

        return check_agents(
            occasion,
            agents=self.hasty_agents,
            venues=SupabaseVenueStore(self.hasty_database),
            wall_clock=self.wall_clock,
            settings=self.monitor_settings,
        )

    def _runs(self, _: Occasion) -> Looked:
        from shared.adapters.sqs_depths import SqsDepths
        from shared.adapters.supabase.runs import SupabaseRunStore
        from shared.usecases.checks.desk import check_runs

        url = self.settings.need("executions_queue_url")
        return check_runs(
            store=self.monitor_runs,
            runs=SupabaseRunStore(self.hasty_database),
            queue=_hasty_sqs(url),
            depths=SqsDepths({"executions": url}),
            settings=self.monitor_settings,
        )

    def _accounts(self, _: Occasion) -> Looked:
        from shared.usecases.checks.desk import check_accounts

        return check_accounts(store=self.monitor_runs, settings=self.monitor_settings)

    def _quotas(self, occasion: Occasion) -> Looked:
        from shared.adapters.redis_usage import RestUsageReads
        from shared.usecases.checks.market import check_quotas

        return check_quotas(
            occasion,
            store=self.monitor_runs,
            usage=RestUsageReads(self.hasty_redis),
            wall_clock=self.wall_clock,
            settings=self.monitor_settings,
        )

    def _retention(self, occasion: Occasion) -> Looked:
        import time

        from shared.usecases.checks.retention import forget_old_rows

        return forget_old_rows(
            occasion, store=self.monitor_runs, stopwatch=time.perf_counter, settings=self.monitor_settings
        )

    def _speed(self) -> float:
        """Return how many market milliseconds pass in a real one."""
        from shared.adapters.clock import TapeClock

        return self.clock.speed if isinstance(self.clock, TapeClock) else 1.0


def _hasty_sqs(queue_url: str) -> SqsQueue:
    from shared.adapters.sqs import SqsQueue

    return SqsQueue(queue_url, hasty=True)
