"""An instance and the lease: when it writes, when it waits, and what it says of itself meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from aws_lambda_powertools import Logger

from collector import lease as module
from collector.lease import Tenant
from shared.domain import lease as limits
from shared.domain.errors import TransientError
from shared.domain.lease import Tenure
from tests.fakes.lease import FakeLease, LeaseBoard

LOG = Logger(service="tenant-test", level="CRITICAL")


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a second a hundredth of one."""
    for name in ("ASK_S", "ASK_AGAIN_S", "PATIENCE_S"):
        monkeypatch.setattr(limits, name, getattr(limits, name) / 100)
    monkeypatch.setattr(module, "AGAIN_S", 0.001)


@asynccontextmanager
async def standing_by(tenant: Tenant) -> AsyncIterator[asyncio.Task[Tenure]]:
    task = asyncio.create_task(tenant.stand_by())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_standby_waits_for_as_long_as_the_holder_answers_and_then_takes_over() -> None:
    board = LeaseBoard()
    holder, standby = (Tenant(FakeLease(board, "binance", name), log=LOG) for name in "ab")
    first = await holder.stand_by()
    attending = asyncio.create_task(holder.attend())
    async with standing_by(standby) as waiting:
        await asyncio.sleep(0.3)
        assert (standby.state, waiting.done(), board.leases["binance"]) == ("standby", False, first)
        attending.cancel()
        second = await asyncio.wait_for(waiting, 5.0)
    assert (standby.state, second.owner) == ("holder", "b")
    assert second.token > first.token


async def test_a_holder_that_hears_and_does_not_answer_is_followed_too() -> None:
    board = LeaseBoard()
    holder, standby = FakeLease(board, "binance", "a"), Tenant(FakeLease(board, "binance", "b"), log=LOG)
    await holder.claim(Tenure())
    async with holder.questions(), standing_by(standby) as waiting:
        await asyncio.sleep(0.02)
        assert standby.state == "asking"  # nobody has shown that a holder lives: this is not a healthy standby
        assert (await asyncio.wait_for(waiting, 5.0)).owner == "b"


async def test_an_instance_that_starts_over_need_not_wait_for_itself() -> None:
    board = LeaseBoard()
    tenant = Tenant(FakeLease(board, "binance", "a"), log=LOG)
    first = await tenant.stand_by()
    assert (await tenant.stand_by()).token > first.token
    assert board.listeners == {"binance:answers": []}


async def test_of_many_that_stand_by_one_takes_over() -> None:
    board = LeaseBoard()
    await FakeLease(board, "binance", "gone").claim(Tenure())
    tenants = [Tenant(FakeLease(board, "binance", f"{number}"), log=LOG) for number in range(5)]

    async def life(tenant: Tenant) -> None:
        await tenant.stand_by()
        await tenant.attend()

    tasks = [asyncio.create_task(life(tenant)) for tenant in tenants]
    await asyncio.sleep(0.5)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(tenant.state for tenant in tenants) == ["holder", *["standby"] * 4]


async def test_a_store_that_is_away_is_waited_for_and_a_release_that_fails_is_no_error() -> None:
    said: list[bool] = []

    class Away(FakeLease):
        left = 3

        async def look(self) -> Tenure:
            said.append(tenant.is_cut_off)
            self.left -= 1
            if self.left >= 0:
                raise TransientError("away")
            return await super().look()

        async def release(self, token: int) -> None:
            raise TransientError("away again")

    tenant = Tenant(Away(LeaseBoard(), "binance", "a"), log=LOG)
    assert (await tenant.stand_by()).owner == "a"
    assert (said[:4], tenant.is_cut_off) == ([False, True, True, True], False)
    await tenant.hand_over()
    assert tenant.state == "none"
