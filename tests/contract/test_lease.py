"""What any lease does, and what it is for: no writer with an old token gets an entry in, whoever was paused when."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from aws_lambda_powertools import Logger
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from collector.lease import Tenant
from desk.local.redis import LocalRedis
from shared.adapters.redis_lease import RedisLease
from shared.adapters.redis_log import RedisCandleLogWriter, lease_key, stream_key
from shared.domain.candles import Boundary, Candle
from shared.domain.errors import FencedError
from shared.domain.lease import Tenure
from shared.domain.timeframe import Timeframe
from shared.ports import CandleLogWriter, Lease
from tests.contract.test_local_redis import needs_server
from tests.fakes.candle_log import FakeCandleLogWriter, Streams
from tests.fakes.lease import FakeLease, LeaseBoard

M1, M5 = Timeframe.M1, Timeframe.M5
START = 1_700_000_100_000 // M5.ms * M5.ms
LOG = Logger(service="lease-test", level="CRITICAL")


def boundary(minute: int, close: float, *, timeframe: Timeframe = M1) -> Boundary:
    open_time = START + minute * M1.ms // timeframe.ms * timeframe.ms
    candle = Candle(open_time, close, close, close, close, 1.0, close, 1.0, 1.0)
    return Boundary.of(timeframe, open_time, [("BTC/USDT", candle)])


@dataclass
class House:
    """Leases and writers of one venue nobody else uses."""

    lease: Callable[[str], Lease]
    writer: Callable[[Tenure], CandleLogWriter]
    venue: str


@pytest.fixture(scope="module")
def embedded_redis(log_dir: Path) -> Iterator[LocalRedis]:
    with LocalRedis(log_dir=log_dir / "embedded", embedded=True) as redis:
        yield redis


@pytest.fixture(params=["fake", "fakeredis", pytest.param("redis-server", marks=needs_server)])
async def house(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    venue = f"synthetic-{uuid4().hex[:8]}"
    if request.param == "fake":
        board, streams = LeaseBoard(), Streams()
        yield House(
            lambda owner: FakeLease(board, venue, owner),
            lambda tenure: FakeCandleLogWriter(streams, leases=board.leases, token=tenure.token),
            venue,
        )
        return
    name = "embedded_redis" if request.param == "fakeredis" else "local_redis"
    async with Redis.from_url(request.getfixturevalue(name).url) as client:
        yield House(
            lambda owner: RedisLease(client, venue, owner=owner),
            lambda tenure: RedisCandleLogWriter(client, tenure=tenure),
            venue,
        )


async def took(lease: Lease) -> Tenure:
    token = await lease.claim(await lease.look())
    assert token is not None
    return Tenure(token=token, owner=lease.owner)


async def test_nobody_holds_a_new_lease_and_who_claims_it_does(house: House) -> None:
    lease = house.lease("a")
    assert await lease.look() == Tenure()
    tenure = await took(lease)
    assert await lease.look() == tenure
    assert tenure.token > 1_700_000_000_000_000  # microseconds


async def test_of_two_that_saw_the_same_one_gets_it(house: House) -> None:
    a, b = house.lease("a"), house.lease("b")
    seen = await a.look()
    tokens = [await a.claim(seen), await b.claim(seen)]
    assert tokens[0] is not None
    assert tokens[1] is None
    assert (await b.look()).owner == "a"


async def test_tokens_only_grow_also_after_a_release(house: House) -> None:
    a, b = house.lease("a"), house.lease("b")
    first = await took(a)
    await a.release(first.token)
    assert await b.look() == Tenure(token=first.token)
    assert (await took(b)).token > first.token
    await a.release(first.token)
    assert (await a.look()).owner == "b"


async def test_holder_and_standby_hear_each_other(house: House) -> None:
    a, b = house.lease("a"), house.lease("b")
    tenure = await took(a)
    assert await b.ask() == 0
    async with a.questions() as questions, b.answers() as answers:
        assert await b.ask() == 1
        assert await questions.next(5.0) == 0
        await a.answer(tenure.token)
        assert await answers.next(5.0) == tenure.token
        assert await answers.next(0.01) is None
        await a.release(tenure.token)
        assert await answers.next(5.0) == 0
        assert await questions.next(0.01) is None
        token = await b.claim(await b.look())
        assert await questions.next(5.0) == token
    assert await b.ask() == 0


async def test_a_writer_writes_while_its_token_is_the_leases_and_no_longer(house: House) -> None:
    old = house.writer(await took(house.lease("a")))
    await old.append(house.venue, [boundary(0, 1.0)])
    new = house.writer(await took(house.lease("b")))
    with pytest.raises(FencedError):
        await old.append(house.venue, [boundary(1, 9.0), boundary(0, 9.0, timeframe=M5)])
    with pytest.raises(FencedError):
        await house.writer(Tenure()).append(house.venue, [boundary(1, 9.0)])
    await new.append(house.venue, [boundary(1, 2.0)])
    frame = await new.frame(house.venue, M1)
    assert frame.column("close").tolist() == [[1.0, 2.0]]
    assert (await new.frame(house.venue, M5)).bars == 0


async def test_an_instance_that_hands_over_is_followed_at_once(house: House) -> None:
    a, b = Tenant(house.lease("a"), log=LOG), Tenant(house.lease("b"), log=LOG)
    first = await a.stand_by()
    attending = asyncio.create_task(a.attend())
    waiting = asyncio.create_task(b.stand_by())
    async with asyncio.timeout(10):
        while b.state != "standby":  # noqa: ASYNC110 two instances that talk
            await asyncio.sleep(0.01)
    attending.cancel()
    await a.hand_over()
    second = await asyncio.wait_for(waiting, 1.0)
    assert (second.owner, second.token > first.token) == ("b", True)


async def test_a_holder_that_wakes_up_deposed_learns_it_and_cannot_take_back_what_is_gone(house: House) -> None:
    a = Tenant(house.lease("a"), log=LOG)
    await a.stand_by()
    attending = asyncio.create_task(a.attend())
    await asyncio.sleep(0.05)
    tenure = await took(house.lease("b"))
    with pytest.raises(FencedError):
        await asyncio.wait_for(attending, 5.0)
    with pytest.raises(FencedError):  # nor if it was told while it did not listen
        await asyncio.wait_for(a.attend(), 5.0)
    await a.hand_over()
    assert await house.lease("c").look() == tenure


STEPS = st.lists(
    st.tuples(st.sampled_from(["claim", "write", "write", "release", "lose"]), st.integers(0, 1), st.integers(0, 3)),
    min_size=5,
    max_size=40,
)


@settings(max_examples=60)
@given(steps=STEPS)
@pytest.mark.parametrize("embedded", [True, pytest.param(False, marks=needs_server)])
def test_whatever_happens_only_the_newest_token_writes(
    embedded: bool, steps: list[tuple[str, int, int]], local_redis: LocalRedis, embedded_redis: LocalRedis
) -> None:
    """Two instances, each with writers of every tenure it ever had: a paused process is one that kept an old one."""
    redis = embedded_redis if embedded else local_redis

    async def play() -> None:
        venue = f"fenced-{uuid4().hex[:12]}"
        async with Redis.from_url(redis.url) as client:
            leases = [RedisLease(client, venue, owner=name) for name in "ab"]
            tenures: list[list[Tenure]] = [[], []]
            writers: dict[int, RedisCandleLogWriter] = {}
            newest, written, tokens = 0, 0, [0]
            for verb, who, back in steps:
                own = tenures[who]
                if verb == "claim":
                    own.append(await took(leases[who]))
                    writers[own[-1].token] = RedisCandleLogWriter(client, tenure=own[-1])
                    assert own[-1].token > max(tokens)
                    tokens.append(own[-1].token)
                    newest = own[-1].token
                elif verb == "lose":
                    await client.delete(lease_key(venue), stream_key(venue, M1))
                    newest, written = 0, 0
                elif own and verb == "release":
                    await leases[who].release(own[max(-1 - back, -len(own))].token)
                elif own:
                    token = own[max(-1 - back, -len(own))].token
                    try:
                        await writers[token].append(
                            venue, [boundary(written, 1.0 + written)], status={"by": str(token)}
                        )
                    except FencedError:
                        assert token != newest
                    else:
                        assert token == newest
                        written += 1
                        assert await client.hget(f"collector:{venue}", "token") == str(token).encode()
                assert await client.xlen(stream_key(venue, M1)) == written

    asyncio.run(play())
