"""The monitor: what it looks at, by which measures, and what a look found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from shared.domain.alerts import Alert
from shared.domain.errors import InvalidMessageError

DAY_MS: Final = 86_400_000


class Task(StrEnum):
    """One check of the monitor; each is looked at apart from the others."""

    KILL_SWITCH = "kill_switch"
    EXCHANGE_HEALTH = "exchange_health"
    POSITION_RISK = "position_risk"
    SIGNALS = "signals"
    VENUE_HEALTH = "venue_health"
    MARKET_DATA = "market_data"
    TRADE_INTENTS = "trade_intents"
    AGENT_HEALTH = "agent_health"
    EXECUTIONS = "executions"
    RECONCILIATION = "reconciliation"
    QUOTAS = "quotas"
    RETENTION = "retention"


KEPT_DAYS: Final[Mapping[str, float]] = MappingProxyType(
    {
        "monitor_runs": 2,
        "execution_runs": 14,
        "equity_points": 30,
        "agent_memory": 30,
        "notification_deliveries": 30,
        "outbox": 30,
        "alerts": 90,
        "paper_orders": 90,
        "signals": 365,
        "intelligence_signals": 365,
    }
)
"""For how many days rows of tables are kept; of `equity_points` one an hour stays for ever. A table that is not here is
never thinned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorSettings:
    """By which measures the monitor judges; an operator may set each of them for `ops-agent`.

    A venue is slow above `venue_latency_ms`, and not known of when it was not asked for `venue_stale_ms`. An agent is
    silent after `agent_stale_ms`. Candles are stale when a close is overdue by `data_allowance_ms`, a boundary nobody
    has claimed by `claim_allowance_ms`. A run should store its signals within `signal_lag_ms` of its boundary (all but
    one of a hundred and of fewer, of at least `signal_runs` within `signal_window_ms`), and no more than
    `trader_error_rate` of its traders fail. An intent nobody decides for `undecided_ms`, or that works
    `intent_grace_ms` beyond its time, is stuck; so is a run that is not finished after `run_stuck_ms`, or was given up
    within `run_window_ms`. One that was not begun `run_overdue_ms` after it was sent is sent again, `runs_at_once` at
    most. An order is in doubt after `doubt_ms`, what rests against a halt counts after `halt_allowance_ms`, a book is
    unwatched when its equity was not marked for `book_mark_ms`. A loss or a quota is near at `near_rate` of its limit.
    Quotas of Redis are a month's.
    """

    venue_latency_ms: int = 2_000
    venue_stale_ms: int = 300_000
    agent_stale_ms: int = 120_000
    data_allowance_ms: int = 30_000
    claim_allowance_ms: int = 120_000
    signal_lag_ms: int = 2_000
    signal_runs: int = 10
    signal_window_ms: int = 900_000
    trader_error_rate: float = 0.05
    undecided_ms: int = 120_000
    intent_grace_ms: int = 300_000
    run_overdue_ms: int = 60_000
    runs_at_once: int = 500
    run_stuck_ms: int = 300_000
    run_window_ms: int = 3_600_000
    doubt_ms: int = 600_000
    halt_allowance_ms: int = 120_000
    book_mark_ms: int = 300_000
    near_rate: float = 0.8
    redis_commands: int = 500_000
    redis_bytes: int = 10_000_000_000
    database_bytes: int = 500_000_000
    quotas_every_ms: int = 900_000
    retention_every_ms: int = 600_000
    retention_rows: int = 2_000
    retention_budget_ms: int = 2_000
    kept_days: Mapping[str, float] = field(default_factory=lambda: dict(KEPT_DAYS))
    task_limit_ms: int = 4_000
    lease_ms: int = 30_000

    def __post_init__(self) -> None:
        """Refuse what would make a check blind, or have retention take what is still needed."""
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if isinstance(value, int | float) and not value > 0:
                raise InvalidMessageError(name, f"expected a number above 0, got {value}")
        for name in ("trader_error_rate", "near_rate"):
            if getattr(self, name) > 1:
                raise InvalidMessageError(name, f"expected a fraction of at most 1, got {getattr(self, name)}")
        for table, days in self.kept_days.items():
            if table not in KEPT_DAYS:
                raise InvalidMessageError("kept_days", f"expected tables of {', '.join(KEPT_DAYS)}, got {table!r}")
            if not days >= 1:
                raise InvalidMessageError("kept_days", f"expected at least 1 day for {table}, got {days}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What one look found: how many things were looked at, figures, what is wrong, and what is known by it.

    Every open alert whose key begins with one of the `prefixes` is no longer wrong unless it is among `alerts`.
    `answered` are the dependencies that have answered. A look at nothing says why in `skipped_reason`.
    """

    checked: int
    details: Mapping[str, object] = field(default_factory=dict)
    alerts: tuple[Alert, ...] = ()
    prefixes: tuple[str, ...] = ()
    answered: frozenset[str] = frozenset()
    skipped_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOutcome:
    """What became of a task: what it found, or why it could not look.

    `source` is the dependency that did not answer, None where it is no dependency's fault; `ran_out` says that its time
    was over before it had looked.
    """

    task: Task
    looked: Looked | None = None
    error: str | None = None
    source: str | None = None
    ran_out: bool = False
    duration_ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorRun:
    """A finished run of all tasks: `at_ms` is market time, `finished_ms` and `age_ms` are by the database's clock.

    `causes` are the keys of what was wrong, `results` what each task answered. Alerts that were kept elsewhere while
    there was no database are in it up to `restored_ms`; `kept_unread` says that some may be left.
    """

    run_id: str
    at_ms: int
    finished_ms: int
    age_ms: int
    success: bool
    duration_ms: float
    causes: tuple[str, ...] = ()
    results: tuple[Mapping[str, object], ...] = ()
    kept_unread: bool = False
    restored_ms: int = 0

    def details_of(self, task: Task) -> Mapping[str, object]:
        """Return the figures a task told; nothing where it could not look."""
        told = next((each.get("details") for each in self.results if each.get("task") == task), None)
        return told if isinstance(told, Mapping) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """When a check looks: at `now_ms` (market time), after the `last` run, and whether somebody has `asked` for it."""

    now_ms: int
    last: MonitorRun | None = None
    asked: bool = False

    def is_time(self, every_ms: int) -> bool:
        """Tell whether what is looked at now and then is due: asked for, or in a span in which it was not looked at."""
        return self.asked or self.last is None or self.last.at_ms // every_ms != self.now_ms // every_ms
