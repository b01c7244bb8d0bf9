"""What the monitor needs: its own record, what its checks read, and where it leaves what it cannot store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.domain.agents import Agent
from shared.domain.alerts import Alert
from shared.domain.monitor_facts import (
    CollectorStatus,
    OpenOrders,
    OpenRuns,
    Ping,
    SignalFlow,
    Sizes,
    VenueAnswer,
    WaitingIntents,
    WatchedVenue,
)
from shared.domain.monitoring import MonitorRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Whether a run has the lease, and the newest finished run of all tasks."""

    is_held: bool
    last: MonitorRun | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAlert:
    """An alert that could not be stored, as of `at_ms` (market time); `is_told` when the operators have been told."""

    alert: Alert
    at_ms: int
    is_told: bool = False


class MonitorStore(Protocol):
    """The monitor's runs, which take turns, and what its checks read of the desk."""

    def begin(self, run_id: str, *, task: str, at_ms: int, lease_ms: int) -> Turn:
        """Take the lease for a run; the turn is not held while another run has it. The same run asked again has it."""
        ...

    def finish(self, run: MonitorRun, *, task: str) -> None:
        """Record what a run found, and give the lease back; its times are the database's."""
        ...

    def last_run(self) -> MonitorRun | None:
        """Return the newest finished run of all tasks, None before the first."""
        ...

    def venues(self) -> Sequence[WatchedVenue]:
        """Return every venue, also those that are off, by name."""
        ...

    def record_answers(self, answers: Sequence[VenueAnswer]) -> None:
        """Store how venues answered just now."""
        ...

    def marked(self, book_ids: Sequence[str], *, since_ms: int) -> frozenset[str]:
        """Return those of the books whose equity was marked since an instant (market time)."""
        ...

    def signals(self, *, window_ms: int) -> Sequence[SignalFlow]:
        """Return what runs did that finished within a window, by venue and timeframe."""
        ...

    def intents(self, *, now_ms: int, grace_ms: int) -> WaitingIntents:
        """Return intents that wait, and those that should have ended a grace before now (market time)."""
        ...

    def runs(self, *, window_ms: int) -> OpenRuns:
        """Return runs that are not finished, and how many were given up within a window."""
        ...

    def orders(self, *, doubt_ms: int) -> OpenOrders:
        """Return what reconciliation has yet to settle; orders in doubt for longer than `doubt_ms`."""
        ...

    def sizes(self) -> Sizes:
        """Return what the database takes."""
        ...

    def forget(self, table: str, *, keep_ms: int, now_ms: int, limit: int) -> int:
        """Remove up to `limit` rows of a table that are older, and return how many."""
        ...


class CollectorReads(Protocol):
    """What collectors leave in Redis beside their candles."""

    def statuses(self, venues: Sequence[str]) -> Mapping[str, CollectorStatus | None]:
        """Return what each venue's collector has put down last; None where there is nothing."""
        ...


class PendingAlerts(Protocol):
    """Alerts that are kept while the database does not answer, each once, for a week."""

    def keep(self, alerts: Sequence[Alert], *, at_ms: int) -> None:
        """Keep alerts; one that is kept already stays as of when it was found first."""
        ...

    def kept(self) -> Sequence[KeptAlert]:
        """Return what is kept, the oldest first."""
        ...

    def told(self, kept: Sequence[KeptAlert]) -> None:
        """Remember that the operators have been told of these."""
        ...

    def drop(self, kept: Sequence[KeptAlert]) -> None:
        """Keep these no longer."""
        ...


class SettledAlerts(Protocol):
    """Alerts, as far as the monitor tells them."""

    def settle(self, prefixes: Sequence[str], alerts: Sequence[Alert], *, at_ms: int) -> object:
        """Say everything that is wrong now among the keys with one of the prefixes, as of `at_ms` (market time)."""
        ...


class AgentWatch(Protocol):
    """Agents, as far as the monitor looks at them."""

    def list(self) -> Sequence[Agent]:
        """Return every agent that ever ran, by name."""
        ...

    def silence(self, *, older_than_ms: int, longer: Mapping[str, int] | None = None) -> Sequence[Agent]:
        """Mark agents offline whose last heartbeat is older (by the database's clock); return all that are offline.

        Agents by name in `longer` may be silent for as many milliseconds more.
        """
        ...


class VenuePings(Protocol):
    """Venues, asked whether they are there."""

    def ask(self, venues: Sequence[str]) -> Mapping[str, Ping]:
        """Ask each venue for its time, all at once; what is wrong with one is said of it, and never raised."""
        ...
