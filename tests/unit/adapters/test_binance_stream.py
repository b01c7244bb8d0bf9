"""Binance's streams: split, silent, rolled, followed, against a server that only counts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from shared.adapters.binance import stream
from shared.adapters.binance.stream import BinanceStreams
from shared.domain.timeframe import Timeframe
from tests.fakes.clock import ManualClock

SIX = (Timeframe.M1, Timeframe.M5, Timeframe.M15, Timeframe.H1, Timeframe.H4, Timeframe.D1)


@dataclass
class Venue:
    """A venue that keeps the stream names of each connection ever made, and those still open."""

    ever: list[list[str]] = field(default_factory=list)
    open: list[web.WebSocketResponse] = field(default_factory=list)
    greeting: str | None = None

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.ever.append(request.query["streams"].split("/"))
        self.open.append(socket)
        if self.greeting:
            await socket.send_str(self.greeting)
        async for _ in socket:
            pass
        self.open.remove(socket)
        return socket


@dataclass
class Made:
    """Streams on a venue, and what they told."""

    streams: BinanceStreams
    venue: Venue
    frames: list[bytes]
    ends: list[str]


Make = Callable[..., Made]


@pytest.fixture
async def make(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    monkeypatch.setattr(stream, "BACKOFF_S", (0.01, 0.05))
    venue = Venue()
    app = web.Application()
    app.router.add_get("/stream", venue.handle)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        url = str(server.make_url("")).replace("http", "ws")

        def streams(*timeframes: Timeframe, clock: ManualClock | None = None, **options: float) -> Made:
            frames: list[bytes] = []
            ends: list[str] = []
            made = BinanceStreams(
                session,
                url,
                timeframes or SIX,
                clock=clock or ManualClock(),
                on_frame=frames.append,
                on_end=ends.append,
                **options,
            )
            return Made(made, venue, frames, ends)

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
    assert set(made.ends) == {"silent for 0 s"}


async def test_a_closed_connection_is_made_again(make: Make) -> None:
    made = make()
    async with made.streams as streams:
        streams.follow(["BTCUSDT"])
        await streams.wait_open(10)
        await made.venue.open[0].close()
        await until(lambda: len(made.venue.ever) == 2 and streams.open == 1)
    assert made.ends[0].startswith("closed by the other side")


async def test_an_old_connection_is_rolled_but_not_near_a_boundary(make: Make) -> None:
    """The venue cuts after 24 h, at a time of its own choosing; we roll before, in the quiet middle of a minute."""
    clock = ManualClock(60_000 * 1_000 + 59_000)
    made = make(clock=clock, roll_after_s=0.0)
    made.venue.greeting = "{}"
    async with made.streams as streams:
        streams.follow(["BTCUSDT"])
        await until(lambda: bool(made.frames))
        await made.venue.open[0].send_str("{}")
        await until(lambda: len(made.frames) == 2)
        assert made.ends == []
        clock.advance(31_000)
        await made.venue.open[0].send_str("{}")
        await until(lambda: bool(made.ends))
    assert made.ends[0] == "rolled before the venue's 24 h cut"


async def test_nobody_there_is_tried_again(make: Make) -> None:
    ends: list[str] = []
    async with aiohttp.ClientSession() as session:
        streams = BinanceStreams(
            session, "ws://127.0.0.1:9", SIX, clock=ManualClock(), on_frame=lambda _: None, on_end=ends.append
        )
        async with streams:
            streams.follow(["BTCUSDT"])
            await until(lambda: len(ends) > 2)
            assert not await streams.wait_open(0.01)
            assert streams.open == 0
