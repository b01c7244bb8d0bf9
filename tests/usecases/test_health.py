"""Health is honest and quick: stale data are unhealthy, silence degrades, and a slow store is neither up nor down."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event

import pytest

from shared.domain.candles import CandleFrame
from shared.domain.errors import NightdeskError, TransientError
from shared.domain.status import AgentPulse, DeskStatus, Pulse, Schema
from shared.domain.timeframe import Timeframe
from shared.domain.usage import MonthUsage, Usage, month_of
from shared.domain.venues import Venue
from shared.status_ports import LastMonitorRun
from shared.usecases.health import HealthCheck
from shared.usecases.side_by_side import SlowError, ask_all
from tests.fakes.clock import ManualClock
from tests.fakes.monitor import a_run
from tests.fakes.status import MemoryUsage

NOW = 1_700_000_040_000
M1, H1 = Timeframe.M1, Timeframe.H1
TWO = (
    Venue(venue="binance", timeframes=(M1, H1)),
    Venue(venue="bybit", timeframes=(M1,)),
)


@dataclass
class HandDesk:
    """A desk whose parts answer what a test says, fail, or hang until it is over."""

    closes: dict[tuple[str, Timeframe], int | None] = field(
        default_factory=lambda: {("binance", M1): NOW, ("binance", H1): NOW, ("bybit", M1): NOW}
    )
    agents: tuple[AgentPulse, ...] = (AgentPulse(agent="a", version="1", last_beat_ms=NOW),)
    monitor: LastMonitorRun | None = field(
        default_factory=lambda: a_run(finished_ms=NOW - 30_000, age_ms=30_000, success=True)
    )
    error: NightdeskError | None = None
    hang: set[str] = field(default_factory=set)
    over: Event = field(default_factory=Event)
    looks: int = 0

    def pulse(self) -> Pulse:
        self.looks += 1
        self._wait("pulse")
        if self.error is not None:
            raise self.error
        return Pulse(now_ms=NOW, venues=TWO, agents=self.agents, last_finished_ms=NOW - 500)

    def status(self, *, limit: int) -> DeskStatus:
        raise NotImplementedError

    def schema(self) -> Schema:
        raise NotImplementedError

    def last_run(self) -> LastMonitorRun | None:
        self._wait("monitor")
        return self.monitor

    def newest_close(self, venue: str, timeframe: Timeframe) -> int | None:
        self._wait(f"{venue} {timeframe}")
        return self.closes[venue, timeframe]

    def frame(self, venue: str, timeframe: Timeframe, *, bars: int) -> CandleFrame:
        raise NotImplementedError

    def _wait(self, what: str) -> None:
        if what in self.hang:
            self.over.wait(10)

    def check(self, usage: MemoryUsage | None = None, stopwatch: Callable[[], float] = time.monotonic) -> HealthCheck:
        clock = ManualClock(NOW + 20_000)
        return HealthCheck(
            status=self, monitor=self, candles=self, usage=usage or MemoryUsage(), clock=clock, wall_clock=clock,
            stopwatch=stopwatch, within_s=0.3,
        )  # fmt: skip


@pytest.fixture
def desk() -> HandDesk:
    return HandDesk()


def test_all_is_well(desk: HandDesk) -> None:
    month = month_of(NOW)
    counted = MonthUsage(month=month, since_ms=NOW - 7_200_000, used=Usage(commands=10, bytes=20))
    found = desk.check(MemoryUsage({month: counted})).now()
    assert (found.status, found.database, found.agents) == ("healthy", "connected", {"a": "online"})
    assert found.data_age_ms == {M1: 20_000, H1: 20_000}
    assert (found.stale, found.unknown) == ((), ())
    assert (found.last_finished_ms, found.next_close, found.usage) == (NOW - 500, NOW + 60_000, counted)


def test_the_venue_that_lags_most_counts(desk: HandDesk) -> None:
    desk.closes["bybit", M1] = NOW - 80_000
    found = desk.check().now()
    assert (found.status, found.stale, found.data_age_ms[M1]) == ("unhealthy", (M1,), 100_000)
    desk.closes["bybit", M1] = None
    found = desk.check().now()
    assert (found.status, found.stale, found.data_age_ms[M1]) == ("unhealthy", (M1,), None)


@pytest.mark.parametrize(
    ("agent", "state", "status"),
    [
        (AgentPulse(agent="a", version="1", last_beat_ms=NOW - 120_000), "online", "healthy"),
        (AgentPulse(agent="a", version="1", last_beat_ms=NOW - 120_001), "stale", "degraded"),
        (AgentPulse(agent="a", version="1", last_beat_ms=NOW, state="degraded"), "degraded", "degraded"),
        (AgentPulse(agent="a", version="1", last_beat_ms=NOW - 10**9, state="paused"), "paused", "healthy"),
        (AgentPulse(agent="a", version="1", last_beat_ms=NOW - 10**9, state="online"), "stale", "degraded"),
    ],
)
def test_a_silent_agent_degrades_and_a_paused_one_does_not(
    desk: HandDesk, agent: AgentPulse, state: str, status: str
) -> None:
    desk.agents = (agent,)
    found = desk.check().now()
    assert (found.agents, found.status) == ({"a": state}, status)


def test_an_agent_that_closes_wake_is_as_patient_as_the_shortest_timeframe_is_long(desk: HandDesk) -> None:
    for silent_ms, state in ((180_000, "online"), (180_001, "stale")):
        desk.agents = (AgentPulse(agent="strategy-agent", version="1", last_beat_ms=NOW - silent_ms),)
        assert desk.check().now().agents == {"strategy-agent": state}


@pytest.mark.parametrize("run", [None, a_run(finished_ms=NOW - 120_001, age_ms=120_001, success=True)])
def test_a_dead_watchman_degrades(desk: HandDesk, run: LastMonitorRun | None) -> None:
    desk.monitor = run
    assert desk.check().now().status == "degraded"


def test_a_database_that_refuses_is_unhealthy(desk: HandDesk) -> None:
    desk.error = TransientError("the database cannot be reached", source="database")
    found = desk.check().now()
    assert (found.status, found.database, found.data_age_ms) == ("unhealthy", "unreachable", {})


@pytest.mark.parametrize(
    ("slow", "database", "unknown"),
    [("pulse", "slow", ()), ("bybit 1m", "connected", (M1,)), ("monitor", "connected", ())],
)
def test_what_is_slow_is_not_known_and_keeps_nobody_waiting(
    desk: HandDesk, slow: str, database: str, unknown: tuple[Timeframe, ...]
) -> None:
    desk.hang = {slow}
    began = time.perf_counter()
    found = desk.check().now()
    took_s = time.perf_counter() - began
    desk.over.set()
    assert (found.status, found.database, found.unknown, found.stale) == ("degraded", database, unknown, ())
    assert took_s < 5  # not the 10 s it hangs for


def test_a_look_is_remembered_for_five_seconds(desk: HandDesk) -> None:
    now_s = [100.0]
    usage = MemoryUsage()
    check = desk.check(usage, stopwatch=lambda: now_s[0])
    for at_s in (100.0, 102.0, 104.9, 105.0, 109.0):
        now_s[0] = at_s
        check.now()
    assert (desk.looks, usage.asked) == (2, 1)
    now_s[0] = 401.0
    check.now()
    assert (desk.looks, usage.asked) == (3, 2)


def test_uncounted_redis_says_nothing_and_harms_nothing(desk: HandDesk) -> None:
    assert desk.check(MemoryUsage(broken=True)).now().usage is None
    assert desk.check(MemoryUsage(broken=True)).now().status == "healthy"


def test_answers_come_side_by_side_and_bugs_come_through() -> None:
    release = Event()
    began = time.perf_counter()
    found = ask_all({"a": lambda: 1, "b": lambda: release.wait(10) and 2}, within_s=0.1)
    assert time.perf_counter() - began < 5
    release.set()
    assert (found["a"].value, type(found["b"].error)) == (1, SlowError)
    assert ask_all({}, within_s=1) == {}
    with pytest.raises(ZeroDivisionError):
        ask_all({"a": lambda: 1 // 0}, within_s=1)
