"""Read what a plan is made of: what venues offer, what has traded there at which time of the day, what trades now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from shared.domain.errors import InvalidMessageError, RejectedError, TransientError
from shared.domain.trading.accounts import account_of
from shared.domain.trading.algorithms import follows_volume, volume_timeframe
from shared.domain.trading.intents import AlgorithmName
from shared.domain.trading.measures import offer_of
from shared.domain.trading.money import total
from shared.domain.trading.schedules import VolumeHistory, volume_history
from shared.domain.trading.states import TradingState

if TYPE_CHECKING:
    from shared.book_ports import Books
    from shared.domain.timeframe import Timeframe
    from shared.domain.trading.plans import Plan
    from shared.domain.trading.records import IntentView
    from shared.domain.trading.routing import VenueOffer
    from shared.ports import CandleLog, VenueStore
    from shared.usecases.working import Exchanges
    from shared.venue_ports import InstrumentStore, Measures

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
        """Return what its venues offer now; one that does not answer, or may not be traded at, is left out."""
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
            if instrument.venue not in venues or view.is_barred(instrument.venue):
                continue
            try:
                depth = self.exchanges.of(instrument.venue, account).depth(intent.symbol)
            except (TransientError, RejectedError):
                continue
            offers.append(offer_of(instrument, depth, self.measures.of(intent.mode)))
        return offers


def volumes_for(
    view: IntentView, offers: Sequence[VenueOffer], *, candles: CandleLog, venues: VenueStore
) -> Mapping[str, VolumeHistory]:
    """Return what has traded at each venue that may be chosen, where an algorithm goes by it.

    Raise `InvalidMessageError` with what is missing where it is known of none of them.
    """
    algorithm, symbol = view.intent.algorithm, view.intent.symbol
    if not offers or not follows_volume(algorithm):
        return {}
    found: dict[str, VolumeHistory] = {}
    missing: list[str] = []
    collected = _collected(venues)
    for venue in sorted(offer.venue for offer in offers):
        try:
            timeframe = volume_timeframe(algorithm, collected.get(venue, ()))
        except InvalidMessageError as error:
            missing.append(f"{venue}: {error.problem}")
            continue
        history = volume_history(candles.frame(venue, timeframe, bars=VOLUME_BARS), symbol)
        if history.bars:
            found[venue] = history
        else:
            missing.append(f"{venue}: the log has no {timeframe} candles of {symbol}")
    if not found:
        raise InvalidMessageError("volumes", "; ".join(missing))
    return found


def observed_qty(plan: Plan, *, candles: CandleLog, venues: VenueStore) -> Decimal | None:
    """Return what has traded at a plan's venues since it was started, in base units, where it follows that.

    Together, since its orders go to whichever of them is cheapest at the moment; what is not known of one counts as
    nothing, and None is nothing known of any.
    """
    if plan.algorithm.name is not AlgorithmName.POV:
        return None
    collected = _collected(venues)
    since: list[Decimal] = []
    for venue in plan.venues:
        with suppress(InvalidMessageError):  # it was collected when this was planned
            timeframe = volume_timeframe(plan.algorithm, collected.get(venue, ()))
            bars = volume_history(candles.frame(venue, timeframe, bars=VOLUME_BARS), plan.symbol).bars
            since += [qty for open_ms, qty in bars if open_ms >= plan.started_at_ms]
    return total(since) if since else None


def _collected(venues: VenueStore) -> Mapping[str, Sequence[Timeframe]]:
    return {each.venue: each.timeframes for each in venues.enabled()}
