"""The monitor in Supabase: its runs and their lease, and what its checks read, each one SQL function."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeVar

from postgrest import SyncPostgrestClient
from pydantic import ValidationError

from shared.adapters.row_type import RowType
from shared.adapters.supabase.client import call
from shared.adapters.supabase.errors import SOURCE
from shared.domain.errors import TransientError
from shared.domain.monitor_facts import (
    OpenOrders,
    OpenRuns,
    SignalFlow,
    Sizes,
    VenueAnswer,
    WaitingIntents,
    WatchedVenue,
)
from shared.domain.monitoring import MonitorRun
from shared.monitor_ports import Turn

Told = TypeVar("Told")

_TURN: Final = RowType(Turn)
_RUN: Final[RowType[MonitorRun | None]] = RowType(MonitorRun | None)
_VENUES: Final = RowType(tuple[WatchedVenue, ...])
_FLOWS: Final = RowType(tuple[SignalFlow, ...])
_INTENTS: Final = RowType(WaitingIntents)
_RUNS: Final = RowType(OpenRuns)
_ORDERS: Final = RowType(OpenOrders)
_SIZES: Final = RowType(Sizes)


@dataclass(frozen=True, slots=True)
class SupabaseMonitorStore:
    """The monitor's record as rows of `monitor_runs`, its lease as the row of `monitor_lease`."""

    client: SyncPostgrestClient

    def begin(self, run_id: str, *, task: str, at_ms: int, lease_ms: int) -> Turn:
        """Take the lease for a run; the turn is not held while another run has it."""
        values = {"p_run_id": run_id, "p_task": task, "p_at_ms": at_ms, "p_lease_ms": lease_ms}
        return self._read(_TURN, "begin_monitor_run", values)

    def finish(self, run: MonitorRun, *, task: str) -> None:
        """Record what a run found, and give the lease back."""
        found = {
            "success": run.success,
            "duration_ms": run.duration_ms,
            "causes": list(run.causes),
            "results": list(run.results),
            "kept_unread": run.kept_unread,
            "restored_ms": run.restored_ms,
        }
        values = {"p_run_id": run.run_id, "p_task": task, "p_at_ms": run.at_ms, "p_result": found}
        call(self.client, "finish_monitor_run", values)

    def last_run(self) -> MonitorRun | None:
        """Return the newest finished run of all tasks, None before the first."""
        return self._read(_RUN, "last_monitor_run", {})

    def venues(self) -> Sequence[WatchedVenue]:
        """Return every venue, also those that are off, by name."""
        return self._read(_VENUES, "watch_venues", {})

    def record_answers(self, answers: Sequence[VenueAnswer]) -> None:
        """Store how venues answered just now."""
        call(self.client, "record_venue_health", {"p_answers": [asdict(each) for each in answers]})

    def marked(self, book_ids: Sequence[str], *, since_ms: int) -> frozenset[str]:
        """Return those of the books whose equity was marked since an instant (market time)."""
        return frozenset(call(self.client, "marked_books", {"p_book_ids": [*book_ids], "p_since_ms": since_ms}))

    def signals(self, *, window_ms: int) -> Sequence[SignalFlow]:
        """Return what runs did that finished within a window, by venue and timeframe."""
        return self._read(_FLOWS, "watch_signals", {"p_window_ms": window_ms})

    def intents(self, *, now_ms: int, grace_ms: int) -> WaitingIntents:
        """Return intents that wait, and those that should have ended a grace before now (market time)."""
        return self._read(_INTENTS, "watch_intents", {"p_now_ms": now_ms, "p_grace_ms": grace_ms})

    def runs(self, *, window_ms: int) -> OpenRuns:
        """Return runs that are not finished, and how many were given up within a window."""
        return self._read(_RUNS, "watch_runs", {"p_window_ms": window_ms})

    def orders(self, *, doubt_ms: int) -> OpenOrders:
        """Return what reconciliation has yet to settle; orders in doubt for longer than `doubt_ms`."""
        return self._read(_ORDERS, "watch_orders", {"p_doubt_ms": doubt_ms})

    def sizes(self) -> Sizes:
        """Return what the database takes."""
        return self._read(_SIZES, "watch_sizes", {})

    def forget(self, table: str, *, keep_ms: int, now_ms: int, limit: int) -> int:
        """Remove up to `limit` rows of a table that are older, and return how many."""
        values = {"p_table": table, "p_keep_ms": keep_ms, "p_now_ms": now_ms, "p_limit": limit}
        return int(call(self.client, "forget_rows", values))

    def _read(self, shape: RowType[Told], function: str, values: Mapping[str, Any]) -> Told:
        answer = call(self.client, function, dict(values))
        try:
            return shape.read(answer)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            said = f"{function} answers what cannot be read: {first['loc']} {first['msg']}"
            raise TransientError(said, source=SOURCE) from error
