"""What is read from each of Coinbase's messages, value by value."""

import json
import math
from functools import partial

import pytest

from shared.adapters.venues.coinbase import SPOT, parse_candles, parse_listings, parse_quote_volumes, read
from shared.domain.candles import Candle
from shared.domain.errors import InvalidMessageError
from shared.domain.pushes import Trade
from shared.domain.symbols import Listing
from shared.domain.timeframe import Timeframe
from tests.replay.messages import message

CLOSE = 1_700_000_100_000

sample = partial(message, "coinbase")


def test_a_trade_with_a_resting_sell_was_bought() -> None:
    """`side` is the maker's; and the last microsecond of a minute still belongs to it."""
    assert read(sample("match_taker_buy")) == (
        Trade("BTC-USD", CLOSE - 1, 36795.51, 0.00251665, is_taker_buy=True, number=865127782),
    )


def test_a_trade_with_a_resting_buy_was_sold() -> None:
    assert read(sample("match_taker_sell")) == (
        Trade("BTC-USD", CLOSE, 36795.5, 1.5, is_taker_buy=False, number=865127783),
    )


def test_a_page_of_candles() -> None:
    later, earlier = parse_candles(sample("candles"), Timeframe.M1)
    assert earlier[:6] == (1_700_000_040_000, 36780.1, 36799.9, 36771.2, 36795.5, 4.187563)
    assert later[:6] == (1_700_000_160_000, 36795.6, 36801.0, 36795.6, 36800.0, 0.5)
    assert all(math.isnan(value) for value in earlier[6:9])
    assert isinstance(earlier, Candle)
    assert not earlier.filled


def test_listings() -> None:
    assert parse_listings(sample("products")) == [
        Listing(venue_id="BTC-USD", base="BTC", quote="USD", is_trading=True),
        Listing(venue_id="OMG-USD", base="OMG", quote="USD", is_trading=False),
        Listing(venue_id="ETH-BTC", base="ETH", quote="BTC", is_trading=False),
    ]


def test_a_pair_without_trades_has_no_known_volume() -> None:
    volumes = parse_quote_volumes(sample("stats"))
    assert volumes["BTC-USD"] == 10000.5 * 36795.5
    assert math.isnan(volumes["NEW-USD"])


@pytest.mark.parametrize("parse", [parse_listings, parse_quote_volumes])
def test_another_shape_is_refused(parse: object) -> None:
    with pytest.raises(InvalidMessageError):
        parse(b'[{"code":-1}]')  # type: ignore[operator]


def test_one_subscription_serves_every_timeframe_of_a_pair_and_of_no_other() -> None:
    """One pair it does not know, and Coinbase ignores the whole message."""
    topics = list(dict.fromkeys(SPOT.topic(one, tf) for one in ("BTC-USD", "ETH-USD") for tf in SPOT.timeframes))
    assert [json.loads(message) for message in SPOT.subscribe(topics)] == [
        {"type": "subscribe", "channels": [{"name": "matches", "product_ids": [pair]}]} for pair in topics
    ]
    assert SPOT.limits.messages_per_s <= 100
    assert SPOT.limits.counts_by_address
