"""Watch the desk: every task apart from the others, what is wrong told once, and nothing lost while a store is away."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

from shared.domain.errors import TransientError
from shared.domain.monitoring import MonitorRun, MonitorSettings, Occasion, Task, TaskOutcome
from shared.domain.settling import DATABASE, DEPENDENCY, Settlement, settlement
from shared.messages import CronTick
from shared.monitor_messages import ALL, MonitorResult, RunMonitor, TaskResult
from shared.monitor_ports import KeptAlert, MonitorStore, PendingAlerts, SettledAlerts, Turn
from shared.usecases.checks.apart import Check, look_apart
from shared.usecases.urgent import keep_and_tell

if TYPE_CHECKING:
    from shared.ports import Clock, Queue

GAP_MS = 90_000
"""After how long without a finished run there may be alerts that were kept elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorDesk:
    """What watching takes; `notices` is where the operators are told while there is no database."""

    checks: Mapping[Task, Check]
    runs: MonitorStore
    alerts: SettledAlerts
    pending: PendingAlerts
    notices: Queue
    clock: Clock
    settings: MonitorSettings
    stopwatch: Callable[[], float] = time.perf_counter


@dataclass(slots=True, kw_only=True)
class _Run:
    """One run on its way: what it knows beside what its tasks find."""

    run_id: str
    task: str
    at_ms: int
    correlation_id: str
    last: MonitorRun | None = None
    away: dict[str, TransientError] = field(default_factory=dict)
    kept: Sequence[KeptAlert] = ()
    kept_unread: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def fresh(self) -> list[KeptAlert]:
        """Return what was kept elsewhere and is not in the database yet."""
        restored_ms = self.last.restored_ms if self.last else 0
        return [each for each in self.kept if each.at_ms > restored_ms]

    @property
    def restored_ms(self) -> int:
        """Return until when what was kept elsewhere is in the database."""
        return max((each.at_ms for each in self.kept), default=self.last.restored_ms if self.last else 0)


def scheduled_monitor(event: CronTick | RunMonitor, *, desk: MonitorDesk) -> MonitorResult:
    """Look at everything, or at the task that is asked for, and say what is wrong and what no longer is.

    One run at a time: another one that is under way is told, and nothing is done. Raise `TransientError` when what was
    found can be left nowhere.
    """
    began = desk.stopwatch()
    asked = ALL if isinstance(event, CronTick) else event.task
    run_id = str(uuid4())
    run = _Run(
        run_id=run_id, task=asked, at_ms=desk.clock.now_ms(), correlation_id=getattr(event, "correlation_id", run_id)
    )
    if not _begin(run, desk):
        return _answer(run, [], desk, began, skipped_reason="another run of the monitor is under way")
    _read_kept(run, desk)
    occasion = Occasion(now_ms=run.at_ms, last=run.last, asked=asked != ALL)
    checks = desk.checks if asked == ALL else {Task(asked): desk.checks[Task(asked)]}
    outcomes = look_apart(checks, occasion, limit_s=desk.settings.task_limit_ms / 1_000)

    settled = settlement(
        outcomes,
        last=run.last,
        away=run.away,
        answered=() if run.away else (DATABASE,),
        before=[each.alert.dedupe_key.removeprefix(DEPENDENCY) for each in run.fresh],
    )

    results = [_result(outcome) for outcome in outcomes]
    _apply(run, settled, results, desk, began)
    return _answer(run, results, desk, began)


def _begin(run: _Run, desk: MonitorDesk) -> bool:
    """Take the lease; without a database the run goes on, for somebody has to say so."""
    try:
        turn = desk.runs.begin(run.run_id, task=run.task, at_ms=run.at_ms, lease_ms=desk.settings.lease_ms)
    except TransientError as error:
        run.away[error.source or DATABASE] = error
        run.notes.append(f"the lease could not be taken: {error}")
        turn = Turn(is_held=True)
    run.last = turn.last
    return turn.is_held


def _read_kept(run: _Run, desk: MonitorDesk) -> None:
    """Read what earlier runs could not store; asked for only when one of them may have left something."""
    last = run.last
    if DATABASE in run.away or (last is not None and last.age_ms <= GAP_MS and not last.kept_unread):
        return
    try:
        run.kept = desk.pending.kept()
    except TransientError as error:
        run.kept_unread = True
        run.notes.append(f"what earlier runs have kept could not be read: {error}")


def _apply(run: _Run, settled: Settlement, results: Sequence[TaskResult], desk: MonitorDesk, began: float) -> None:
    try:
        if DATABASE in run.away:
            raise run.away[DATABASE]
        _store(run, settled, results, desk, began)
    except TransientError as error:
        if error.source not in {None, DATABASE}:
            raise
        run.notes.append(f"alerts are kept until the database answers: {error}")
        keep_and_tell(
            settled,
            at_ms=run.at_ms,
            reason=str(error),
            correlation_id=run.correlation_id,
            pending=desk.pending,
            notices=desk.notices,
            notes=run.notes,
        )


def _store(run: _Run, settled: Settlement, results: Sequence[TaskResult], desk: MonitorDesk, began: float) -> None:
    """Store what was kept elsewhere as of when it was found, then what is wrong now, then the run."""
    known = {*settled.causes, *(run.last.causes if run.last else ())}
    for kept in run.fresh:
        key = kept.alert.dedupe_key
        if not any(other != key and other.startswith(key) for other in known):  # a key is a prefix to those who settle
            desk.alerts.settle([key], [kept.alert], at_ms=kept.at_ms)
    desk.alerts.settle(settled.prefixes, settled.alerts, at_ms=run.at_ms)
    if run.kept:
        try:
            desk.pending.drop(run.kept)
        except TransientError as error:
            run.kept_unread = True
            run.notes.append(f"what earlier runs have kept could not be dropped: {error}")
    desk.runs.finish(
        MonitorRun(
            run_id=run.run_id,
            at_ms=run.at_ms,
            finished_ms=0,
            age_ms=0,
            success=all(each.success for each in results),
            duration_ms=_since_ms(began, desk),
            causes=settled.causes,
            results=tuple(each.model_dump(mode="json") for each in results),
            kept_unread=run.kept_unread,
            restored_ms=run.restored_ms,
        ),
        task=run.task,
    )


def _result(outcome: TaskOutcome) -> TaskResult:
    looked = outcome.looked
    return TaskResult(
        task=outcome.task,
        success=outcome.error is None,
        checked=looked.checked if looked else 0,
        details=dict(looked.details) if looked else {},
        duration_ms=outcome.duration_ms,
        error=outcome.error,
        skipped_reason=looked.skipped_reason if looked else None,
    )


def _answer(
    run: _Run, results: list[TaskResult], desk: MonitorDesk, began: float, *, skipped_reason: str | None = None
) -> MonitorResult:
    return MonitorResult(
        success=all(each.success for each in results),
        run_id=run.run_id,
        timestamp=run.at_ms,
        total_duration_ms=_since_ms(began, desk),
        results=results,
        notes=run.notes or None,
        skipped_reason=skipped_reason,
    )


def _since_ms(began: float, desk: MonitorDesk) -> float:
    return round((desk.stopwatch() - began) * 1_000, 3)
