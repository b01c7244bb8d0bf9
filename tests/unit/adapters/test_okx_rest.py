"""OKX's REST interface: its two paths of candles, bounds and refusals, against a small server that answers as it."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from shared.adapters.venues import okx
from shared.adapters.venues.okx import OkxRest
from shared.domain.backfill import Window
from shared.domain.errors import InvalidMessageError, TransientError
from shared.domain.tickers import Funding, Ticker
from shared.domain.timeframe import Timeframe
from tests.replay.messages import message

MINUTE = 60_000
START = 1_700_000_040_000


def sample(name: str, *, status: int = 200) -> web.Response:
    body = message("okx", name)
    return web.Response(body=body, content_type="application/json", status=status)


class Venue:
    """A venue with minutes of candles from START on, the newest forming; answers what `refusals` holds first."""

    def __init__(self) -> None:
        self.minutes = 0
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.refusals: list[web.Response] = []

    async def handle(self, request: web.Request) -> web.Response:
        path, query = request.match_info["path"], dict(request.query)
        self.asked.append((path, query))
        if self.refusals:
            return self.refusals.pop(0)
        match path:
            case "market/candles":
                return self.candles(query, range(max(self.minutes - 1_440, 0), self.minutes), most=300)
            case "market/history-candles":
                return self.candles(query, range(self.minutes - 1), most=100)
            case "market/tickers" | "public/instruments":
                return sample(f"{path.split('/')[1]}_{query['instType'].lower()}")
            case "public/funding-rate" if query != {"instId": "ANY"}:
                return sample("unknown_instrument")
            case _:
                return sample(path.split("/")[1].replace("-", "_"))

    def candles(self, query: dict[str, str], minutes: range, *, most: int) -> web.Response:
        """Answer the newest between two times that are not themselves included, newest first."""
        if not query["instId"].startswith("BTC-USDT"):
            return sample("unknown_instrument")
        assert query["bar"] == "1m"
        opens = [START + minute * MINUTE for minute in minutes]
        inside = [time for time in opens if int(query["before"]) < time < int(query["after"])]
        rows = [
            [
                str(time),
                "1",
                "2",
                "0.5",
                "1.5",
                "1000",
                "10",
                "15",
                str(int(time < START + (self.minutes - 1) * MINUTE)),
            ]
            for time in sorted(inside, reverse=True)[: min(int(query["limit"]), most)]
        ]
        return web.json_response({"code": "0", "msg": "", "data": rows})


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch) -> Venue:
    monkeypatch.setattr(okx, "PAUSE_S", 0.01)
    return Venue()


@pytest.fixture
async def spot(venue: Venue) -> AsyncIterator[OkxRest]:
    async for source in serving(venue, "SPOT"):
        yield source


@pytest.fixture
async def swap(venue: Venue) -> AsyncIterator[OkxRest]:
    async for source in serving(venue, "SWAP"):
        yield source


async def serving(venue: Venue, kind: str) -> AsyncIterator[OkxRest]:
    app = web.Application()
    app.router.add_get("/api/v5/{path:.+}", venue.handle)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        yield okx.source(session, str(server.make_url("")), kind=kind)


def window(first: int, last: int) -> Window:
    return Window(timeframe=Timeframe.M1, first_open=START + first * MINUTE, last_open=START + last * MINUTE)


async def test_more_candles_than_a_page_come_in_order_and_whole(spot: OkxRest, venue: Venue) -> None:
    venue.minutes = 1_001
    stretch = await spot.candles("BTC-USDT", window(0, 999), now_ms=START + 1_000 * MINUTE)
    assert [candle.open_time for candle in stretch.candles] == [START + minute * MINUTE for minute in range(1_000)]
    assert [path for path, _ in venue.asked] == ["market/candles"] * 4
    assert [query["limit"] for _, query in venue.asked] == ["300", "300", "300", "100"]


async def test_what_is_older_comes_from_the_path_of_old_candles(spot: OkxRest, venue: Venue) -> None:
    venue.minutes = 1_501
    stretch = await spot.candles("BTC-USDT", window(0, 1_500), now_ms=START + 1_500 * MINUTE + 1)
    assert [candle.open_time for candle in stretch.candles] == [START + minute * MINUTE for minute in range(1_500)]
    assert stretch.newest_open == START + 1_500 * MINUTE
    assert [path for path, _ in venue.asked] == ["market/history-candles"] * 3 + ["market/candles"] * 5


async def test_only_old_candles_are_asked_of_one_path(spot: OkxRest, venue: Venue) -> None:
    venue.minutes = 3_001
    stretch = await spot.candles("BTC-USDT", window(10, 20), now_ms=START + 3_000 * MINUTE)
    assert [candle.open_time for candle in stretch.candles] == [START + minute * MINUTE for minute in range(10, 21)]
    assert [path for path, _ in venue.asked] == ["market/history-candles"]


async def test_the_volume_is_in_base_units_for_spot_and_for_swaps(spot: OkxRest, swap: OkxRest, venue: Venue) -> None:
    venue.minutes = 2
    (of_spot,) = (await spot.candles("BTC-USDT", window(0, 0), now_ms=START + MINUTE)).candles
    (of_swap,) = (await swap.candles("BTC-USDT-SWAP", window(0, 0), now_ms=START + MINUTE)).candles
    assert of_spot[1:7] == (1.0, 2.0, 0.5, 1.5, 1_000.0, 15.0)
    assert of_swap[1:7] == (1.0, 2.0, 0.5, 1.5, 10.0, 15.0)


async def test_the_forming_candle_is_known_but_not_returned(spot: OkxRest, venue: Venue) -> None:
    venue.minutes = 4
    stretch = await spot.candles("BTC-USDT", window(0, 9), now_ms=START + 4 * MINUTE - 1)
    assert [candle.open_time for candle in stretch.candles] == [START, START + MINUTE, START + 2 * MINUTE]
    assert stretch.newest_open == START + 3 * MINUTE


async def test_what_is_past_its_time_but_not_confirmed_is_not_closed(spot: OkxRest, venue: Venue) -> None:
    """The numbers of the last seconds may be missing in it."""
    venue.minutes = 4
    stretch = await spot.candles("BTC-USDT", window(0, 9), now_ms=START + 4 * MINUTE + 300)
    assert [candle.open_time for candle in stretch.candles] == [START, START + MINUTE, START + 2 * MINUTE]
    assert stretch.newest_open == START + 3 * MINUTE


async def test_no_data_is_an_empty_answer(spot: OkxRest) -> None:
    stretch = await spot.candles("BTC-USDT", window(0, 9), now_ms=START + 99 * MINUTE)
    assert (stretch.candles, stretch.newest_open) == ((), None)


async def test_a_refusal_that_may_pass_is_tried_again(spot: OkxRest, venue: Venue) -> None:
    venue.refusals = [sample("too_many_requests"), sample("too_many_requests", status=429)]
    assert await spot.server_time() == 1_700_000_100_123
    assert len(venue.asked) == 3


async def test_who_asks_too_fast_lets_everybody_pause(spot: OkxRest, venue: Venue) -> None:
    venue.refusals = [sample("too_many_requests")]
    before = spot._client._quiet_until
    await spot.server_time()
    assert spot._client._quiet_until > before


async def test_refusals_that_do_not_pass_end(spot: OkxRest, venue: Venue) -> None:
    venue.refusals = [sample("too_many_requests") for _ in range(9)]
    with pytest.raises(TransientError, match="50011"):
        await spot.server_time()
    assert len(venue.asked) == 5


async def test_an_unknown_instrument_is_refused_once(spot: OkxRest, venue: Venue) -> None:
    with pytest.raises(InvalidMessageError, match="51001"):
        await spot.candles("NOPE-USDT", window(0, 1), now_ms=START)
    assert len(venue.asked) == 1


async def test_a_refused_parameter_is_refused_once(spot: OkxRest, venue: Venue) -> None:
    venue.refusals = [web.json_response({"code": "51000", "msg": "Parameter bar error", "data": []}, status=400)]
    with pytest.raises(InvalidMessageError, match="51000 Parameter bar error"):
        await spot.server_time()
    assert len(venue.asked) == 1


async def test_listings_volumes_and_tickers_of_each_market(spot: OkxRest, swap: OkxRest) -> None:
    assert [listing.symbol for listing in await spot.listings()] == ["BTC/USDT", "OLD/USDT"]
    assert [listing.symbol for listing in await swap.listings()] == ["BTC/USDT:USDT"]
    assert (await spot.quote_volumes())["BTC-USDT"] == 243765620.5
    assert await swap.quote_volumes() == {"BTC-USDT-SWAP": 2_000 * 36800.5}
    assert await spot.tickers(["BTC-USDT", "NOPE-USDT"]) == {"BTC-USDT": Ticker(36795.5, 36795.5, 36795.6)}
    assert await swap.tickers(["BTC-USDT-SWAP"]) == {"BTC-USDT-SWAP": Ticker(36800.5, 36800.4, 36800.5)}


async def test_funding_of_all_swaps_takes_two_questions(swap: OkxRest, venue: Venue) -> None:
    found = await swap.funding(["BTC-USDT-SWAP", "NOPE-USDT-SWAP"])
    assert found == {"BTC-USDT-SWAP": Funding(0.0000182221218054, 1_700_006_400_000, 25000.5)}
    assert [path for path, _ in venue.asked] == ["public/funding-rate", "public/open-interest"]


async def test_spot_pays_no_funding(spot: OkxRest, venue: Venue) -> None:
    assert await spot.funding(["BTC-USDT"]) == {}
    assert venue.asked == []


async def test_never_more_than_nine_tenths_of_the_limit_in_any_two_seconds(spot: OkxRest) -> None:
    """A full bucket and what is refilled meanwhile count together, since the venue counts a rolling window."""
    bucket = spot._client.bucket
    rate = bucket._limit / bucket._per_s
    assert bucket._limit + 2 * rate == pytest.approx(36)
    assert bucket._limit >= 4  # what weighs most fits
