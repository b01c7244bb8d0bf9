"""What the desk's use-cases need from the outside, as plain nouns; `shared/adapters` has the real ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

from shared.domain.urgency import Urgency

if TYPE_CHECKING:
    from shared.domain.backfill import Stretch, Window
    from shared.domain.candles import Boundary, CandleFrame
    from shared.domain.lease import Tenure
    from shared.domain.outcomes import Awaited, Outcome
    from shared.domain.runs import ClosedBoundary, Recorded, RunResult, Shard
    from shared.domain.scorecard import Tally
    from shared.domain.signals import Signal, StoredSignal
    from shared.domain.symbols import Listing
    from shared.domain.tickers import Funding, Snapshot, Ticker, VenueNow
    from shared.domain.timeframe import Timeframe
    from shared.domain.traders import Owner, Trader, TraderVersion
    from shared.domain.usage import MonthUsage, Usage
    from shared.domain.venues import Venue


class Clock(Protocol):
    """The desk's idea of now."""

    def now_ms(self) -> int:
        """Return UTC epoch milliseconds."""
        ...


class CandleLog(Protocol):
    """The candle log as functions read it."""

    def frame(self, venue: str, timeframe: Timeframe, *, bars: int) -> CandleFrame:
        """Return at least the newest `bars` bars the log holds, corrections applied; fewer when it holds fewer."""
        ...

    def newest_close(self, venue: str, timeframe: Timeframe) -> int | None:
        """Return the newest close time in the log (epoch ms), None when it is empty."""
        ...


class CandleLogWriter(Protocol):
    """The candle log as the collector writes it."""

    async def append(
        self, venue: str, boundaries: Sequence[Boundary], *, status: Mapping[str, str] | None = None
    ) -> None:
        """Append boundaries in order, each one entry, and set fields of the collector's status; return only when all
        of it is acknowledged. Raise `FencedError`, with nothing written, when the writer's token is not the lease's."""
        ...

    async def frame(self, venue: str, timeframe: Timeframe) -> CandleFrame:
        """Return what the log holds, so that a restart asks the venue only for what is missing."""
        ...


class Lease(Protocol):
    """The right to write a venue's log, as one instance sees it. `owner` is that instance's name."""

    owner: str

    async def look(self) -> Tenure:
        """Return what is written of the lease."""
        ...

    async def claim(self, seen: Tenure) -> int | None:
        """Take the lease with a larger token, and tell its holder; None when its token is no longer the one seen."""
        ...

    async def release(self, token: int) -> None:
        """Give the lease back, if the token is still its own, and tell those who stand by."""
        ...

    async def ask(self) -> int:
        """Ask for the holder; return how many have heard it, which may be too few and never too many."""
        ...

    async def answer(self, token: int) -> None:
        """Tell those who stand by that the holder of the token lives."""
        ...

    def questions(self) -> AbstractAsyncContextManager[Hearing]:
        """Hear, while the block lasts, what a holder must: 0 is a question, a token is that of a new holder."""
        ...

    def answers(self) -> AbstractAsyncContextManager[Hearing]:
        """Hear, while the block lasts, what a standby must: a token is that of a holder that lives, 0 is a release."""
        ...


class Hearing(Protocol):
    """What arrives from others, in order, from the moment the block began."""

    async def next(self, timeout_s: float) -> int | None:
        """Return the next message, None after the timeout; raise `TransientError` when it can hear no longer."""
        ...


class UsageBook(Protocol):
    """Where what Redis costs is added up by month, over every process that counts."""

    async def add(self, month: str, used: Usage, *, now_ms: int) -> MonthUsage:
        """Add to a month and return its total; raise `TransientError`, after which it may have been added or not."""
        ...


class TickerBoard(Protocol):
    """What venues trade at right now, as functions read it."""

    def now(self, venues: Sequence[str]) -> Mapping[str, VenueNow]:
        """Return the newest snapshots of each venue in the order asked, nothing older than its time to live."""
        ...


class TickerBoardWriter(Protocol):
    """What a venue trades at right now, as the collector writes it; a snapshot vanishes `ttl_ms` after its write."""

    async def write_tickers(self, venue: str, snapshot: Snapshot[Ticker], *, ttl_ms: int) -> None:
        """Put up the tickers of every symbol; raise `TransientError` unless that is acknowledged."""
        ...

    async def write_funding(self, venue: str, snapshot: Snapshot[Funding], *, ttl_ms: int) -> None:
        """Put up the funding of every symbol; raise `TransientError` unless that is acknowledged."""
        ...


class VenueSource(Protocol):
    """A venue's market data as one asks for it; its own names of pairs are the `venue_id` of a listing.

    Where questions must wait for the venue's limits, its clock goes first with repairs, then what is confirmed, then
    history and what it lists, then tickers and funding.
    """

    async def server_time(self) -> int:
        """Return the venue's clock (epoch ms)."""
        ...

    async def listings(self) -> Sequence[Listing]:
        """Return every pair the venue lists."""
        ...

    async def quote_volumes(self) -> Mapping[str, float]:
        """Return the 24 h volume in quote units of every pair, by venue id."""
        ...

    async def candles(
        self, venue_id: str, window: Window, *, now_ms: int, urgency: Urgency = Urgency.BACKFILL
    ) -> Stretch:
        """Return the closed candles of a window; raise `TransientError`, or `InvalidMessageError` when refused."""
        ...

    async def tickers(self, venue_ids: Collection[str]) -> Mapping[str, Ticker]:
        """Return what these trade at right now, by venue id, as far as the venue says."""
        ...

    async def funding(self, venue_ids: Collection[str]) -> Mapping[str, Funding]:
        """Return what these pay and how much of them is held, by venue id; nothing where it has no futures."""
        ...


class Announcer(Protocol):
    """Whoever starts the evaluation of a boundary."""

    async def announce(self, boundary: ClosedBoundary, *, correlation_id: str) -> None:
        """Deliver an announcement at least once; raise `TransientError`, or `InvalidMessageError` when refused."""
        ...


class TickersAnnouncer(Protocol):
    """Whoever watches what is protected."""

    async def announce_tickers(self, venue: str) -> None:
        """Say that fresh prices are up; raise `TransientError`, or `InvalidMessageError` when refused."""
        ...


class VenueStore(Protocol):
    """The venues the desk collects and their timeframes."""

    def enabled(self) -> Sequence[Venue]:
        """Return the venues that are switched on."""
        ...


class TraderStore(Protocol):
    """People's traders. Whose rows are seen is decided by the credentials the store was made with."""

    def changed_since(self, updated_at_ms: int) -> Sequence[Trader]:
        """Return every trader, also disabled ones, changed at or after a time, oldest change first, without a cap."""
        ...

    def deleted_since(self, updated_at_ms: int) -> Sequence[str]:
        """Return the ids of traders deleted at or after a time."""
        ...

    def count_enabled(self, venue: str, timeframe: Timeframe) -> int:
        """Return how many traders wait for a timeframe of a venue: enabled ones within their owner's tier."""
        ...

    def get(self, trader_id: str) -> Trader:
        """Return one trader; raise `NotFoundError`."""
        ...

    def list(
        self, *, limit: int, after: str | None = None, owner: Owner | None = None, user_id: str | None = None
    ) -> Sequence[Trader]:
        """Return traders in id order, those after an id; only those of an `owner` as the person `user_id` sees it."""
        ...

    def versions(self, trader_id: str, *, limit: int, before: int | None = None) -> Sequence[TraderVersion]:
        """Return versions of a trader, newest first, those below a number; raise `NotFoundError`.

        Other people's public traders have no history one may see: that is a `NotFoundError` too.
        """
        ...

    def create(self, trader: Trader) -> Trader:
        """Store a new trader and return it as stored; raise `ConflictError` when its id exists."""
        ...

    def update(self, trader: Trader, *, expected_updated_at_ms: int) -> Trader:
        """Replace a trader; raise `NotFoundError`, or `ConflictError` when somebody changed it meanwhile."""
        ...

    def delete(self, trader_id: str) -> None:
        """Delete a trader, keeping its signals; raise `NotFoundError`."""
        ...


class RunStore(Protocol):
    """Execution runs: claims that exactly one caller wins, and runs that finish exactly once."""

    def claim(self, boundary: ClosedBoundary, *, shards: int, source: str, correlation_id: str) -> bool:
        """Claim a boundary and create its pending runs in one step; False when it was claimed before."""
        ...

    def claimed(self, boundaries: Sequence[ClosedBoundary]) -> frozenset[ClosedBoundary]:
        """Return those of the boundaries that have been claimed."""
        ...

    def take_overdue(self, *, older_than_ms: int, limit: int) -> Sequence[tuple[Shard, str]]:
        """Take pending, expired or failed runs for a new dispatch, with their correlation ids; no two callers get the
        same run. `older_than_ms` is how long a pending run may wait after its last dispatch."""
        ...

    def start(self, shard: Shard, *, lease_ms: int) -> bool:
        """Lease a run; False when it is finished, unknown, or leased to somebody else whose lease has not expired."""
        ...

    def finish(
        self, shard: Shard, *, result: RunResult, signals: Sequence[Signal], digests: Sequence[str] = ()
    ) -> Recorded:
        """Store the signals that are new and mark the run finished, in one transaction; a finished run stays as is.

        The digests of its decisions are kept for as long as the log keeps the candles.
        """
        ...

    def digests(self, boundary: ClosedBoundary) -> frozenset[str] | None:
        """Return the digests of all decisions at a boundary; None when no finished run of it is on record."""
        ...

    def fail(self, shard: Shard, *, error: str) -> None:
        """Give a run back with the reason, for the next dispatch."""
        ...


class SignalStore(Protocol):
    """Recorded signals, newest first."""

    def get(self, signal_id: str) -> StoredSignal:
        """Return one signal; raise `NotFoundError`."""
        ...

    def record(self, venue: str, correlation_id: str, signals: Sequence[Signal]) -> Recorded:
        """Store the signals that are new."""
        ...

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
        """Return signals by (close_time, signal_id) descending, those before a cursor of the same pair.

        With a `person`, only those of that person's own traders and the built-in ones.
        """
        ...


class OutcomeStore(Protocol):
    """What became of signals. Whose are seen is decided by the credentials the store was made with."""

    def due(self, boundary: ClosedBoundary, *, limit: int) -> Sequence[Awaited]:
        """Return the signals whose next outcome can be told at a boundary, oldest first."""
        ...

    def record(self, outcomes: Sequence[Outcome]) -> int:
        """Store the outcomes that are new, each with its signal's progress; return how many."""
        ...

    def tallies(self, trader_id: str, *, bars: int, rule_hash: str | None = None) -> Sequence[Tally]:
        """Return sums over a trader's signals, those of one rule or all: in total, by symbol and by hour (UTC)."""
        ...

    def of_signal(self, signal_id: str) -> Sequence[Outcome]:
        """Return the outcomes of one signal, the nearest first."""
        ...


class Queue(Protocol):
    """A queue of messages that arrive at least once, in any order."""

    def send(self, bodies: Sequence[str], *, delay_s: int = 0) -> None:
        """Send message bodies, to arrive no sooner than after a delay of up to 900 s.

        Raise `TransientError` unless every one was accepted.
        """
        ...
