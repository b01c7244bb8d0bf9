"""What is read from each of Bybit's messages, value by value."""

import json
import math
from functools import partial

import pytest

from shared.adapters.venues.bybit import (
    LINEAR,
    SPOT,
    TOPICS_PER_CONNECTION,
    check,
    parse_funding,
    parse_klines,
    parse_listings,
    parse_quote_volumes,
    parse_server_time,
    parse_tickers,
    read,
)
from shared.domain.candles import Candle, no_trade_candle
from shared.domain.errors import InvalidMessageError, TransientError
from shared.domain.pushes import Push
from shared.domain.symbols import Listing
from shared.domain.tickers import Funding, Ticker
from shared.domain.timeframe import Timeframe
from tests.replay.messages import message, shown

UNKNOWN = math.nan  # Bybit counts no trades and names no takers
BTC = Candle(
    1_700_000_040_000, 36780.01, 36799.99, 36771.25, 36795.5, 41.87563, 1540432.1872319, UNKNOWN, UNKNOWN, False
)
STILL = no_trade_candle(1_700_000_100_000, 36795.5)

sample = partial(message, "bybit")


def test_a_closed_candle() -> None:
    (push,) = read(sample("kline_closed"))
    assert push._replace(candle=STILL) == Push("BTCUSDT", Timeframe.M1, STILL, True, 1_700_000_100_023)
    assert shown(push.candle) == shown(BTC)


def test_of_a_candle_that_closes_and_the_one_that_opens_the_first_is_read() -> None:
    (push,) = read(sample("kline_closed_and_next"))
    assert (push.venue_id, push.timeframe) == ("1000PEPEUSDT", Timeframe.H1)
    assert shown(push.candle) == shown(
        Candle(1_699_995_600_000, 0.0011, 0.00125, 0.00109, 0.0012, 15000500.0, 17550.585, UNKNOWN, UNKNOWN, False)
    )


def test_several_closed_candles_are_all_read() -> None:
    frame = sample("kline_closed_and_next").replace(b'"confirm":false', b'"confirm":true')
    assert [push.candle.open_time for push in read(frame)] == [1_699_995_600_000, 1_699_999_200_000]


def test_a_candle_in_which_nobody_traded_is_marked() -> None:
    (push,) = read(sample("kline_untraded"))
    assert (push.timeframe, push.candle.volume, push.candle.filled) == (Timeframe.D1, 0.0, True)


def test_a_page_of_klines_newest_first() -> None:
    assert list(map(shown, parse_klines(sample("klines"), Timeframe.M1))) == [shown(STILL), shown(BTC)]


def test_listings_of_spot_have_no_next_page() -> None:
    btc = Listing(venue_id="BTCUSDT", base="BTC", quote="USDT", is_trading=True)
    assert parse_listings(sample("instruments_spot")) == ([btc], "")
    assert btc.symbol == "BTC/USDT"


def test_listings_of_contracts_are_the_perpetual_ones() -> None:
    listings, cursor = parse_listings(sample("instruments_linear"))
    assert cursor == "first%3DBTCUSDT%26last%3DBIOUSDT"
    assert listings == [
        Listing(venue_id="BTCUSDT", base="BTC", quote="USDT", is_trading=True, settle="USDT"),
        Listing(venue_id="BTCPERP", base="BTC", quote="USDC", is_trading=True, settle="USDC"),
        Listing(venue_id="BIOUSDT", base="BIO", quote="USDT", is_trading=False, settle="USDT"),
    ]
    assert [listing.symbol for listing in listings[:2]] == ["BTC/USDT:USDT", "BTC/USDC:USDC"]


def test_quote_volumes_and_the_venues_clock() -> None:
    assert parse_quote_volumes(sample("tickers_spot")) == {"BTCUSDT": 243765620.65899866, "THINUSDT": 0.0}
    assert parse_server_time(sample("time")) == 1_700_000_100_123


def test_a_side_of_the_book_nobody_is_on_is_nan() -> None:
    tickers = parse_tickers(sample("tickers_spot"))
    assert tickers["BTCUSDT"] == Ticker(36795.5, 36795.49, 36795.5)
    assert (tickers["THINUSDT"].last, tickers["THINUSDT"].ask) == (0.0001234, 0.0002)
    assert math.isnan(tickers["THINUSDT"].bid)


def test_open_interest_is_counted_once() -> None:
    """`openInterest` adds longs and shorts, which are equal; other venues count one of them."""
    assert parse_funding(sample("tickers_linear")) == {
        "BTCUSDT": Funding(0.0001, 1_700_006_400_000, 55113.25),
        "ETHUSDT": Funding(-0.000125, 1_700_006_400_000, 300_000.0),
    }


@pytest.mark.parametrize("parse", [parse_listings, parse_quote_volumes, parse_tickers, parse_funding])
def test_another_shape_is_refused(parse: object) -> None:
    for body in (sample("unknown_symbol"), b'{"result":{"list":[{}]}}', b"[]"):
        with pytest.raises(InvalidMessageError):
            parse(body)  # type: ignore[operator]


def test_what_is_refused_in_an_answer_of_status_200_is_heard() -> None:
    check(200, sample("klines"))
    with pytest.raises(TransientError, match="Too many visits"):
        check(200, sample("too_many_visits"))
    with pytest.raises(InvalidMessageError, match="10001 Not supported symbols"):
        check(200, sample("unknown_symbol"))
    with pytest.raises(InvalidMessageError, match="retCode"):
        check(200, b"<html>")


def test_a_ban_of_the_address_is_waited_out_and_another_403_is_not() -> None:
    with pytest.raises(TransientError) as caught:
        check(403, b"403, access too frequent")
    assert caught.value.retry_after_s == 600
    check(403, b"configured to block access from your country")  # the client refuses what is not 200


def test_subscriptions_keep_within_the_limits() -> None:
    topics = [SPOT.topic(f"1000000LONGNAME{n}USDT", Timeframe.H12) for n in range(TOPICS_PER_CONNECTION)]
    messages = [json.loads(message) for message in SPOT.subscribe(topics)]
    assert [topic for message in messages for topic in message["args"]] == topics
    assert {message["op"] for message in messages} == {"subscribe"}
    assert max(len(message["args"]) for message in messages) == 10
    assert sum(len(json.dumps(message["args"])) for message in messages) < 21_000
    assert json.loads(str(SPOT.limits.ping)) == {"op": "ping"}


def test_the_markets_have_addresses_of_their_own() -> None:
    assert SPOT.topic("BTCUSDT", Timeframe.D1) == "kline.D.BTCUSDT"
    assert SPOT.url(SPOT.ws_url, ["kline.D.BTCUSDT"]) == "wss://stream.bybit.com/v5/public/spot"
    assert LINEAR.url(LINEAR.ws_url, []) == "wss://stream.bybit.com/v5/public/linear"
