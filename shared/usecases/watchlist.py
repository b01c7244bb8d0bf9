"""The traders a warm function keeps compiled, brought up to date by asking only for what changed."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.domain.decision import CompiledTrader, compile_trader
from shared.domain.errors import InvalidMessageError
from shared.domain.traders import Trader, shard_of

if TYPE_CHECKING:
    from shared.domain.timeframe import Timeframe
    from shared.ports import Clock, TraderStore, VenueStore

OVERLAP_MS = 5_000
"""How far back a refresh asks again: a row stamped before the last refresh may have been committed after it."""
VENUES_FRESH_MS = 60_000

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Watchlist:
    """Every trader that is evaluated, compiled: a cache. A cold process reads all of them, a warm one what changed."""

    store: TraderStore
    venues: VenueStore
    clock: Clock
    _timeframes: dict[str, tuple[Timeframe, ...]] = field(default_factory=dict)
    _timeframes_read_ms: int = 0
    _traders: dict[str, Trader] = field(default_factory=dict)
    _compiled: dict[str, CompiledTrader] = field(default_factory=dict)
    _broken: dict[str, str] = field(default_factory=dict)
    _cursor_ms: int = 0

    def refresh(self) -> None:
        """Take in edits, disables, deletes, and changes of what owners' tiers have, made since the last refresh."""
        self._read_venues()
        since = max(self._cursor_ms - OVERLAP_MS, 0)
        changed = self.store.changed_since(since)
        for trader_id in self.store.deleted_since(since):
            self._forget(trader_id)
        for trader in changed:
            self._cursor_ms = max(self._cursor_ms, trader.updated_at_ms)
            if self._traders.get(trader.trader_id) != trader:
                self._learn(trader)

    def waiting(
        self, venue: str, timeframe: Timeframe, *, shard: int, shards: int
    ) -> tuple[list[CompiledTrader], dict[str, str]]:
        """Return a shard's traders of a timeframe, and why those that do not compile cannot run, by trader id."""
        ids = [
            trader.trader_id
            for trader in self._traders.values()
            if trader.venue == venue and trader.timeframe is timeframe and shard_of(trader.trader_id, shards) == shard
        ]
        compiled = [self._compiled[trader_id] for trader_id in ids if trader_id in self._compiled]
        return compiled, {trader_id: self._broken[trader_id] for trader_id in ids if trader_id in self._broken}

    def _read_venues(self) -> None:
        """Learn now and then which timeframes are collected; a change compiles every trader anew."""
        now_ms = self.clock.now_ms()
        if self._timeframes and now_ms - self._timeframes_read_ms < VENUES_FRESH_MS:
            return
        timeframes = {venue.venue: venue.timeframes for venue in self.venues.enabled()}
        self._timeframes_read_ms = now_ms
        if timeframes != self._timeframes:
            self._timeframes = timeframes
            for trader in tuple(self._traders.values()):
                self._learn(trader)

    def _learn(self, trader: Trader) -> None:
        self._forget(trader.trader_id)
        if not trader.is_evaluated:
            return
        self._traders[trader.trader_id] = trader
        try:
            self._compiled[trader.trader_id] = compile_trader(trader, timeframes=self._timeframes.get(trader.venue, ()))
        except InvalidMessageError as error:
            logger.warning("trader %s does not compile: %s", trader.trader_id, error)
            self._broken[trader.trader_id] = str(error)

    def _forget(self, trader_id: str) -> None:
        for known in (self._traders, self._compiled, self._broken):
            known.pop(trader_id, None)
