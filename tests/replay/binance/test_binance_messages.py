"""What is read from each of Binance's messages, value by value."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.venues.binance import (
    SPOT,
    USDM,
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

HERE = Path(__file__).parent
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


def sample(name: str) -> bytes:
    return (HERE / f"{name}.json").read_bytes()


def test_a_closed_candle() -> None:
    assert read(sample("kline_closed")) == (Push("BTCUSDT", Timeframe.M1, BTC, True, 1_700_000_100_023),)


@pytest.mark.parametrize("name", ["kline_forming", "subscribe_answer", "server_shutdown"])
def test_what_is_no_closed_candle(name: str) -> None:
    """The forming candle above all: taken for a closed one it overwrites the last close."""
    assert not read(sample(name))


def test_a_candle_in_which_nobody_traded_is_marked() -> None:
    (closed,) = read(sample("kline_untraded"))
    assert closed.candle == no_trade_candle(1_700_000_040_000, 0.0001234)


def test_what_binance_does_not_know_is_nan_and_never_zero() -> None:
    (closed,) = read(sample("kline_unknown_values"))
    candle = closed.candle
    assert (closed.timeframe, candle.close, candle.volume) == (Timeframe.H1, 2061.5, 15000.5)
    assert all(math.isnan(value) for value in (candle.trades, candle.quote_volume, candle.taker_buy_volume))


def test_an_impossible_candle_is_refused() -> None:
    with pytest.raises(InvalidMessageError, match="low <= open"):
        read(sample("kline_impossible"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b'"36780.01000000"', b'"NaN"', "low <= open"),
        (b'"36780.01000000"', b'"abc"', "could not convert"),
        (b'"36780.01000000"', b"null", "Expected `str`"),
        (b'"i":"1m"', b'"i":"7m"', "unknown interval '7m'"),
        (b'"t":1700000040000', b'"t":1700000040001', "open_time"),
        (b'"v":"41.87563000"', b'"v":"-1"', "candle.volume"),
        (b'"v":"41.87563000"', b'"v":"inf"', "candle.volume"),
        (b'"x":true', b'"x":"yes"', "Expected `bool`"),
        (b'"k":{', b'"z":{', "k: missing"),
    ],
)
def test_a_damaged_frame_says_what_is_wrong(old: bytes, new: bytes, message: str) -> None:
    frame = sample("kline_closed")
    assert old in frame
    with pytest.raises(InvalidMessageError, match=message):
        read(frame.replace(old, new, 1))


@given(st.binary(max_size=60) | st.integers(0, 360).map(lambda cut: sample("kline_closed")[:cut]))
def test_no_bytes_whatsoever_raise_anything_else(frame: bytes) -> None:
    try:
        assert not read(frame)
    except InvalidMessageError:
        return


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
