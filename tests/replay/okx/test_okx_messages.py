"""What is read from each of OKX's messages, value by value."""

import json
import math
from functools import partial

import pytest

from shared.adapters.venues.okx import (
    SPOT,
    SWAP,
    TOPICS_PER_CONNECTION,
    check,
    parse_candles,
    parse_funding,
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

UNKNOWN = math.nan  # OKX counts no trades and names no takers
BTC = Candle(
    1_700_000_040_000, 36780.01, 36799.99, 36771.25, 36795.5, 41.87563, 1540432.1872319, UNKNOWN, UNKNOWN, False
)
STILL = no_trade_candle(1_700_000_100_000, 36795.5)

sample = partial(message, "okx")


def test_a_closed_candle() -> None:
    (push,) = read(sample("candle_closed"))
    assert push._replace(candle=STILL) == Push("BTC-USDT", Timeframe.M1, STILL, True, 1_700_000_100_000)
    assert shown(push.candle) == shown(BTC)


def test_the_volume_of_a_swap_is_not_its_contracts() -> None:
    """A contract of BTC is a hundredth of one: `vol` would be a hundred times too much."""
    (push,) = SWAP.read(sample("candle_closed_swap"))
    assert isinstance(push, Push)
    assert (push.venue_id, shown(push.candle)) == ("BTC-USDT-SWAP", shown(BTC))


def test_a_ping_is_no_json() -> None:
    assert SPOT.limits.ping == "ping"


def test_of_a_candle_that_closes_and_the_one_that_opens_the_first_is_read() -> None:
    (push,) = read(sample("candle_closed_and_next"))
    assert (push.venue_id, push.timeframe) == ("PEPE-USDT", Timeframe.H6)
    assert shown(push.candle) == shown(
        Candle(
            1_699_984_800_000, 1.1e-6, 1.25e-6, 1.09e-6, 1.2e-6, 15_000_500_000.0, 17550.585, UNKNOWN, UNKNOWN, False
        )
    )


def test_a_candle_in_which_nobody_traded_is_marked() -> None:
    (push,) = read(sample("candle_untraded"))
    assert (push.timeframe, push.candle.volume, push.candle.filled) == (Timeframe.D1, 0.0, True)


def test_a_page_of_candles_newest_first() -> None:
    (closed,), (forming,) = parse_candles(sample("candles"), Timeframe.M1)
    assert (shown(closed), shown(forming)) == (shown(BTC), shown(STILL))


def test_listings_of_spot() -> None:
    assert parse_listings(sample("instruments_spot")) == [
        Listing(venue_id="BTC-USDT", base="BTC", quote="USDT", is_trading=True),
        Listing(venue_id="OLD-USDT", base="OLD", quote="USDT", is_trading=False),
    ]


def test_listings_of_swaps_are_the_linear_ones() -> None:
    """An inverse one has its volume in dollars; one announced has no assets yet."""
    (btc,) = parse_listings(sample("instruments_swap"))
    assert btc == Listing(venue_id="BTC-USDT-SWAP", base="BTC", quote="USDT", is_trading=True, settle="USDT")
    assert btc.symbol == "BTC/USDT:USDT"


def test_quote_volumes_and_the_venues_clock() -> None:
    assert parse_quote_volumes(sample("tickers_spot")) == {"BTC-USDT": 243765620.5, "THIN-USDT": 0.0}
    assert parse_quote_volumes(sample("tickers_swap"), in_base=True) == {"BTC-USDT-SWAP": 2_000 * 36800.5}
    assert parse_server_time(sample("time")) == 1_700_000_100_123


def test_a_side_of_the_book_nobody_is_on_is_nan() -> None:
    tickers = parse_tickers(sample("tickers_spot"))
    assert tickers["BTC-USDT"] == Ticker(36795.5, 36795.5, 36795.6)
    assert (tickers["THIN-USDT"].last, tickers["THIN-USDT"].ask) == (0.0001234, 0.0002)
    assert math.isnan(tickers["THIN-USDT"].bid)


def test_funding_and_the_coins_held() -> None:
    found = parse_funding(sample("funding_rate"), sample("open_interest"))
    assert found["BTC-USDT-SWAP"] == Funding(0.0000182221218054, 1_700_006_400_000, 25000.5)
    assert found["NEW-USDT-SWAP"][:2] == (-0.0002, 1_700_006_400_000)
    assert math.isnan(found["NEW-USDT-SWAP"].open_interest)


@pytest.mark.parametrize("parse", [parse_listings, parse_quote_volumes, parse_tickers, parse_server_time])
def test_another_shape_is_refused(parse: object) -> None:
    for body in (sample("too_many_requests"), b'{"data":[{}]}', b"[]"):
        with pytest.raises(InvalidMessageError):
            parse(body)  # type: ignore[operator]


def test_an_empty_clock_is_refused() -> None:
    with pytest.raises(InvalidMessageError, match="ts: invalid literal"):
        parse_server_time(b'{"code":"0","msg":"","data":[]}')


def test_what_is_refused_by_code_is_heard() -> None:
    check(200, sample("candles"))
    with pytest.raises(TransientError, match="Too Many Requests"):
        check(200, sample("too_many_requests"))
    with pytest.raises(TransientError, match="50004"):
        check(400, b'{"code":"50004","msg":"API endpoint request timeout."}')
    with pytest.raises(InvalidMessageError, match="51001 Instrument ID"):
        check(200, sample("unknown_instrument"))
    with pytest.raises(InvalidMessageError, match="code"):
        check(200, b"<html>")
    check(403, b"<html>")  # the client refuses what is not 200


def test_subscriptions_keep_within_the_limits() -> None:
    topics = [SWAP.topic(f"1000000LONGNAME{n}-USDT-SWAP", Timeframe.H12) for n in range(TOPICS_PER_CONNECTION)]
    messages = SWAP.subscribe(topics)
    asked = [arg for message in messages for arg in json.loads(message)["args"]]
    assert asked == [json.loads(topic) for topic in topics]
    assert sum(map(len, messages)) < 64 * 1_024
    assert len(messages) <= 480
    assert 1 / SWAP.limits.connect_every_s < 3


@pytest.mark.parametrize(
    ("timeframe", "channel"),
    [
        (Timeframe.M15, "candle15m"),
        (Timeframe.H4, "candle4H"),
        (Timeframe.H6, "candle6Hutc"),
        (Timeframe.H12, "candle12Hutc"),
        (Timeframe.D1, "candle1Dutc"),
    ],
)
def test_channels_are_named_as_okx_names_them(timeframe: Timeframe, channel: str) -> None:
    assert json.loads(SPOT.topic("BTC-USDT", timeframe)) == {"channel": channel, "instId": "BTC-USDT"}
    assert SPOT.url(SPOT.ws_url, []) == "wss://ws.okx.com:8443/ws/v5/business"
