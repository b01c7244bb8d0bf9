"""What the desk tells of itself, from the tables in memory; passes the same contract suite as the Supabase adapter."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.domain.alerts import Severity
from shared.domain.errors import NotFoundError, TransientError
from shared.domain.runs import RunStatus
from shared.domain.status import (
    AgentPulse,
    BookWorth,
    DeskStatus,
    LastBoundary,
    OpenAlert,
    Pulse,
    QueueDepth,
    Schema,
    VenueState,
)
from shared.domain.timeframe import Timeframe
from shared.domain.trading.states import TradingState
from shared.domain.usage import MonthUsage
from tests.fakes.stores import MemoryDatabase, MemoryRun


@dataclass(slots=True)
class MemoryStatusReads:
    """The database as the desk tells of it."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)

    def pulse(self) -> Pulse:
        """Return what /health looks at."""
        finished = [each.finished_at_ms for each in self._boundaries() if each.finished_at_ms is not None]
        return Pulse(
            now_ms=self.database.clock.now_ms(),
            venues=tuple(venue for venue in self.database.venues if venue.enabled),
            agents=self._agents(),
            last_finished_ms=max(finished, default=None),
        )

    def status(self, *, limit: int) -> DeskStatus:
        """Return what operators look at; lists have up to `limit` entries."""
        database, trading = self.database, self.database.trading
        held = [row.held for row in trading.positions.values() if row.held.position.qty]
        held.sort(key=lambda each: (-(each.last_fill_ms or 0), each.position.symbol))
        order = list(reversed(Severity))
        alerts = sorted(trading.alerts.values(), key=lambda alert: (order.index(alert.severity), alert.dedupe_key))
        return DeskStatus(
            now_ms=database.clock.now_ms(),
            database_bytes=1,
            trading_state=trading.desk_state,
            agents=self._agents(),
            boundaries=tuple(self._boundaries()),
            unfinished_runs=sum(run.status is not RunStatus.FINISHED for run in database.runs.values()),
            alerts=Counter(alert.severity for alert in alerts),
            worst_alerts=tuple(
                OpenAlert(
                    dedupe_key=alert.dedupe_key, kind=alert.kind, severity=alert.severity, sentence=alert.sentence,
                    state="open", seen=1, first_at_ms=database.clock.now_ms(), last_at_ms=database.clock.now_ms(),
                )
                for alert in alerts[:limit]
            ),
            books=tuple(self._books()[:limit]),
            open_positions=len(held),
            positions=tuple(held[:limit]),
            venues=tuple(
                VenueState(
                    venue=venue.venue, enabled=venue.enabled, timeframes=venue.timeframes, log_depth=venue.log_depth,
                    state=trading.states.get(("venue", venue.venue), TradingState.ACTIVE),
                )
                for venue in database.venues
            ),
        )  # fmt: skip

    def schema(self) -> Schema:
        """Raise, since memory has none of sql/."""
        raise NotFoundError("a database in memory has no schema")

    def _agents(self) -> tuple[AgentPulse, ...]:
        return tuple(
            AgentPulse(
                agent=each.agent, version=each.version, last_beat_ms=each.last_beat_ms, state=each.state.value,
                paused_reason=each.paused_reason, last_error=each.last_error, last_error_ms=each.last_error_at_ms,
            )
            for _, each in sorted(self.database.agents.items())
            if each.last_beat_ms
        )  # fmt: skip

    def _boundaries(self) -> Sequence[LastBoundary]:
        return [
            self._last(venue.venue, timeframe)
            for venue in self.database.venues
            if venue.enabled
            for timeframe in venue.timeframes
        ]

    def _last(self, venue: str, timeframe: Timeframe) -> LastBoundary:
        found: dict[int, list[MemoryRun]] = {}
        for (boundary, _), run in self.database.runs.items():
            if (boundary.venue, boundary.timeframe) == (venue, timeframe):
                found.setdefault(boundary.close_time, []).append(run)
        whole = [at for at, runs in found.items() if all(run.status is RunStatus.FINISHED for run in runs)]
        if not whole:
            return LastBoundary(venue=venue, timeframe=timeframe)
        runs = found[max(whole)]
        return LastBoundary(
            venue=venue,
            timeframe=timeframe,
            close_time=max(whole),
            finished_at_ms=max(run.finished_at or 0 for run in runs),
            shards=len(runs),
            traders=sum(run.result.traders if run.result else 0 for run in runs),
            signals=sum(run.recorded.new if run.recorded else 0 for run in runs),
            errors=sum(run.result.errors if run.result else 0 for run in runs),
        )

    def _books(self) -> list[BookWorth]:
        trading = self.database.trading
        told = []
        for book in trading.books.values():
            points = [point for (book_id, _), point in trading.equity.items() if book_id == book.book_id]
            last = max(points, key=lambda point: point.at_ms, default=None)
            positions = sum(
                row.held.position.book_id == book.book_id and row.held.position.qty != 0
                for row in trading.positions.values()
            )
            if positions or last:
                told.append(
                    BookWorth(
                        book_id=book.book_id, name=book.name, mode=book.mode, quote=book.quote, capital=book.capital,
                        state=book.state, positions=positions, equity=last.equity if last else None,
                        equity_at_ms=last.at_ms if last else None,
                    )
                )  # fmt: skip
        return sorted(told, key=lambda each: (-each.positions, each.name, each.book_id))


@dataclass(slots=True)
class MemoryUsage:
    """Months that were counted; broken, it does not answer."""

    months: dict[str, MonthUsage] = field(default_factory=dict)
    broken: bool = False
    asked: int = 0

    def of(self, month: str) -> MonthUsage | None:
        """Return a month's total."""
        self.asked += 1
        if self.broken:
            raise TransientError("usage: no answer", source="redis")
        return self.months.get(month)


@dataclass(slots=True)
class MemoryDepths:
    """Queues with what waits in them."""

    known: Sequence[QueueDepth] = ()
    broken: bool = False

    def depths(self) -> Sequence[QueueDepth]:
        """Return every queue's depth."""
        if self.broken:
            raise TransientError("executions: no answer", source="queues")
        return self.known
