"""What a paper order meets: the collector's newest ticker and its one-minute candles."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.domain.candles import HIGH, LOW, OPEN, VOLUME, CandleFrame
from shared.domain.errors import TransientError
from shared.domain.tickers import Ticker
from shared.domain.timeframe import Timeframe
from shared.domain.trading.instruments import Instrument
from shared.domain.trading.money import total
from shared.domain.trading.paper import PaperBar, PaperMarket, book_around
from shared.ports import CandleLog, Clock, TickerBoard

_TIMEFRAME: Final = Timeframe.M1
_USUAL_BARS: Final = 30  # whose average volume sizes the book
_MAX_BARS: Final = 1_440


@dataclass(frozen=True, slots=True)
class CollectedMarket:
    """Paper markets of one venue out of the candle log and the ticker board."""

    venue: str
    log: CandleLog
    board: TickerBoard
    clock: Clock

    def __call__(self, instrument: Instrument, since_ms: int) -> PaperMarket:
        """Return the market of an instrument with its bars since a time (epoch ms), a day's at most.

        Raise `TransientError` while the board has no ticker of it, or the log no candle.
        """
        time_ms, ticker = self._ticker(instrument)
        missed = (self.clock.now_ms() - since_ms) // _TIMEFRAME.ms + 1
        wanted = min(max(missed, _USUAL_BARS), _MAX_BARS)
        bars = _bars(self.log.frame(self.venue, _TIMEFRAME, bars=wanted), instrument.symbol, wanted)
        if not bars:
            raise TransientError(f"the candle log of {self.venue} has no {_TIMEFRAME} candle of {instrument.symbol}")
        recent = bars[-_USUAL_BARS:]
        bid, ask = _best(ticker, instrument)
        volume = total(bar.volume for bar in recent) / len(recent)
        depth = book_around(instrument, bid, ask, volume=volume, time_ms=time_ms)
        return PaperMarket(instrument=instrument, depth=depth, bars=tuple(b for b in bars if b.open_time >= since_ms))

    def _ticker(self, instrument: Instrument) -> tuple[int, Ticker]:
        tickers = self.board.now([self.venue])[self.venue].tickers
        if tickers is None or instrument.symbol not in tickers.rows:
            raise TransientError(f"no current ticker of {instrument.symbol} at {self.venue}")
        return tickers.time_ms, tickers.rows[instrument.symbol]


def _best(ticker: Ticker, instrument: Instrument) -> tuple[Decimal, Decimal]:
    """Return the best bid and ask; where the venue does not say, a tick on the worse side of the last trade."""
    last = _decimal(ticker.last)
    bid = _decimal(ticker.bid) or (last and last - instrument.tick_size)
    ask = _decimal(ticker.ask) or (last and last + instrument.tick_size)
    if bid is None or ask is None or bid <= 0:
        raise TransientError(f"no current price of {instrument.symbol} at {instrument.venue}")
    return bid, ask


def _bars(frame: CandleFrame, symbol: str, newest: int) -> Sequence[PaperBar]:
    if symbol not in frame.symbols:
        return []
    rows = frame.values[:, frame.symbols.index(symbol), -newest:].T.tolist()
    return [
        PaperBar(
            open_time=int(open_time),
            close_time=int(open_time) + frame.timeframe.ms,
            open=Decimal(repr(row[OPEN])),
            high=Decimal(repr(row[HIGH])),
            low=Decimal(repr(row[LOW])),
            volume=Decimal(repr(row[VOLUME])),
        )
        for open_time, row in zip(frame.open_times[-newest:].tolist(), rows, strict=True)
        if not any(math.isnan(row[column]) for column in (OPEN, HIGH, LOW, VOLUME))
    ]


def _decimal(value: float) -> Decimal | None:
    """Return the shortest decimal that reads as this float, None for one that is not known."""
    return Decimal(repr(value)) if math.isfinite(value) and value > 0 else None
