"""A day under watch: 1,440 runs while dependencies, venues, collectors, agents and the desk fail at random.

Every run is judged as those of `desk drill operations` are.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from desk.drills.operations.judge import Cause, Episode, Seen, judge
from shared.domain.errors import TransientError
from shared.domain.monitor_facts import Ping, SignalFlow, Sizes
from shared.domain.monitoring import Task
from shared.domain.timeframe import Timeframe
from shared.domain.trading.states import TradingState
from tests.fakes.monitor import QUIET_INTENTS, QUIET_ORDERS, QUIET_RUNS, a_month
from tests.usecases.monitor_in_memory import MINUTE_MS, MonitorInMemory

RUNS = 1_440
DEPENDENCIES = ("database", "redis", "queues")
SLOW = SignalFlow(
    venue="binance", timeframe=Timeframe.M1, runs=20, traders=100, errors=0, signals=5, lag_p99_ms=9_000, work_p99_ms=10
)
QUICK = replace(SLOW, lag_p99_ms=300)


def causes(desk: MonitorInMemory) -> list[Cause]:
    """Return everything that is made to fail."""
    return [*_outside(desk), *_inside(desk)]


def _outside(desk: MonitorInMemory) -> Iterator[Cause]:
    for name in DEPENDENCIES:
        yield Cause(f"dependency:{name}", partial(desk.away.add, name), partial(desk.away.discard, name), hidden_by=())
    for name, ping in (("binance", Ping(error="HTTP 503")), ("binance_usdm", Ping(latency_ms=2_500))):
        answers = desk.pings.answers
        yield Cause(f"venue:{name}", partial(answers.__setitem__, name, ping), partial(answers.pop, name))
    both = ("database", "redis")
    silent, late, m5 = desk.collectors.silent, desk.collectors.late, ("binance", Timeframe.M5)
    yield Cause(
        "collector:binance_usdm", since(desk, silent, "binance_usdm"), silent.clear, 2 * MINUTE_MS + 30_000, both
    )
    yield Cause("data:binance:5m", since(desk, late, m5), late.clear, 10 * MINUTE_MS + 30_000, both)
    month = partial(setattr, desk.collectors, "month")
    much, little = a_month(10**9, clock=desk.clock), a_month(1, clock=desk.clock)
    yield Cause("quota:redis_commands", partial(month, much), partial(month, little), hidden_by=both)
    taken = partial(setattr, desk.store, "taken")
    big, small = (Sizes(database_bytes=size, tables={}) for size in (10**12, 1))
    yield Cause("quota:database_bytes", partial(taken, big), partial(taken, small), hidden_by=both)


def _inside(desk: MonitorInMemory) -> Iterator[Cause]:
    agents, anything = desk.agents, DEPENDENCIES
    for name in ("risk-agent", "execution-agent"):
        yield Cause(f"agent:{name}", since(desk, agents.silent, name), partial(agents.silent.pop, name), 2 * MINUTE_MS)
    name = "strategy-agent"
    yield Cause(f"agent_failing:{name}", partial(agents.failing.add, name), agents.failing.clear, hidden_by=anything)
    execution = (*anything, "agent:execution-agent")
    for key, field, quiet, wrong, hidden in (
        ("runs:stuck", "open_runs", QUIET_RUNS, {"given_up": 3}, anything),
        ("intents:stuck", "waiting", QUIET_INTENTS, {"working": 1, "late": 1, "latest": ("i",)}, execution),
        ("orders:in_doubt", "open_orders", QUIET_ORDERS, {"in_doubt": 1}, (*execution, "monitor:reconciliation")),
    ):
        put = partial(setattr, desk.store, field)
        yield Cause(key, partial(put, replace(quiet, **wrong)), partial(put, quiet), hidden_by=hidden)
    flows = partial(setattr, desk.store, "flows")
    yield Cause("signals:late", partial(flows, (SLOW,)), partial(flows, (QUICK,)), hidden_by=(*anything, "collector:"))
    state = partial(desk.states.set, "desk", "", actor="test", reason="r")
    yield Cause("kill_switch", partial(state, TradingState.HALTED), partial(state, TradingState.ACTIVE))
    broken, task = desk.broken, Task.RECONCILIATION
    yield Cause(
        f"monitor:{task}",
        partial(broken.__setitem__, task, RuntimeError("no")),
        partial(broken.pop, task),
        hidden_by=(),
    )


def since(desk: MonitorInMemory, times: dict[Any, int], name: object) -> Callable[[], None]:
    """Return what writes down that something began now."""
    return lambda: times.__setitem__(name, desk.clock.now_ms())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_day_of_faults(seed: int) -> None:
    chance = random.Random(seed)
    desk = MonitorInMemory()
    desk.collectors.month, desk.store.flows = a_month(1, clock=desk.clock), (QUICK,)
    desk.warm()
    every, episodes, told = causes(desk), list[Episode](), set[str]()
    for number in range(RUNS):
        desk.clock.advance(MINUTE_MS + chance.randint(-500, 500))
        for episode in episodes:
            if episode.until == number:
                episode.cause.end()
        fresh = [each for each in every if each.key not in {one.cause.key for one in episodes}]
        if fresh and chance.random() < 0.06:
            cause = chance.choice(fresh)
            cause.begin()
            episodes.append(Episode(cause, number, number + chance.randint(1, 40)))
        is_lost = {"database", "redis"} <= desk.away
        try:
            desk.run()
        except TransientError:
            assert is_lost, "it fails only when what it found can be left nowhere"
        else:
            assert not is_lost
        told |= desk.open | {key for key, _, _ in desk.alerts.closed}
        seen = Seen(open=desk.open, kept=desk.pending.alerts, away=desk.away)
        assert not [*judge(episodes, number, seen)]
        episodes = [each for each in episodes if not each.is_over(number)]
    assert told == {each.key for each in every}, "a day has everything in it, and nothing else"
