"""Venues are asked for their time, and what is wrong with one is said of it alone."""

import json
import time
from collections.abc import Callable

import httpx
import pytest

from shared.adapters.venue_ping import HttpVenuePings
from shared.runtime.config import TRADED_VENUES

Handler = Callable[[httpx.Request], httpx.Response]
WELL = {
    "api.binance.com/api/v3/time": {"serverTime": 1},
    "fapi.binance.com/fapi/v1/time": {"serverTime": 1},
    "api.bybit.com/v5/market/time": {"retCode": 0, "time": 1},
    "www.okx.com/api/v5/public/time": {"code": "0", "data": [{"ts": "1"}]},
    "api.kraken.com/0/public/Time": {"error": [], "result": {"unixtime": 1}},
    "api.exchange.coinbase.com/time": {"iso": "2026-01-01T00:00:00Z", "epoch": 1},
    "api.hyperliquid.xyz/info": {"coin": "BTC", "time": 1, "levels": []},
}


def pings(handler: Handler, **urls: str) -> HttpVenuePings:
    return HttpVenuePings(urls, session=httpx.Client(transport=httpx.MockTransport(handler)))


def well(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json=WELL[request.url.host + request.url.path])


def test_every_venue_that_is_traded_is_asked_in_its_own_way() -> None:
    found = pings(well).ask(TRADED_VENUES)
    assert set(found) == set(TRADED_VENUES)
    assert {venue: ping.error for venue, ping in found.items() if ping.error} == {}
    assert all(ping.latency_ms is not None for ping in found.values())


def test_a_venue_may_be_elsewhere() -> None:
    def at_home(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "http://127.0.0.1:1/api/v3/time"
        return httpx.Response(200, json={"serverTime": 1})

    assert pings(at_home, binance="http://127.0.0.1:1/").ask(["binance"])["binance"].error is None


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(503), "HTTP 503"),
        (httpx.Response(418), "HTTP 418"),
        (httpx.Response(200, json={"retCode": 10006}), "it says"),
        (httpx.Response(200, text="<html>"), "cannot be read"),
        (httpx.Response(200, json=[]), "cannot be read"),
    ],
    ids=["down", "banned", "refused", "html", "list"],
)
def test_an_answer_that_is_none_is_told(answer: httpx.Response, said: str) -> None:
    found = pings(lambda _: httpx.Response(answer.status_code, content=answer.content)).ask(["bybit"])["bybit"]
    assert found.latency_ms is None
    assert said in str(found.error)


def test_a_connection_that_is_cut_at_once_is_tried_again_a_slow_one_is_not() -> None:
    asked = []

    def once(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if len(asked) == 1:
            raise httpx.ReadError("cut")
        return well(request)

    assert pings(once).ask(["binance"])["binance"].error is None
    assert len(asked) == 2

    def slow(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        time.sleep(0.6)
        raise httpx.ReadTimeout("no answer")

    assert "ReadTimeout" in str(pings(slow).ask(["binance"])["binance"].error)
    assert len(asked) == 3


def test_hyperliquid_is_asked_for_a_book_which_has_its_time() -> None:
    def asked(request: httpx.Request) -> httpx.Response:
        assert json.loads(request.content) == {"type": "l2Book", "coin": "BTC"}
        return well(request)

    assert pings(asked).ask(["hyperliquid"])["hyperliquid"].error is None


def test_a_venue_nobody_knows_is_said_to_be_that() -> None:
    assert "nobody knows" in str(pings(well).ask(["mtgox"])["mtgox"].error)
    assert pings(well).ask([]) == {}
