"""The market of a paper order is what the collector wrote: its ticker, its candles, and nothing where there is none."""

import math
from collections.abc import Sequence
from decimal import Decimal

import pytest

from shared.adapters.paper_market import CollectedMarket
from shared.adapters.redis_tickers import tickers_key
from shared.domain.candles import Boundary, Candle
from shared.domain.codec import encode
from shared.domain.errors import TransientError
from shared.domain.ticker_codec import encode_snapshot
from shared.domain.tickers import Snapshot, Ticker
from shared.domain.timeframe import Timeframe
from tests.contract.test_exchanges import INSTRUMENT, SYMBOL
from tests.fakes.candle_log import FakeCandleLog
from tests.fakes.clock import ManualClock
from tests.fakes.ticker_board import FakeTickerBoard

D = Decimal
MINUTE = 60_000
FIRST = 1_700_000_040_000


def entries(symbol: str, candles: Sequence[Candle]) -> list[dict[str, str]]:
    """Return what the log holds of candles."""
    return [encode(Boundary.of(Timeframe.M1, one.open_time, [(symbol, one)])) for one in candles]


def a_market(ticker: Ticker | None = None, *, bars: int = 40, symbol: str = SYMBOL) -> CollectedMarket:
    board, log = FakeTickerBoard(), FakeCandleLog()
    clock = ManualClock(FIRST + bars * MINUTE + 5_000)
    if ticker is not None:
        snapshot = Snapshot(clock.now_ms() - 1_000, {SYMBOL: ticker})
        board.texts[tickers_key("binance")] = (encode_snapshot(snapshot, Ticker), math.inf)
    candles = [
        Candle(FIRST + at * MINUTE, 100.1 + at, 101.3 + at, 99.7 + at, 100.9 + at, 10.0, 1_000.0, 5.0, 4.0)
        for at in range(bars)
    ]
    log.streams["binance", Timeframe.M1] = entries(symbol, candles)
    return CollectedMarket("binance", log, board, clock)


def test_the_book_stands_around_the_ticker_and_bars_are_exact() -> None:
    market = a_market(Ticker(140.5, 140.4, 140.6))
    met = market(INSTRUMENT, FIRST + 38 * MINUTE)
    assert (met.depth.bids[0].price, met.depth.asks[0].price) == (D("140.4"), D("140.6"))
    assert met.depth.time_ms == market.clock.now_ms() - 1_000
    assert D("0.25") <= met.depth.bids[0].qty <= D("0.75"), "a twentieth of the ten a minute, give or take a half"
    assert [bar.open_time for bar in met.bars] == [FIRST + 38 * MINUTE, FIRST + 39 * MINUTE]
    assert (met.bars[0].open, met.bars[0].high, met.bars[0].low) == (D("138.1"), D("139.3"), D("137.7"))
    assert met.bars[0].close_time == FIRST + 39 * MINUTE


def test_bars_since_long_ago_are_all_there() -> None:
    assert len(a_market(Ticker(140.5, 140.4, 140.6))(INSTRUMENT, FIRST).bars) == 40


def test_where_the_venue_tells_no_best_prices_they_are_worse_than_the_last() -> None:
    met = a_market(Ticker(140.5, math.nan, math.nan))(INSTRUMENT, FIRST)
    assert (met.depth.bids[0].price, met.depth.asks[0].price) == (D("140.49"), D("140.51"))


@pytest.mark.parametrize(
    "market",
    [
        a_market(None),
        a_market(Ticker(math.nan, math.nan, math.nan)),
        a_market(Ticker(140.5, 140.4, 140.6), bars=0),
        a_market(Ticker(140.5, 140.4, 140.6), symbol="ETH/USDT"),
    ],
)
def test_a_market_that_is_not_known_is_no_market(market: CollectedMarket) -> None:
    with pytest.raises(TransientError):
        market(INSTRUMENT, FIRST)


def test_a_market_nobody_trades_in_has_no_book() -> None:
    market = a_market(Ticker(140.5, 140.4, 140.6), bars=1)
    assert isinstance(market.log, FakeCandleLog)
    quiet = entries(SYMBOL, [Candle(FIRST, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0)])
    market.log.streams["binance", Timeframe.M1] = quiet
    met = market(INSTRUMENT, FIRST)
    assert met.depth.bids == met.depth.asks == ()
