"""What the desk reads to tell of itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from shared.domain.status import DeskStatus, Pulse, QueueDepth, Schema
    from shared.domain.usage import MonthUsage


class StatusReads(Protocol):
    """The database as the desk tells of it."""

    def pulse(self) -> Pulse:
        """Return what /health looks at, in one call."""
        ...

    def status(self, *, limit: int) -> DeskStatus:
        """Return what operators look at, in one call; lists have up to `limit` entries."""
        ...

    def schema(self) -> Schema:
        """Return which of sql/ is applied."""
        ...


class QueueDepths(Protocol):
    """How much waits in the desk's queues."""

    def depths(self) -> Sequence[QueueDepth]:
        """Return every queue's depth, by name; raise `TransientError` when one cannot be asked."""
        ...


class UsageReads(Protocol):
    """What Redis was used for in a month, as far as it was counted."""

    def of(self, month: str) -> MonthUsage | None:
        """Return a month's total (`2026-11`); None when nobody has counted in it."""
        ...


class LastMonitorRun(Protocol):
    """The monitor's last run, by the database's clock."""

    @property
    def finished_ms(self) -> int:
        """Return when it ended (epoch ms)."""
        ...

    @property
    def age_ms(self) -> int:
        """Return how long ago that was when it was read."""
        ...

    @property
    def success(self) -> bool:
        """Tell whether all it looked at could be looked at."""
        ...


class MonitorRuns(Protocol):
    """The watchman, as those see it who watch him."""

    def last_run(self) -> LastMonitorRun | None:
        """Return the last run that ended; None before the first."""
        ...
