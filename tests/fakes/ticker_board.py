"""A ticker board in memory: the reader and the writer share the texts, as they share a Redis."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.adapters.redis_tickers import funding_key, read_snapshot, tickers_key
from shared.domain.errors import TransientError
from shared.domain.ticker_codec import encode_snapshot
from shared.domain.tickers import Funding, Snapshot, Ticker, VenueNow

Texts = dict[str, tuple[str, float]]
"""What each key holds, and until when (monotonic seconds)."""


@dataclass
class FakeTickerBoardWriter:
    """The writing side, which is away for the first `failures` writes; `ttls` are the times to live asked for."""

    texts: Texts = field(default_factory=dict)
    failures: int = 0
    ttls: list[int] = field(default_factory=list)

    async def write_tickers(self, venue: str, snapshot: Snapshot[Ticker], *, ttl_ms: int) -> None:
        """Put up tickers."""
        self._set(tickers_key(venue), encode_snapshot(snapshot, Ticker), ttl_ms)

    async def write_funding(self, venue: str, snapshot: Snapshot[Funding], *, ttl_ms: int) -> None:
        """Put up funding."""
        self._set(funding_key(venue), encode_snapshot(snapshot, Funding), ttl_ms)

    def _set(self, key: str, text: str, ttl_ms: int) -> None:
        if self.failures:
            self.failures -= 1
            raise TransientError("the board is away")
        self.ttls.append(ttl_ms)
        self.texts[key] = (text, time.monotonic() + ttl_ms / 1_000)


@dataclass
class FakeTickerBoard:
    """The reading side."""

    texts: Texts = field(default_factory=dict)

    def now(self, venues: Sequence[str]) -> Mapping[str, VenueNow]:
        """Return what has not expired."""
        return {
            venue: VenueNow(
                read_snapshot(self._get(tickers_key(venue)), Ticker),
                read_snapshot(self._get(funding_key(venue)), Funding),
            )
            for venue in venues
        }

    def _get(self, key: str) -> str | None:
        text, until = self.texts.get(key, (None, 0.0))
        return text if time.monotonic() < until else None
