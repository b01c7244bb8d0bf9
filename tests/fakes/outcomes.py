"""Outcomes of signals in memory; passes the same contract suite as the Supabase adapter."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from shared.domain.errors import InvalidMessageError
from shared.domain.outcomes import HORIZONS, Awaited, Outcome
from shared.domain.runs import ClosedBoundary
from shared.domain.scorecard import Tally
from shared.domain.signals import StoredSignal
from tests.fakes.stores import MemoryDatabase, MemorySignalStore

Key = TypeVar("Key")


@dataclass(slots=True)
class MemoryOutcomeStore:
    """Outcomes of the signals of a database, as the desk (`user_id` None) or a person sees them."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    user_id: str | None = None

    def due(self, boundary: ClosedBoundary, *, limit: int) -> Sequence[Awaited]:
        """Return the signals whose next outcome can be told at a boundary, oldest first."""
        found = []
        for row in self._visible():
            signal, bars = row.signal, self._next(row.signal_id)
            ripe = bars and signal.close_time + bars * signal.timeframe.ms <= boundary.close_time
            if ripe and (row.venue, signal.timeframe) == (boundary.venue, boundary.timeframe):
                found.append(
                    Awaited(row.signal_id, signal.symbol, signal.close_time, signal.side, signal.price, bars or 0)
                )
        return sorted(found, key=lambda awaited: (awaited.close_time, awaited.signal_id))[:limit]

    def record(self, outcomes: Sequence[Outcome]) -> int:
        """Store the outcomes that are new."""
        new = 0
        for outcome in outcomes:
            if outcome.bars not in HORIZONS:
                raise InvalidMessageError("bars", f"expected one of {HORIZONS}, got {outcome.bars}")
            key = (outcome.signal_id, outcome.bars)
            new += key not in self.database.outcomes
            self.database.outcomes.setdefault(key, outcome)
        return new

    def tallies(self, trader_id: str, *, bars: int, rule_hash: str | None = None) -> Sequence[Tally]:
        """Return the sums over a trader's signals: of all, by symbol, by hour."""
        rows = [
            row
            for row in self._visible()
            if row.signal.trader_id == trader_id and rule_hash in {None, row.signal.rule_hash}
        ]
        whole = [self._tally(rows, bars)] if rows else []
        by_symbol = _grouped(rows, lambda row: row.signal.symbol)
        by_hour = _grouped(rows, lambda row: row.signal.close_time // 3_600_000 % 24)
        return [
            *whole,
            *(self._tally(group, bars, symbol=symbol) for symbol, group in by_symbol.items()),
            *(self._tally(group, bars, hour=hour) for hour, group in by_hour.items()),
        ]

    def of_signal(self, signal_id: str) -> Sequence[Outcome]:
        """Return the outcomes of one signal, the nearest first."""
        seen = {row.signal_id for row in self._visible()}
        known = self.database.outcomes
        return [known[signal_id, bars] for bars in HORIZONS if (signal_id, bars) in known and signal_id in seen]

    def _visible(self) -> Iterable[StoredSignal]:
        return MemorySignalStore(self.database, self.user_id).list(limit=1_000_000)

    def _next(self, signal_id: str) -> int | None:
        done = max((bars for known, bars in self.database.outcomes if known == signal_id), default=0)
        return next((bars for bars in HORIZONS if bars > done), None)

    def _tally(
        self, rows: Sequence[StoredSignal], bars: int, *, symbol: str | None = None, hour: int | None = None
    ) -> Tally:
        outcomes = [self.database.outcomes.get((row.signal_id, bars)) for row in rows]
        known = [o for o in outcomes if o is not None and o.forward_return is not None]
        times = [row.signal.close_time for row in rows]
        return Tally(
            symbol=symbol,
            hour=hour,
            signals=len(rows),
            measured=len(known),
            hits=sum((o.forward_return or 0.0) > 0 for o in known),
            total_return=sum(o.forward_return or 0.0 for o in known),
            total_favourable=sum(o.favourable or 0.0 for o in known),
            total_adverse=sum(o.adverse or 0.0 for o in known),
            first_close_time=min(times),
            last_close_time=max(times),
        )


def _grouped(rows: Iterable[StoredSignal], key: Callable[[StoredSignal], Key]) -> dict[Key, list[StoredSignal]]:
    groups: dict[Key, list[StoredSignal]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups
