"""Signals in Supabase: recorded by one function call, read newest first."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from postgrest import SyncPostgrestClient

from shared.adapters.supabase.client import PAGE, Query, Row, call, repeatable, rows
from shared.adapters.supabase.times import to_ms
from shared.domain.errors import FatalError, InvalidMessageError, NotFoundError
from shared.domain.runs import Recorded
from shared.domain.signals import Signal, StoredSignal
from shared.domain.timeframe import Timeframe
from shared.domain.traders import PositionSide

_COLUMNS: Final = (
    "signal_id,trader_id,venue,symbol,timeframe,close_time,side,price,rule_hash,values,correlation_id,recorded_at"
)


@dataclass(frozen=True, slots=True)
class SupabaseSignalStore:
    """Signals as rows of `signals`."""

    client: SyncPostgrestClient

    def record(self, venue: str, correlation_id: str, signals: Sequence[Signal]) -> Recorded:
        """Store the signals that are new."""
        values = {"p_venue": venue, "p_correlation_id": correlation_id, "p_signals": signal_values(signals)}
        return recorded(call(self.client, "record_signals", values))

    def get(self, signal_id: str) -> StoredSignal:
        """Return one signal; raise `NotFoundError`."""
        query = self.client.from_("signals").select(_COLUMNS).eq("signal_id", _checked_id(signal_id))
        found = rows(repeatable(query))
        if not found:
            raise NotFoundError(f"no signal {signal_id!r}")
        return _stored(found[0])

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
        equal = {"trader_id": trader_id, "symbol": symbol, "timeframe": timeframe and timeframe.value}
        found: list[StoredSignal] = []
        while len(found) < limit:
            cursor = (found[-1].signal.close_time, found[-1].signal_id) if found else before
            batch = rows(repeatable(self._page(min(limit - len(found), PAGE), cursor, equal, since_ms, person)))
            if not batch:
                break
            found += [_stored(row) for row in batch]
        return found

    def _page(
        self,
        limit: int,
        before: tuple[int, str] | None,
        equal: dict[str, str | None],
        since_ms: int | None,
        person: str | None,
    ) -> Query:
        query = self.client.from_("signals").select(
            _COLUMNS if person is None else f"{_COLUMNS},traders!inner(owner_id)"
        )
        if person is not None:
            query = query.or_(f'owner_id.is.null,owner_id.eq."{_checked_id(person)}"', reference_table="traders")
        for column, value in equal.items():
            if value is not None:
                query = query.eq(column, value)
        if since_ms is not None:
            query = query.gte("close_time", since_ms)
        if before is not None:
            close_time, signal_id = before
            query = query.or_(
                f'close_time.lt.{close_time},and(close_time.eq.{close_time},signal_id.lt."{_checked_id(signal_id)}")'
            )
        return query.order("close_time", desc=True).order("signal_id", desc=True).limit(limit)


def signal_values(signals: Sequence[Signal]) -> list[dict[str, Any]]:
    """Return signals as the recording functions take them; a value that is no number becomes null."""
    for signal in signals:
        if not math.isfinite(signal.price):
            raise InvalidMessageError("price", f"expected a finite price, got {signal.price}")
    return [
        {
            "trader_id": signal.trader_id,
            "symbol": signal.symbol,
            "timeframe": signal.timeframe.value,
            "close_time": signal.close_time,
            "side": signal.side.value,
            "price": signal.price,
            "rule_hash": signal.rule_hash,
            "values": {name: value if math.isfinite(value) else None for name, value in signal.values.items()},
        }
        for signal in signals
    ]


def recorded(data: Any) -> Recorded:
    """Read what the recording functions answer."""
    if not isinstance(data, dict):
        raise FatalError(f"the database answers {str(data)[:100]!r} instead of counts")
    return Recorded(new=data["new"], duplicate=data["duplicate"], intents=tuple(data["intents"]))


def _stored(row: Row) -> StoredSignal:
    return StoredSignal(
        signal_id=row["signal_id"],
        signal=Signal(
            trader_id=row["trader_id"],
            symbol=row["symbol"],
            timeframe=Timeframe(row["timeframe"]),
            close_time=int(row["close_time"]),
            side=PositionSide(row["side"]),
            price=float(row["price"]),
            rule_hash=row["rule_hash"],
            values={name: math.nan if value is None else float(value) for name, value in row["values"].items()},
        ),
        venue=row["venue"],
        correlation_id=row["correlation_id"],
        recorded_at_ms=to_ms(row["recorded_at"]),
    )


def _checked_id(signal_id: str) -> str:
    """Refuse an id that would change the filter it is put into."""
    if not signal_id.replace("-", "").isalnum():
        raise InvalidMessageError("before", f"expected a signal id, got {signal_id!r}")
    return signal_id
