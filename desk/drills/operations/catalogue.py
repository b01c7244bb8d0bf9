"""The drills of operations: each breaks one thing, and names the one alert that must come of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import typer

from desk.drills.operations.cast import VENUE
from desk.drills.operations.judge import Cause
from desk.drills.operations.stage import OperationsStage
from desk.simulator.faults import Fault, FaultKind
from shared.domain.monitoring import Task
from shared.domain.timeframe import Timeframe
from shared.domain.trading.states import TradingState

MINUTE_MS: Final = 60_000
DAY: Final = "day"
_STORED: Final = frozenset(Task)
_IN_REDIS: Final = frozenset({Task.MARKET_DATA, Task.QUOTAS, Task.POSITION_RISK})
_SLOW_MS: Final = 2_300
"""Slower than a venue may be, quicker than who asks gives up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """One thing to break: what it is, which tasks may not be able to look, and for how many runs it lasts in a day."""

    name: str
    breaks: str
    make: Callable[[OperationsStage], Cause]
    blinds: frozenset[Task] = frozenset()
    longest: int = 20


def choose_operations_drills(names: Sequence[str]) -> list[Drill]:
    """Return the drills of these names, all for none; raise `typer.BadParameter` that lists them for an unknown one."""
    known = catalogue()
    unknown = [name for name in names if name not in known]
    if unknown:
        raise typer.BadParameter(f"no drill {', '.join(unknown)}; there are {', '.join([*known, DAY])}")
    return [known[name] for name in names or known]


def catalogue() -> Mapping[str, Drill]:
    """Return every drill by its name."""
    drills = (
        Drill(
            name="database_5xx",
            breaks="a proxy answers 503 for the database",
            make=lambda stage: _dependency(stage, "database", stage.database.refuse, stage.database.open),
            blinds=_STORED,
        ),
        Drill(
            name="redis_down",
            breaks="Upstash answers, Redis does not",
            make=lambda stage: _dependency(stage, "redis", stage.redis.shut, stage.redis.open),
            blinds=_IN_REDIS,
        ),
        Drill(
            name="queues_down",
            breaks="no queue can be reached",
            make=lambda stage: _dependency(stage, "queues", stage.queues.shut, stage.queues.open),
            blinds=frozenset({Task.EXECUTIONS}),
        ),
        Drill(
            name="venue_down",
            breaks="the venue answers 503",
            make=lambda stage: _venue(stage, Fault(kind=FaultKind.REST_5XX)),
        ),
        Drill(
            name="target_down",
            breaks="the target of a channel refuses connections",
            make=_target,
        ),
        Drill(
            name="agent_silent",
            breaks="execution-agent runs no more",
            make=_silent_agent,
        ),
        Drill(
            name="data_stale",
            breaks="5m candles are written no more",
            make=_stale_data,
            longest=30,
        ),
        Drill(
            name="runs_stuck",
            breaks="a run is claimed and never worked",
            make=_stuck_run,
        ),
        Drill(
            name="intents_stuck",
            breaks="an approved intent is never worked",
            make=_stuck_intent,
        ),
        Drill(
            name="kill_switch",
            breaks="somebody halts the desk",
            make=_halt,
        ),
        Drill(
            name="venue_slow",
            breaks=f"the venue takes {_SLOW_MS / 1_000:g} s to answer",
            make=lambda stage: _venue(stage, Fault(kind=FaultKind.REST_SLOW, delay_s=_SLOW_MS / 1_000)),
            longest=8,
        ),
        Drill(
            name="database_hangs",
            breaks="the database takes requests and answers none",
            make=lambda stage: _dependency(stage, "database", stage.database.freeze, stage.database.open),
            blinds=_STORED,
            longest=5,
        ),
    )
    return {drill.name: drill for drill in drills}


def _dependency(stage: OperationsStage, name: str, begin: Callable[[], None], end: Callable[[], None]) -> Cause:
    def away() -> None:
        begin()
        stage.away.add(name)

    def back() -> None:
        end()
        stage.away.discard(name)

    return Cause(f"dependency:{name}", away, back, hidden_by=())


def _venue(stage: OperationsStage, fault: Fault) -> Cause:
    return Cause(f"venue:{VENUE}", partial(stage.venue, fault), stage.repair_venue)


def _target(stage: OperationsStage) -> Cause:
    """Return a channel that cannot be reached; it is noticed by what it is sent, three times in vain."""

    def begin() -> None:
        stage.target.shut()
        stage.test_spare()

    def end() -> None:
        stage.target.open()
        stage.test_spare()

    return Cause(f"channel:{stage.spare_id}", begin, end, counts_after_ms=4 * MINUTE_MS)


def _silent_agent(stage: OperationsStage) -> Cause:
    silent, name = stage.cast.silent, "execution-agent"
    return Cause(
        f"agent:{name}", partial(silent.add, name), partial(silent.discard, name), counts_after_ms=2 * MINUTE_MS
    )


def _stale_data(stage: OperationsStage) -> Cause:
    stale, late = stage.cast.stale, Timeframe.M5
    return Cause(
        f"data:{VENUE}:{late}",
        partial(stale.add, late),
        partial(stale.discard, late),
        counts_after_ms=10 * MINUTE_MS + 30_000,
        hidden_by=("database", "redis"),
    )


def _stuck_run(stage: OperationsStage) -> Cause:
    def begin() -> None:
        stage.cast.leaves_runs = True

    dependencies = ("database", "redis", "queues")
    return Cause("runs:stuck", begin, stage.cast.finish_left, counts_after_ms=6 * MINUTE_MS, hidden_by=dependencies)


def _stuck_intent(stage: OperationsStage) -> Cause:
    hidden = ("database", "redis", "queues", "agent:execution-agent")
    return Cause(
        "intents:stuck", stage.cast.approve, stage.cast.expire, counts_after_ms=6 * MINUTE_MS, hidden_by=hidden
    )


def _halt(stage: OperationsStage) -> Cause:
    return Cause(
        "kill_switch",
        partial(stage.cast.set_desk, TradingState.HALTED),
        partial(stage.cast.set_desk, TradingState.ACTIVE),
    )
