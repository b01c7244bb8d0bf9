"""A venue's streams: split, silent, rolled, followed, against a server that only counts."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field, replace

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from shared.adapters.venues import connection as venue_connection
from shared.adapters.venues import streams as venue_streams
from shared.adapters.venues.binance import SPOT
from shared.adapters.venues.dialect import Dialect, Limits, plain_url
from shared.adapters.venues.streams import Streams
from shared.domain.timeframe import Timeframe
from tests.fakes.clock import ManualClock

SIX = (Timeframe.M1, Timeframe.M5, Timeframe.M15, Timeframe.H1, Timeframe.H4, Timeframe.D1)


HASTY = replace(SPOT, limits=replace(SPOT.limits, connect_every_s=0.0))
TALKING = Dialect(
    venue="talking",
    rest_url="https://unused",
    ws_url="wss://unused",
    timeframes=SIX,
    says_closed=True,
    limits=Limits(topics=100, messages_per_s=1_000, connect_every_s=0.0, ping="ping", ping_every_s=0.01),
    topic=lambda venue_id, timeframe: f"{venue_id}.{timeframe}",
    url=plain_url,
    subscribe=lambda topics: [f"subscribe {topic}" for topic in topics],
    unsubscribe=lambda topics: [f"unsubscribe {topic}" for topic in topics],
    data_mark=b"data",
    read=lambda _: (),
    source=SPOT.source,
)


@dataclass
class Venue:
    """A venue that keeps the stream names of each connection ever made, those still open, and what it was told."""

    ever: list[list[str]] = field(default_factory=list)
    open: list[web.WebSocketResponse] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    greeting: str | None = None
    most_open: int = 0
    refuses: bool = False
    stalls: bool = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.refuses:
            return web.Response(status=503)
        if self.stalls:
            await asyncio.sleep(60)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.ever.append(request.query.get("streams", "").split("/"))
        self.open.append(socket)
        self.most_open = max(self.most_open, len(self.open))
        if self.greeting:
            await socket.send_str(self.greeting)
        async for message in socket:
            self.told.append(message.data)
        self.open.remove(socket)
        return socket


@dataclass
class Made:
    """Streams on a venue, and what they told."""

    streams: Streams
    venue: Venue
    frames: list[bytes]
    opened: list[Collection[str]]
    ends: list[str]


Make = Callable[..., Made]


@pytest.fixture
async def make(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    monkeypatch.setattr(venue_connection, "BACKOFF_S", (0.01, 0.05))
    venue = Venue()
    app = web.Application()
    app.router.add_get("/stream", venue.handle)
    app.router.add_get("/", venue.handle)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        url = str(server.make_url("")).replace("http", "ws")

        def streams(
            *timeframes: Timeframe, clock: ManualClock | None = None, dialect: Dialect = HASTY, **options: float
        ) -> Made:
            frames: list[bytes] = []
            opened: list[Collection[str]] = []
            ends: list[str] = []
            made = Streams(
                session,
                dialect,
                url,
                timeframes or SIX,
                clock=clock or ManualClock(),
                on_frame=frames.append,
                on_open=opened.append,
                on_end=lambda _, reason: ends.append(reason),
                **options,
            )
            return Made(made, venue, frames, opened, ends)

        yield streams


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not reached():  # noqa: ASYNC110 nothing tells when a server has seen something
            await asyncio.sleep(0.005)


async def test_many_streams_are_split_and_each_is_subscribed_once(make: Make) -> None:
    """Above 1,024 a venue truncates silently, so no connection comes near that."""
    made = make()
    ids = [f"C{number}USDT" for number in range(200)]
    async with made.streams as streams:
        streams.follow(ids)
        assert await streams.wait_open(10)
        assert (streams.open, streams.wanted) == (len(made.venue.ever), len(made.venue.ever))
        names = [name for connection in made.venue.ever for name in connection]
        assert max(map(len, made.venue.ever)) <= 200
        assert len(names) == len(set(names)) == 1_200
        assert "c7usdt@kline_4h" in names


async def test_frames_arrive_as_bytes(make: Make) -> None:
    made = make()
    made.venue.greeting = '{"stream":"x","data":null}'
    async with made.streams as streams:
        streams.follow(["BTCUSDT"])
        await until(lambda: bool(made.frames))
    assert made.frames == [b'{"stream":"x","data":null}']


async def test_a_newcomer_gets_a_connection_and_an_abandoned_connection_is_closed(make: Make) -> None:
    made = make(Timeframe.M1)
    async with made.streams as streams:
        streams.follow(["AUSDT"])
        await streams.wait_open(10)
        streams.follow(["AUSDT", "BUSDT"])
        await streams.wait_open(10)
        assert made.venue.ever == [["ausdt@kline_1m"], ["busdt@kline_1m"]]
        streams.follow(["BUSDT"])
        await until(lambda: len(made.venue.open) == 1)
        assert streams.wanted == 1


async def test_a_half_open_socket_is_noticed_by_its_silence(make: Make) -> None:
    made = make(silence_s=0.02)
    async with made.streams as streams:
        streams.follow(["BTCUSDT"])
        await until(lambda: len(made.venue.ever) >= 3)
    assert made.ends[:2] == ["no data for 0.02 s", "no data for 0.04 s"]


async def test_a_closed_connection_is_made_again(make: Make) -> None:
    made = make()
    async with made.streams as streams:
        streams.follow(["BTCUSDT"])
        await streams.wait_open(10)
        await made.venue.open[0].close()
        await until(lambda: len(made.venue.ever) == 2 and streams.open == 1)
    assert made.ends[0].startswith("closed by the other side")


async def test_an_old_connection_is_replaced_before_it_is_let_go(make: Make) -> None:
    """The venue cuts after 24 h, at a time of its own choosing; we roll before, in the quiet middle of a minute."""
    clock = ManualClock(60_000 * 1_000 + 59_000)
    made = make(clock=clock, roll_after_s=0.05)
    async with made.streams as streams:
        streams.follow(["BTCUSDT"])
        await streams.wait_open(10)
        await asyncio.sleep(0.2)
        assert len(made.venue.ever) == 1  # a candle is about to close
        clock.advance(31_000)
        await until(lambda: len(made.venue.ever) >= 2)
        clock.advance(30_000)
        await until(lambda: len(made.venue.open) == 1)
        assert (streams.open, streams.wanted) == (1, 1)
    assert made.venue.most_open == 2
    assert made.ends == []


async def test_a_replacement_that_does_not_open_leaves_the_old_one_alone(make: Make) -> None:
    clock = ManualClock(60_000 * 1_000 + 30_000)
    made = make(clock=clock, roll_after_s=0.05)
    async with made.streams as streams:
        streams.follow(["BTCUSDT"])
        await streams.wait_open(10)
        made.venue.refuses = True
        await until(lambda: len(made.ends) >= 2)
        assert (len(made.venue.open), streams.open, streams.wanted) == (1, 1, 1)


async def test_a_venue_that_is_told_by_message_is_open_once_it_was_told_everything(make: Make) -> None:
    made = make(Timeframe.M1, Timeframe.H1, dialect=TALKING)
    async with made.streams as streams:
        streams.follow(["a", "b"])
        assert await streams.wait_open(10)
        assert made.opened == [{"a", "b"}]
        await until(lambda: "ping" in made.venue.told)
    assert made.venue.told[:4] == ["subscribe a.1m", "subscribe a.1h", "subscribe b.1m", "subscribe b.1h"]


async def test_a_venue_that_takes_the_call_and_says_nothing_is_called_again(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The HTTP client would wait five minutes for the answer to its upgrade."""
    monkeypatch.setattr(venue_connection, "OPEN_S", 0.2)
    made = make()
    made.venue.stalls = True
    async with made.streams as streams:
        streams.follow(["BTCUSDT"])
        await until(lambda: bool(made.ends))
        made.venue.stalls = False
        await until(lambda: streams.open == 1)
    assert made.ends[0] == "not open within 0.2 s"


async def test_nobody_there_is_tried_again(make: Make) -> None:
    ends: list[str] = []
    async with aiohttp.ClientSession() as session:
        streams = Streams(
            session,
            HASTY,
            "ws://127.0.0.1:9",
            SIX,
            clock=ManualClock(),
            on_frame=lambda _: None,
            on_open=lambda _: None,
            on_end=lambda _, reason: ends.append(reason),
        )
        async with streams:
            streams.follow(["BTCUSDT"])
            await until(lambda: len(ends) > 2)
            assert not await streams.wait_open(0.01)
            assert streams.open == 0


@pytest.fixture
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(venue_streams, "CHECK_ROLL_S", 0.01)


@pytest.mark.usefixtures("looks_often")
async def test_newcomers_do_not_leave_a_connection_each(make: Make) -> None:
    """One comes every few hours: within a year each symbol would have a connection, and venues count those."""
    clock = ManualClock(60_000 * 1_000)
    made = make(clock=clock)
    async with made.streams as streams:
        for count in range(1, 6):
            streams.follow([f"C{number}USDT" for number in range(count)])
            await streams.wait_open(10)
        assert streams.wanted == 5
        clock.advance(30_000)
        await until(lambda: streams.wanted == 1 and len(made.venue.open) == 1)
        assert len(made.venue.ever[-1]) == 5 * len(SIX)
    assert made.ends == []
