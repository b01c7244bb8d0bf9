"""Say where a trader would have fired over the log's history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.domain.errors import InvalidMessageError
from shared.domain.history import HistoryPage, history
from shared.domain.rules import Market
from shared.domain.universe import is_member
from shared.usecases.markets import compile_for

if TYPE_CHECKING:
    from shared.domain.traders import Trader
    from shared.ports import CandleLog, VenueStore


def trader_history(
    trader: Trader,
    *,
    venues: VenueStore,
    candles: CandleLog,
    since: int | None,
    until: int | None,
    symbol: str | None,
    limit: int,
) -> HistoryPage:
    """Return a page of firings at boundaries in `[since, until]` (epoch ms; None is the log's end), newest first."""
    if symbol is not None and not is_member(trader.universe, symbol):
        raise InvalidMessageError("symbol", f"{symbol} is not in the trader's universe")
    compiled = compile_for(trader, venues)
    depth = next(venue.log_depth for venue in venues.enabled() if venue.venue == trader.venue)
    market = Market({timeframe: candles.frame(trader.venue, timeframe, bars=depth) for timeframe in compiled.needs})
    newest = market.frames[trader.timeframe].close_time

    return history(
        compiled,
        market,
        since=0 if since is None else since,
        until=newest if until is None else min(until, newest),
        limit=limit,
        symbol=symbol,
    )
