"""Read the newest candles of a symbol from the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared.domain.errors import NotFoundError

if TYPE_CHECKING:
    from shared.domain.candles import Candle
    from shared.domain.timeframe import Timeframe
    from shared.ports import CandleLog


def newest_candles(venue: str, symbol: str, timeframe: Timeframe, *, limit: int, log: CandleLog) -> Sequence[Candle]:
    """Return the newest `limit` closed candles of a symbol, oldest first; raise `NotFoundError` if the log has none."""
    frame = log.frame(venue, timeframe, bars=limit)
    if symbol not in frame.symbols:
        raise NotFoundError(f"no {timeframe} candles of {symbol} on {venue} in the log")
    return frame.candles(symbol)[-limit:]
