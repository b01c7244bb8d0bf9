"""Read what a plan is made of: what venues offer, what has traded there at which time of the day, what trades now."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.domain.errors import RejectedError, TransientError
from shared.domain.timeframe import Timeframe
from shared.domain.trading.accounts import account_of
from shared.domain.trading.intents import AlgorithmName
from shared.domain.trading.measures import offer_of
from shared.domain.trading.money import total
from shared.domain.trading.plans import Plan
from shared.domain.trading.records import IntentView
from shared.domain.trading.routing import VenueOffer
from shared.domain.trading.schedules import VolumeHistory, volume_history
from shared.domain.trading.states import TradingState
from shared.ports import CandleLog
from shared.trading_ports import Books, InstrumentStore, Measures
from shared.usecases.working import Exchanges

VOLUME_TIMEFRAME: Final = Timeframe.M15
VOLUME_BARS: Final = 1_000


@dataclass(slots=True, kw_only=True)
class Offers:
    """What the venues of one intent offer: read when it is asked for, and again only once an order was sent."""

    books: Books
    instruments: InstrumentStore
    measures: Measures
    exchanges: Exchanges
    _read: tuple[VenueOffer, ...] | None = None

    def of(self, view: IntentView) -> Sequence[VenueOffer]:
        """Return what its venues offer now; one that does not answer is left out, all while trading halts."""
        if view.state is TradingState.HALTED:
            return ()
        if self._read is None:
            self._read = tuple(self._offers(view))
        return self._read

    def forget(self) -> None:
        """Read anew when asked again: an order is being sent, which takes what was there."""
        self._read = None

    def _offers(self, view: IntentView) -> list[VenueOffer]:
        intent = view.intent
        account = account_of(intent.book_id, intent.mode)
        venues = self.books.get(intent.book_id).venues
        offers = []
        for instrument in self.instruments.list(venue=intent.venue, symbol=intent.symbol):
            if instrument.venue not in venues:
                continue
            try:
                depth = self.exchanges.of(instrument.venue, account).depth(intent.symbol)
            except (TransientError, RejectedError):
                continue
            offers.append(offer_of(instrument, depth, self.measures.of(intent.mode)))
        return offers


def volumes_for(view: IntentView, offers: Sequence[VenueOffer], *, candles: CandleLog) -> VolumeHistory | None:
    """Return what has traded by the time of day, where an algorithm asks for it: the longest history of fine bars."""
    algorithm = view.intent.algorithm
    if not offers or (algorithm.name is not AlgorithmName.VWAP and algorithm.participation_rate is None):
        return None
    frame = candles.frame(offers[0].venue, VOLUME_TIMEFRAME, bars=VOLUME_BARS)
    history = volume_history(frame, view.intent.symbol)
    return history if history.bars else None


def observed_qty(plan: Plan, *, candles: CandleLog) -> Decimal | None:
    """Return what has traded since a plan that follows the volume was started, in base units; None when not known."""
    if plan.algorithm.name is not AlgorithmName.POV or not plan.venues:
        return None
    frame = candles.frame(plan.venues[0], Timeframe.M1, bars=VOLUME_BARS)
    bars = volume_history(frame, plan.symbol).bars
    if not bars or bars[-1][0] < plan.started_at_ms:
        return None
    return total(qty for open_ms, qty in bars if open_ms >= plan.started_at_ms)
