"""Read what the market says of an intent's book: prices, candles, the instrument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeVar

from shared.domain.candles import CandleFrame
from shared.domain.errors import NightdeskError
from shared.domain.tickers import VenueNow
from shared.domain.timeframe import Timeframe
from shared.domain.trading.closes import average_true_range, closes_of
from shared.domain.trading.market import MarketView, marks_of
from shared.domain.trading.portfolio import places_of

if TYPE_CHECKING:
    from shared.domain.trading.intents import Intent
    from shared.domain.trading.records import BookView
    from shared.ports import CandleLog, Clock, TickerBoard, VenueStore
    from shared.venue_ports import InstrumentStore

Answer = TypeVar("Answer", VenueNow, CandleFrame)
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


def read_once(market: Market) -> Market:
    """Return a market of which each part is read once, for whoever tells many books by it in one moment."""
    once = _Once(tickers=market.tickers, candles=market.candles)
    return replace(market, tickers=once, candles=once)


@dataclass(slots=True, kw_only=True)
class _Once:
    """Tickers and candles, each asked for once; what could not be read is not asked for again."""

    tickers: TickerBoard
    candles: CandleLog
    _boards: dict[str, VenueNow | NightdeskError] = field(default_factory=dict)
    _frames: dict[tuple[str, Timeframe, int], CandleFrame | NightdeskError] = field(default_factory=dict)

    def now(self, venues: Sequence[str]) -> Mapping[str, VenueNow]:
        """Return the newest snapshots of each venue."""
        for venue in venues:
            if venue not in self._boards:
                try:
                    self._boards |= self.tickers.now([venue])
                except NightdeskError as error:
                    self._boards[venue] = error
        return {venue: _told(self._boards[venue]) for venue in venues}

    def frame(self, venue: str, timeframe: Timeframe, *, bars: int) -> CandleFrame:
        """Return the newest bars of every symbol."""
        key = (venue, timeframe, bars)
        if key not in self._frames:
            try:
                self._frames[key] = self.candles.frame(venue, timeframe, bars=bars)
            except NightdeskError as error:
                self._frames[key] = error
        return _told(self._frames[key])

    def newest_close(self, venue: str, timeframe: Timeframe) -> int | None:
        """Return the close time of the newest boundary, asked anew."""
        return self.candles.newest_close(venue, timeframe)


def _told(answer: Answer | NightdeskError) -> Answer:
    if isinstance(answer, NightdeskError):
        raise answer
    return answer


def _history_timeframe(collected: list[tuple[Timeframe, ...]]) -> Timeframe | None:
    """Return the longest timeframe up to `HISTORY` that all of the venues collect."""
    shared = set.intersection(*(set(each) for each in collected)) if collected else set()
    return max((each for each in shared if each.ms <= HISTORY.ms), key=lambda each: each.ms, default=None)
