"""What is read from each of Hyperliquid's messages, value by value."""

import json
import math
from functools import partial

import pytest

from shared.adapters.venues.hyperliquid import (
    GREETING,
    PERPETUALS,
    listing_of,
    parse_candles,
    parse_contexts,
    read,
    ticker_of,
)
from shared.domain.candles import Candle, no_trade_candle
from shared.domain.errors import InvalidMessageError
from shared.domain.symbols import Listing
from shared.domain.tickers import Ticker
from shared.domain.timeframe import Timeframe
from tests.replay.messages import message

OPEN = 1_700_000_040_000
BTC = (OPEN, 36780.0, 36799.0, 36771.0, 36795.0, 41.87563)
PEPE = (1_699_999_200_000, 0.0012, 0.00125, 0.00119, 0.00123, 1500000.0)

sample = partial(message, "hyperliquid")


def is_as(candle: Candle, known: tuple[float, ...], *, trades: float) -> bool:
    """Tell whether a candle has these values, this count of trades, and nothing that is never told."""
    unknown = (candle.quote_volume, candle.taker_buy_volume)
    return candle[:6] == known and candle.trades == trades and all(map(math.isnan, unknown)) and not candle.filled


def test_a_forming_candle() -> None:
    (push,) = read(sample("candle"))
    assert (push.venue_id, push.timeframe, push.is_closed) == ("BTC", Timeframe.M1, False)
    assert is_as(push.candle, BTC, trades=873.0)


def test_several_in_one_message() -> None:
    one, other = read(sample("candle_array"))
    assert is_as(one.candle, BTC, trades=873.0)
    assert (other.venue_id, other.timeframe) == ("kPEPE", Timeframe.H1)
    assert is_as(other.candle, PEPE, trades=31.0)


def test_a_greeting_is_no_json_and_no_candle() -> None:
    assert not read(GREETING)


def test_a_page_of_candles() -> None:
    first, second = parse_candles(sample("candle_snapshot"), Timeframe.M1)
    assert is_as(first, BTC, trades=873.0)
    assert second == no_trade_candle(OPEN + 60_000, 36795.0)


def test_listings_are_settled_in_usdc_and_keep_their_own_name_at_the_venue() -> None:
    assert [listing_of(coin) for coin, _ in parse_contexts(sample("meta_and_asset_ctxs"))] == [
        Listing(venue_id="BTC", base="BTC", quote="USDC", is_trading=True, settle="USDC"),
        Listing(venue_id="kPEPE", base="KPEPE", quote="USDC", is_trading=True, settle="USDC"),
        Listing(venue_id="MATIC", base="MATIC", quote="USDC", is_trading=False, settle="USDC"),
    ]


def test_tickers_are_the_mark_and_the_impact_prices() -> None:
    btc, _, matic = (ticker_of(context) for _, context in parse_contexts(sample("meta_and_asset_ctxs")))
    assert btc == Ticker(36795.0, 36794.0, 36796.0)
    assert matic.last == 0.3
    assert math.isnan(matic.bid)
    assert math.isnan(matic.ask)


@pytest.mark.parametrize("body", [b'[{"code":-1}]', b'[{"universe":[{"name":"BTC"}]},[]]'])
def test_another_shape_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidMessageError):
        parse_contexts(body)


def test_one_series_a_message() -> None:
    topics = [PERPETUALS.topic("kPEPE", timeframe) for timeframe in (Timeframe.M1, Timeframe.H4)]
    assert [json.loads(message) for message in PERPETUALS.subscribe(topics)] == [
        {"method": "subscribe", "subscription": {"type": "candle", "coin": "kPEPE", "interval": interval}}
        for interval in ("1m", "4h")
    ]
