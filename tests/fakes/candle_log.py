"""A candle log in memory: the reader and the writer share the streams, as they share a Redis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.domain.candles import Boundary, CandleFrame
from shared.domain.codec import decode_frame, encode
from shared.domain.errors import FencedError
from shared.domain.lease import Tenure
from shared.domain.timeframe import Timeframe

Streams = dict[tuple[str, Timeframe], list[dict[str, str]]]


@dataclass
class FakeCandleLogWriter:
    """The writing side; `statuses` is what the collector said about itself, `leases` who may write which venue."""

    streams: Streams = field(default_factory=dict)
    depth: int = 1_000
    statuses: dict[str, dict[str, str]] = field(default_factory=dict)
    leases: Mapping[str, Tenure] = field(default_factory=dict)
    token: int = 0

    async def append(
        self, venue: str, boundaries: Sequence[Boundary], *, status: Mapping[str, str] | None = None
    ) -> None:
        """Append boundaries in order, or raise `FencedError`."""
        if self.leases.get(venue, Tenure()).token != self.token:
            raise FencedError("the lease has another token")
        self.statuses.setdefault(venue, {}).update(status or {})
        for boundary in boundaries:
            stream = self.streams.setdefault((venue, boundary.timeframe), [])
            stream.append(encode(boundary))
            del stream[: -self.depth]

    async def frame(self, venue: str, timeframe: Timeframe) -> CandleFrame:
        """Return what the log holds."""
        return decode_frame(timeframe, self.streams.get((venue, timeframe), []), bars=self.depth)


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
