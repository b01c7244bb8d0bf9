"""Read what the market says of an intent's book: prices, candles, the instrument."""

from dataclasses import dataclass
from typing import Final

from shared.domain.timeframe import Timeframe
from shared.domain.trading.intents import Intent
from shared.domain.trading.market import MarketView, average_true_range, closes_of, marks_of
from shared.domain.trading.portfolio import places_of
from shared.domain.trading.records import BookView
from shared.ports import CandleLog, Clock, TickerBoard, VenueStore
from shared.trading_ports import InstrumentStore

HISTORY_BARS: Final = 500
HISTORY: Final = Timeframe.H1
"""The timeframe returns are told by: of those a venue collects the longest that is no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """Where prices, candles and instruments are read."""

    instruments: InstrumentStore
    tickers: TickerBoard
    candles: CandleLog
    venues: VenueStore
    clock: Clock


def read_market(view: BookView, intent: Intent | None, *, market: Market) -> MarketView:
    """Return the prices of everything a book holds, has reserved and is asked for, and the closes to tell risk by."""
    places = places_of(view, intent)
    symbols = {symbol for _, symbol in places}
    asked = [] if intent is None else market.instruments.list(venue=intent.venue, symbol=intent.symbol)
    allowed = [one for one in asked if one.venue in view.book.venues]
    collected = {each.venue: each.timeframes for each in market.venues.enabled()}
    at = [venue for venue in view.book.venues if venue in collected]
    timeframe = _history_timeframe([collected[venue] for venue in at])
    frames = {} if timeframe is None else {v: market.candles.frame(v, timeframe, bars=HISTORY_BARS) for v in at}
    instrument = allowed[0] if allowed else None
    atr = None
    if intent is not None and instrument is not None and instrument.venue in frames:
        atr = average_true_range(frames[instrument.venue], intent.symbol)
    return MarketView(
        now_ms=market.clock.now_ms(),
        instrument=instrument,
        marks=marks_of(market.tickers.now(list(at)), symbols),
        closes=None if timeframe is None else closes_of(frames, places, timeframe=timeframe),
        atr=atr,
    )


def _history_timeframe(collected: list[tuple[Timeframe, ...]]) -> Timeframe | None:
    """Return the longest timeframe up to `HISTORY` that all of the venues collect."""
    shared = set.intersection(*(set(each) for each in collected)) if collected else set()
    return max((each for each in shared if each.ms <= HISTORY.ms), key=lambda each: each.ms, default=None)
