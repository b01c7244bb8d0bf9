"""The month survives the process, and nothing is lost because Redis was away when it was to be written down."""

import asyncio
from dataclasses import dataclass, field

import pytest
from fakeredis import FakeAsyncRedis

from collector.usage import RETRY_S, SAVE_S, UsageKeeper
from shared.adapters.redis_tcp import RedisMeter
from shared.adapters.redis_usage import RedisUsageBook
from shared.domain.errors import TransientError
from shared.domain.usage import STEADY_MS, MonthUsage, Usage, month_end
from shared.ports import UsageBook
from shared.runtime.telemetry import start_logging

NOVEMBER = 1_793_491_200_000
PLAN = Usage(commands=1_000, bytes=100_000)


@dataclass
class FailingBook:
    """A book that is away for a number of additions."""

    inner: UsageBook
    failures: int = 0

    async def add(self, month: str, used: Usage, *, now_ms: int) -> MonthUsage:
        """Add, or raise `TransientError`."""
        if self.failures:
            self.failures -= 1
            raise TransientError("the book is away")
        return await self.inner.add(month, used, now_ms=now_ms)


@dataclass
class Process:
    """One life of a collector on a Redis that outlives it."""

    redis: FakeAsyncRedis
    now_ms: int = NOVEMBER
    failures: int = 0
    meter: RedisMeter = field(init=False)
    keeper: UsageKeeper = field(init=False)

    def __post_init__(self) -> None:
        self.meter = RedisMeter(now_ms=lambda: self.now_ms)
        book = FailingBook(RedisUsageBook(self.redis), self.failures)
        self.keeper = UsageKeeper(self.meter, book, plan=PLAN, log=start_logging("test"))


def commands(process: Process) -> int:
    month = process.keeper.use().month
    assert month is not None
    return month.used.commands


async def test_a_month_goes_on_in_the_next_process() -> None:
    redis = FakeAsyncRedis()
    first = Process(redis)
    assert first.keeper.use().month is None  # what others used is not known before Redis has been asked
    await first.keeper.save()
    first.meter.sent(7, 700)
    first.meter.received(30)
    assert commands(first) == 7
    await first.keeper.save()
    second = Process(redis, now_ms=NOVEMBER + 5)
    second.meter.sent(1, 10)
    await second.keeper.save()
    second.meter.sent(1, 10)
    use = second.keeper.use()
    assert use.month == MonthUsage(month="2026-11", since_ms=NOVEMBER, used=Usage(commands=9, bytes=750))
    assert (use.commands, use.bytes_sent, use.bytes_received) == (2, 20, 0)


async def test_what_could_not_be_saved_is_saved_later() -> None:
    process = Process(FakeAsyncRedis(), failures=2)
    process.meter.sent(3, 30)
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await process.keeper.run(sleep)
    assert slept == [RETRY_S, RETRY_S, SAVE_S]
    assert commands(process) == 3


async def test_a_new_month_begins_at_zero_and_the_old_one_is_complete() -> None:
    redis = FakeAsyncRedis()
    process = Process(redis, now_ms=month_end("2026-11") - 1)
    process.meter.sent(5, 50)
    await process.keeper.save()
    process.meter.sent(2, 20)
    process.now_ms += 1
    assert process.keeper.use().month is None
    process.meter.sent(1, 10)
    await process.keeper.save()
    assert commands(process) == 1
    assert await redis.hget("usage:2026-11", "commands") == b"7"


async def test_the_keeper_looks_again_when_a_month_ends() -> None:
    process = Process(FakeAsyncRedis(), now_ms=month_end("2026-11") - 10_000)
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await process.keeper.run(sleep)
    assert slept == [11.0]


async def test_a_rate_that_will_not_do_is_over_the_plan() -> None:
    process = Process(FakeAsyncRedis())
    await process.keeper.save()
    process.now_ms += STEADY_MS
    process.meter.sent(1, 10)
    assert not process.keeper.use().is_over_plan  # 720 a month
    process.meter.sent(1, 10)
    assert process.keeper.use().is_over_plan  # 1,440 a month
