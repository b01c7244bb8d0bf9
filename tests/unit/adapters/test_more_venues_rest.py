"""Kraken's, Coinbase's and Hyperliquid's REST interfaces: pages, order, holes, refusals, against small servers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from shared.adapters.venues import coinbase, hyperliquid, kraken
from shared.adapters.venues.coinbase import CoinbaseRest
from shared.adapters.venues.hyperliquid import HyperliquidRest
from shared.adapters.venues.kraken import KrakenRest
from shared.adapters.venues.rest_client import RestClient, TokenBucket
from shared.domain.backfill import Window, series_of
from shared.domain.candles import no_trade_candle
from shared.domain.errors import InvalidMessageError, TransientError
from shared.domain.tickers import Funding, Ticker
from shared.domain.timeframe import Timeframe
from shared.domain.urgency import Urgency

MINUTE = 60_000
START = 1_700_000_040_000 // MINUTE * MINUTE
SAMPLES = Path(__file__).parents[2] / "replay"


@dataclass
class Venue:
    """A venue that has a candle for each of `minutes` since START, and whose last trade was at `traded_ms`.

    It answers what `refusals` holds first.
    """

    minutes: list[int] = field(default_factory=list)
    traded_ms: int = START
    asked: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[web.Response] = field(default_factory=list)

    def opens(self) -> list[int]:
        return [START + minute * MINUTE for minute in self.minutes]

    async def kraken(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        if self.refusals:
            return self.refusals.pop(0)
        what = request.match_info["what"]
        if what != "OHLC":
            named = {"Time": "time", "AssetPairs": "asset_pairs", "Ticker": "ticker"}[what]
            return web.Response(body=(SAMPLES / f"kraken/{named}.json").read_bytes())
        since = int(request.query["since"])
        rows = [[t // 1_000, "1", "2", "0.5", "1.5", "1.2", "10", 3] for t in self.opens() if t // 1_000 > since]
        return web.json_response({"error": [], "result": {"BTC/USD": rows[-720:], "last": 0}})

    async def coinbase(self, request: web.Request) -> web.Response:
        self.asked.append({"path": request.path, **request.query})
        if self.refusals:
            return self.refusals.pop(0)
        if request.path.endswith("/ticker"):
            time = datetime.fromtimestamp(self.traded_ms // 1_000, UTC).isoformat().replace("+00:00", "Z")
            return web.json_response({"price": "1.5", "time": time, "bid": "1.4", "ask": "1.6", "trade_id": 7})
        if not request.path.endswith("/candles"):
            named = request.path.removeprefix("/products/").strip("/")
            return web.Response(body=(SAMPLES / f"coinbase/{named}.json").read_bytes())
        first, last = (int(datetime.fromisoformat(request.query[end]).timestamp()) * 1_000 for end in ("start", "end"))
        if (last - first) // MINUTE > 300:
            return web.json_response({"message": "granularity too small for the requested time range"}, status=400)
        rows = [[t // 1_000, 0.5, 2, 1, 1.5, 10] for t in reversed(self.opens()) if first <= t <= last]
        return web.json_response(rows)

    async def hyperliquid(self, request: web.Request) -> web.Response:
        asked = await request.json()
        self.asked.append(asked)
        if self.refusals:
            return self.refusals.pop(0)
        if asked["type"] != "candleSnapshot":
            named = {"l2Book": "l2_book", "metaAndAssetCtxs": "meta_and_asset_ctxs"}[asked["type"]]
            return web.Response(body=(SAMPLES / f"hyperliquid/{named}.json").read_bytes())
        first, last = asked["req"]["startTime"], asked["req"]["endTime"]
        row = {"s": "BTC", "i": "1m", "o": "1", "h": "2", "l": "0.5", "c": "1.5", "v": "10", "n": 3}
        rows = [{**row, "t": t, "T": t + MINUTE - 1} for t in self.opens() if first <= t <= last]
        return web.json_response(rows[-5_000:])


@dataclass
class Clients:
    """A client of each venue, on one server."""

    kraken: KrakenRest
    coinbase: CoinbaseRest
    hyperliquid: HyperliquidRest


@pytest.fixture
def venue() -> Venue:
    return Venue()


@pytest.fixture
async def clients(venue: Venue) -> AsyncIterator[Clients]:
    app = web.Application()
    app.router.add_get("/0/public/{what}", venue.kraken)
    app.router.add_post("/info", venue.hyperliquid)
    app.router.add_get("/products{rest:.*}", venue.coinbase)
    app.router.add_get("/time", venue.coinbase)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:

        def made(**options: Any) -> RestClient:
            return RestClient(session, str(server.make_url("")), bucket=TokenBucket(1e9, 60.0), **options)

        yield Clients(KrakenRest(made(check=kraken.check)), CoinbaseRest(made()), HyperliquidRest(made()))


def window(first: int, last: int) -> Window:
    return Window(timeframe=Timeframe.M1, first_open=START + first * MINUTE, last_open=START + last * MINUTE)


def minutes_of(opens: Any) -> list[int]:
    return [(candle.open_time - START) // MINUTE for candle in opens]


every = pytest.mark.parametrize("name", ["kraken", "coinbase", "hyperliquid"])


@every
async def test_the_forming_candle_is_not_returned(clients: Clients, venue: Venue, name: str) -> None:
    venue.minutes, venue.traded_ms = [0, 1, 2, 3], START + 3 * MINUTE
    source = getattr(clients, name)
    stretch = await source.candles("BTC", window(0, 9), now_ms=START + 4 * MINUTE - 1)
    assert minutes_of(stretch.candles) == [0, 1, 2]
    assert minutes_of(series_of(stretch, Timeframe.M1).values()) == [0, 1, 2]


@every
async def test_holes_are_marked_no_trade_candles(clients: Clients, venue: Venue, name: str) -> None:
    venue.minutes, venue.traded_ms = [0, 1, 4, 5], START + 5 * MINUTE
    source = getattr(clients, name)
    stretch = await source.candles("BTC", window(0, 9), now_ms=START + 5 * MINUTE + 1)
    series = series_of(stretch, Timeframe.M1)
    assert minutes_of(series.values()) == [0, 1, 2, 3, 4]
    assert series[START + 2 * MINUTE] == no_trade_candle(START + 2 * MINUTE, 1.5)


@every
async def test_a_server_error_is_tried_again(clients: Clients, venue: Venue, name: str) -> None:
    venue.refusals = [web.Response(status=502), web.Response(status=429, headers={"Retry-After": "0"})]
    assert await getattr(clients, name).listings()


@every
async def test_a_refused_question_is_not_repeated(clients: Clients, venue: Venue, name: str) -> None:
    venue.refusals = [web.json_response({"message": "NotFound"}, status=404) for _ in range(2)]
    with pytest.raises(InvalidMessageError, match="404"):
        await getattr(clients, name).candles("NOPE", window(0, 1), now_ms=START)
    assert len(venue.asked) == 1


async def test_kraken_has_the_newest_720_and_nothing_older(clients: Clients, venue: Venue) -> None:
    venue.minutes = list(range(1_000))
    stretch = await clients.kraken.candles("BTC/USD", window(0, 998), now_ms=START + 999 * MINUTE)
    assert minutes_of(stretch.candles) == list(range(280, 999))
    (asked,) = venue.asked
    assert (asked["pair"], asked["interval"], asked["assetVersion"]) == ("BTC/USD", "1", "1")
    assert int(asked["since"]) < START // 1_000


async def test_krakens_refusal_under_a_status_of_200_is_tried_again(clients: Clients, venue: Venue) -> None:
    refused = (SAMPLES / "kraken/too_many_requests.json").read_bytes()
    venue.refusals = [web.Response(body=refused), web.Response(body=refused)]
    venue.minutes = [0, 1]
    stretch = await clients.kraken.candles("BTC/USD", window(0, 0), now_ms=START + MINUTE)
    assert minutes_of(stretch.candles) == [0]
    assert len(venue.asked) == 3


async def test_a_pair_kraken_does_not_know_is_refused_at_once(clients: Clients, venue: Venue) -> None:
    venue.refusals = [web.Response(body=(SAMPLES / "kraken/unknown_pair.json").read_bytes())]
    with pytest.raises(InvalidMessageError, match="Unknown asset pair"):
        await clients.kraken.candles("NOPE/USD", window(0, 0), now_ms=START + MINUTE)
    assert len(venue.asked) == 1


async def test_what_kraken_says_of_its_market(clients: Clients) -> None:
    assert abs(await clients.kraken.server_time() - 1_700_000_100_500) <= 600
    assert [listing.symbol for listing in await clients.kraken.listings()] == ["BTC/USD", "DOGE/USD", "ETH/BTC"]
    assert set(await clients.kraken.quote_volumes()) == {"BTC/USD"}
    assert await clients.kraken.tickers(["BTC/USD", "ETH/BTC"]) == {"BTC/USD": Ticker(36795.5, 36795.5, 36795.6)}
    assert await clients.kraken.funding(["BTC/USD"]) == {}


async def test_coinbase_pages_of_300_come_together_in_order(clients: Clients, venue: Venue) -> None:
    venue.minutes = list(range(1_000))
    stretch = await clients.coinbase.candles("BTC-USD", window(0, 998), now_ms=START + 999 * MINUTE)
    assert minutes_of(stretch.candles) == list(range(999))
    assert len(venue.asked) == 4


async def test_a_coinbase_hole_is_told_by_what_surrounds_the_question(clients: Clients, venue: Venue) -> None:
    """Asked for one minute in which nobody traded, Coinbase answers nothing at all."""
    venue.minutes, venue.traded_ms = [0, 40], START + 40 * MINUTE
    stretch = await clients.coinbase.candles("BTC-USD", window(10, 12), now_ms=START + 41 * MINUTE)
    assert list(stretch.candles) == [no_trade_candle(START + minute * MINUTE, 1.5) for minute in (10, 11, 12)]
    assert len(venue.asked) == 1


async def test_after_the_last_trade_the_ticker_proves_that_nobody_traded(clients: Clients, venue: Venue) -> None:
    venue.minutes, venue.traded_ms = [0], START + 30_000
    stretch = await clients.coinbase.candles("BTC-USD", window(9, 11), now_ms=START + 11 * MINUTE)
    assert list(stretch.candles) == [no_trade_candle(START + minute * MINUTE, 1.5) for minute in (9, 10)]
    venue.minutes = []  # the last trade lies further back than a page
    stretch = await clients.coinbase.candles("BTC-USD", window(500, 501), now_ms=START + 502 * MINUTE)
    assert list(stretch.candles) == [no_trade_candle(START + minute * MINUTE, 1.5) for minute in (500, 501)]


async def test_candles_that_lag_behind_the_last_trade_prove_nothing(clients: Clients, venue: Venue) -> None:
    """A minute Coinbase has not made a candle of yet is a gap, and asked for again."""
    venue.minutes, venue.traded_ms = [0], START + 2 * MINUTE + 1_000
    stretch = await clients.coinbase.candles("BTC-USD", window(0, 3), now_ms=START + 4 * MINUTE)
    assert minutes_of(stretch.candles) == [0]


async def test_what_coinbase_says_of_its_market(clients: Clients) -> None:
    assert await clients.coinbase.tickers(["BTC-USD", "ETH-BTC"]) == dict.fromkeys(
        ["BTC-USD", "ETH-BTC"], Ticker(1.5, 1.4, 1.6)
    )
    assert await clients.coinbase.funding(["BTC-USD"]) == {}
    volumes = await clients.coinbase.quote_volumes()
    assert volumes["BTC-USD"] == 10000.5 * 36795.5


async def test_a_delisted_pair_does_not_cost_the_others_their_ticker(clients: Clients, venue: Venue) -> None:
    venue.refusals = [web.json_response({"message": "NotFound"}, status=404)]
    assert set(await clients.coinbase.tickers(["OMG-USD", "BTC-USD"])) == {"BTC-USD"}


async def test_hyperliquid_pages_of_5000(clients: Clients, venue: Venue) -> None:
    venue.minutes = list(range(6_000))
    stretch = await clients.hyperliquid.candles("BTC", window(0, 5_998), now_ms=START + 5_999 * MINUTE)
    assert minutes_of(stretch.candles) == list(range(5_999))
    assert [asked["req"]["startTime"] for asked in venue.asked] == [START, START + 5_000 * MINUTE]


async def test_a_coin_hyperliquid_does_not_know_is_refused(clients: Clients, venue: Venue) -> None:
    venue.refusals = [web.json_response(None)]
    with pytest.raises(InvalidMessageError, match="candleSnapshot"):
        await clients.hyperliquid.candles("NOPE", window(0, 0), now_ms=START + MINUTE)


async def test_what_hyperliquid_says_of_its_market(clients: Clients) -> None:
    source = clients.hyperliquid
    assert await source.server_time() == 1_700_000_100_123
    assert (await source.quote_volumes())["kPEPE"] == 5000.5
    assert await source.tickers(["BTC", "NOPE"]) == {"BTC": Ticker(36795.0, 36794.0, 36796.0)}
    due = 1_700_000_100_123 // 3_600_000 * 3_600_000 + 3_600_000
    assert await source.funding(["kPEPE"]) == {"kPEPE": Funding(-0.00002, due, 1_000_000.0)}


async def test_hyperliquids_weight_grows_with_the_candles(venue: Venue) -> None:
    spent: list[float] = []

    class Bucket(TokenBucket):
        def turn(self, weight: float, urgency: Urgency) -> Any:
            spent.append(weight)
            return super().turn(weight, urgency)

    app = web.Application()
    app.router.add_post("/info", venue.hyperliquid)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        client = RestClient(session, str(server.make_url("")), bucket=Bucket(1e9, 60.0))
        await HyperliquidRest(client).candles("BTC", window(0, 599), now_ms=START)
    assert spent == [30.0]


@pytest.mark.parametrize("dialect", [kraken.SPOT, coinbase.SPOT, hyperliquid.PERPETUALS])
async def test_nobody_there_is_transient(dialect: Any) -> None:
    async with aiohttp.ClientSession() as session:
        source: Any = dialect.source(session, "http://127.0.0.1:9")
        with pytest.raises(TransientError):
            await source.server_time()
