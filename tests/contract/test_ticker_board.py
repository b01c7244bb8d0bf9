"""What any ticker board does: the fake, and a Redis that is written over TCP and read over Upstash's REST interface."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import dataclass
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from desk.local.redis import LocalRedis
from desk.local.upstash import UpstashFacade
from shared.adapters.redis_rest import connect_rest
from shared.adapters.redis_tcp import connect
from shared.adapters.redis_tickers import (
    RedisTickerBoardWriter,
    UpstashTickerBoard,
    funding_key,
    tickers_key,
)
from shared.domain.errors import FatalError, InvalidMessageError, TransientError
from shared.domain.tickers import Funding, Snapshot, Ticker, VenueNow
from shared.ports import TickerBoard, TickerBoardWriter
from tests.fakes.ticker_board import FakeTickerBoard, FakeTickerBoardWriter, Texts

NAN = float("nan")
LONG_MS = 60_000
START = 1_700_000_040_000
TICKERS = Snapshot(
    START, {"BTC/USDT": Ticker(0.1, 0.30000000000000004, 5e-324), "PEPE/USDT": Ticker(7.31e-6, NAN, NAN)}
)
FUNDING = Snapshot(
    START, {"BTC/USDT:USDT": Funding(-0.0001, START + 1, 80_312.437), "NEW/USDT:USDT": Funding(NAN, 0, NAN)}
)


@dataclass
class Board:
    """Both sides of one board, and a venue nobody else writes."""

    writer: TickerBoardWriter
    reader: TickerBoard
    venue: str

    def now(self) -> VenueNow:
        return self.reader.now([self.venue])[self.venue]


@pytest.fixture(params=["fake", "redis"])
async def board(request: pytest.FixtureRequest) -> AsyncIterator[Board]:
    venue = f"synthetic_{uuid4().hex[:8]}"
    if request.param == "fake":
        texts: Texts = {}
        yield Board(FakeTickerBoardWriter(texts), FakeTickerBoard(texts), venue)
        return
    redis: LocalRedis = request.getfixturevalue("local_redis")
    facade: UpstashFacade = request.getfixturevalue("upstash")
    client = connect(redis.url)
    with closing(UpstashTickerBoard(connect_rest(facade.url, facade.token))) as reader:
        yield Board(RedisTickerBoardWriter(client), reader, venue)
    await client.aclose()


async def test_an_empty_board_knows_nothing(board: Board) -> None:
    assert board.reader.now([board.venue, "another"]) == {board.venue: VenueNow(), "another": VenueNow()}
    assert board.reader.now([]) == {}


async def test_what_is_put_up_comes_back_as_it_was(board: Board) -> None:
    await board.writer.write_tickers(board.venue, TICKERS, ttl_ms=LONG_MS)
    await board.writer.write_funding(board.venue, FUNDING, ttl_ms=LONG_MS)
    assert repr(board.now()) == repr(VenueNow(TICKERS, FUNDING))  # NaN is not equal to itself, its text is


async def test_each_of_the_two_stands_alone(board: Board) -> None:
    await board.writer.write_funding(board.venue, FUNDING, ttl_ms=LONG_MS)
    assert board.now().tickers is None
    assert repr(board.now().funding) == repr(FUNDING)


async def test_the_latest_replaces_all_of_the_one_before(board: Board) -> None:
    await board.writer.write_tickers(board.venue, TICKERS, ttl_ms=LONG_MS)
    later = Snapshot(START + 10_000, {"ETH/USDT": Ticker(1.0, 2.0, 3.0)})
    await board.writer.write_tickers(board.venue, later, ttl_ms=LONG_MS)
    assert board.now().tickers == later


async def test_venues_are_read_together_and_kept_apart(board: Board) -> None:
    other = f"{board.venue}_usdm"
    later = Snapshot(START + 1, {"ETH/USDT": Ticker(1.0, 2.0, 3.0)})
    await board.writer.write_tickers(board.venue, later, ttl_ms=LONG_MS)
    await board.writer.write_funding(other, FUNDING, ttl_ms=LONG_MS)
    found = board.reader.now([other, board.venue])
    assert list(found) == [other, board.venue]
    assert found[board.venue] == VenueNow(later)
    assert (found[other].tickers, repr(found[other].funding)) == (None, repr(FUNDING))


async def test_an_old_price_vanishes(board: Board) -> None:
    await board.writer.write_tickers(board.venue, TICKERS, ttl_ms=300)
    await board.writer.write_funding(board.venue, FUNDING, ttl_ms=LONG_MS)
    assert board.now().tickers is not None
    async with asyncio.timeout(20):
        while board.now().tickers is not None:  # noqa: ASYNC110 it vanishes by itself
            await asyncio.sleep(0.02)
    assert board.now().funding is not None


async def test_an_infinite_price_is_refused_and_leaves_the_board_alone(board: Board) -> None:
    await board.writer.write_tickers(board.venue, TICKERS, ttl_ms=LONG_MS)
    bad = Snapshot(START, {"BTC/USDT": Ticker(float("inf"), 1.0, 1.0)})
    with pytest.raises(InvalidMessageError, match="last"):
        await board.writer.write_tickers(board.venue, bad, ttl_ms=LONG_MS)
    assert repr(board.now().tickers) == repr(TICKERS)


class TestRedis:
    """What only the real one can show."""

    @pytest.fixture
    async def client(self, local_redis: LocalRedis) -> AsyncIterator[Redis]:
        client = connect(local_redis.url)
        yield client
        await client.aclose()

    async def test_a_snapshot_is_one_key_and_one_command(self, client: Redis, local_redis: LocalRedis) -> None:
        writer = RedisTickerBoardWriter(client)
        await writer.write_tickers("counted", TICKERS, ttl_ms=LONG_MS)
        before = local_redis.stats().commands
        await writer.write_tickers("counted", TICKERS, ttl_ms=30_000)
        await writer.write_funding("counted", FUNDING, ttl_ms=900_000)
        assert local_redis.stats().commands - before == 2
        assert 0 < await client.pttl("tickers:counted") <= 30_000
        assert 30_000 < await client.pttl("funding:counted") <= 900_000

    async def test_all_venues_are_read_by_one_command(self, local_redis: LocalRedis, upstash: UpstashFacade) -> None:
        with closing(UpstashTickerBoard(connect_rest(upstash.url, upstash.token))) as reader:
            reader.now(["first"])
            before = local_redis.stats().commands
            reader.now(["first", "second", "third"])
            assert local_redis.stats().commands - before == 1

    @pytest.mark.parametrize("key", [tickers_key, funding_key])
    async def test_a_damaged_snapshot_is_no_price(
        self, client: Redis, upstash: UpstashFacade, key: Callable[[str], str]
    ) -> None:
        await client.set(key("damaged"), "nonsense", px=LONG_MS)
        with (
            closing(UpstashTickerBoard(connect_rest(upstash.url, upstash.token))) as reader,
            pytest.raises(TransientError, match="snapshot"),
        ):
            reader.now(["damaged"])
        await client.delete(key("damaged"))

    async def test_an_absent_redis_is_an_error(self) -> None:
        client = connect("redis://127.0.0.1:1/0")
        with pytest.raises(TransientError, match="ticker board"):
            await RedisTickerBoardWriter(client).write_tickers("absent", TICKERS, ttl_ms=LONG_MS)
        await client.aclose()
        with (
            closing(UpstashTickerBoard(connect_rest("http://127.0.0.1:1", "a-token"))) as reader,
            pytest.raises(TransientError),
        ):
            reader.now(["absent"])

    def test_a_wrong_token_is_fatal(self, upstash: UpstashFacade) -> None:
        with (
            closing(UpstashTickerBoard(connect_rest(upstash.url, "another"))) as reader,
            pytest.raises(FatalError, match="WRONGPASS"),
        ):
            reader.now(["synthetic"])
