"""Measures: how venues have answered the desk's own orders, which routing expects of the next one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.domain.errors import RejectedError
from shared.domain.trading.depth import Depth
from shared.domain.trading.instruments import Instrument
from shared.domain.trading.routing import VenueOffer
from shared.domain.trading.states import Mode

WINDOW_MS: Final = 86_400_000
"""Orders of a day tell what a venue is like: a day has its busy hours, and what is mended is forgiven tomorrow."""
DOUBT: Final = 20
"""With how many answers a figure is believed by half; see `VenueMeasure`."""
OWN_FAULTS: Final = frozenset(
    {
        "bad_symbol",
        "duplicate_order_id",
        "insufficient_funds",
        "invalid_order",
        "market_closed",
        "order_immediately_fillable",
        "order_not_fillable",
    }
)
"""Words of a refusal that speak of the order and not of the venue: it is not on the venue's grid, not covered by the
account, sent before, against its own terms at this price, or of what the venue no longer lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueMeasure:
    """How a venue has answered orders of a mode: how many it answered, how many of these it refused, and the median
    time it took to answer those it did not, in real milliseconds (None when it took none).

    What is expected of the next order is drawn towards none, which is what a venue nobody has tried costs: with `DOUBT`
    answers to half of what was measured, with ten times as many to nine tenths and more. So one slow call of a process
    that has just started, or one bad minute, moves little; a venue without a record is tried; and no record, however
    bad, makes a rate of one, which would close the venue to an exit that has nowhere else to go.
    """

    venue: str
    mode: Mode
    answered: int
    refused: int
    median_ms: int | None

    @property
    def latency_ms(self) -> int:
        """Return how long the next order is expected to be under way, in real milliseconds."""
        taken = self.answered - self.refused
        return 0 if self.median_ms is None else self.median_ms * taken // (taken + DOUBT)

    @property
    def reject_rate(self) -> Decimal:
        """Return the fraction of the next orders it is expected to refuse, below one."""
        return Decimal(self.refused) / (self.answered + DOUBT)


def is_telling(refusal: RejectedError) -> bool:
    """Tell whether a refusal says something of the venue, and not only of the order."""
    return refusal.reason not in OWN_FAULTS


def measures_of(mode: Mode, measured: Sequence[VenueMeasure]) -> Mapping[str, VenueMeasure]:
    """Return the measures of a mode by venue."""
    return {each.venue: each for each in measured if each.mode is mode}


def offer_of(instrument: Instrument, depth: Depth, measured: Mapping[str, VenueMeasure]) -> VenueOffer:
    """Return what a venue offers, with what is expected of it; nothing is held against one that was never tried."""
    known = measured.get(instrument.venue)
    if known is None:
        return VenueOffer(instrument=instrument, depth=depth)
    return VenueOffer(instrument=instrument, depth=depth, latency_ms=known.latency_ms, reject_rate=known.reject_rate)
