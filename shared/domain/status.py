"""How the desk is, as it tells of itself: its pulse, its boundaries, its queues, what is wrong, what it holds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Protocol

from shared.domain.agents import WOKEN_BY_CLOSES
from shared.domain.alerts import Severity
from shared.domain.timeframe import Timeframe
from shared.domain.trading.records import HeldPosition
from shared.domain.trading.states import Mode, TradingState
from shared.domain.venues import Venue

SILENT_MS: Final = 120_000
"""How long an agent may be silent: every one runs each minute, but for what closes wake."""


class _Watched(Protocol):
    @property
    def timeframes(self) -> Sequence[Timeframe]: ...


def shortest_of(venues: Iterable[_Watched]) -> int:
    """Return how often a boundary closes at least (ms), 0 where none does."""
    return min((timeframe.ms for venue in venues for timeframe in venue.timeframes), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPulse:
    """An agent's last sign of life (epoch ms of the database); `state` and `paused_reason` as the directory has them,
    None where it has none."""

    agent: str
    version: str
    last_beat_ms: int
    state: str | None = None
    paused_reason: str | None = None
    last_error: str | None = None
    last_error_ms: int | None = None

    def condition(self, now_ms: int, *, shortest_ms: int) -> str:
        """Return how it is at an instant: what the directory says, but `stale` whenever it is silent and not paused.

        `shortest_ms` is how often a boundary closes at least.
        """
        if self.state == "paused":
            return self.state
        patience_ms = SILENT_MS + (shortest_ms if self.agent == WOKEN_BY_CLOSES else 0)
        if now_ms - self.last_beat_ms > patience_ms:
            return "stale"
        return self.state or "online"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What /health looks at in the database; times in epoch ms of the database's clock."""

    now_ms: int
    venues: tuple[Venue, ...]
    agents: tuple[AgentPulse, ...]
    last_finished_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LastBoundary:
    """The newest boundary of a timeframe that is finished whole; all but its place is None where there is none.

    `finished_at_ms` is the database's clock.
    """

    venue: str
    timeframe: Timeframe
    close_time: int | None = None
    finished_at_ms: int | None = None
    shards: int | None = None
    traders: int | None = None
    signals: int | None = None
    errors: int | None = None

    @property
    def lag_ms(self) -> int | None:
        """Return from the close to the last shard's signals being stored, where market time is real time."""
        if self.close_time is None or self.finished_at_ms is None:
            return None
        return max(self.finished_at_ms - self.close_time, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAlert:
    """An alert that has not resolved; times are market time, `seen` is how often it was found."""

    dedupe_key: str
    kind: str
    severity: Severity
    sentence: str
    state: str
    seen: int
    first_at_ms: int
    last_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BookWorth:
    """A book with what it was last worth, in quote units; the equity is None before it was measured."""

    book_id: str
    name: str
    mode: Mode
    quote: str
    capital: Decimal
    state: TradingState
    positions: int
    equity: Decimal | None = None
    equity_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueState:
    """A venue the desk knows."""

    venue: str
    enabled: bool
    state: TradingState
    timeframes: tuple[Timeframe, ...]
    log_depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskStatus:
    """What the database knows of the desk at one instant (epoch ms of its clock).

    `alerts` counts the open ones by severity. Lists are cut at the number asked for; counts are of everything. A
    `trading_state` of None is a missing row, which counts as halted.
    """

    now_ms: int
    database_bytes: int
    trading_state: TradingState | None
    agents: tuple[AgentPulse, ...]
    boundaries: tuple[LastBoundary, ...]
    unfinished_runs: int
    alerts: Mapping[Severity, int]
    worst_alerts: tuple[OpenAlert, ...]
    books: tuple[BookWorth, ...]
    open_positions: int
    positions: tuple[HeldPosition, ...]
    venues: tuple[VenueState, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDepth:
    """How much is in a queue, about: waiting, being handled, held back, and what its dead-letter queue has (None where
    there is none)."""

    queue: str
    waiting: int
    in_flight: int
    delayed: int
    dead: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """What of sql/ a database has: the files `desk migrate` recorded by digest (None where it never ran), digests of
    the bodies of its functions by name, and the columns of its tables as `table.column`."""

    now_ms: int
    version: str
    files: Mapping[str, str] | None
    functions: Mapping[str, frozenset[str]]
    columns: frozenset[str]
