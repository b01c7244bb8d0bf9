"""Markets of a storm: spot at two venues and futures at a third, whose prices wander together, seen as tickers, candles
and paper markets."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np

from shared.domain.candles import COLUMNS, VOLUME, CandleFrame
from shared.domain.tickers import Snapshot, Ticker, VenueNow
from shared.domain.timeframe import Timeframe
from shared.domain.trading.instruments import Instrument, InstrumentKind
from shared.domain.trading.money import floor_to
from shared.domain.trading.paper import PaperBar, PaperMarket, book_around
from tests.fakes.clock import ManualClock

D = Decimal
SPOT_VENUES, FUTURES_VENUE = ("binance", "okx"), "bybit_linear"
VENUES = (*SPOT_VENUES, FUTURES_VENUE)
MINUTE_MS = 60_000
HISTORY = 400
_LISTED = {"BTC/USDT": ("40000", "0.01", "0.00001", "8"), "ETH/USDT": ("2300", "0.01", "0.0001", "150"),
           "DOGE/USDT": ("0.08", "0.00001", "1", "900000"), "BTC/USDT:USDT": ("40010", "0.1", "0.001", "20"),
           "ETH/USDT:USDT": ("2301", "0.01", "0.01", "300")}  # fmt: skip
SPOT, FUTURES = ([one for one in _LISTED if (":" in one) is is_future] for is_future in (False, True))
_FEES = {"binance": ("0.0008", "0.001"), "okx": ("0.0006", "0.0009"), "bybit_linear": ("-0.0001", "0.00055")}


def listed() -> list[Instrument]:
    """Return what all venues list."""
    return [
        Instrument(
            venue=venue, symbol=symbol, kind=kind_of(venue), base=symbol.partition("/")[0], quote="USDT",
            tick_size=D(tick), step_size=D(step), min_qty=D(step), min_notional=D(5),
            maker_fee_rate=D(_FEES[venue][0]), taker_fee_rate=D(_FEES[venue][1]),
        )
        for venue in VENUES
        for symbol, (_, tick, step, _) in _LISTED.items()
        if (":" in symbol) is (venue == FUTURES_VENUE)
    ]  # fmt: skip


def kind_of(venue: str) -> InstrumentKind:
    """Return what a venue trades."""
    return InstrumentKind.SWAP if venue == FUTURES_VENUE else InstrumentKind.SPOT


@dataclass
class StormMarket:
    """Prices by venue and symbol; a ticker board, a candle log and the paper venues' market at once."""

    draw: random.Random
    clock: ManualClock = field(default_factory=ManualClock)
    instruments: list[Instrument] = field(default_factory=listed)
    is_silent: bool = False

    def __post_init__(self) -> None:
        self.prices = {(one.venue, one.symbol): D(_LISTED[one.symbol][0]) for one in self.instruments}
        self.bars: dict[tuple[str, str], list[PaperBar]] = {place: [] for place in self.prices}
        self.walks = {
            symbol: np.random.default_rng(number).normal(0, 0.002, HISTORY) for number, symbol in enumerate(_LISTED)
        }

    def move(self) -> None:
        """Let every price take a step, now and then a large one, and write what the last minute was."""
        opened = self.clock.now_ms() // MINUTE_MS * MINUTE_MS - MINUTE_MS
        for base in sorted({one.base for one in self.instruments}):
            rate = self.draw.gauss(0, 0.02 if self.draw.random() < 0.03 else 0.002)
            for one in (each for each in self.instruments if each.base == base):
                place, symbol = (one.venue, one.symbol), one.symbol
                before = self.prices[place]
                wanted = before * D(str(round(1 + rate + self.draw.gauss(0, 0.0002), 8)))
                after = max(floor_to(wanted, one.tick_size), one.tick_size * 100)
                low, high = sorted((before, after))
                volume = D(_LISTED[symbol][3]) * self.draw.randint(1, 9)
                bar = PaperBar(
                    open_time=opened, close_time=opened + MINUTE_MS, open=before, high=high, low=low, volume=volume
                )
                self.bars[place] = [*self.bars[place][-30:], bar]
                self.prices[place] = after

    def __call__(self, instrument: Instrument, since_ms: int) -> PaperMarket:
        """Return what an order of an instrument meets."""
        place, tick = (instrument.venue, instrument.symbol), instrument.tick_size
        volume, price = D(_LISTED[instrument.symbol][3]), self.prices[place]
        depth = book_around(instrument, price - tick, price + tick, volume=volume, time_ms=self.clock.now_ms())
        bars = tuple(bar for bar in self.bars[place] if bar.open_time >= since_ms)
        return PaperMarket(instrument=instrument, depth=depth, bars=bars)

    def now(self, venues: Sequence[str]) -> Mapping[str, VenueNow]:
        """Return the tickers, none while it is silent."""
        if self.is_silent:
            return dict.fromkeys(venues, VenueNow())
        found = {}
        for venue in venues:
            rows = {
                one.symbol: Ticker(*(float(self.prices[venue, one.symbol] + one.tick_size * way) for way in (0, -1, 1)))
                for one in self.instruments
                if one.venue == venue
            }
            found[venue] = VenueNow(Snapshot(self.clock.now_ms(), rows))
        return found

    def frame(self, venue: str, timeframe: Timeframe, *, bars: int) -> CandleFrame:
        """Return candles of a price that wandered to where it is."""
        last, count = self.clock.now_ms() // timeframe.ms * timeframe.ms, min(bars, HISTORY)
        times = np.arange(last - count * timeframe.ms, last, timeframe.ms, dtype=np.int64)
        symbols = tuple(FUTURES if venue == FUTURES_VENUE else SPOT)
        values = np.empty((len(COLUMNS), len(symbols), count))
        for row, symbol in enumerate(symbols):
            volume = _LISTED[symbol][3]
            walk = self.walks[symbol]
            path = np.cumsum(walk) - walk.sum()
            values[:, row] = (float(self.prices[venue, symbol]) * np.exp(path))[-count:]
            values[VOLUME:, row] = float(volume) * 5
        filled = np.zeros(values.shape[1:], dtype=bool)
        return CandleFrame(timeframe=timeframe, symbols=symbols, open_times=times, values=values, filled=filled)

    def listed(self, venue: str) -> Sequence[Instrument]:
        """Return what a venue lists."""
        return [one for one in self.instruments if one.venue == venue]

    def newest_close(self, venue: str, timeframe: Timeframe) -> int | None:
        """Return the newest close."""
        assert venue in VENUES
        return self.clock.now_ms() // timeframe.ms * timeframe.ms
