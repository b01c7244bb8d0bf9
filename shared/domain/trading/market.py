"""What the market says, in the form risk asks it: marks of places, closing prices on one grid, the true range."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, TypeAlias

import numpy as np

from shared.domain.candles import CLOSE, HIGH, LOW, CandleFrame, Floats, Times
from shared.domain.tickers import Ticker, VenueNow
from shared.domain.timeframe import Timeframe
from shared.domain.trading.instruments import Instrument, Side
from shared.domain.trading.money import require_positive

Place: TypeAlias = tuple[str | None, str]
"""A venue and a symbol; the venue is None where the router has yet to choose it."""

ATR_LENGTH: Final = 14


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
class Closes:
    """Closing prices of symbols on one time grid: `values` is (symbols × bars), NaN where there is none."""

    timeframe: Timeframe
    symbols: tuple[str, ...]
    open_times: Times
    values: Floats

    @property
    def close_time(self) -> int:
        """Return the close instant of the newest bar (epoch ms), 0 when there is none."""
        return int(self.open_times[-1]) + self.timeframe.ms if len(self.open_times) else 0


def closes_of(frames: Mapping[str, CandleFrame], wanted: Collection[Place], *, timeframe: Timeframe) -> Closes:
    """Lay the closes of the symbols of some places on one grid, each from its own venue, or from any where it has none.

    Frames of another timeframe are left out; a price that is not positive and finite is no price.
    """
    frames = {venue: frame for venue, frame in frames.items() if frame.timeframe is timeframe and frame.bars}
    series: dict[str, tuple[CandleFrame, int]] = {}
    for venue, symbol in sorted(wanted, key=str):
        for source in dict.fromkeys((venue, *frames)):
            frame = frames.get(source) if source is not None else None
            if symbol not in series and frame is not None and symbol in frame.symbols:
                series[symbol] = frame, frame.symbols.index(symbol)
    used = {id(frame): frame for frame, _ in series.values()}
    ends = [(int(frame.open_times[0]), int(frame.open_times[-1])) for frame in used.values()]
    times = np.empty(0, dtype=np.int64)
    if ends:
        times = np.arange(min(a for a, _ in ends), max(b for _, b in ends) + 1, timeframe.ms, dtype=np.int64)
    values = np.full((len(series), len(times)), np.nan)
    for row, (frame, at) in enumerate(series.values()):
        start = int((frame.open_times[0] - times[0]) // timeframe.ms)
        values[row, start : start + frame.bars] = frame.values[CLOSE, at]
    values[~(np.isfinite(values) & (values > 0))] = np.nan
    return Closes(timeframe=timeframe, symbols=tuple(series), open_times=times, values=values)


def average_true_range(frame: CandleFrame, symbol: str, *, length: int = ATR_LENGTH) -> Decimal | None:
    """Return Wilder's average of the true ranges (α = 1/length) in quote units, None with fewer than `length` of them.

    Wilder, New Concepts in Technical Trading Systems, 1978; the same number a rule calls `atr(length)`.
    """
    if symbol not in frame.symbols:
        return None
    high, low, close = frame.values[[HIGH, LOW, CLOSE], frame.symbols.index(symbol)]
    ranges = np.maximum(high[1:], close[:-1]) - np.minimum(low[1:], close[:-1])
    ranges = ranges[np.isfinite(ranges)]
    if len(ranges) < length:
        return None
    weights = (1 - 1 / length) ** np.arange(len(ranges) - 1, -1, -1)
    value = Decimal(repr(round(float(np.average(ranges, weights=weights)), 12)))
    return value if value > 0 else None


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
