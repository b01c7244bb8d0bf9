"""What the monitor reads before it judges; ages and waits are in milliseconds, by the clock of whoever kept them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from shared.domain.timeframe import Timeframe


class VenueState(StrEnum):
    """How a venue answers: in time, slowly, not at all."""

    ONLINE = "online"
    DEGRADED = "degraded"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """How a venue answered when it was asked for its time: after how long, or what was wrong."""

    latency_ms: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueAnswer:
    """A ping as it is kept, with what it says of the venue."""

    venue: str
    state: VenueState
    latency_ms: int | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueHealth:
    """How a venue answered last, `age_ms` ago; `failures` counts the pings in a row it did not answer."""

    state: VenueState
    latency_ms: int | None
    failures: int
    error: str | None
    age_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedVenue:
    """A venue with its newest claimed close by timeframe (epoch ms), and how it answered; None when never asked."""

    venue: str
    is_enabled: bool
    timeframes: tuple[Timeframe, ...]
    claimed: Mapping[Timeframe, int] = field(default_factory=dict)
    health: VenueHealth | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorStatus:
    """What a collector has put down with its newest write: closes by timeframe (epoch ms, market time), open gaps."""

    status: str
    newest_close: Mapping[Timeframe, int]
    open_gaps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalFlow:
    """What the runs of a timeframe did within the window: what they stored, how many of their traders failed, and of a
    hundred (and of fewer) the slowest but one, after its boundary closed and after it was claimed."""

    venue: str
    timeframe: Timeframe
    runs: int
    traders: int
    errors: int
    signals: int
    lag_p99_ms: int
    work_p99_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingIntents:
    """Intents that wait for a decision, that are worked, and that should have ended; `latest` are ids of those."""

    pending: int
    oldest_pending_ms: int | None
    working: int
    late: int
    latest: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRuns:
    """Runs that are not finished, how long the oldest has waited, and those given up within the window."""

    pending: int
    running: int
    failed: int
    given_up: int
    oldest_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrders:
    """What reconciliation has yet to settle: accounts, their open differences, and orders in doubt with some ids."""

    accounts: int
    differences: int
    in_doubt: int
    oldest_ms: int | None
    orders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What the database takes, and its largest tables, in bytes."""

    database_bytes: int
    tables: Mapping[str, int]
