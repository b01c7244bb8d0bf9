"""Binance's REST interface: pages, the forming candle, retries and weights, against a small server that misbehaves."""

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from shared.adapters.venues.binance import NAMED_AT_MOST, BinanceRest, used_weight
from shared.adapters.venues.rest_client import RestClient, TokenBucket
from shared.domain.backfill import Window
from shared.domain.errors import InvalidMessageError, TransientError
from shared.domain.tickers import Funding, Ticker
from shared.domain.timeframe import Timeframe
from shared.domain.urgency import Urgency

MINUTE = 60_000
START = 1_700_000_040_000 // MINUTE * MINUTE


class Venue:
    """A venue with candles for `minutes` from START on; answers what `refusals` holds first."""

    def __init__(self) -> None:
        self.minutes = 0
        self.asked: list[dict[str, str]] = []
        self.refusals: list[web.Response] = []
        self.headers: dict[str, str] = {}

    async def klines(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        if self.refusals:
            return self.refusals.pop(0)
        first, last = int(request.query["startTime"]), int(request.query["endTime"])
        limit = min(int(request.query["limit"]), 1_000)
        opens = [START + minute * MINUTE for minute in range(self.minutes)]
        rows = [
            [t, "1", "2", "0.5", "1.5", "10", t + MINUTE - 1, "15", 3, "4", "6", "0"]
            for t in opens
            if first <= t <= last
        ]
        return web.json_response(rows[:limit], headers=self.headers)  # the oldest rows of the range

    async def time(self, _request: web.Request) -> web.Response:
        return self.refusals.pop(0) if self.refusals else web.json_response({"serverTime": START})

    async def prices(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        named = json.loads(request.query.get("symbols", "null"))
        if not set(named or ()) <= {"BTCUSDT", "ETHUSDT"}:
            return web.json_response({"code": -1121, "msg": "Invalid symbol."}, status=400)
        told = [{"symbol": name, "price": "2", "bidPrice": "1", "askPrice": "3"} for name in ("BTCUSDT", "ETHUSDT")]
        return web.json_response([row for row in told if named is None or row["symbol"] in named])

    async def premiums(self, _request: web.Request) -> web.Response:
        return web.json_response(
            [
                {"symbol": name, "lastFundingRate": "-0.0001", "nextFundingTime": START, "markPrice": "2"}
                for name in ("BTCUSDT", "GONEUSDT", "OTHERUSDT")
            ]
        )

    async def open_interest(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        if request.query["symbol"] == "GONEUSDT":
            return web.json_response({"code": -4108, "msg": "Symbol is on delivering."}, status=400)
        return web.json_response({"symbol": "BTCUSDT", "openInterest": "80312.437", "time": START})


@pytest.fixture
def venue() -> Venue:
    return Venue()


@pytest.fixture
async def client(venue: Venue) -> AsyncIterator[Callable[..., BinanceRest]]:
    app = web.Application()
    app.router.add_get("/api/v3/klines", venue.klines)
    app.router.add_get("/api/v3/time", venue.time)
    app.router.add_get("/fapi/v1/premiumIndex", venue.premiums)
    app.router.add_get("/fapi/v1/openInterest", venue.open_interest)
    app.router.add_get("/api/v3/ticker/price", venue.prices)
    app.router.add_get("/api/v3/ticker/bookTicker", venue.prices)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:

        def made(**options: Any) -> BinanceRest:
            return binance(session, str(server.make_url("")), **options)

        yield made


def binance(session: aiohttp.ClientSession, url: str, *, spot: bool = True, **options: Any) -> BinanceRest:
    bucket = TokenBucket(6_000, 60.0)
    return BinanceRest(RestClient(session, url, bucket=bucket, used_weight=used_weight, **options), spot=spot)


Client = Callable[..., BinanceRest]


def window(first: int, last: int) -> Window:
    return Window(timeframe=Timeframe.M1, first_open=START + first * MINUTE, last_open=START + last * MINUTE)


def noted_sleeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let nobody wait, and return how long they wanted to."""
    waits: list[float] = []

    async def note(delay: float) -> None:
        waits.append(delay)

    monkeypatch.setattr(asyncio, "sleep", note)
    return waits


async def test_more_candles_than_a_page_come_in_order_and_whole(client: Client, venue: Venue) -> None:
    """Asked for 1,440 with a start time, Binance answers the *oldest* 1,000: the newest are on the next page."""
    venue.minutes = 2_500
    stretch = await client().candles("BTCUSDT", window(0, 2_399), now_ms=START + 2_400 * MINUTE)
    assert [candle.open_time for candle in stretch.candles] == [START + minute * MINUTE for minute in range(2_400)]
    assert [int(query["startTime"]) for query in venue.asked] == [START + page * 1_000 * MINUTE for page in range(3)]
    assert max(int(query["limit"]) for query in venue.asked) <= 1_000


async def test_the_forming_candle_is_known_but_not_returned(client: Client, venue: Venue) -> None:
    venue.minutes = 4
    stretch = await client().candles("BTCUSDT", window(0, 9), now_ms=START + 4 * MINUTE - 1)
    assert [candle.open_time for candle in stretch.candles] == [START, START + MINUTE, START + 2 * MINUTE]
    assert stretch.newest_open == START + 3 * MINUTE


async def test_no_data_is_an_empty_answer(client: Client) -> None:
    stretch = await client().candles("BTCUSDT", window(0, 9), now_ms=START + 99 * MINUTE)
    assert (stretch.candles, stretch.newest_open) == ((), None)


@pytest.mark.parametrize("status", [500, 502, 503, 429, 418])
async def test_what_may_pass_is_tried_again(client: Client, venue: Venue, status: int) -> None:
    venue.refusals = [web.Response(status=status, headers={"Retry-After": "0"})]
    assert await client().server_time() == START


async def test_the_delay_binance_gives_is_honoured(
    client: Client, venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the retry, and by every other question too: they all come from one address."""
    venue.refusals = [web.Response(status=429, headers={"Retry-After": "7"})]
    made = client()
    assert made._client._backoff(TransientError("429", retry_after_s=7.0)) == 7.0
    waits = noted_sleeps(monkeypatch)
    await made.server_time()
    await made.server_time()
    quiet = [wait for wait in waits if wait]  # the retries of a test wait for nothing else
    assert len(quiet) == 2
    assert all(5 < wait <= 7 for wait in quiet)


async def test_a_ban_longer_than_our_patience_fails_at_once_and_nothing_more_is_sent(
    client: Client, venue: Venue
) -> None:
    venue.refusals = [web.Response(status=418, headers={"Retry-After": "7200"})]
    made = client()
    with pytest.raises(TransientError, match="418") as caught:
        await made.candles("BTCUSDT", window(0, 1), now_ms=START)
    assert caught.value.retry_after_s == 7_200
    with pytest.raises(TransientError, match="stay quiet"):
        await made.candles("BTCUSDT", window(0, 1), now_ms=START)
    assert len(venue.asked) == 1


async def test_retries_end(client: Client, venue: Venue) -> None:
    venue.refusals = [web.Response(status=500) for _ in range(9)]
    with pytest.raises(TransientError, match="HTTP 500"):
        await client(attempts=2).server_time()
    assert len(venue.refusals) == 7


async def test_a_question_asked_again_costs_again(client: Client, venue: Venue) -> None:
    spent: list[float] = []

    class Bucket(TokenBucket):
        def turn(self, weight: float, urgency: Urgency) -> Any:
            spent.append(weight)
            return super().turn(weight, urgency)

    made = client()
    made._client.bucket = Bucket(1e9, 60.0)
    venue.refusals = [web.Response(status=500) for _ in range(2)]
    await made.server_time()
    assert spent == [1.0, 1.0, 1.0]


async def test_the_total_time_is_bounded(client: Client, venue: Venue) -> None:
    venue.refusals = [web.Response(status=500) for _ in range(99)]
    with pytest.raises(TransientError):
        await client(attempts=99, timeout_s=0.3).server_time()


async def test_a_refused_question_is_not_repeated(client: Client, venue: Venue) -> None:
    venue.refusals = [web.json_response({"code": -1121, "msg": "Invalid symbol."}, status=400) for _ in range(2)]
    with pytest.raises(InvalidMessageError, match="Invalid symbol"):
        await client().candles("NOPE", window(0, 1), now_ms=START)
    assert len(venue.asked) == 1


async def test_what_the_venue_counted_slows_us_down_before_it_bans_us(client: Client, venue: Venue) -> None:
    """Others may use the same address: what counts is what the venue says, and a tenth is left alone."""
    made = client()
    began_s = time.monotonic()
    venue.headers = {"X-MBX-USED-WEIGHT-1M": "5390"}
    await made.candles("BTCUSDT", window(0, 1), now_ms=START)
    await made.server_time()
    at_ease_s = time.monotonic() - began_s
    venue.headers = {"X-MBX-USED-WEIGHT-1M": "5490"}
    await made.candles("BTCUSDT", window(0, 1), now_ms=START)
    told_s = time.monotonic()
    await made.server_time()
    assert max(at_ease_s, 0.9) < time.monotonic() - told_s < 10  # 91 of 5,400 a minute


async def test_tickers_are_asked_for_by_name(client: Client, venue: Venue) -> None:
    assert await client().tickers(["ETHUSDT"]) == {"ETHUSDT": Ticker(2.0, 1.0, 3.0)}
    assert venue.asked == [{"symbols": '["ETHUSDT"]'}] * 2


async def test_one_delisted_pair_does_not_hide_the_prices_of_the_others(client: Client, venue: Venue) -> None:
    assert await client().tickers(["BTCUSDT", "GONEUSDT"]) == {"BTCUSDT": Ticker(2.0, 1.0, 3.0)}
    assert venue.asked[1:] == [{}, {}]


async def test_more_names_than_a_url_holds_are_not_named(client: Client, venue: Venue) -> None:
    found = await client().tickers(["BTCUSDT", *(f"A{number}USDT" for number in range(NAMED_AT_MOST))])
    assert (set(found), venue.asked) == ({"BTCUSDT"}, [{}, {}])


async def test_funding_is_told_of_the_futures_asked_for(client: Client, venue: Venue) -> None:
    found = await client(spot=False).funding(["BTCUSDT"])
    assert found == {"BTCUSDT": Funding(-0.0001, START, 80_312.437)}
    assert venue.asked == [{"symbol": "BTCUSDT"}]


async def test_a_future_being_settled_does_not_hide_the_funding_of_the_others(client: Client) -> None:
    found = await client(spot=False).funding(["GONEUSDT", "BTCUSDT"])
    assert math.isnan(found["GONEUSDT"].open_interest)
    assert found["BTCUSDT"].open_interest == 80_312.437


async def test_spot_pays_no_funding_and_is_not_asked(client: Client, venue: Venue) -> None:
    assert await client().funding(["BTCUSDT"]) == {}
    assert venue.asked == []


async def test_nobody_there_is_transient() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(TransientError):
            await binance(session, "http://127.0.0.1:9", attempts=1).server_time()
