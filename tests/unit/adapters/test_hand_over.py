"""Replacing, joining and giving up connections, turn by turn of the event loop and without a network."""

import asyncio
import math
import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import cast

import aiohttp
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.adapters.venues import connection as venue_connection
from shared.adapters.venues import streams as venue_streams
from shared.adapters.venues.binance import SPOT
from shared.adapters.venues.dialect import Dialect
from shared.adapters.venues.streams import Streams
from shared.domain.timeframe import Timeframe
from tests.fakes.clock import ManualClock
from tests.fakes.sockets import FakeSession, turns

MINUTE_MS = 60_000
QUIET = MINUTE_MS * 1_000 + MINUTE_MS // 2
BUSY = MINUTE_MS * 1_000
HASTY = replace(SPOT, limits=replace(SPOT.limits, connect_every_s=0.0))
IDS = frozenset({"AUSDT", "BUSDT", "CUSDT"})
SETTLED = 100


@pytest.fixture(autouse=True, scope="module")
def no_pauses() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(venue_connection, "BACKOFF_S", (0.0, 0.0))
        patch.setattr(venue_streams, "CHECK_ROLL_S", 0.0)
        yield


class Watch:
    """Streams on fake sockets, and whom they say to be watching."""

    def __init__(self, dialect: Dialect = HASTY, *, roll_after_s: float = 0.0, silence_s: float = 75.0) -> None:
        self.session = FakeSession()
        self.clock = ManualClock(QUIET)
        self.watched: set[str] = set()
        self.ends: list[tuple[Collection[str], str]] = []
        self.streams = Streams(
            cast("aiohttp.ClientSession", self.session),
            dialect,
            "ws://venue",
            (Timeframe.M1,),
            clock=self.clock,
            on_frame=lambda _: None,
            on_open=self.watched.update,
            on_end=self._end,
            roll_after_s=roll_after_s,
            silence_s=silence_s,
        )

    def _end(self, venue_ids: Collection[str], reason: str) -> None:
        self.watched.difference_update(venue_ids)
        self.ends.append((venue_ids, reason))

    async def settle(self) -> None:
        """Roll no more, and let everything come to rest."""
        self.clock.time_ms = BUSY
        await turns(SETTLED)


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 2), st.booleans()), max_size=12))
@settings(max_examples=300, deadline=None)
@example([(turn, 0, False) for turn in range(12)])
def test_whatever_breaks_when_everybody_is_watched_in_the_end(breaks: list[tuple[int, int, bool]]) -> None:
    """Connections roll without a pause, while sockets snap and calls are refused at turns nobody would think of."""

    async def scenario() -> None:
        watch = Watch()
        async with watch.streams as streams:
            streams.follow(sorted(IDS))
            for count, which, refuses in breaks:
                await turns(count)
                watch.session.refuses = refuses
                for socket in watch.session.open[which : which + 1]:
                    socket.snap()
            watch.session.refuses = False
            await watch.settle()
            assert watch.watched == IDS
            assert (streams.open, streams.wanted, len(watch.session.open)) == (1, 1, 1)

    asyncio.run(scenario())


async def test_a_successor_that_does_not_open_leaves_those_watched_whom_the_old_one_carries() -> None:
    watch = Watch()
    watch.clock.time_ms = BUSY
    async with watch.streams as streams:
        streams.follow(sorted(IDS))
        await turns(20)
        watch.session.refuses = True
        watch.clock.time_ms = QUIET
        await turns(20)
        assert watch.ends
        assert watch.watched == IDS
        assert len(watch.session.open) == 1


async def test_who_breaks_while_both_are_open_is_watched_anew() -> None:
    """What the broken one missed before the other opened nobody knows: the watch begins again, it does not go on."""
    watch = Watch()
    watch.clock.time_ms = BUSY
    async with watch.streams as streams:
        streams.follow(sorted(IDS))
        await turns(20)
        watch.clock.time_ms = QUIET
        while len(watch.session.ever) < 2:
            await turns(1)
        watch.session.ever[0].snap()
        await watch.settle()
        assert [venue_ids for venue_ids, _ in watch.ends] == [IDS]
        assert watch.watched == IDS


@pytest.mark.parametrize(("topics_in_all", "connections"), [(None, 1), (4, 1), (3, 2)])
async def test_connections_are_joined_only_where_an_address_may_have_their_streams_twice(
    topics_in_all: int | None, connections: int
) -> None:
    dialect = replace(HASTY, limits=replace(HASTY.limits, topics_in_all=topics_in_all))
    watch = Watch(dialect, roll_after_s=math.inf)
    async with watch.streams as streams:
        streams.follow(["AUSDT"])
        streams.follow(["AUSDT", "BUSDT"])
        await turns(SETTLED)
        assert (streams.open, streams.wanted, len(watch.session.open)) == (connections, connections, connections)
        assert len(watch.session.ever) == (3 if connections == 1 else 2)


async def test_a_connection_that_brings_answers_and_pongs_alone_is_dead() -> None:
    watch = Watch(roll_after_s=math.inf, silence_s=0.02)
    async with watch.streams as streams:
        streams.follow(sorted(IDS))
        while len(watch.ends) < 5:
            for socket in watch.session.open:
                socket.bring(b'{"result":null,"id":1}')
            await asyncio.sleep(0.001)
    assert [reason for _, reason in watch.ends[:5]] == [
        "no data for 0.02 s",
        "no data for 0.04 s",
        "no data for 0.08 s",
        "no data for 0.16 s",
        "no data for 0.16 s",
    ]


async def test_forming_candles_are_life() -> None:
    watch = Watch(roll_after_s=math.inf, silence_s=0.5)
    async with watch.streams as streams:
        streams.follow(sorted(IDS))
        started_s = time.monotonic()
        while time.monotonic() < started_s + 1.2:
            for socket in watch.session.open:
                socket.bring(b'{"stream":"x","data":{"e":"kline","k":{"x":false}}}')
            await asyncio.sleep(0.001)
    assert watch.ends == []
