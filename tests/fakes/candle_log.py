"""A candle log in memory: the reader and the writer share the streams, as they share a Redis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.domain.candles import Boundary, CandleFrame
from shared.domain.codec import decode_frame, encode
from shared.domain.timeframe import Timeframe

Streams = dict[tuple[str, Timeframe], list[dict[str, str]]]


@dataclass
class FakeCandleLogWriter:
    """The writing side; `statuses` is what the collector said about itself."""

    streams: Streams = field(default_factory=dict)
    depth: int = 1_000
    statuses: dict[str, dict[str, str]] = field(default_factory=dict)

    async def append(self, venue: str, boundaries: Sequence[Boundary]) -> None:
        """Append boundaries in order."""
        for boundary in boundaries:
            stream = self.streams.setdefault((venue, boundary.timeframe), [])
            stream.append(encode(boundary))
            del stream[: -self.depth]

    async def frame(self, venue: str, timeframe: Timeframe) -> CandleFrame:
        """Return what the log holds."""
        return decode_frame(timeframe, self.streams.get((venue, timeframe), []), bars=self.depth)

    async def status(self, venue: str, fields: Mapping[str, str], *, ttl_ms: int) -> None:
        """Keep the fields; nothing expires here."""
        self.statuses.setdefault(venue, {}).update(fields)


@dataclass
class FakeCandleLog:
    """The reading side."""

    streams: Streams = field(default_factory=dict)

    def frame(self, venue: str, timeframe: Timeframe, *, bars: int) -> CandleFrame:
        """Return the newest `bars` bars."""
        return decode_frame(timeframe, self.streams.get((venue, timeframe), []), bars=bars)

    def newest_close(self, venue: str, timeframe: Timeframe) -> int | None:
        """Return the newest close time."""
        return self.frame(venue, timeframe, bars=1).close_time or None
