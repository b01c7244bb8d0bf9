"""What is read from each of Binance's messages, value by value."""

import math
from functools import partial

import pytest

from shared.adapters.venues.binance import SPOT, USDM
from shared.adapters.venues.binance_wire import (
    parse_klines,
    parse_listings,
    parse_quote_volumes,
    parse_server_time,
    read,
)
from shared.domain.candles import Candle, no_trade_candle
from shared.domain.errors import InvalidMessageError
from shared.domain.pushes import Push
from shared.domain.symbols import Listing
from shared.domain.timeframe import Timeframe
from tests.replay.messages import message

BTC = Candle(
    open_time=1_700_000_040_000,
    open=36780.01,
    high=36799.99,
    low=36771.25,
    close=36795.5,
    volume=41.87563,
    quote_volume=1540432.1872319,
    trades=873.0,
    taker_buy_volume=22.10087,  # `V`, without which there is no order-flow measure
)

sample = partial(message, "binance")


def test_a_closed_candle() -> None:
    assert read(sample("kline_closed")) == (Push("BTCUSDT", Timeframe.M1, BTC, True, 1_700_000_100_023),)


def test_a_candle_in_which_nobody_traded_is_marked() -> None:
    (closed,) = read(sample("kline_untraded"))
    assert closed.candle == no_trade_candle(1_700_000_040_000, 0.0001234)


def test_what_binance_does_not_know_is_nan_and_never_zero() -> None:
    (closed,) = read(sample("kline_unknown_values"))
    candle = closed.candle
    assert (closed.timeframe, candle.close, candle.volume) == (Timeframe.H1, 2061.5, 15000.5)
    assert all(math.isnan(value) for value in (candle.trades, candle.quote_volume, candle.taker_buy_volume))


def test_a_page_of_klines() -> None:
    assert parse_klines(sample("klines"), Timeframe.M1) == [BTC, no_trade_candle(1_700_000_100_000, 36795.5)]


def test_listings_and_the_weight_allowed() -> None:
    listings, weight = parse_listings(sample("exchange_info"))
    assert weight == 6_000
    assert listings == [
        Listing(venue_id="BTCUSDT", base="BTC", quote="USDT", is_trading=True),
        Listing(venue_id="LUNAUSDT", base="LUNA", quote="USDT", is_trading=False),
        Listing(venue_id="1000SATSUSDT", base="1000SATS", quote="USDT", is_trading=True),
    ]


def test_quote_volumes_and_the_venues_clock() -> None:
    assert parse_quote_volumes(sample("ticker_24hr")) == {"BTCUSDT": 1140818400.12, "LUNAUSDT": 0.0}
    assert parse_server_time(sample("time")) == 1_700_000_100_123


@pytest.mark.parametrize("parse", [parse_listings, parse_quote_volumes, parse_server_time])
def test_another_shape_is_refused(parse: object) -> None:
    with pytest.raises(InvalidMessageError):
        parse(b'[{"code":-1}]')  # type: ignore[operator]


def test_stream_names_are_lower_case() -> None:
    assert SPOT.topic("1000SATSUSDT", Timeframe.M15) == "1000satsusdt@kline_15m"


def test_klines_of_futures_come_by_the_path_of_the_market() -> None:
    """Binance parted public, market and private streams in 2026, and retired the address of all."""
    assert USDM.url(USDM.ws_url, ["btcusdt@kline_1m"]) == (
        "wss://fstream.binance.com/market/stream?streams=btcusdt@kline_1m"
    )
