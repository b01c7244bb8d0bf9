"""Watch the running desk from outside: the rows its functions write, read with the service key."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from postgrest import CountMethod, SyncPostgrestClient

_PAGE: Final = 1_000
_RUN: Final = "timeframe,close_time,status,traders,evaluations,signals_new,signals_duplicate,errors,duration_ms"
_SIGNAL: Final = "trader_id,symbol,timeframe,close_time,price,side,recorded_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A finished or unfinished run, as the view and the report need it."""

    timeframe: str
    close_time: int
    status: str
    traders: int
    evaluations: int
    signals_new: int
    signals_duplicate: int
    errors: int
    duration_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalRow:
    """A recorded signal; times in epoch ms, `recorded_at_ms` by the database's real clock."""

    trader_id: str
    symbol: str
    timeframe: str
    close_time: int
    price: float
    side: str
    recorded_at_ms: float


class Observer:
    """Reads runs and signals of boundaries that closed after an instant (epoch ms)."""

    def __init__(self, database: SyncPostgrestClient, *, since: int) -> None:
        self._database = database
        self._since = since

    def runs(self) -> list[RunRow]:
        """Return every run, oldest boundary first."""
        return [_run(row) for row in self._all("execution_runs", _RUN, ("close_time", "timeframe", "shard"))]

    def signals(self) -> list[SignalRow]:
        """Return every signal, oldest boundary first."""
        return [_signal(row) for row in self._all("signals", _SIGNAL, ("close_time", "signal_id"))]

    def newest_runs(self, limit: int) -> list[RunRow]:
        """Return the newest runs, newest boundary first."""
        return [_run(row) for row in self._newest("execution_runs", _RUN, limit)]

    def newest_signals(self, limit: int) -> list[SignalRow]:
        """Return the newest signals, newest boundary first."""
        return [_signal(row) for row in self._newest("signals", _SIGNAL, limit)]

    def count_signals(self) -> int:
        """Return how many signals were recorded."""
        query = self._database.from_("signals").select("signal_id", count=CountMethod.exact, head=True)
        return int(query.gt("close_time", self._since).execute().count or 0)

    def count_finished(self) -> int:
        """Return how many boundaries have their first shard finished."""
        query = self._database.from_("execution_runs").select("shard", count=CountMethod.exact, head=True)
        query = query.gt("close_time", self._since).eq("shard", 0).eq("status", "finished")
        return int(query.execute().count or 0)

    def alerts(self) -> dict[str, str]:
        """Return the severity of everything that was found wrong, by cause."""
        rows: Any = self._database.from_("alerts").select("dedupe_key,severity").order("dedupe_key").execute().data
        return {row["dedupe_key"]: row["severity"] for row in rows}

    def _newest(self, table: str, columns: str, limit: int) -> list[dict[str, Any]]:
        query = self._database.from_(table).select(columns).gt("close_time", self._since)
        rows: Any = query.order("close_time", desc=True).limit(limit).execute().data
        return list(rows)

    def _all(self, table: str, columns: str, order: tuple[str, ...]) -> list[dict[str, Any]]:
        """Read a whole table in pages: PostgREST cuts an answer at 1,000 rows without a word."""
        rows: list[dict[str, Any]] = []
        while True:
            query = self._database.from_(table).select(columns).gt("close_time", self._since)
            for column in order:
                query = query.order(column)
            page: Any = query.range(len(rows), len(rows) + _PAGE - 1).execute().data
            rows += page
            if len(page) < _PAGE:
                return rows


def _run(row: dict[str, Any]) -> RunRow:
    return RunRow(
        timeframe=row["timeframe"],
        close_time=row["close_time"],
        status=row["status"],
        traders=row["traders"] or 0,
        evaluations=row["evaluations"] or 0,
        signals_new=row["signals_new"] or 0,
        signals_duplicate=row["signals_duplicate"] or 0,
        errors=row["errors"] or 0,
        duration_ms=row["duration_ms"] or 0.0,
    )


def _signal(row: dict[str, Any]) -> SignalRow:
    return SignalRow(
        trader_id=row["trader_id"],
        symbol=row["symbol"],
        timeframe=row["timeframe"],
        close_time=row["close_time"],
        price=float(row["price"]),
        side=row["side"],
        recorded_at_ms=datetime.fromisoformat(row["recorded_at"]).timestamp() * 1_000,
    )
