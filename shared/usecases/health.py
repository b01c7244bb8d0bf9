"""Judge whether the desk is at work by the age of its data and the heartbeats of its agents, within bounded time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, cast

from shared.domain.errors import NightdeskError
from shared.domain.status import SILENT_MS, Pulse, shortest_of
from shared.domain.timeframe import Timeframe
from shared.domain.usage import MonthUsage, month_of
from shared.usecases.side_by_side import Answer, SlowError, ask_all

if TYPE_CHECKING:
    from shared.domain.venues import Venue
    from shared.ports import CandleLog, Clock
    from shared.status_ports import LastMonitorRun, MonitorRuns, StatusReads, UsageReads

DATA_ALLOWANCE_MS: Final = 30_000
WITHIN_S: Final = 2.0
"""How long a look may take; what has not answered by then is not known."""
REMEMBERED_S: Final = 5.0
USAGE_REMEMBERED_S: Final = 300.0
"""Reading it is a command of the very quota it tells of."""

logger = logging.getLogger(__name__)

Log = tuple[str, Timeframe]
"""A venue's candle log of one timeframe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What was seen; ages in milliseconds, None where there is no candle at all or nobody could say (`unknown`).

    `monitor` is the monitor's last run, None where it never ran or that is not known. `usage` is what Redis was used
    for this month as far as it was counted, `next_close` when the next boundary closes (market time).
    """

    status: Literal["healthy", "degraded", "unhealthy"]
    database: Literal["connected", "slow", "unreachable"]
    agents: Mapping[str, str]
    data_age_ms: Mapping[Timeframe, int | None]
    stale: tuple[Timeframe, ...]
    unknown: tuple[Timeframe, ...]
    monitor: LastMonitorRun | None
    last_finished_ms: int | None
    next_close: int | None
    usage: MonthUsage | None
    now_ms: int


@dataclass(slots=True, kw_only=True)
class HealthCheck:
    """The desk's health as one process sees it: looked at when somebody asks, then remembered for five seconds."""

    status: StatusReads
    monitor: MonitorRuns
    candles: CandleLog
    usage: UsageReads
    clock: Clock
    wall_clock: Clock
    stopwatch: Callable[[], float] = time.monotonic
    within_s: float = WITHIN_S
    _seen: tuple[float, Health] | None = field(default=None, init=False)
    _used: tuple[float, MonthUsage | None] | None = field(default=None, init=False)

    def now(self) -> Health:
        """Return how the desk is, as it was five seconds ago at most."""
        if self._seen is None or self.stopwatch() - self._seen[0] >= REMEMBERED_S:
            self._seen = self.stopwatch(), self._look()
        return self._seen[1]

    def _look(self) -> Health:
        began_s, now_ms = self.stopwatch(), self.clock.now_ms()
        first: dict[str, Callable[[], object]] = {"pulse": self.status.pulse, "monitor": self.monitor.last_run}
        if self._used is None or began_s - self._used[0] >= USAGE_REMEMBERED_S:
            first["usage"] = lambda: self.usage.of(month_of(self.wall_clock.now_ms()))
        found = ask_all(first, within_s=self.within_s)
        if "usage" in found and found["usage"].error is None:
            self._used = began_s, cast("MonthUsage | None", found["usage"].value)
        pulse = cast("Pulse | None", found["pulse"].value)
        venues = pulse.venues if pulse else ()
        ages = data_ages(venues, self.candles, now_ms=now_ms, within_s=self.within_s - (self.stopwatch() - began_s))
        _tell([*found.items(), *((f"candles {' '.join(log)}", age) for log, age in ages.items())])
        return judge(
            cast("Answer[Pulse]", found["pulse"]),
            cast("Answer[LastMonitorRun | None]", found["monitor"]),
            ages,
            usage=self._used[1] if self._used else None,
            now_ms=now_ms,
        )


def data_ages(
    venues: Sequence[Venue], candles: CandleLog, *, now_ms: int, within_s: float
) -> dict[Log, Answer[int | None]]:
    """Return how old the newest close of each log is, None where there is none; all are asked side by side."""

    def age(venue: str, timeframe: Timeframe) -> int | None:
        newest = candles.newest_close(venue, timeframe)
        return None if newest is None else now_ms - newest

    logs = [(venue.venue, timeframe) for venue in venues for timeframe in venue.timeframes]
    return ask_all({log: partial(age, *log) for log in logs}, within_s=within_s)


def judge(
    pulse: Answer[Pulse],
    monitor: Answer[LastMonitorRun | None],
    ages: Mapping[Log, Answer[int | None]],
    *,
    usage: MonthUsage | None,
    now_ms: int,
) -> Health:
    """Say how the desk is: stale candles and a database that refuses are unhealthy; what is slow or silent degrades.

    Candles are judged by the desk's clock, heartbeats by the database's that stamps them. Of several venues the worst
    counts; a log that cannot be read is as stale as an empty one, one that is slow is not known.
    """
    seen = pulse.value
    database = _database(pulse)
    slow = {log for log, answer in ages.items() if isinstance(answer.error, SlowError)}
    timeframes = list(dict.fromkeys(timeframe for _, timeframe in ages))
    by_timeframe = {
        timeframe: [answer.value for log, answer in ages.items() if log[1] is timeframe and log not in slow]
        for timeframe in timeframes
    }
    worst = {timeframe: _worst(known) for timeframe, known in by_timeframe.items()}
    stale = tuple(tf for tf in timeframes if by_timeframe[tf] and _is_stale(worst[tf], tf))
    unknown = tuple(tf for tf in timeframes if tf not in stale and any(log[1] is tf for log in slow))
    agents = _conditions(seen) if seen else {}
    watched = monitor.value is not None and monitor.value.age_ms <= SILENT_MS
    silent = not watched or any(state not in {"online", "paused"} for state in agents.values())
    closes = [tf.last_close(now_ms) + tf.ms for tf in timeframes]
    return Health(
        status="unhealthy" if stale or database == "unreachable" else
        "degraded" if silent or unknown or database == "slow" else "healthy",
        database=database,
        agents=agents,
        data_age_ms=worst,
        stale=stale,
        unknown=unknown,
        monitor=monitor.value,
        last_finished_ms=seen.last_finished_ms if seen else None,
        next_close=min(closes, default=None),
        usage=usage,
        now_ms=now_ms,
    )  # fmt: skip


def _conditions(pulse: Pulse) -> dict[str, str]:
    shortest_ms = shortest_of(pulse.venues)
    return {each.agent: each.condition(pulse.now_ms, shortest_ms=shortest_ms) for each in pulse.agents}


def _database(pulse: Answer[Pulse]) -> Literal["connected", "slow", "unreachable"]:
    if pulse.error is None:
        return "connected"
    return "slow" if isinstance(pulse.error, SlowError) else "unreachable"


def _worst(ages: Sequence[int | None]) -> int | None:
    known = [age for age in ages if age is not None]
    return max(known) if known and len(known) == len(ages) else None


def _is_stale(age_ms: int | None, timeframe: Timeframe) -> bool:
    return age_ms is None or age_ms > timeframe.ms + DATA_ALLOWANCE_MS


def _tell(answers: Sequence[tuple[str, Answer[object]]]) -> None:
    for what, answer in answers:
        if isinstance(error := answer.error, NightdeskError):
            logger.warning("health: %s: %s", what, error)
