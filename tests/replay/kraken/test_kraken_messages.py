"""What is read from each of Kraken's messages, value by value."""

import json
import math
from functools import partial

import pytest

from shared.adapters.venues.kraken import (
    SPOT,
    check,
    parse_candles,
    parse_listings,
    parse_quote_volumes,
    parse_tickers,
    read,
)
from shared.domain.candles import Candle, no_trade_candle
from shared.domain.errors import InvalidMessageError, TransientError
from shared.domain.symbols import Listing
from shared.domain.tickers import Ticker
from shared.domain.timeframe import Timeframe
from tests.replay.messages import message

OPEN = 1_700_000_040_000
BTC = Candle(OPEN, 36780.1, 36799.9, 36771.2, 36795.5, 4.187563, 36786.5 * 4.187563, 87.0, math.nan)
DOGE = Candle(1_699_992_000_000, 0.0712345, 0.0725, 0.07, 0.072, 2500000.5, 0.0715 * 2500000.5, 1204.0, math.nan)

sample = partial(message, "kraken")


def known(candle: Candle) -> Candle:
    """Return the candle without what Kraken never tells, which is NaN and equals nothing."""
    assert math.isnan(candle.taker_buy_volume)
    return candle._replace(taker_buy_volume=0.0)


def test_the_forming_candles_of_an_update() -> None:
    pushes = read(sample("ohlc_update"))
    assert [(one.venue_id, one.timeframe, one.is_closed, one.event_time) for one in pushes] == [
        ("BTC/USD", Timeframe.M1, False, BTC.open_time),
        ("DOGE/USD", Timeframe.H4, False, DOGE.open_time),
    ]
    assert [known(one.candle) for one in pushes] == [known(BTC), known(DOGE)]


def test_a_page_of_candles() -> None:
    """In the second one nobody traded; the last one is forming."""
    first, second, third = parse_candles(sample("ohlc_rest"), Timeframe.M1)
    assert known(first) == known(BTC)
    assert second == no_trade_candle(OPEN + 60_000, 36795.5)
    assert known(third) == Candle(OPEN + 120_000, 36795.6, 36801.0, 36795.6, 36800.0, 0.5, 36798.0 * 0.5, 3.0, 0.0)


def test_listings_have_everybodys_names() -> None:
    assert parse_listings(sample("asset_pairs")) == [
        Listing(venue_id="BTC/USD", base="BTC", quote="USD", is_trading=True),
        Listing(venue_id="DOGE/USD", base="DOGE", quote="USD", is_trading=False),
        Listing(venue_id="ETH/BTC", base="ETH", quote="BTC", is_trading=True),
    ]


def test_tickers_and_quote_volumes() -> None:
    assert parse_tickers(sample("ticker")) == {"BTC/USD": Ticker(36795.5, 36795.5, 36795.6)}
    assert parse_quote_volumes(sample("ticker")) == {"BTC/USD": 2000.0 * 36500.5}


def test_refusals_under_a_status_of_200() -> None:
    check(200, sample("ticker"))
    with pytest.raises(TransientError, match="Too many requests") as caught:
        check(200, sample("too_many_requests"))
    assert caught.value.retry_after_s
    with pytest.raises(InvalidMessageError, match="Unknown asset pair"):
        check(200, sample("unknown_pair"))


@pytest.mark.parametrize("error", ["EAPI:Rate limit exceeded", "EService:Unavailable", "EService:Busy"])
def test_what_passes_may_be_asked_again(error: str) -> None:
    with pytest.raises(TransientError):
        check(200, json.dumps({"error": [error]}).encode())


@pytest.mark.parametrize("parse", [partial(check, 200), parse_listings, parse_quote_volumes, parse_tickers])
def test_another_shape_is_refused(parse: object) -> None:
    with pytest.raises(InvalidMessageError):
        parse(b'[{"code":-1}]')  # type: ignore[operator]


def test_many_symbols_and_one_interval_a_message_and_no_snapshot() -> None:
    ids = [f"C{number}/USD" for number in range(60)]
    messages = SPOT.subscribe([SPOT.topic(one, tf) for one in ids for tf in (Timeframe.M1, Timeframe.H4)])
    params = [json.loads(message)["params"] for message in messages]
    assert [(one["interval"], len(one["symbol"])) for one in params] == [(1, 50), (1, 10), (240, 50), (240, 10)]
    assert params[0] == {"channel": "ohlc", "symbol": ids[:50], "interval": 1, "snapshot": False}
