"""Gather what deciding needs: a trader compiled for its venue, and the candles it looks at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared.domain.decision import CompiledTrader, compile_trader
from shared.domain.errors import InvalidMessageError, TransientError
from shared.domain.rules import Market
from shared.domain.runs import ClosedBoundary

if TYPE_CHECKING:
    from shared.domain.candles import CandleFrame
    from shared.domain.timeframe import Timeframe
    from shared.domain.traders import Trader
    from shared.ports import CandleLog, Clock, VenueStore


def compile_for(trader: Trader, venues: VenueStore) -> CompiledTrader:
    """Compile a trader against its venue: what is collected there, and how deep the log is."""
    known = {venue.venue: venue for venue in venues.enabled()}
    if trader.venue not in known:
        raise InvalidMessageError("venue", f"expected one of {', '.join(sorted(known))}, got {trader.venue!r}")
    venue = known[trader.venue]
    compiled = compile_trader(trader, timeframes=venue.timeframes)
    for timeframe, bars in compiled.needs.items():
        if bars > venue.log_depth:
            raise InvalidMessageError("rule", f"looks back {bars} {timeframe} candles, the log keeps {venue.log_depth}")
    return compiled


def last_boundary(trader: Trader, candles: CandleLog, clock: Clock) -> ClosedBoundary:
    """Return the newest boundary of a trader's timeframe that is in the log, not after the desk's now."""
    newest = candles.newest_close(trader.venue, trader.timeframe)
    if newest is None:
        raise TransientError(f"no {trader.timeframe} candles of {trader.venue} in the log yet")
    close_time = min(newest, trader.timeframe.last_close(clock.now_ms()))
    return ClosedBoundary(venue=trader.venue, timeframe=trader.timeframe, close_time=close_time)


def read_market(
    boundary: ClosedBoundary, traders: Sequence[CompiledTrader], candles: CandleLog, clock: Clock, *, bars: int = 1
) -> Market:
    """Read every timeframe the traders look at, as deep as they look; the boundary itself must be there.

    At least `bars` of its own timeframe are read. A boundary evaluated late lies behind newer bars, which are read
    along with it.
    """
    late_ms = max(clock.now_ms() - boundary.close_time, 0)
    needs = bars_needed(traders)
    needs[boundary.timeframe] = max(needs.get(boundary.timeframe, 0), bars)
    frames: dict[Timeframe, CandleFrame] = {
        timeframe: candles.frame(boundary.venue, timeframe, bars=count + late_ms // timeframe.ms)
        for timeframe, count in needs.items()
    }
    if not frames[boundary.timeframe].has_close(boundary.close_time):
        raise TransientError(
            f"{boundary.venue} {boundary.timeframe}: the candles closed at {boundary.close_time} are not in the log"
        )
    return Market(frames)


def bars_needed(traders: Sequence[CompiledTrader]) -> dict[Timeframe, int]:
    """Return how many bars of each timeframe a set of traders looks at."""
    needs: dict[Timeframe, int] = {}
    for trader in traders:
        for timeframe, bars in trader.needs.items():
            needs[timeframe] = max(bars, needs.get(timeframe, 0))
    return needs
