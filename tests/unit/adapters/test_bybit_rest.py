"""Bybit's REST interface: pages, their order and its refusals, against a small server that answers as it."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from shared.adapters.venues import bybit
from shared.adapters.venues.bybit import BybitRest
from shared.domain.backfill import Window
from shared.domain.errors import InvalidMessageError, TransientError
from shared.domain.tickers import Funding, Ticker
from shared.domain.timeframe import Timeframe
from tests.replay.messages import message

MINUTE = 60_000
START = 1_700_000_040_000


def sample(name: str) -> web.Response:
    return web.Response(body=message("bybit", name), content_type="application/json")


def answer(result: object) -> web.Response:
    return web.json_response({"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": START})


class Venue:
    """A venue with candles of BTCUSDT for `minutes` from START on; answers what `refusals` holds first."""

    def __init__(self) -> None:
        self.minutes = 0
        self.asked: list[dict[str, str]] = []
        self.refusals: list[web.Response] = []
        self.pages: dict[str, Any] = {}

    async def handle(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        self.asked.append(query)
        if self.refusals:
            return self.refusals.pop(0)
        match request.match_info["name"]:
            case "kline":
                return self.klines(query)
            case "instruments-info":
                return answer(self.pages[query.get("cursor", "")])
            case "tickers":
                return sample(f"tickers_{query['category']}")
            case _:
                return sample("time")

    def klines(self, query: dict[str, str]) -> web.Response:
        if query["symbol"] != "BTCUSDT" or query["category"] not in {"spot", "linear"}:
            return sample("unknown_symbol")
        step = int(query["interval"]) * MINUTE
        first, last = int(query["start"]), int(query["end"])
        opens = [time for time in range(START, START + self.minutes * MINUTE, step) if first <= time <= last]
        newest_first = sorted(opens, reverse=True)[: min(int(query["limit"]), 1_000)]
        rows = [[str(time), "1", "2", "0.5", "1.5", "10", "15"] for time in newest_first]
        return answer({"category": query["category"], "symbol": query["symbol"], "list": rows})


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch) -> Venue:
    monkeypatch.setattr(bybit, "PAUSE_S", 0.01)
    return Venue()


@pytest.fixture
async def spot(venue: Venue) -> AsyncIterator[BybitRest]:
    async for source in serving(venue, "spot"):
        yield source


@pytest.fixture
async def linear(venue: Venue) -> AsyncIterator[BybitRest]:
    async for source in serving(venue, "linear"):
        yield source


async def serving(venue: Venue, category: str) -> AsyncIterator[BybitRest]:
    app = web.Application()
    app.router.add_get("/v5/market/{name}", venue.handle)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        yield bybit.source(session, str(server.make_url("")), category=category)


def window(first: int, last: int) -> Window:
    return Window(timeframe=Timeframe.M1, first_open=START + first * MINUTE, last_open=START + last * MINUTE)


async def test_more_candles_than_a_page_come_in_order_and_whole(linear: BybitRest, venue: Venue) -> None:
    """Bybit answers the *newest* of a range, newest first: each page asks for no more than fits."""
    venue.minutes = 2_500
    stretch = await linear.candles("BTCUSDT", window(0, 2_399), now_ms=START + 2_400 * MINUTE)
    assert [candle.open_time for candle in stretch.candles] == [START + minute * MINUTE for minute in range(2_400)]
    assert stretch.candles[0][1:7] == (1.0, 2.0, 0.5, 1.5, 10.0, 15.0)
    assert [int(query["start"]) for query in venue.asked] == [START + page * 1_000 * MINUTE for page in range(3)]
    assert {query["category"] for query in venue.asked} == {"linear"}


async def test_the_forming_candle_is_known_but_not_returned(spot: BybitRest, venue: Venue) -> None:
    venue.minutes = 4
    stretch = await spot.candles("BTCUSDT", window(0, 9), now_ms=START + 4 * MINUTE - 1)
    assert [candle.open_time for candle in stretch.candles] == [START, START + MINUTE, START + 2 * MINUTE]
    assert stretch.newest_open == START + 3 * MINUTE


async def test_no_data_is_an_empty_answer(spot: BybitRest) -> None:
    stretch = await spot.candles("BTCUSDT", window(0, 9), now_ms=START + 99 * MINUTE)
    assert (stretch.candles, stretch.newest_open) == ((), None)


async def test_a_refusal_that_may_pass_is_tried_again(spot: BybitRest, venue: Venue) -> None:
    venue.refusals = [sample("too_many_visits"), web.Response(status=502), sample("too_many_visits")]
    assert await spot.server_time() == 1_700_000_100_123
    assert len(venue.asked) == 4


async def test_an_unknown_symbol_is_refused_once(spot: BybitRest, venue: Venue) -> None:
    with pytest.raises(InvalidMessageError, match="Not supported symbols"):
        await spot.candles("NOPE", window(0, 1), now_ms=START)
    assert len(venue.asked) == 1


async def test_a_banned_address_asks_nothing_more(spot: BybitRest, venue: Venue) -> None:
    venue.refusals = [web.Response(status=403, text="403, access too frequent")]
    with pytest.raises(TransientError, match="too many requests") as caught:
        await spot.server_time()
    assert caught.value.retry_after_s == 600
    with pytest.raises(TransientError, match="stay quiet"):
        await spot.server_time()
    assert len(venue.asked) == 1


async def test_another_403_is_refused(spot: BybitRest, venue: Venue) -> None:
    venue.refusals = [web.Response(status=403, text="block access from your country")]
    with pytest.raises(InvalidMessageError, match="your country"):
        await spot.server_time()


def contract(name: str) -> dict[str, str]:
    return {
        "symbol": f"{name}USDT",
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": name,
        "quoteCoin": "USDT",
        "settleCoin": "USDT",
    }


async def test_listings_are_read_to_the_last_page(linear: BybitRest, venue: Venue) -> None:
    venue.pages = {
        "": {"category": "linear", "list": [contract("A"), contract("B")], "nextPageCursor": "first%3DA%26last%3DB"},
        "first%3DA%26last%3DB": {"category": "linear", "list": [contract("C")], "nextPageCursor": ""},
    }
    assert [listing.symbol for listing in await linear.listings()] == ["A/USDT:USDT", "B/USDT:USDT", "C/USDT:USDT"]
    assert "cursor" not in venue.asked[0]


async def test_pages_that_go_in_circles_are_refused(linear: BybitRest, venue: Venue) -> None:
    page = {"category": "linear", "list": [contract("A")], "nextPageCursor": "again"}
    venue.pages = {"": page, "again": page}
    with pytest.raises(InvalidMessageError, match="'again' again"):
        await linear.listings()


async def test_tickers_and_volumes_take_one_question_each(spot: BybitRest, venue: Venue) -> None:
    assert await spot.tickers(["BTCUSDT", "NOPE"]) == {"BTCUSDT": Ticker(36795.5, 36795.49, 36795.5)}
    assert (await spot.quote_volumes())["BTCUSDT"] == 243765620.65899866
    assert len(venue.asked) == 2


async def test_funding_of_contracts_and_none_of_spot(linear: BybitRest, venue: Venue) -> None:
    assert await linear.funding(["BTCUSDT", "NOPE"]) == {"BTCUSDT": Funding(0.0001, 1_700_006_400_000, 55113.25)}
    assert len(venue.asked) == 1


async def test_spot_pays_no_funding(spot: BybitRest, venue: Venue) -> None:
    assert await spot.funding(["BTCUSDT"]) == {}
    assert venue.asked == []


async def test_never_more_than_nine_tenths_of_the_limit_in_any_five_seconds(spot: BybitRest) -> None:
    """A full bucket and what is refilled meanwhile count together, since the venue counts a rolling window."""
    bucket = spot._client.bucket
    rate = bucket._limit / bucket._per_s
    assert bucket._limit + 5 * rate == pytest.approx(540)
