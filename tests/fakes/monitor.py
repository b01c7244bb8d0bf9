"""What the monitor looks at, in memory: its record and venues as the database keeps them, other facts as set."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from shared.domain.agents import Agent, AgentState
from shared.domain.alerts import Alert
from shared.domain.errors import TransientError
from shared.domain.monitor_facts import (
    CollectorStatus,
    OpenOrders,
    OpenRuns,
    Ping,
    SignalFlow,
    Sizes,
    VenueAnswer,
    VenueHealth,
    WaitingIntents,
    WatchedVenue,
)
from shared.domain.monitoring import MonitorRun
from shared.domain.status import QueueDepth
from shared.domain.timeframe import Timeframe
from shared.domain.usage import MonthUsage, Usage
from shared.monitor_ports import KeptAlert, MonitorStore, Turn
from shared.ports import Clock
from tests.fakes.clock import ManualClock
from tests.fakes.stores import MemoryDatabase

QUIET_INTENTS = WaitingIntents(pending=0, oldest_pending_ms=None, working=0, late=0)
QUIET_RUNS = OpenRuns(pending=0, running=0, failed=0, given_up=0, oldest_ms=None)
QUIET_ORDERS = OpenOrders(accounts=1, differences=0, in_doubt=0, oldest_ms=None)


@dataclass(slots=True)
class MonitorTables:
    """The tables of the monitor; the lease is (holder, until)."""

    lease: tuple[str, int] | None = None
    runs: dict[str, tuple[str, int, MonitorRun | None]] = field(default_factory=dict)  # task, began, what it found
    health: dict[str, tuple[VenueAnswer, int, int]] = field(default_factory=dict)  # answer, asked at, failures


def a_run(*, finished_ms: int, age_ms: int, success: bool = True) -> MonitorRun:
    """Return a run of the monitor that ended some time ago."""
    return MonitorRun(
        run_id="r", at_ms=finished_ms, finished_ms=finished_ms, age_ms=age_ms, success=success, duration_ms=1.0
    )


def ran(store: MonitorStore, *, at_ms: int, success: bool = True) -> None:
    """Let the monitor have looked at everything."""
    run = MonitorRun(run_id="r", at_ms=at_ms, finished_ms=at_ms, age_ms=0, success=success, duration_ms=1.0)
    store.finish(run, task="all")


@dataclass(slots=True)
class MemoryMonitorStore:
    """The monitor's record in memory; what its checks read beside venues is set by the test."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    tables: MonitorTables = field(default_factory=MonitorTables)
    claimed: dict[str, dict[Timeframe, int]] = field(default_factory=dict)
    unmarked: set[str] = field(default_factory=set)
    flows: Sequence[SignalFlow] = ()
    waiting: WaitingIntents = QUIET_INTENTS
    open_runs: OpenRuns = QUIET_RUNS
    open_orders: OpenOrders = QUIET_ORDERS
    taken: Sizes = field(default_factory=lambda: Sizes(database_bytes=1_000, tables={"signals": 500}))
    old_rows: dict[str, int] = field(default_factory=dict)

    def begin(self, run_id: str, *, task: str, at_ms: int, lease_ms: int) -> Turn:
        """Take the lease for a run."""
        now_ms = self.database.clock.now_ms()
        if self.tables.lease is not None and self.tables.lease[1] > now_ms and self.tables.lease[0] != run_id:
            return Turn(is_held=False)
        self.tables.lease = run_id, now_ms + lease_ms
        self.tables.runs.setdefault(run_id, (task, now_ms, None))
        return Turn(is_held=True, last=self.last_run())

    def finish(self, run: MonitorRun, *, task: str) -> None:
        """Record what a run found, and give the lease back."""
        now_ms = self.database.clock.now_ms()
        _, began, known = self.tables.runs.get(run.run_id, (task, now_ms, None))
        self.tables.runs[run.run_id] = task, began, replace(run, finished_ms=known.finished_ms if known else now_ms)
        if self.tables.lease is not None and self.tables.lease[0] == run.run_id:
            self.tables.lease = None

    def last_run(self) -> MonitorRun | None:
        """Return the newest finished run of all tasks."""
        done = [run for task, _, run in self.tables.runs.values() if run is not None and task == "all"]
        last = max(done, key=lambda run: run.finished_ms, default=None)
        return None if last is None else replace(last, age_ms=self.database.clock.now_ms() - last.finished_ms)

    def venues(self) -> Sequence[WatchedVenue]:
        """Return every venue with how it has answered."""
        return [
            WatchedVenue(
                venue=each.venue,
                is_enabled=each.enabled,
                timeframes=each.timeframes,
                claimed=self.claimed.get(each.venue, {}) if each.enabled else {},
                health=self._health(each.venue),
            )
            for each in sorted(self.database.venues, key=lambda each: each.venue)
        ]

    def record_answers(self, answers: Sequence[VenueAnswer]) -> None:
        """Store how venues answered just now."""
        for each in answers:
            _, _, failures = self.tables.health.get(each.venue, (each, 0, 0))
            failed = failures + 1 if each.latency_ms is None else 0
            self.tables.health[each.venue] = each, self.database.clock.now_ms(), failed

    def marked(self, book_ids: Sequence[str], *, since_ms: int) -> frozenset[str]:
        """Return the books that were marked."""
        return frozenset(book_ids) - self.unmarked

    def signals(self, *, window_ms: int) -> Sequence[SignalFlow]:
        """Return what was set."""
        return self.flows

    def intents(self, *, now_ms: int, grace_ms: int) -> WaitingIntents:
        """Return what was set."""
        return self.waiting

    def runs(self, *, window_ms: int) -> OpenRuns:
        """Return what was set."""
        return self.open_runs

    def orders(self, *, doubt_ms: int) -> OpenOrders:
        """Return what was set."""
        return self.open_orders

    def sizes(self) -> Sizes:
        """Return what was set."""
        return self.taken

    def forget(self, table: str, *, keep_ms: int, now_ms: int, limit: int) -> int:
        """Remove old rows of a table, as many as were set."""
        gone = min(limit, self.old_rows.get(table, 0))
        self.old_rows[table] = self.old_rows.get(table, 0) - gone
        return gone

    def _health(self, venue: str) -> VenueHealth | None:
        if venue not in self.tables.health:
            return None
        answer, asked_ms, failures = self.tables.health[venue]
        return VenueHealth(
            state=answer.state,
            latency_ms=answer.latency_ms,
            failures=failures,
            error=answer.error,
            age_ms=self.database.clock.now_ms() - asked_ms,
        )


@dataclass(slots=True)
class MemoryPendingAlerts:
    """Kept alerts in memory; `away` makes it a Redis that does not answer, `stuck` one that goes away before a drop."""

    alerts: dict[str, KeptAlert] = field(default_factory=dict)
    stuck: bool = False
    away: Callable[[], bool] = lambda: False

    def keep(self, alerts: Sequence[Alert], *, at_ms: int) -> None:
        """Keep alerts."""
        self._answer()
        for alert in alerts:
            self.alerts.setdefault(alert.dedupe_key, KeptAlert(alert=alert, at_ms=at_ms))

    def kept(self) -> Sequence[KeptAlert]:
        """Return what is kept, the oldest first."""
        self._answer()
        return sorted(self.alerts.values(), key=lambda each: (each.at_ms, each.alert.dedupe_key))

    def told(self, kept: Sequence[KeptAlert]) -> None:
        """Remember that the operators have been told."""
        self._answer()
        self.alerts |= {each.alert.dedupe_key: replace(each, is_told=True) for each in kept}

    def drop(self, kept: Sequence[KeptAlert]) -> None:
        """Keep these no longer."""
        if self.stuck:
            raise TransientError("Redis is away", source="redis")
        self._answer()
        for each in kept:
            self.alerts.pop(each.alert.dedupe_key, None)

    def _answer(self) -> None:
        if self.away():
            raise TransientError("Redis is away", source="redis")


@dataclass(slots=True)
class AlertBook:
    """Alerts with their history: what is open since when, what was until when; `away` is a database that is."""

    opened: dict[str, tuple[Alert, int]] = field(default_factory=dict)
    closed: list[tuple[str, int, int]] = field(default_factory=list)  # key, from, until
    away: Callable[[], bool] = lambda: False

    def settle(self, prefixes: Sequence[str], alerts: Sequence[Alert], *, at_ms: int) -> int:
        """Open what is new, count what is known, resolve what is no longer wrong."""
        if self.away():
            raise TransientError("the database is away", source="database")
        among = tuple(prefixes)
        wrong = {each.dedupe_key: each for each in alerts if each.dedupe_key.startswith(among)}
        for key, alert in wrong.items():
            self.opened[key] = alert, self.opened[key][1] if key in self.opened else at_ms
        for key in [*self.opened]:
            if key.startswith(among) and key not in wrong:
                self.closed.append((key, self.opened.pop(key)[1], at_ms))
        return len(wrong)


@dataclass(slots=True)
class HandPings:
    """Venues that answer as the test says; one that is not named answers at once."""

    answers: dict[str, Ping] = field(default_factory=dict)

    def ask(self, venues: Sequence[str]) -> Mapping[str, Ping]:
        """Return the answers."""
        return {venue: self.answers.get(venue, Ping(latency_ms=40)) for venue in venues}


@dataclass(slots=True)
class HandCollectors:
    """Collectors that write every close when it closes, but for those that are silent, or late with a timeframe."""

    database: MemoryDatabase
    clock: Clock
    silent: dict[str, int] = field(default_factory=dict)  # since when
    late: dict[tuple[str, Timeframe], int] = field(default_factory=dict)  # since when
    month: MonthUsage | None = None
    away: Callable[[], bool] = lambda: False

    def statuses(self, venues: Sequence[str]) -> Mapping[str, CollectorStatus | None]:
        """Return what each has put down last."""
        self._answer()
        known = {each.venue: each for each in self.database.venues}
        return {venue: self._status(venue, known[venue].timeframes) for venue in venues}

    def of(self, month: str) -> MonthUsage | None:
        """Return what was set of the month's use of Redis."""
        self._answer()
        return self.month

    def _status(self, venue: str, timeframes: Sequence[Timeframe]) -> CollectorStatus:
        now_ms = self.clock.now_ms()
        until = {tf: min(self.silent.get(venue, now_ms), self.late.get((venue, tf), now_ms)) for tf in timeframes}
        return CollectorStatus(status="ok", newest_close={tf: tf.last_close(until[tf]) for tf in timeframes})

    def _answer(self) -> None:
        if self.away():
            raise TransientError("Redis is away", source="redis")


@dataclass(slots=True)
class HandAgents:
    """Agents that beat at every look, but for those that are silent, or fail."""

    clock: Clock
    names: Sequence[str] = ("execution-agent", "ops-agent", "risk-agent", "strategy-agent")
    silent: dict[str, int] = field(default_factory=dict)  # since when
    failing: set[str] = field(default_factory=set)
    offline: set[str] = field(default_factory=set)

    def list(self) -> Sequence[Agent]:
        """Return every agent."""
        return [self._agent(each) for each in self.names]

    def silence(self, *, older_than_ms: int, longer: Mapping[str, int] | None = None) -> Sequence[Agent]:
        """Mark agents offline that have been silent for longer."""
        now_ms = self.clock.now_ms()
        more = longer or {}
        silent = {each: now_ms - since for each, since in self.silent.items()}
        self.offline = {each for each, silent_ms in silent.items() if silent_ms > older_than_ms + more.get(each, 0)}
        return [each for each in self.list() if each.state is AgentState.OFFLINE]

    def _agent(self, name: str) -> Agent:
        failing = AgentState.DEGRADED if name in self.failing else AgentState.ONLINE
        return Agent(
            agent=name,
            version="1",
            state=AgentState.OFFLINE if name in self.offline else failing,
            last_beat_ms=self.silent.get(name, self.clock.now_ms()),
            last_error="it failed" if name in self.failing else None,
        )


@dataclass(slots=True)
class HandDepths:
    """A queue that tells how much waits, unless it is away."""

    away: Callable[[], bool] = lambda: False

    def depths(self) -> Sequence[QueueDepth]:
        """Return how much waits."""
        if self.away():
            raise TransientError("the queue is away", source="queues")
        return [QueueDepth(queue="executions", waiting=2, in_flight=0, delayed=0, dead=1)]


def a_month(used: int, *, clock: ManualClock, month: str = "2023-11") -> MonthUsage:
    """Return what a month has taken, counted since an hour ago."""
    return MonthUsage(month=month, since_ms=clock.now_ms() - 3_600_000, used=Usage(commands=used, bytes=0))
