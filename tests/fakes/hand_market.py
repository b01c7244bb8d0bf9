"""A market for the paper exchange that is moved by hand."""

from decimal import Decimal

from shared.domain.trading.instruments import Instrument
from shared.domain.trading.paper import PaperBar, PaperMarket, book_around
from tests.fakes.clock import ManualClock

D = Decimal
BUSY = D(500)


class HandMarket:
    """A price that is set, one bar a minute."""

    def __init__(self) -> None:
        self.clock = ManualClock(1_700_000_000_000)
        self.price = D("40000")
        self.bars: list[PaperBar] = []

    def __call__(self, instrument: Instrument, since_ms: int) -> PaperMarket:
        now = self.clock.now_ms()
        tick = instrument.tick_size
        depth = book_around(instrument, self.price - tick, self.price + tick, volume=D(8), time_ms=now)
        bars = tuple(bar for bar in self.bars if bar.open_time >= since_ms)
        return PaperMarket(instrument=instrument, depth=depth, bars=bars)

    def move(self, price: Decimal, *, volume: Decimal = BUSY) -> None:
        """Let two minutes pass, the first of which leads to a price."""
        opened = self.clock.advance(60_000) // 60_000 * 60_000
        low, high = sorted((self.price, price))
        bar = PaperBar(open_time=opened, close_time=opened + 60_000, open=self.price, high=high, low=low, volume=volume)
        self.bars.append(bar)
        self.price = price
        self.clock.advance(60_000)
