"""What the market says, in the form risk asks it: marks of places, and all that one intent's book is concerned with."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

from shared.domain.trading.instruments import Side
from shared.domain.trading.money import require_positive

if TYPE_CHECKING:
    from shared.domain.tickers import Ticker, VenueNow
    from shared.domain.trading.closes import Closes
    from shared.domain.trading.instruments import Instrument

Place: TypeAlias = tuple[str | None, str]
"""A venue and a symbol; the venue is None where the router has yet to choose it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What a symbol is worth at a venue as of `time_ms` (market time), in quote units; bid and ask where it says."""

    price: Decimal
    time_ms: int
    bid: Decimal | None = None
    ask: Decimal | None = None

    def __post_init__(self) -> None:
        """Refuse prices that are none."""
        for name, value in (("price", self.price), ("bid", self.bid), ("ask", self.ask)):
            if value is not None:
                require_positive(f"mark.{name}", value)

    def against(self, side: Side) -> Decimal:
        """Return the price an order of a side meets: the ask for what buys, the bid for what sells."""
        return (self.ask if side is Side.BUY else self.bid) or self.price

    @property
    def spread_rate(self) -> Decimal | None:
        """Return the spread as a fraction of the price, None where the venue does not say."""
        return None if self.bid is None or self.ask is None else max(self.ask - self.bid, Decimal(0)) / self.price


def mark_of(ticker: Ticker, time_ms: int) -> Mark | None:
    """Return the mark of a ticker: the middle of bid and ask, or the last trade; None when it says neither."""
    last, bid, ask = (Decimal(repr(x)) if math.isfinite(x) and x > 0 else None for x in ticker)
    price = (bid + ask) / 2 if bid is not None and ask is not None else last
    return None if price is None else Mark(price=price, time_ms=time_ms, bid=bid, ask=ask)


def marks_of(board: Mapping[str, VenueNow], symbols: Collection[str]) -> dict[Place, Mark]:
    """Return the marks of some symbols at every venue whose tickers tell of them."""
    marks: dict[Place, Mark] = {}
    for venue, now in board.items():
        for symbol in symbols if now.tickers is not None else ():
            if now.tickers is None or (ticker := now.tickers.rows.get(symbol)) is None:
                continue
            if (mark := mark_of(ticker, now.tickers.time_ms)) is not None:
                marks[venue, symbol] = mark
    return marks


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MarketView:
    """What the market says at `now_ms` (market time), as far as one intent's book is concerned.

    `instrument` is the one asked for (of a venue that trades it when the intent leaves that to the router), None when
    it is not listed. `marks` are by place, of everything held, reserved and asked. `closes` and `atr` are None where
    there are no candles.
    """

    now_ms: int
    instrument: Instrument | None
    marks: Mapping[Place, Mark] = field(default_factory=dict)
    closes: Closes | None = None
    atr: Decimal | None = None

    def mark(self, place: Place) -> Mark | None:
        """Return the mark of a place; where the venue is open, the newest of any venue."""
        venue, symbol = place
        if venue is not None:
            return self.marks.get(place)
        any_venue = [mark for (_, known), mark in self.marks.items() if known == symbol]
        return max(any_venue, key=lambda mark: mark.time_ms, default=None)
