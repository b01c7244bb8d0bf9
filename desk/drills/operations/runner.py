"""Run drills of operations: one fault alone until it is told and over."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from desk.drills.operations.cast import MINUTE_MS
from desk.drills.operations.catalogue import Drill
from desk.drills.operations.judge import Cause
from desk.drills.operations.stage import Heard, OperationsStage, Run
from desk.drills.outcome import DrillOutcome
from shared.domain.alerts import COOL_DOWN_MS
from shared.domain.monitoring import Task

DATABASE: Final = "dependency:database"
OPENED, RESOLVED = "alert_opened", "alert_resolved"
PATIENCE: Final = 4
"""How many runs beyond the measure of a cause it may take until it is told, or until it is over."""
_LASTS: Final = 2
"""For how many more runs a fault that was told lasts, and for how many what is over is watched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationsOutcome(DrillOutcome):
    """What a drill of operations showed; durations are of the monitor's invocations, in milliseconds.

    `until_told` and `until_resolved` count runs, None where it never came to that; in a day they are not counted.
    `stalls` are runs in which the database was too slow by itself, as on a machine that is busy.
    """

    runs: int
    until_told: int | None
    until_resolved: int | None
    alerts: int
    notifications: int
    direct: int
    blind: tuple[str, ...]
    stalls: int
    p50_ms: float
    p99_ms: float
    max_ms: float


@dataclass(slots=True)
class Watch:
    """What runs have shown so far."""

    runs: list[Run] = field(default_factory=list)
    heard: Heard = field(default_factory=Heard)
    told: set[str] = field(default_factory=set)

    def minute(self, stage: OperationsStage) -> Run:
        run = stage.minute()
        self.runs.append(run)
        heard = stage.heard()
        self.heard.told += heard.told
        self.heard.direct += heard.direct
        self.heard.spare += heard.spare
        self.told |= {*run.open}
        return run

    @property
    def blind(self) -> frozenset[Task]:
        return frozenset(task for run in self.runs for task in run.failed)


def run_drills(drills: Sequence[Drill], stage: OperationsStage) -> Iterator[OperationsOutcome]:
    """Run drills one after the other; what was wrong a while ago may be new again before it breaks again."""
    over_ms: dict[str, int] = {}
    for drill in drills:
        key = drill.make(stage).key
        while stage.clock.now_ms() - over_ms.get(key, 0) <= COOL_DOWN_MS:
            stage.minute()
        yield run_operations_drill(drill, stage)
        over_ms[key] = stage.clock.now_ms()


def run_operations_drill(drill: Drill, stage: OperationsStage) -> OperationsOutcome:
    """Break one thing on a stage where all is well, wait until that is told, mend it, and wait until that is told."""
    began, watch = time.monotonic(), Watch()
    cause = drill.make(stage)
    stage.heard()

    cause.begin()
    told = _until(watch, stage, lambda run: cause.key in run.open or cause.key in run.kept, _patience(cause))
    for _ in range(_LASTS):
        watch.minute(stage)
    cause.end()
    resolved = _until(watch, stage, lambda run: cause.key not in run.open and not run.kept, PATIENCE)
    for _ in range(_LASTS):
        watch.minute(stage)

    problems = [*_alone(drill, cause, watch, told, resolved), *wrong_with(watch.runs, {drill.name: drill.blinds})]
    return outcome_of(
        drill.name, drill.breaks, watch, stage, problems=problems, began=began, told=told, resolved=resolved
    )


def _patience(cause: Cause) -> int:
    return cause.counts_after_ms // MINUTE_MS + PATIENCE


def _until(watch: Watch, stage: OperationsStage, is_so: Callable[[Run], bool], patience: int) -> int | None:
    """Return after how many runs something is so, None when patience ends first."""
    for number in range(1, patience + 1):
        if is_so(watch.minute(stage)):
            return number
    return None


def _alone(drill: Drill, cause: Cause, watch: Watch, told: int | None, resolved: int | None) -> Iterator[str]:
    """Yield in what a fault that was alone did not lead to exactly one alert."""
    if told is None:
        yield f"{cause.key} was never told"
    if resolved is None:
        yield f"{cause.key} was never over"
    unplanned = {DATABASE} if any(run.stalled for run in watch.runs) else set[str]()
    if others := sorted(watch.told - {cause.key} - unplanned):
        yield f"{', '.join(others)} was told too"
    heard = watch.heard.of(cause.key)
    for kind in (OPENED, RESOLVED):
        if heard[kind] != 1:
            yield f"people heard {heard[kind]} times that it {kind.removeprefix('alert_')}"
    directly = 1 if cause.key == DATABASE else 0
    if watch.heard.direct != directly:
        yield f"operators were told {watch.heard.direct} times without the database, {directly} is right"
    if drill.blinds and not watch.blind:
        yield "every task could look: nothing was broken"


def wrong_with(runs: Sequence[Run], blinds: Mapping[str, frozenset[Task]]) -> Iterator[str]:
    """Yield what is wrong with runs in themselves: tasks missing, tasks that fail for no reason, a key twice open."""
    may_fail = frozenset(task for tasks in blinds.values() for task in tasks)
    for run in runs:
        if run.error is not None:
            if not {"database", "redis"} <= run.away:
                yield f"the monitor failed: {run.error}"
            continue
        if run.stalled:
            continue
        if run.skipped_reason is not None:
            yield f"the monitor did not look: {run.skipped_reason}"
        elif run.answered != len(Task):
            yield f"{run.answered} tasks answered instead of {len(Task)}"
        if wrong := sorted(run.failed - may_fail):
            yield f"{', '.join(wrong)} could not look, and nothing kept them"
        if twice := sorted(key for key, count in Counter(run.open).items() if count > 1):
            yield f"{', '.join(twice)} is open more than once"


def durations_of(runs: Sequence[Run]) -> list[float]:
    return sorted(run.duration_ms for run in runs)


def percentile(values: Sequence[float], share: float) -> float:
    return values[min(int(len(values) * share), len(values) - 1)] if values else 0.0


def outcome_of(name: str, breaks: str, watch: Watch, stage: OperationsStage, **shown: Any) -> OperationsOutcome:
    took = durations_of(watch.runs)
    told = Counter(kind for kind, _ in watch.heard.told)
    return OperationsOutcome(
        name=name,
        breaks=breaks,
        problems=tuple(shown["problems"]),
        hits=shown.get("hits", {name: 1}),
        took_s=round(time.monotonic() - shown["began"], 1),
        home=stage.home,
        runs=len(watch.runs),
        until_told=shown.get("told"),
        until_resolved=shown.get("resolved"),
        alerts=told[OPENED],
        notifications=sum(told.values()),
        direct=watch.heard.direct,
        blind=tuple(sorted(watch.blind)),
        stalls=sum(run.stalled for run in watch.runs),
        p50_ms=round(percentile(took, 0.5), 1),
        p99_ms=round(percentile(took, 0.99), 1),
        max_ms=round(max(took, default=0.0), 1),
    )
