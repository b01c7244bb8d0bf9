"""Execution runs in Supabase: each method is one SQL function, one transaction, safe to repeat."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import uuid4

from postgrest import SyncPostgrestClient

from shared.adapters.supabase.client import call
from shared.adapters.supabase.signals import recorded, signal_values
from shared.domain.errors import NotFoundError
from shared.domain.runs import ClosedBoundary, Recorded, RunResult, Shard, split_digests
from shared.domain.signals import Signal
from shared.domain.timeframe import Timeframe


@dataclass(frozen=True, slots=True)
class SupabaseRunStore:
    """Execution runs as rows of `execution_runs`; the database's clock decides leases and waits."""

    client: SyncPostgrestClient

    def claim(self, boundary: ClosedBoundary, *, shards: int, source: str, correlation_id: str) -> bool:
        """Claim a boundary and create its pending runs in one step; False when it was claimed before."""
        claim = {"p_shards": shards, "p_source": source, "p_correlation_id": correlation_id, "p_claim_id": str(uuid4())}
        return bool(self._call("claim_boundary", _key(boundary) | claim))

    def claimed(self, boundaries: Sequence[ClosedBoundary]) -> frozenset[ClosedBoundary]:
        """Return those of the boundaries that have been claimed."""
        asked = [asdict(boundary) for boundary in boundaries]
        return frozenset(_boundary(row) for row in self._call("claimed_boundaries", {"p_boundaries": asked}))

    def take_overdue(self, *, older_than_ms: int, limit: int) -> Sequence[tuple[Shard, str]]:
        """Take pending, expired or failed runs for a new dispatch, oldest first, with their correlation ids."""
        taken = self._call("take_overdue_runs", {"p_older_than_ms": older_than_ms, "p_limit": limit})
        return [
            (Shard(boundary=_boundary(row), shard=row["shard"], shards=row["shards"]), row["correlation_id"])
            for row in taken
        ]

    def start(self, shard: Shard, *, lease_ms: int) -> bool:
        """Lease a run; False when it is finished, unknown, or leased to somebody else whose lease has not expired."""
        lease = {"p_shard": shard.shard, "p_lease_ms": lease_ms, "p_holder": str(uuid4())}
        return bool(self._call("start_run", _key(shard.boundary) | lease))

    def finish(
        self, shard: Shard, *, result: RunResult, signals: Sequence[Signal], digests: Sequence[str] = ()
    ) -> Recorded:
        """Store the signals that are new and mark the run finished, in one transaction; a finished run stays as is."""
        outcome = {
            "p_shard": shard.shard,
            "p_result": asdict(result),
            "p_signals": signal_values(signals),
            "p_digests": "".join(digests),
        }
        data = self._call("finish_run", _key(shard.boundary) | outcome)
        if not data:
            raise NotFoundError(f"no run {shard}")
        return recorded(data)

    def fail(self, shard: Shard, *, error: str) -> None:
        """Give a run back with the reason, for the next dispatch."""
        if not self._call("fail_run", _key(shard.boundary) | {"p_shard": shard.shard, "p_error": error}):
            raise NotFoundError(f"no run {shard}")

    def digests(self, boundary: ClosedBoundary) -> frozenset[str] | None:
        """Return the digests of all decisions at a boundary; None when no finished run of it is on record."""
        found = self._call("run_digests_at", _key(boundary))
        return None if found is None else split_digests(found)

    def _call(self, function: str, values: dict[str, Any]) -> Any:
        return call(self.client, function, values)


def _key(boundary: ClosedBoundary) -> dict[str, Any]:
    return {
        "p_venue": boundary.venue,
        "p_timeframe": boundary.timeframe.value,
        "p_close_time": boundary.close_time,
    }


def _boundary(row: dict[str, Any]) -> ClosedBoundary:
    return ClosedBoundary(venue=row["venue"], timeframe=Timeframe(row["timeframe"]), close_time=int(row["close_time"]))
