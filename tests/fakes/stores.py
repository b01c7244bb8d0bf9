"""In-memory stores that pass the same contract suite as the Supabase adapters (`tests/contract`).

Stores that share a `MemoryDatabase` see each other's rows, as tables of one database do. Its clock plays the
database's clock: it decides leases and stamps records.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from uuid import uuid4

from shared.domain.agents import Agent, Remembered
from shared.domain.errors import ConflictError, InvalidMessageError, NotFoundError
from shared.domain.intelligence import IntelligenceSignal
from shared.domain.outcomes import Outcome
from shared.domain.runs import ClosedBoundary, Recorded, RunResult, RunStatus, Shard
from shared.domain.signals import Signal, StoredSignal
from shared.domain.timeframe import Timeframe
from shared.domain.traders import Owner, Trader, TraderVersion, Visibility, definition_of
from shared.domain.trading.states import TradingState
from shared.domain.venues import Venue
from shared.ports import Clock
from tests.fakes.clock import ManualClock
from tests.fakes.limits import PeopleTables
from tests.fakes.telling_tables import TellingTables
from tests.fakes.trading_tables import TradingTables, check_trader_book, raise_signal_intent, trading_states

MAX_ATTEMPTS = 5


@dataclass(slots=True)
class MemoryRun:
    """A row of `execution_runs`."""

    shard: Shard
    source: str
    correlation_id: str
    dispatched_at: int
    status: RunStatus = RunStatus.PENDING
    attempts: int = 0
    lease_until: int = 0
    result: RunResult | None = None
    recorded: Recorded | None = None
    error: str | None = None
    finished_at: int | None = None


@dataclass(slots=True)
class MemoryDatabase:
    """The tables behind the in-memory stores."""

    clock: Clock = field(default_factory=ManualClock)
    venues: list[Venue] = field(default_factory=lambda: [Venue(venue="binance", timeframes=tuple(Timeframe))])
    traders: dict[str, Trader] = field(default_factory=dict)
    deleted: dict[str, Trader] = field(default_factory=dict)  # as they were, with the time of their deletion
    versions: dict[str, list[TraderVersion]] = field(default_factory=dict)  # oldest first
    signals: dict[tuple[str, str, Timeframe, int], StoredSignal] = field(default_factory=dict)
    runs: dict[tuple[ClosedBoundary, int], MemoryRun] = field(default_factory=dict)
    digests: dict[Shard, frozenset[str]] = field(default_factory=dict)
    outcomes: dict[tuple[str, int], Outcome] = field(default_factory=dict)
    intelligence: dict[tuple[str, str, str, int], IntelligenceSignal] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    memories: list[Remembered] = field(default_factory=list)  # oldest first
    trading: TradingTables = field(default_factory=TradingTables)
    people: PeopleTables = field(default_factory=PeopleTables)
    telling: TellingTables = field(default_factory=TellingTables)

    last_version: int = 0

    def next_version(self) -> int:
        """Return the update time of a row: now, and always later than any before, also when the clock stands."""
        self.last_version = max(self.clock.now_ms(), self.last_version + 1)
        return self.last_version

    def check_venue(self, venue: str) -> None:
        """Raise `InvalidMessageError` for a venue the desk does not know."""
        if venue not in {known.venue for known in self.venues}:
            raise InvalidMessageError("venue", f"no venue {venue!r}")

    def record(self, venue: str, correlation_id: str, signals: Iterable[Signal]) -> Recorded:
        """Store the signals that are new."""
        new = duplicate = 0
        intents: list[str] = []
        stored: list[StoredSignal] = []
        for signal in signals:
            if signal.trader_id not in self.traders and signal.trader_id not in self.deleted:
                raise InvalidMessageError("trader_id", f"no trader {signal.trader_id!r}")
            if not 0 < signal.price < float("inf"):
                raise InvalidMessageError("price", f"expected a price, got {signal.price}")
            key = (signal.trader_id, signal.symbol, signal.timeframe, signal.close_time)
            if key in self.signals:
                duplicate += 1
                continue
            new += 1
            self.signals[key] = StoredSignal(
                signal_id=str(uuid4()),
                signal=signal,
                venue=venue,
                correlation_id=correlation_id,
                recorded_at_ms=self.clock.now_ms(),
            )
            stored.append(self.signals[key])
            trader = self.traders.get(signal.trader_id)
            may_trade = trader is not None and self.people.may_trade(trader.owner_id, trader.mode)
            raised = raise_signal_intent(self.trading, self.signals[key], trader if may_trade else None)
            intents += [raised] if raised else []
        self.telling.tell_signals(stored, self.traders | self.deleted, now_ms=self.clock.now_ms())
        return Recorded(new=new, duplicate=duplicate, intents=tuple(sorted(intents)))

    def fit_traders(self, owner_id: str | None) -> None:
        """Say of each of an owner's traders whether it is beyond their tier; a change is stamped like any other."""
        traders = [each for each in self.traders.values() if each.owner_id == owner_id]
        beyond = self.people.beyond(traders)
        for trader in traders:
            if trader.beyond_tier is not (trader.trader_id in beyond):
                self.traders[trader.trader_id] = replace(
                    trader, beyond_tier=not trader.beyond_tier, updated_at_ms=self.next_version()
                )

    def states_of(
        self, book_id: str, venue: str | None = None, symbol: str | None = None, trader_id: str | None = None
    ) -> dict[str, TradingState | None]:
        """Return the trading states that gate something."""
        return trading_states(
            self.trading,
            {known.venue for known in self.venues},
            self.traders,
            self.deleted,
            book_id=book_id,
            venue=venue,
            symbol=symbol,
            trader_id=trader_id,
        )


def owns(user_id: str | None, trader: Trader) -> bool:
    """Tell whether a trader is a person's own or a built-in one; to the desk itself (None) all are."""
    return user_id is None or trader.owner_id in {None, user_id}


def may_see(user_id: str | None, trader: Trader) -> bool:
    """Tell whether a person sees a living trader: their own, the built-in and the public ones."""
    return owns(user_id, trader) or trader.visibility is Visibility.PUBLIC


def is_of(owner: Owner, user_id: str | None, trader: Trader) -> bool:
    """Tell whether a trader is of an owner as a person sees it."""
    if owner is Owner.DESK:
        return trader.owner_id is None
    if user_id is None:
        raise InvalidMessageError("user_id", f"expected whose view {owner.value!r} is")
    if owner is Owner.ME:
        return trader.owner_id == user_id
    return trader.owner_id not in {None, user_id} and trader.visibility is Visibility.PUBLIC


@dataclass(slots=True)
class MemoryVenueStore:
    """Venues in memory."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)

    def enabled(self) -> Sequence[Venue]:
        """Return the venues that are switched on."""
        return [venue for venue in self.database.venues if venue.enabled]


@dataclass(slots=True)
class MemoryTraderStore:
    """Traders in memory, seen by the desk (`user_id` None) or by one person."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    user_id: str | None = None

    def changed_since(self, updated_at_ms: int) -> Sequence[Trader]:
        """Return every visible trader changed at or after a time, oldest change first."""
        rows = [trader for trader in self._visible() if trader.updated_at_ms >= updated_at_ms]
        return sorted(rows, key=lambda trader: (trader.updated_at_ms, trader.trader_id))

    def deleted_since(self, updated_at_ms: int) -> Sequence[str]:
        """Return the ids of traders deleted at or after a time."""
        return sorted(
            row.trader_id
            for row in self.database.deleted.values()
            if row.updated_at_ms >= updated_at_ms and owns(self.user_id, row)
        )

    def count_enabled(self, venue: str, timeframe: Timeframe) -> int:
        """Return how many traders wait for a timeframe of a venue: enabled ones within their owner's tier."""
        return sum(t.is_evaluated and t.venue == venue and t.timeframe == timeframe for t in self._visible())

    def get(self, trader_id: str) -> Trader:
        """Return one trader; raise `NotFoundError`."""
        for trader in self._visible():
            if trader.trader_id == trader_id:
                return trader
        raise NotFoundError(f"no trader {trader_id!r}")

    def list(
        self, *, limit: int, after: str | None = None, owner: Owner | None = None, user_id: str | None = None
    ) -> Sequence[Trader]:
        """Return traders in id order, those after an id; only those of an `owner` as the person `user_id` sees it."""
        rows = [row for row in self._visible() if owner is None or is_of(owner, user_id, row)]
        rows.sort(key=lambda trader: trader.trader_id)
        return [trader for trader in rows if after is None or trader.trader_id > after][:limit]

    def versions(self, trader_id: str, *, limit: int, before: int | None = None) -> Sequence[TraderVersion]:
        """Return versions of a trader, newest first, those below a number; raise `NotFoundError`."""
        if not owns(self.user_id, self.get(trader_id)):
            raise NotFoundError(f"the history of trader {trader_id!r} is not yours to see")
        newest_first = reversed(self.database.versions[trader_id])
        return [version for version in newest_first if before is None or version.version < before][:limit]

    def create(self, trader: Trader) -> Trader:
        """Store a new trader; raise `ConflictError` when its id exists."""
        if trader.trader_id in self.database.traders or trader.trader_id in self.database.deleted:
            raise ConflictError(f"trader {trader.trader_id!r} exists")
        if self.user_id is not None and trader.owner_id != self.user_id:
            raise InvalidMessageError("owner_id", "the row would not be yours")
        self.database.people.refuse_viewer(self.user_id)
        now = self.database.next_version()
        return self._store(replace(trader, created_at_ms=now, updated_at_ms=now))

    def update(self, trader: Trader, *, expected_updated_at_ms: int) -> Trader:
        """Replace a trader; raise `NotFoundError`, or `ConflictError` when somebody changed it meanwhile."""
        known = self._writable(trader.trader_id)
        if known.updated_at_ms != expected_updated_at_ms:
            raise ConflictError(f"trader {trader.trader_id!r} was changed meanwhile")
        return self._store(
            replace(
                trader,
                owner_id=known.owner_id,
                created_at_ms=known.created_at_ms,
                updated_at_ms=self.database.next_version(),
            )
        )

    def delete(self, trader_id: str) -> None:
        """Delete a trader, keeping its signals; raise `NotFoundError`."""
        known = self._writable(trader_id)
        now = self.database.next_version()
        self.database.deleted[trader_id] = replace(known, updated_at_ms=now)
        del self.database.traders[trader_id]
        self.database.fit_traders(known.owner_id)

    def _visible(self) -> Iterable[Trader]:
        return (row for row in self.database.traders.values() if may_see(self.user_id, row))

    def _writable(self, trader_id: str) -> Trader:
        known = self.get(trader_id)
        if self.user_id is not None and known.owner_id != self.user_id:
            raise NotFoundError(f"trader {trader_id!r} is not yours")
        self.database.people.refuse_viewer(self.user_id)
        return known

    def _store(self, trader: Trader) -> Trader:
        self.database.check_venue(trader.venue)
        for name, size, most in (("name", len(trader.name), 100), ("rule", len(trader.rule), 2_000)):
            if not 1 <= size <= most:
                raise InvalidMessageError(name, f"expected 1 to {most} characters, got {size}")
        if not 0 <= trader.cooldown_bars <= 1_000:
            raise InvalidMessageError("cooldown_bars", f"expected 0 to 1000, got {trader.cooldown_bars}")
        check_trader_book(self.database.trading, trader)
        known = self.database.traders
        trader = self.database.people.fit(trader, known.get(trader.trader_id), known.values())
        known[trader.trader_id] = trader
        self.database.fit_traders(trader.owner_id)
        versions = self.database.versions.setdefault(trader.trader_id, [])
        if not versions or definition_of(versions[-1].trader) != definition_of(trader):
            versions.append(
                TraderVersion(version=len(versions) + 1, trader=trader, recorded_at_ms=trader.updated_at_ms)
            )
        return trader


@dataclass(slots=True)
class MemoryRunStore:
    """Execution runs in memory."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)

    def claim(self, boundary: ClosedBoundary, *, shards: int, source: str, correlation_id: str) -> bool:
        """Claim a boundary and create its pending runs; False when it was claimed before."""
        self.database.check_venue(boundary.venue)
        if not boundary.timeframe.is_boundary(boundary.close_time):
            raise InvalidMessageError("close_time", f"{boundary.close_time} is no boundary of {boundary.timeframe}")
        if (boundary, 0) in self.database.runs:
            return False
        now = self.database.clock.now_ms()
        for number in range(shards):
            shard = Shard(boundary=boundary, shard=number, shards=shards)
            self.database.runs[boundary, number] = MemoryRun(shard, source, correlation_id, dispatched_at=now)
        return True

    def claimed(self, boundaries: Sequence[ClosedBoundary]) -> frozenset[ClosedBoundary]:
        """Return those of the boundaries that have been claimed."""
        return frozenset(boundary for boundary in boundaries if (boundary, 0) in self.database.runs)

    def take_overdue(self, *, older_than_ms: int, limit: int) -> Sequence[tuple[Shard, str]]:
        """Take pending, expired or failed runs for a new dispatch, oldest first."""
        now = self.database.clock.now_ms()
        taken: list[tuple[Shard, str]] = []
        for run in sorted(self.database.runs.values(), key=lambda run: (run.shard.boundary.close_time, run.shard)):
            expired = run.status is RunStatus.RUNNING and run.lease_until <= now
            waited = run.status is RunStatus.PENDING and run.dispatched_at <= now - older_than_ms
            if expired and run.attempts >= MAX_ATTEMPTS:
                run.status, run.error = RunStatus.FAILED, run.error or "lease expired"
            if (
                len(taken) < limit
                and run.attempts < MAX_ATTEMPTS
                and (expired or waited or run.status is RunStatus.FAILED)
            ):
                run.status, run.dispatched_at = RunStatus.PENDING, now
                taken.append((run.shard, run.correlation_id))
        return taken

    def start(self, shard: Shard, *, lease_ms: int) -> bool:
        """Lease a run; False when it is finished, unknown, or leased to somebody else."""
        now = self.database.clock.now_ms()
        run = self.database.runs.get((shard.boundary, shard.shard))
        if run is None or run.status is RunStatus.FINISHED:
            return False
        if run.status is RunStatus.RUNNING and run.lease_until > now:
            return False
        run.status, run.lease_until, run.attempts, run.error = RunStatus.RUNNING, now + lease_ms, run.attempts + 1, None
        return True

    def finish(
        self, shard: Shard, *, result: RunResult, signals: Sequence[Signal], digests: Sequence[str] = ()
    ) -> Recorded:
        """Store the signals that are new and mark the run finished; a finished run stays as is."""
        run = self._run(shard)
        if run.recorded is not None:
            return run.recorded
        boundary = shard.boundary
        for signal in signals:
            if (signal.timeframe, signal.close_time) != (boundary.timeframe, boundary.close_time):
                raise InvalidMessageError("signals", "a signal is not of the run's boundary")
        recorded = self.database.record(boundary.venue, run.correlation_id, signals)
        run.status, run.result, run.recorded, run.error = RunStatus.FINISHED, result, recorded, None
        run.finished_at = self.database.clock.now_ms()
        self.database.digests[shard] = frozenset(digests)
        self._forget_digests(boundary)
        return recorded

    def digests(self, boundary: ClosedBoundary) -> frozenset[str] | None:
        """Return the digests of all decisions at a boundary; None when no finished run of it is on record."""
        known = [digests for shard, digests in self.database.digests.items() if shard.boundary == boundary]
        return frozenset[str]().union(*known) if known else None

    def _forget_digests(self, newest: ClosedBoundary) -> None:
        depth = next(venue.log_depth for venue in self.database.venues if venue.venue == newest.venue)
        oldest = newest.close_time - depth * newest.timeframe.ms
        for shard in [*self.database.digests]:
            boundary = shard.boundary
            alike = (boundary.venue, boundary.timeframe) == (newest.venue, newest.timeframe)
            if alike and boundary.close_time < oldest:
                del self.database.digests[shard]

    def fail(self, shard: Shard, *, error: str) -> None:
        """Give a run back with the reason, for the next dispatch."""
        run = self._run(shard)
        if run.status is not RunStatus.FINISHED:
            run.status, run.error = RunStatus.FAILED, error

    def _run(self, shard: Shard) -> MemoryRun:
        try:
            return self.database.runs[shard.boundary, shard.shard]
        except KeyError:
            raise NotFoundError(f"no run {shard}") from None


@dataclass(slots=True)
class MemorySignalStore:
    """Signals in memory, seen by the desk (`user_id` None) or by one person."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    user_id: str | None = None

    def record(self, venue: str, correlation_id: str, signals: Sequence[Signal]) -> Recorded:
        """Store the signals that are new."""
        return self.database.record(venue, correlation_id, signals)

    def get(self, signal_id: str) -> StoredSignal:
        """Return one signal; raise `NotFoundError`."""
        for row in self.list(limit=len(self.database.signals)):
            if row.signal_id == signal_id:
                return row
        raise NotFoundError(f"no signal {signal_id!r}")

    def list(
        self,
        *,
        limit: int,
        before: tuple[int, str] | None = None,
        trader_id: str | None = None,
        symbol: str | None = None,
        timeframe: Timeframe | None = None,
        since_ms: int | None = None,
        person: str | None = None,
    ) -> Sequence[StoredSignal]:
        """Return signals by (close_time, signal_id) descending, those before a cursor of the same pair."""

        def wanted(row: StoredSignal) -> bool:
            signal = row.signal
            return (
                (before is None or (signal.close_time, row.signal_id) < before)
                and trader_id in {None, signal.trader_id}
                and symbol in {None, signal.symbol}
                and timeframe in {None, signal.timeframe}
                and (since_ms is None or signal.close_time >= since_ms)
                and self._may_see(signal.trader_id)
                and (person is None or self._owner(signal.trader_id) in {None, person})
            )

        rows = [row for row in self.database.signals.values() if wanted(row)]
        return sorted(rows, key=lambda row: (row.signal.close_time, row.signal_id), reverse=True)[:limit]

    def _owner(self, trader_id: str) -> str | None:
        return (self.database.traders.get(trader_id) or self.database.deleted[trader_id]).owner_id

    def _may_see(self, trader_id: str) -> bool:
        living = self.database.traders.get(trader_id)
        return owns(self.user_id, self.database.deleted[trader_id]) if living is None else may_see(self.user_id, living)
