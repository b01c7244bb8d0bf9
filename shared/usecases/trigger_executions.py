"""Turn a closed boundary into work: claim it once, cut it into shards, send each to the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.domain.runs import ClosedBoundary, Shard
from shared.domain.sweeping import expected_boundaries, unclaimed
from shared.domain.traders import shards_for
from shared.messages import BoundaryClosed, CronTick, ShardDue, Swept, Triggered, new_id

if TYPE_CHECKING:
    from shared.ports import CandleLog, Clock, Queue, RunStore, TraderStore, VenueStore

OVERDUE_MS = 60_000
MAX_REDISPATCHED = 500


def trigger_executions(
    event: BoundaryClosed | CronTick,
    *,
    venues: VenueStore,
    candles: CandleLog,
    traders: TraderStore,
    runs: RunStore,
    queue: Queue,
    clock: Clock,
    traders_per_shard: int,
) -> Triggered | Swept:
    """Act on an announced boundary, or on the clock's call to repair what announcements missed."""
    match event:
        case BoundaryClosed():
            return trigger_boundary(event, traders=traders, runs=runs, queue=queue, traders_per_shard=traders_per_shard)
        case CronTick():
            return sweep_boundaries(
                venues=venues,
                candles=candles,
                traders=traders,
                runs=runs,
                queue=queue,
                clock=clock,
                traders_per_shard=traders_per_shard,
            )


def trigger_boundary(
    event: BoundaryClosed,
    *,
    traders: TraderStore,
    runs: RunStore,
    queue: Queue,
    traders_per_shard: int,
    source: str = "collector",
) -> Triggered:
    """Claim an announced boundary and dispatch its shards; a boundary claimed before is left alone.

    A crash between claim and dispatch loses nothing: the runs are pending rows, and the next sweep sends them.
    """
    waiting = traders.count_enabled(event.venue, event.timeframe)

    shards = shards_for(waiting, traders_per_shard=traders_per_shard)

    claimed = runs.claim(event.boundary, shards=shards, source=source, correlation_id=event.correlation_id)
    if claimed:
        queue.send([_message(event.boundary, shard, shards, event.correlation_id) for shard in range(shards)])
    return Triggered(
        venue=event.venue,
        timeframe=event.timeframe,
        close_time=event.close_time,
        claimed=claimed,
        shards=shards if claimed else 0,
        correlation_id=event.correlation_id,
    )


def sweep_boundaries(
    *,
    venues: VenueStore,
    candles: CandleLog,
    traders: TraderStore,
    runs: RunStore,
    queue: Queue,
    clock: Clock,
    traders_per_shard: int,
) -> Swept:
    """Repair what announcements missed: unclaimed boundaries, runs never finished, runs that failed."""
    expected = expected_boundaries(venues.enabled(), clock.now_ms())
    claimed = runs.claimed(expected)

    due = unclaimed(expected, claimed)

    stored = [boundary for boundary in due if _is_stored(boundary, candles, clock)]
    repaired = [
        trigger_boundary(
            _announcement(boundary),
            traders=traders,
            runs=runs,
            queue=queue,
            traders_per_shard=traders_per_shard,
            source="cron",
        )
        for boundary in stored
    ]
    overdue = runs.take_overdue(older_than_ms=OVERDUE_MS, limit=MAX_REDISPATCHED)
    if overdue:
        queue.send([ShardDue.of(shard, correlation_id).model_dump_json() for shard, correlation_id in overdue])
    return Swept(
        claimed=[triggered for triggered in repaired if triggered.claimed],
        redispatched=len(overdue),
        missing=[_announcement(boundary) for boundary in due if boundary not in stored],
    )


def _is_stored(boundary: ClosedBoundary, candles: CandleLog, clock: Clock) -> bool:
    bars = (clock.now_ms() - boundary.close_time) // boundary.timeframe.ms + 2
    return candles.frame(boundary.venue, boundary.timeframe, bars=bars).has_close(boundary.close_time)


def _announcement(boundary: ClosedBoundary) -> BoundaryClosed:
    return BoundaryClosed(
        venue=boundary.venue, timeframe=boundary.timeframe, close_time=boundary.close_time, correlation_id=new_id()
    )


def _message(boundary: ClosedBoundary, shard: int, shards: int, correlation_id: str) -> str:
    return ShardDue.of(Shard(boundary=boundary, shard=shard, shards=shards), correlation_id).model_dump_json()
