"""Outcomes of signals in Supabase: each method is one SQL function, safe to repeat."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from postgrest import SyncPostgrestClient

from shared.adapters.supabase.client import Row, call, repeatable, rows
from shared.domain.outcomes import Awaited, Outcome
from shared.domain.runs import ClosedBoundary
from shared.domain.scorecard import Tally
from shared.domain.traders import PositionSide


@dataclass(frozen=True, slots=True)
class SupabaseOutcomeStore:
    """Outcomes as rows of `signal_outcomes`; the client's key or token decides whose signals are seen."""

    client: SyncPostgrestClient

    def due(self, boundary: ClosedBoundary, *, limit: int) -> Sequence[Awaited]:
        """Return the signals whose next outcome can be told at a boundary, oldest first."""
        where = {
            "p_venue": boundary.venue,
            "p_timeframe": boundary.timeframe.value,
            "p_close_time": boundary.close_time,
            "p_limit": limit,
        }
        return [_awaited(row) for row in call(self.client, "due_outcomes", where)]

    def record(self, outcomes: Sequence[Outcome]) -> int:
        """Store the outcomes that are new, each with its signal's progress; return how many."""
        return int(call(self.client, "record_outcomes", {"p_outcomes": [o._asdict() for o in outcomes]}))

    def tallies(self, trader_id: str, *, bars: int, rule_hash: str | None = None) -> Sequence[Tally]:
        """Return the sums over a trader's signals: of all, by symbol, by hour."""
        asked = {"p_trader_id": trader_id, "p_bars": bars, "p_rule_hash": rule_hash}
        found: list[dict[str, Any]] = call(self.client, "outcome_tallies", asked)
        return [Tally(**row) for row in found]

    def of_signal(self, signal_id: str) -> Sequence[Outcome]:
        """Return the outcomes of one signal, the nearest first."""
        query = (
            self.client.from_("signal_outcomes")
            .select("signal_id,bars,forward_return,favourable,adverse")
            .eq("signal_id", signal_id)
            .order("bars")
        )
        return [Outcome(**row) for row in rows(repeatable(query))]


def _awaited(row: Row) -> Awaited:
    return Awaited(
        signal_id=row["signal_id"],
        symbol=row["symbol"],
        close_time=int(row["close_time"]),
        side=PositionSide(row["side"]),
        price=float(row["price"]),
        bars=int(row["bars"]),
    )
