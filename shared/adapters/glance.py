"""One glance at the market: what it has read answers for everything that is asked in the same moment.

A paper account looks at the market of every order it has, at every call; without this, reconciling twenty positions
read the same tickers and candles two thousand times.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from shared.domain.candles import CandleFrame
from shared.domain.tickers import VenueNow
from shared.domain.timeframe import Timeframe
from shared.ports import CandleLog, Clock, TickerBoard

MOMENT_MS: Final = 250
"""Far less than the seconds between two writes of tickers."""


@dataclass(slots=True, kw_only=True)
class Glance:
    """Candle log and ticker board, each answer remembered for a moment of real time; errors are not."""

    candles: CandleLog
    tickers: TickerBoard
    wall_clock: Clock
    _frames: dict[tuple[str, Timeframe, int], tuple[int, CandleFrame]] = field(default_factory=dict)
    _boards: dict[tuple[str, ...], tuple[int, Mapping[str, VenueNow]]] = field(default_factory=dict)

    def frame(self, venue: str, timeframe: Timeframe, *, bars: int) -> CandleFrame:
        """Return the newest bars of every symbol, as the log had them a moment ago."""
        key = (venue, timeframe, bars)
        read_ms, frame = self._frames.get(key, (None, None))
        if frame is None or not self._is_fresh(read_ms):
            self._frames[key] = self.wall_clock.now_ms(), (frame := self.candles.frame(venue, timeframe, bars=bars))
        return frame

    def newest_close(self, venue: str, timeframe: Timeframe) -> int | None:
        """Return the close time of the newest boundary, asked anew."""
        return self.candles.newest_close(venue, timeframe)

    def now(self, venues: Sequence[str]) -> Mapping[str, VenueNow]:
        """Return the newest snapshots of each venue, as they were a moment ago."""
        key = tuple(venues)
        read_ms, board = self._boards.get(key, (None, None))
        if board is None or not self._is_fresh(read_ms):
            self._boards[key] = self.wall_clock.now_ms(), (board := self.tickers.now(venues))
        return board

    def _is_fresh(self, read_ms: int | None) -> bool:
        return read_ms is not None and 0 <= self.wall_clock.now_ms() - read_ms < MOMENT_MS
