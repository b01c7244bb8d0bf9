"""Prices of symbols over venues: one of each venue that has it, and a name for what nobody has."""

import pytest

from shared.domain.errors import NotFoundError, TransientError
from shared.domain.tickers import Funding, Snapshot, Ticker, VenueNow, prices_of

TICKER = Ticker(2.0, 1.0, 3.0)
OTHER = Ticker(20.0, 10.0, 30.0)
SPOT = VenueNow(Snapshot(7, {"BTC/USDT": TICKER}))
ELSEWHERE = VenueNow(Snapshot(8, {"BTC/USDT": OTHER, "ETH/USDT": OTHER}))
SILENT = VenueNow()


def test_a_symbol_has_a_price_of_every_venue_that_trades_it() -> None:
    found = prices_of(["BTC/USDT", "ETH/USDT"], {"a": SPOT, "b": ELSEWHERE})
    assert [(price.venue, price.time_ms, price.ticker) for price in found["BTC/USDT"]] == [
        ("a", 7, TICKER),
        ("b", 8, OTHER),
    ]
    assert [price.venue for price in found["ETH/USDT"]] == ["b"]


def test_funding_stands_beside_the_price_of_its_symbol() -> None:
    funding = Funding(0.0001, 9, 5.0)
    now = VenueNow(
        Snapshot(7, {"BTC/USDT:USDT": TICKER, "ETH/USDT:USDT": TICKER}), Snapshot(5, {"BTC/USDT:USDT": funding})
    )
    found = prices_of(["BTC/USDT:USDT", "ETH/USDT:USDT"], {"a": now})
    assert found["BTC/USDT:USDT"][0].funding == funding
    assert found["ETH/USDT:USDT"][0].funding is None


def test_a_symbol_nobody_has_is_named() -> None:
    with pytest.raises(NotFoundError, match="no price of NOPE/USDT, NADA/USDT on a, b"):
        prices_of(["NOPE/USDT", "BTC/USDT", "NADA/USDT"], {"a": SPOT, "b": ELSEWHERE})


def test_a_silent_venue_is_not_taken_for_one_without_the_symbol() -> None:
    with pytest.raises(TransientError, match="b told of none lately"):
        prices_of(["ETH/USDT"], {"a": SPOT, "b": SILENT})
    assert list(prices_of(["BTC/USDT"], {"a": SPOT, "b": SILENT})) == ["BTC/USDT"]


def test_without_a_venue_there_is_no_price() -> None:
    with pytest.raises(NotFoundError, match="any venue"):
        prices_of(["BTC/USDT"], {})
