"""Symbols that leave are let go on the connection as it is, and an address is told no more a second than it may."""

import math
import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import cast

import aiohttp
import pytest

from shared.adapters.venues import connection as venue_connection
from shared.adapters.venues.binance import SPOT
from shared.adapters.venues.coinbase import SPOT as COINBASE
from shared.adapters.venues.connection import OnOpen
from shared.adapters.venues.dialect import Dialect
from shared.adapters.venues.hyperliquid import PERPETUALS
from shared.adapters.venues.streams import Streams
from shared.domain.timeframe import Timeframe
from tests.fakes.clock import ManualClock
from tests.fakes.sockets import FakeSession, turns

M1, H1 = Timeframe.M1, Timeframe.H1


@pytest.fixture(autouse=True)
def no_pauses() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(venue_connection, "BACKOFF_S", (0.0, 0.0))
        yield


def hasty(dialect: Dialect, *, messages_per_s: float = math.inf, topics: int = 1_000) -> Dialect:
    """Return a dialect in no hurry to spare its venue."""
    limits = replace(dialect.limits, connect_every_s=0.0, messages_per_s=messages_per_s, topics=topics)
    return replace(dialect, limits=limits)


def streams_of(
    session: FakeSession, dialect: Dialect, *timeframes: Timeframe, on_open: OnOpen = lambda _: None
) -> Streams:
    return Streams(
        cast("aiohttp.ClientSession", session),
        dialect,
        "ws://venue",
        timeframes,
        clock=ManualClock(),
        on_frame=lambda _: None,
        on_open=on_open,
        on_end=lambda *_: None,
    )


async def test_who_leaves_is_unsubscribed_from_and_the_others_notice_nothing() -> None:
    """Nothing rolls these connections, so a subscription that stayed would count against the venue's 1,000 for ever."""
    session = FakeSession()
    async with streams_of(session, hasty(PERPETUALS), M1, H1) as streams:
        streams.follow(["BTC", "ETH"])
        await turns(30)
        streams.follow(["BTC"])
        await turns(30)
        (socket,) = session.ever
        assert socket.is_open
        assert socket.told[4:] == PERPETUALS.unsubscribe(["ETH 1m", "ETH 1h"])
        socket.snap()
        await turns(30)
        assert session.open[0].told == PERPETUALS.subscribe(["BTC 1m", "BTC 1h"])


async def test_a_stream_somebody_else_needs_is_kept() -> None:
    """At Coinbase all timeframes of a pair share one."""
    session = FakeSession()
    async with streams_of(session, hasty(COINBASE), M1, H1) as streams:
        streams.follow(["BTC-USD", "ETH-USD"])
        await turns(30)
        streams.follow(["BTC-USD"])
        await turns(30)
        assert session.ever[0].told[2:] == COINBASE.unsubscribe(["ETH-USD"])


async def test_who_is_lost_is_subscribed_to_again_where_it_is_each_by_itself() -> None:
    session = FakeSession()
    opened: list[Collection[str]] = []
    async with streams_of(session, hasty(COINBASE), M1, on_open=opened.append) as streams:
        streams.follow(["BTC-USD", "ETH-USD", "SOL-USD"])
        await turns(30)
        streams.resubscribe(["SOL-USD", "ETH-USD", "DOGE-USD"])
        await turns(30)
        (socket,) = session.ever
        assert socket.told[3:] == [
            message
            for one in ("ETH-USD", "SOL-USD")
            for message in (*COINBASE.unsubscribe([one]), *COINBASE.subscribe([one]))
        ]
    assert opened == [{"BTC-USD", "ETH-USD", "SOL-USD"}, {"ETH-USD"}, {"SOL-USD"}]


async def test_who_is_lost_while_nothing_is_open_needs_no_more_than_to_be_connected() -> None:
    session = FakeSession(slow=10)
    async with streams_of(session, hasty(COINBASE), M1) as streams:
        streams.follow(["BTC-USD"])
        await turns(5)
        streams.resubscribe(["BTC-USD"])
        await turns(30)
        assert session.ever[0].told == COINBASE.subscribe(["BTC-USD"])


async def test_who_leaves_while_the_url_that_names_him_is_on_its_way_is_unsubscribed_from() -> None:
    session = FakeSession(slow=10)
    async with streams_of(session, hasty(SPOT), M1) as streams:
        streams.follow(["AUSDT", "BUSDT"])
        await turns(5)
        streams.follow(["AUSDT"])
        await turns(30)
        (socket,) = session.ever
        assert socket.told == SPOT.unsubscribe(["busdt@kline_1m"])


@pytest.mark.parametrize("connections", [1, 4])
async def test_a_venue_that_counts_by_address_is_told_no_faster_by_many_connections(connections: int) -> None:
    """840 subscriptions, one a message: with a pace for each connection, two that reconnect would be banned."""
    messages, per_s = 120, 600.0
    session = FakeSession()
    dialect = hasty(PERPETUALS, messages_per_s=per_s, topics=messages // connections)
    async with streams_of(session, dialect, M1) as streams:
        started_s = time.monotonic()
        streams.follow([f"C{number}" for number in range(messages)])
        assert await streams.wait_open(10)
        took_s = time.monotonic() - started_s
        assert [len(socket.told) for socket in session.ever] == [messages // connections] * connections
    assert took_s >= (messages - 1) / per_s


def test_hyperliquid_is_asked_for_less_than_it_allows_an_address_a_minute() -> None:
    limits = PERPETUALS.limits
    connections, pings = 10, 60 / limits.ping_every_s
    assert limits.counts_by_address
    assert 60 * limits.messages_per_s + connections * pings <= 2_000
    assert 60 / limits.connect_every_s <= 30
    assert limits.topics_in_all == 1_000
