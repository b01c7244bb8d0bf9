"""What a run of the monitor says of alerts: which causes it knows of, which are open, and which are left as they are.

An alert is of a cause, however many checks notice it. What could not be looked at is unknown, and unknown is not
resolved; what only follows from a dependency that is, or just was, away is not a cause of its own.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shared.domain.alerts import Alert, Severity
from shared.domain.monitoring import MonitorRun, TaskOutcome

DATABASE: Final = "database"
REDIS: Final = "redis"
QUEUES: Final = "queues"
SOURCES: Final = frozenset({DATABASE, REDIS, QUEUES})
DEPENDENCY: Final = "dependency:"
WAKING_MS: Final = 150_000
"""A monitor that has not looked for as long does not know whether what is silent just began."""

FOLLOWS: Final[Mapping[str, frozenset[str]]] = {
    "agent": frozenset({DATABASE}),  # hearts beat into the database
    "agent_failing": SOURCES,
    "venue": frozenset({DATABASE}),
    "collector": frozenset({REDIS}),
    "data": frozenset({REDIS}),
    "boundaries": SOURCES,
    "runs": SOURCES,
    "signals": SOURCES,
    "intents": SOURCES,
    "orders": SOURCES,
    "position": frozenset({DATABASE, REDIS}),
}
"""What a kind of cause looks like when only one of these dependencies was away."""

EXPLAINED: Final[Mapping[str, tuple[str, ...]]] = {
    "agent:strategy-agent": ("collector:", "boundaries:"),
    "boundaries:": ("collector:",),
    "signals:late": ("collector:", "boundaries:"),
    "intents:undecided": ("agent:risk-agent",),
    "intents:stuck": ("agent:execution-agent",),
    "orders:in_doubt": ("agent:execution-agent",),
    "position:unwatched": ("agent:risk-agent",),
}
"""What is no cause of its own while one of these is open: it is told under that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What is wrong among the keys with one of the prefixes; `away` are the dependencies that do not answer."""

    prefixes: tuple[str, ...]
    alerts: tuple[Alert, ...]
    away: frozenset[str]

    @property
    def causes(self) -> tuple[str, ...]:
        """Return the keys of everything that is wrong."""
        return tuple(sorted(alert.dedupe_key for alert in self.alerts))


def settlement(
    outcomes: Sequence[TaskOutcome],
    *,
    last: MonitorRun | None,
    away: Collection[str] = (),
    answered: Collection[str] = (),
    before: Collection[str] = (),
) -> Settlement:
    """Say what is wrong after a run.

    `away` and `answered` are dependencies known of beside what the tasks met, `before` those that were away lately,
    beside what the last run has told.
    """
    gone = {*away, *(each.source for each in outcomes if each.source is not None)}
    heard = {*answered, *(each for one in outcomes if one.looked for each in one.looked.answered)}
    well = heard - gone
    uneasy = gone | {*before} | _away_at(last)
    prefixes = [f"{DEPENDENCY}{source}" for source in sorted(gone | well)]
    alerts = [_dependency(source, outcomes, slow=source in heard) for source in sorted(gone)]
    for outcome in outcomes:
        known, found = _of_task(outcome, uneasy=bool(gone))
        prefixes += known
        alerts += found
        if outcome.looked is not None:
            trusted = tuple(each for each in outcome.looked.prefixes if not _follows(each, uneasy))
            prefixes += trusted
            alerts += [each for each in outcome.looked.alerts if each.dedupe_key.startswith(trusted)]
    open_before = last.causes if last is not None else ()
    return Settlement(
        prefixes=tuple(dict.fromkeys(prefixes)),
        alerts=tuple(_unexplained({each.dedupe_key: each for each in alerts}.values(), open_before)),
        away=frozenset(gone),
    )


def _away_at(last: MonitorRun | None) -> set[str]:
    """Return what was away when the last run looked; all of it when that is too long ago to tell."""
    if last is None or last.age_ms > WAKING_MS:
        return {*SOURCES}
    return {each.removeprefix(DEPENDENCY) for each in last.causes if each.startswith(DEPENDENCY)}


def _follows(prefix: str, uneasy: Collection[str]) -> bool:
    return not FOLLOWS.get(prefix.partition(":")[0], frozenset()).isdisjoint(uneasy)


def _of_task(outcome: TaskOutcome, *, uneasy: bool) -> tuple[list[str], list[Alert]]:
    """Return what is known of a task itself: nothing when a dependency kept it, or may have."""
    key = f"monitor:{outcome.task}"
    if outcome.error is None:
        return [key], []
    if outcome.source is not None or (outcome.ran_out and uneasy):
        return [], []
    alert = Alert(
        dedupe_key=key,
        kind="monitor",
        severity=Severity.WARNING,
        sentence=f"The monitor cannot look at {outcome.task.replace('_', ' ')}: {outcome.error}"[:2_000],
        details={"task": outcome.task.value},
    )
    return [key], [alert]


def _dependency(source: str, outcomes: Sequence[TaskOutcome], *, slow: bool) -> Alert:
    """Say that a dependency does not answer; one that has answered others in the same run is `slow`, not away."""
    kept = [each for each in outcomes if each.source == source]
    said = f": {kept[0].error}" if kept else ""
    some = " everybody in time" if slow else ""
    return Alert(
        dedupe_key=f"{DEPENDENCY}{source}",
        kind="dependency",
        severity=Severity.WARNING if slow else Severity.CRITICAL,
        sentence=f"{_NAMES.get(source, f'{source} does')} not answer{some}{said}"[:2_000],
        details={"tasks": [each.task.value for each in kept]},
    )


_NAMES: Final = {DATABASE: "The database does", REDIS: "Redis does", QUEUES: "The queues do"}


def _unexplained(alerts: Iterable[Alert], open_before: Collection[str]) -> list[Alert]:
    """Return the alerts without those that another one explains, which is open now or was a minute ago."""
    found = list(alerts)
    known = {*open_before, *(each.dedupe_key for each in found)}

    def is_explained(alert: Alert) -> bool:
        by = [why for key, why in EXPLAINED.items() if alert.dedupe_key.startswith(key)]
        return any(key.startswith(why) for key in known for why in by)

    return [each for each in found if not is_explained(each)]
