"""A desk in memory that the monitor watches: everything it looks at, set by hand, and dependencies that can be away."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import Any

from shared.domain.consensus import Consensus, SignalAgentSettings
from shared.domain.errors import TransientError
from shared.domain.monitor_facts import Ping
from shared.domain.monitoring import Looked, MonitorSettings, Occasion, Task
from shared.domain.tickers import VenueNow
from shared.domain.timeframe import Timeframe
from shared.domain.trading.limits import Caps
from shared.domain.venues import Venue
from shared.messages import CronTick
from shared.monitor_messages import MonitorResult, RunMonitor
from shared.usecases.checks.apart import Check
from shared.usecases.checks.books import check_books
from shared.usecases.checks.desk import check_accounts, check_agents, check_intents, check_runs, check_switch
from shared.usecases.checks.market import check_data, check_exchanges, check_quotas, check_signals, check_venues
from shared.usecases.checks.retention import forget_old_rows
from shared.usecases.scheduled_monitor import MonitorDesk, scheduled_monitor
from shared.usecases.signal_agent import consensus_seen
from tests.fakes.books import MemoryBookStore, MemoryDeskStates
from tests.fakes.clock import ManualClock
from tests.fakes.intelligence import MemoryIntelligenceStore
from tests.fakes.intents import MemoryIntentStore
from tests.fakes.monitor import (
    AlertBook,
    HandAgents,
    HandCollectors,
    HandDepths,
    HandPings,
    MemoryMonitorStore,
    MemoryPendingAlerts,
)
from tests.fakes.orders import MemoryOrderStore
from tests.fakes.queue import MemoryQueue
from tests.fakes.stores import MemoryDatabase, MemoryRunStore, MemoryVenueStore

MINUTE_MS = 60_000
START = 1_700_000_040_000 - 1_700_000_040_000 % 86_400_000 + 5_000
TIMEFRAMES = (Timeframe.M1, Timeframe.M5, Timeframe.H1)


class Guarded:
    """A store whose every call fails while the database is away."""

    def __init__(self, store: object, is_away: Callable[[], bool]) -> None:
        self._store, self._is_away = store, is_away

    def __getattr__(self, name: str) -> Any:
        if self._is_away():
            raise TransientError("the database is away", source="database")
        return getattr(self._store, name)


@dataclass
class MonitorInMemory:
    """The watched desk; `away` are dependencies that do not answer, `broken` and `hanging` checks that fail."""

    settings: MonitorSettings = field(default_factory=lambda: MonitorSettings(quotas_every_ms=1, retention_every_ms=1))
    away: set[str] = field(default_factory=set)
    broken: dict[Task, Exception] = field(default_factory=dict)
    hanging: set[Task] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.clock = ManualClock(START)
        venues = [Venue(venue=name, timeframes=TIMEFRAMES) for name in ("binance", "binance_usdm")]
        off = Venue(venue="okx", timeframes=TIMEFRAMES, enabled=False)
        self.database = MemoryDatabase(clock=self.clock, venues=[*venues, off])
        self.store = MemoryMonitorStore(self.database)
        self.runs, self.states = MemoryRunStore(self.database), MemoryDeskStates(self.database)
        self.books, self.intents = MemoryBookStore(self.database), MemoryIntentStore(self.database)
        self.orders, self.venues = MemoryOrderStore(self.database), MemoryVenueStore(self.database)
        self.pings, self.agents = HandPings(), HandAgents(self.clock)
        self.collectors = HandCollectors(self.database, self.clock, away=partial(self.is_away, "redis"))
        self.board: dict[str, VenueNow] = {}
        self.queue, self.notices = MemoryQueue(), MemoryQueue()
        self.alerts = AlertBook(away=partial(self.is_away, "database"))
        self.pending = MemoryPendingAlerts(away=partial(self.is_away, "redis"))
        self.intelligence: Any = self.guarded(MemoryIntelligenceStore(self.database))
        self.signal_agent = SignalAgentSettings()
        self.release = Event()
        self.checks = self._checks()

    def is_away(self, name: str) -> bool:
        return name in self.away

    def guarded(self, store: object) -> Any:
        return Guarded(store, partial(self.is_away, "database"))

    @property
    def desk(self) -> MonitorDesk:
        return MonitorDesk(
            checks=self.checks,
            runs=self.guarded(self.store),
            alerts=self.alerts,
            pending=self.pending,
            notices=self.notices,
            clock=self.clock,
            settings=self.settings,
        )

    def run(self, task: str = "all") -> MonitorResult:
        """Run the monitor now."""
        self.queue.broken = self.notices.broken = self.is_away("queues")
        event = CronTick(trigger="cron") if task == "all" else RunMonitor(task=task)
        return scheduled_monitor(event, desk=self.desk)

    def minute(self) -> MonitorResult:
        """Let a minute pass, then run the monitor."""
        self.clock.advance(MINUTE_MS)
        return self.run()

    def warm(self) -> "MonitorInMemory":
        """Let the monitor have looked twice: the first look does not know what just began."""
        self.run()
        self.minute()
        assert not self.open
        return self

    @property
    def open(self) -> set[str]:
        """Return the keys of what is open."""
        return set(self.alerts.opened)

    def _checks(self) -> Mapping[Task, Check]:
        found = {
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
        return {task: partial(self._look, task, check) for task, check in found.items()}

    def _look(self, task: Task, check: Check, occasion: Occasion) -> Looked:
        if task in self.hanging:
            self.release.wait(30)
        if task in self.broken:
            raise self.broken[task]
        return check(occasion)

    def _switch(self, _: Occasion) -> Looked:
        return check_switch(
            states=self.guarded(self.states), orders=self.guarded(self.orders), wall_clock=self.clock,
            settings=self.settings,
        )  # fmt: skip

    def _exchanges(self, _: Occasion) -> Looked:
        return check_exchanges(store=self.guarded(self.store), pings=self.pings, settings=self.settings)

    def _books(self, occasion: Occasion) -> Looked:
        return check_books(
            occasion, books=self.guarded(self.books), tickers=_Board(self), store=self.guarded(self.store), tier=2,
            caps=Caps(), settings=self.settings,
        )  # fmt: skip

    def _signals(self, occasion: Occasion) -> Looked:
        return check_signals(
            occasion, store=self.guarded(self.store), consensus=self._consensus, wall_clock=self.clock,
            settings=self.settings,
        )  # fmt: skip

    def _consensus(self, now_ms: int) -> Sequence[Consensus]:
        return consensus_seen(
            intelligence=self.intelligence, books=self.guarded(self.books), settings=self.signal_agent, now_ms=now_ms
        )

    def _venues(self, _: Occasion) -> Looked:
        return check_venues(store=self.guarded(self.store), settings=self.settings)

    def _data(self, occasion: Occasion) -> Looked:
        return check_data(
            occasion, store=self.guarded(self.store), collectors=self.collectors, speed=lambda: 1.0,
            settings=self.settings,
        )  # fmt: skip

    def _intents(self, occasion: Occasion) -> Looked:
        return check_intents(
            occasion, store=self.guarded(self.store), intents=self.guarded(self.intents), settings=self.settings
        )

    def _agents(self, occasion: Occasion) -> Looked:
        return check_agents(
            occasion, agents=self.guarded(self.agents), venues=self.guarded(self.venues), wall_clock=self.clock,
            settings=self.settings,
        )  # fmt: skip

    def _runs(self, _: Occasion) -> Looked:
        return check_runs(
            store=self.guarded(self.store), runs=self.guarded(self.runs), queue=self.queue,
            depths=HandDepths(partial(self.is_away, "queues")), settings=self.settings,
        )  # fmt: skip

    def _accounts(self, _: Occasion) -> Looked:
        return check_accounts(store=self.guarded(self.store), settings=self.settings)

    def _quotas(self, occasion: Occasion) -> Looked:
        return check_quotas(
            occasion, store=self.guarded(self.store), usage=self.collectors, wall_clock=self.clock,
            settings=self.settings,
        )  # fmt: skip

    def _retention(self, occasion: Occasion) -> Looked:
        return forget_old_rows(occasion, store=self.guarded(self.store), stopwatch=lambda: 0.0, settings=self.settings)


@dataclass
class _Board:
    """The ticker board, which is in Redis."""

    monitored: MonitorInMemory

    def now(self, venues: Any) -> Mapping[str, VenueNow]:
        if self.monitored.is_away("redis"):
            raise TransientError("Redis is away", source="redis")
        return {venue: self.monitored.board.get(venue, VenueNow()) for venue in venues}


def down(why: str = "HTTP 503") -> Ping:
    return Ping(error=why)
