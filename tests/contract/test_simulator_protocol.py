"""The simulator against what Binance documents, through real sockets and the desk's own Binance adapter."""

import asyncio
import json
import math
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from desk.simulator.server import Simulator
from desk.simulator.spec import FilesSpec, SyntheticSpec, build_tape
from desk.simulator.streams import BACKLOG
from desk.simulator.tape import Tape
from shared.adapters.venues.binance_wire import parse_klines, parse_listings, parse_quote_volumes, parse_tickers, read
from shared.domain.candles import Candle, CandleFrame, frame_of
from shared.domain.errors import FatalError
from shared.domain.pushes import Push
from shared.domain.timeframe import Timeframe

MINUTE = 60_000
SYNTHETIC = build_tape(SyntheticSpec(symbols=12, history_bars=1_200, live_bars=60))


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now_ms: int) -> None:
        self.now = now_ms

    def now_ms(self) -> int:
        return self.now


class Venue:
    """A running simulator, its clock, and a client."""

    def __init__(self, simulator: Simulator, clock: HandClock, http: aiohttp.ClientSession, url: str) -> None:
        self.simulator, self.clock, self.http, self.url = simulator, clock, http, url
        self.tape = simulator.tape

    async def get(self, path: str, **query: object) -> Any:
        status, body, _ = await self.ask(path, **query)
        assert status == 200, body
        return json.loads(body)

    async def ask(self, path: str, **query: object) -> tuple[int, bytes, Any]:
        params = {name: str(value) for name, value in query.items()}
        async with self.http.get(self.url + path, params=params) as response:
            return response.status, await response.read(), response.headers

    async def socket(self, path: str) -> aiohttp.ClientWebSocketResponse:
        before = self.simulator.streams.connections
        feed = await self.http.ws_connect(self.url + path)
        async with asyncio.timeout(20):
            while (await self.get("/_tape/status"))["connections"] == before:
                pass
        return feed


@asynccontextmanager
async def venue_on(tape: Tape, *, weight_limit: int = 6_000, backlog: int = BACKLOG) -> AsyncIterator[Venue]:
    clock = HandClock(tape.live_from)
    simulator = Simulator(tape, clock, forming_pause_s=0.0, weight_limit=weight_limit, backlog=backlog)
    async with simulator.serve() as url, aiohttp.ClientSession() as http:
        yield Venue(simulator, clock, http, url)


def stream(symbol: str, timeframe: Timeframe = Timeframe.M1) -> str:
    return f"{symbol.replace('/', '').lower()}@kline_{timeframe}"


async def closes(feed: aiohttp.ClientWebSocketResponse, count: int) -> list[Push]:
    found: list[Push] = []
    while len(found) < count:
        found += read((await feed.receive_str(timeout=20)).encode())
    return found


async def test_time_ping_and_weight() -> None:
    async with venue_on(SYNTHETIC) as venue:
        assert await venue.get("/api/v3/ping") == {}
        assert await venue.get("/api/v3/time") == {"serverTime": venue.tape.live_from}
        _, _, headers = await venue.ask("/api/v3/ticker/24hr")
        assert int(headers["X-MBX-USED-WEIGHT-1M"]) in (80, 82)  # 80 when the minute has just turned


async def test_a_client_over_the_weight_limit_is_told_to_wait() -> None:
    async with venue_on(SYNTHETIC, weight_limit=3) as venue:
        answers = [await venue.ask("/api/v3/klines", symbol="BTCUSDT", interval="1m", limit=1) for _ in range(4)]
        refused = [(body, headers) for status, body, headers in answers if status == 429]
        assert refused
        assert json.loads(refused[0][0])["code"] == -1003
        assert 1 <= int(refused[0][1]["Retry-After"]) <= 60


async def test_the_listing_reads_as_binances() -> None:
    async with venue_on(SYNTHETIC) as venue:
        _, body, _ = await venue.ask("/api/v3/exchangeInfo")
        listings, weight = parse_listings(body)
        assert weight == 6_000
        assert {f"{listing.base}/{listing.quote}" for listing in listings} == {
            listed.symbol for listed in venue.tape.instruments
        }
        assert [listing.venue_id for listing in listings if not listing.is_trading] == ["LUNAUSDT"]
        (bitcoin,) = (await venue.get("/api/v3/exchangeInfo", symbol="BTCUSDT"))["symbols"]
        filters = {entry["filterType"]: entry for entry in bitcoin["filters"]}
        assert filters["PRICE_FILTER"]["tickSize"] == "0.01000000"
        assert filters["LOT_SIZE"]["stepSize"] == "0.00001000"
        assert "NOTIONAL" in filters


async def test_the_ticker_sums_the_last_24_hours() -> None:
    async with venue_on(SYNTHETIC) as venue:
        _, body, _ = await venue.ask("/api/v3/ticker/24hr")
        volumes = parse_quote_volumes(body)
        ranked = sorted((one for one in volumes if one.endswith("USDT")), key=lambda one: -volumes[one])
        assert ranked[0] == "BTCUSDT"
        assert ranked.index("MOULDUSDT") > max(ranked.index(one.replace("/", "")) for one in venue.tape.tradable)
        day = venue.tape.day(venue.clock.now)
        one = await venue.get("/api/v3/ticker/24hr", symbol="BTCUSDT")
        assert float(one["highPrice"]) == day.column("high")[0].max()
        assert float(one["lastPrice"]) == day.column("close")[0, -1]
        assert one["closeTime"] - one["openTime"] == Timeframe.D1.ms


async def test_prices_and_the_book_are_told_of_the_symbols_asked_for() -> None:
    async with venue_on(SYNTHETIC) as venue:
        venue.clock.now += 30_000
        assert (await venue.get("/api/v3/ticker/price", symbol="BTCUSDT"))["symbol"] == "BTCUSDT"
        names = '["BTCUSDT","ETHUSDT"]'
        prices, books = [(await venue.ask(f"/api/v3/ticker/{of}", symbols=names))[1] for of in ("price", "bookTicker")]
        tickers = parse_tickers(prices, books)
        assert set(tickers) == {"BTCUSDT", "ETHUSDT"}
        (forming,) = await venue.get("/api/v3/klines", symbol="BTCUSDT", interval="1m", limit=1)
        last, bid, ask = tickers["BTCUSDT"]
        assert last == float(forming[4])
        assert [bid, ask] == pytest.approx([last - 0.01, last + 0.01])
        assert len(await venue.get("/api/v3/ticker/bookTicker")) == len(venue.tape.instruments)
        status, body, _ = await venue.ask("/api/v3/ticker/price", symbols='["BTCUSDT","NOPE"]')
        assert (status, json.loads(body)["code"]) == (400, -1121)


async def test_after_the_end_of_a_tape_the_last_price_stands() -> None:
    tape = build_tape(SyntheticSpec(symbols=2, history_bars=50, live_bars=5))
    async with venue_on(tape) as venue:
        assert tape.end is not None
        venue.clock.now = tape.end + MINUTE
        told = await venue.get("/api/v3/ticker/price", symbol="BTCUSDT")
        closes = tape.frame(Timeframe.M1, since=tape.start, until=tape.end).column("close")[0]
        assert float(told["price"]) == closes[-1]


@pytest.mark.parametrize(
    ("query", "weight"), [({"symbol": "BTCUSDT"}, "2"), ({"symbols": '["BTCUSDT"]'}, "4"), ({}, "4")]
)
async def test_one_price_weighs_two_and_a_list_four(query: dict[str, str], weight: str) -> None:
    async with venue_on(SYNTHETIC) as venue:
        _, _, headers = await venue.ask("/api/v3/ticker/price", **query)
        assert headers["X-MBX-USED-WEIGHT-1M"] == weight


async def test_klines_with_a_start_are_the_oldest_and_without_one_the_newest() -> None:
    async with venue_on(SYNTHETIC) as venue:
        start, now = venue.tape.start, venue.tape.live_from
        oldest = await venue.get("/api/v3/klines", symbol="BTCUSDT", interval="1m", startTime=start, limit=1440)
        assert [row[0] for row in oldest] == [
            start + bar * MINUTE for bar in range(1_000)
        ]  # capped, and from the start
        newest = await venue.get("/api/v3/klines", symbol="BTCUSDT", interval="1m")
        assert [row[0] for row in newest] == [now - bar * MINUTE for bar in range(499, -1, -1)]
        span = await venue.get(
            "/api/v3/klines", symbol="BTCUSDT", interval="1m", startTime=start + 1, endTime=start + 3 * MINUTE
        )
        assert [row[0] for row in span] == [start + bar * MINUTE for bar in (1, 2, 3)]
        assert await venue.get("/api/v3/klines", symbol="BTCUSDT", interval="1m", startTime=now + MINUTE) == []


async def test_the_forming_candle_is_listed_last_with_its_future_close_time() -> None:
    async with venue_on(SYNTHETIC) as venue:
        venue.clock.now += 30_000
        closed, forming = await venue.get("/api/v3/klines", symbol="BTCUSDT", interval="5m", limit=2)
        assert closed[6] == venue.tape.live_from - 1
        assert forming[0] == venue.tape.live_from
        assert forming[6] > venue.clock.now


@pytest.mark.parametrize("timeframe", [Timeframe.M1, Timeframe.M5])
async def test_what_the_desks_adapter_reads_from_klines_is_the_tape_to_the_last_bit(timeframe: Timeframe) -> None:
    async with venue_on(SYNTHETIC) as venue:
        series: dict[str, Sequence[Candle]] = {}
        for listed in venue.tape.instruments[:12]:
            _, body, _ = await venue.ask("/api/v3/klines", symbol=listed.wire, interval=timeframe, limit=200)
            series[listed.symbol] = parse_klines(body, timeframe)[:-1]
        assert_same(frame_of(timeframe, series), venue.tape)


async def test_what_the_desks_adapter_reads_from_the_streams_is_the_tape_to_the_last_bit() -> None:
    async with venue_on(SYNTHETIC) as venue:
        names = {listed.wire: listed.symbol for listed in venue.tape.instruments[:12]}
        timeframes = (Timeframe.M1, Timeframe.M5, Timeframe.M15)
        wanted = [stream(symbol, timeframe) for symbol in names.values() for timeframe in timeframes]
        feed = await venue.socket(f"/stream?streams={'/'.join(wanted)}")
        venue.clock.now += 60 * MINUTE  # an hour at once: every close arrives all the same, in order
        found = await closes(feed, 12 * (60 + 12 + 4))
        for timeframe in timeframes:
            series: dict[str, list[Candle]] = {symbol: [] for symbol in names.values()}
            for closed in found:
                if closed.timeframe is timeframe:
                    series[names[closed.venue_id]].append(closed.candle)
            assert all(candles == sorted(candles) for candles in series.values())
            assert_same(frame_of(timeframe, dict(series)), venue.tape)
        assert [closed.candle.open_time + closed.timeframe.ms for closed in found] == sorted(
            closed.candle.open_time + closed.timeframe.ms for closed in found
        )


def assert_same(read: CandleFrame, tape: Tape) -> None:
    since, until = int(read.open_times[0]), read.close_time
    shown = tape.frame(read.timeframe, since=since, until=until, symbols=read.symbols)
    np.testing.assert_array_equal(read.open_times, shown.open_times)
    np.testing.assert_array_equal(read.values, shown.values)
    np.testing.assert_array_equal(read.filled, shown.filled)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"symbol": "NOPEUSDT", "interval": "1m"}, -1121),
        ({"symbol": "BTC/USDT", "interval": "1m"}, -1121),
        ({"symbol": "BTCUSDT", "interval": "7m"}, -1120),
        ({"symbol": "BTCUSDT"}, -1102),
        ({"interval": "1m"}, -1102),
        ({"symbol": "BTCUSDT", "interval": "1m", "limit": "many"}, -1100),
        ({"symbol": "BTCUSDT", "interval": "1m", "startTime": "-5"}, -1100),
    ],
)
async def test_a_bad_question_gets_binances_error(query: dict[str, str], code: int) -> None:
    async with venue_on(SYNTHETIC) as venue:
        status, body, _ = await venue.ask("/api/v3/klines", **query)
        assert status == 400
        assert json.loads(body)["code"] == code


async def test_a_kline_event_has_exactly_binances_shape() -> None:
    sample = json.loads((Path(__file__).parents[1] / "replay" / "simulator" / "kline_event.json").read_text())
    async with venue_on(SYNTHETIC) as venue:
        feed = await venue.socket(f"/stream?streams={stream('BTC/USDT')}")
        venue.clock.now += 20_000
        forming = await feed.receive_json(timeout=20)
        venue.clock.now += 40_000
        while not (closing := await feed.receive_json(timeout=20))["data"]["k"]["x"]:
            pass
    for event in (forming, closing):
        assert shape(event) == shape(sample)
        assert event["stream"] == "btcusdt@kline_1m"
        kline = event["data"]["k"]
        assert kline["T"] - kline["t"] == MINUTE - 1
        assert kline["L"] - kline["f"] + 1 == kline["n"]
    assert closing["data"]["E"] >= closing["data"]["k"]["T"] + 1
    assert not forming["data"]["k"]["x"]


def shape(value: object) -> object:
    """Return the structure of a message: keys in order, types, and whether a string is a padded decimal."""
    if isinstance(value, dict):
        return [(key, shape(item)) for key, item in value.items()]
    if isinstance(value, str) and value.replace(".", "").isdecimal():
        return "decimal" if len(value.partition(".")[2]) in (0, 8) else value
    return type(value).__name__


async def test_every_candle_forms_at_least_once_however_fast_the_tape_runs() -> None:
    async with venue_on(SYNTHETIC) as venue:
        feed = await venue.socket(f"/stream?streams={stream('BTC/USDT')}")
        venue.clock.now += 5 * MINUTE
        seen: list[tuple[int, bool]] = []
        while sum(is_closed for _, is_closed in seen) < 5:
            kline = (await feed.receive_json(timeout=20))["data"]["k"]
            seen.append((kline["t"], kline["x"]))
        starts = [venue.tape.live_from + bar * MINUTE for bar in range(5)]
        assert seen == [(start, is_closed) for start in starts for is_closed in (False, True)]


async def test_subscriptions_can_be_changed_on_an_open_raw_connection() -> None:
    async with venue_on(SYNTHETIC) as venue:
        feed = await venue.socket("/ws")

        async def ask(method: str, *params: str) -> Any:
            await feed.send_json({"method": method, "params": list(params), "id": 7})
            return await feed.receive_json(timeout=20)

        assert await ask("SUBSCRIBE", stream("BTC/USDT"), stream("ETH/USDT")) == {"result": None, "id": 7}
        assert await ask("UNSUBSCRIBE", stream("BTC/USDT")) == {"result": None, "id": 7}
        assert await ask("LIST_SUBSCRIPTIONS") == {"result": ["ethusdt@kline_1m"], "id": 7}
        assert (await ask("DANCE"))["error"]["code"] == 2
        venue.clock.now += MINUTE
        event = await feed.receive_json(timeout=20)
        assert (event["e"], event["s"]) == ("kline", "ETHUSDT")  # raw: not wrapped in its stream's name


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"method":"SUBSCRIBE","params":5,"id":1}', '{"method":"SUBSCRIBE","params":[5]}']
)
async def test_a_malformed_request_is_answered_and_the_connection_lives(text: str) -> None:
    async with venue_on(SYNTHETIC) as venue:
        feed = await venue.socket("/ws")
        await feed.send_str(text)
        assert (await feed.receive_json(timeout=20))["error"]["code"] in (2, 3)
        await feed.send_str('{"method":"LIST_SUBSCRIPTIONS","id":1}')
        assert await feed.receive_json(timeout=20) == {"result": [], "id": 1}


async def test_the_limits_of_a_connection_block() -> None:
    async with venue_on(SYNTHETIC) as venue:
        names = [f"s{number}usdt@kline_1m" for number in range(1_025)]
        fits = await venue.socket(f"/stream?streams={'/'.join(names[:-1])}")
        too_many = await venue.http.ws_connect(f"{venue.url}/stream?streams={'/'.join(names)}")
        assert (await too_many.receive(timeout=20)).type is aiohttp.WSMsgType.CLOSE
        await fits.send_json({"method": "SUBSCRIBE", "params": names[-1:], "id": 1})
        assert "at most 1024 streams" in (await fits.receive_json(timeout=20))["error"]["msg"]
        hasty = await venue.socket("/ws")
        for number in range(20):
            await hasty.send_json({"method": "LIST_SUBSCRIPTIONS", "id": number})
        kinds = [(await hasty.receive(timeout=20)).type for _ in range(6)]
        assert kinds == [aiohttp.WSMsgType.TEXT] * 5 + [aiohttp.WSMsgType.CLOSE]


async def test_a_connection_that_does_not_read_is_cut_off_and_delays_nobody() -> None:
    endless = build_tape(SyntheticSpec(symbols=12, history_bars=100))
    wanted = f"/stream?streams={'/'.join(map(stream, endless.tradable))}"
    async with venue_on(endless, backlog=100) as venue:
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, ("127.0.0.1", int(venue.url.rpartition(":")[2])))
        hello = f"GET {wanted} HTTP/1.1\r\nHost: venue\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        keys = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        await loop.sock_sendall(deaf, (hello + keys).encode())
        assert b"101" in await loop.sock_recv(deaf, 64)
        reader = await venue.socket(wanted)
        read = 0
        while (await venue.get("/_tape/status"))["connections"] == 2:
            assert read < 12 * 10_000
            venue.clock.now += 20 * MINUTE
            read += len(await closes(reader, 12 * 20))
        deaf.close()


async def test_a_symbol_that_is_halted_or_unknown_is_silent() -> None:
    async with venue_on(SYNTHETIC) as venue:
        feed = await venue.socket(f"/stream?streams={stream('LUNA/USDT')}/nope@kline_1m/{stream('BTC/USDT')}")
        venue.clock.now += 2 * MINUTE
        assert [closed.venue_id for closed in await closes(feed, 2)] == ["BTCUSDT", "BTCUSDT"]


async def test_the_first_sending_of_every_closing_frame_is_on_record() -> None:
    async with venue_on(SYNTHETIC) as venue:
        feeds = [await venue.socket(f"/stream?streams={stream('BTC/USDT')}") for _ in range(2)]
        venue.clock.now += 3 * MINUTE
        for feed in feeds:
            await closes(feed, 3)
        sent = (await venue.get("/_tape/sent"))["sent"]
        assert [(one["symbol"], one["timeframe"], one["close_time"]) for one in sent] == [
            ("BTC/USDT", "1m", venue.tape.live_from + bar * MINUTE) for bar in (1, 2, 3)
        ]
        assert (await venue.get("/_tape/sent", since_ms=sent[-1]["sent_ms"] + 1))["sent"] == []
        status = await venue.get("/_tape/status")
        assert (status["live_from"], status["now"]) == (venue.tape.live_from, venue.clock.now)
        assert status["connections"] == 2
        assert (await venue.ask("/_tape/sent", since_ms="soon"))[0] == 400


async def test_what_a_recording_does_not_know_travels_as_unknown(tmp_path: Path) -> None:
    start = 1_640_995_200_000
    rows = [f"{start + bar * MINUTE},0.1,0.30000000000000004,0.1,0.2,123456789.123456789" for bar in range(10)]
    path = tmp_path / "odd.csv"
    path.write_text("\n".join(["open_time,open,high,low,close,volume", *rows]))
    tape = build_tape(FilesSpec(files={"BTC/USDT": path}, history_bars=5))
    async with venue_on(tape) as venue:
        _, body, _ = await venue.ask("/api/v3/klines", symbol="BTCUSDT", interval="1m", endTime=start)
        (candle,) = parse_klines(body, Timeframe.M1)
        assert candle[:6] == (start, 0.1, 0.30000000000000004, 0.1, 0.2, 123456789.123456789)
        assert all(map(math.isnan, candle[6:9]))
        (row,) = json.loads(body)
        assert (row[7], row[8], row[9]) == ("NaN", None, "NaN")
        # Ranking needs a quote volume all the same: volume at the close stands in.
        _, body, _ = await venue.ask("/api/v3/ticker/24hr")
        assert parse_quote_volumes(body)["BTCUSDT"] == pytest.approx(5 * 0.2 * 123456789.123456789)


async def test_a_port_in_use_is_a_clear_message() -> None:
    async with venue_on(SYNTHETIC) as venue:
        port = int(venue.url.rpartition(":")[2])
        with pytest.raises(FatalError, match=f"port {port} of 127.0.0.1 cannot be used"):
            async with Simulator(SYNTHETIC, venue.clock).serve(port=port):
                pass
