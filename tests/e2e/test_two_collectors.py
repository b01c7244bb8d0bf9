"""Two collectors of one venue: one writes, the other stands by, and whatever befalls the first, it equals the tape."""

import asyncio
import os
import signal
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from redis.asyncio import Redis

from desk.local.redis import LocalRedis
from desk.simulator.server import Simulator
from desk.simulator.spec import SyntheticSpec, build_tape
from desk.simulator.tape import Tape
from shared.adapters.clock import TapeClock, steer
from shared.adapters.redis_lease import RedisLease
from shared.adapters.redis_log import RedisCandleLogWriter
from shared.domain.timeframe import Timeframe
from tests.e2e.test_collector_process import DEPTH, SECRET, TIMEFRAMES, collector, equals_the_tape, free_port

SPEED = 60
TAKEOVER_S = 10.0


@dataclass
class Instance:
    """A collector process and the port of its /health."""

    process: Process
    port: int


@dataclass
class Stage:
    """A market, a Redis and a trigger that collectors share."""

    tape: Tape
    clock: TapeClock
    redis: LocalRedis
    env: dict[str, str]
    session: aiohttp.ClientSession
    log: RedisCandleLogWriter
    lease: RedisLease
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self) -> Instance:
        port = free_port()
        process = await self._stack.enter_async_context(collector({**self.env, "COLLECTOR_PORT": str(port)}))
        return Instance(process, port)

    async def is_saying(self, instance: Instance, lease: str, *, status: str, within_s: float) -> dict[str, Any]:
        """Wait until an instance says both of itself; fail with what it says instead."""
        body: dict[str, Any] = {}
        try:
            async with asyncio.timeout(within_s):
                while (body.get("lease", {}).get("state"), body.get("status")) != (lease, status):
                    await asyncio.sleep(0.05)
                    try:
                        async with self.session.get(f"http://127.0.0.1:{instance.port}/health") as answer:
                            body = {**await answer.json(), "http": answer.status}
                    except aiohttp.ClientError:
                        pass  # not listening yet
        except TimeoutError:
            pytest.fail(f"expected {lease}, {status} within {within_s} s, got {body}")
        return body

    async def grows(self) -> None:
        """Wait until the log holds the tape up to now, and compare."""
        now_ms = Timeframe.M1.last_close(self.clock.now_ms())
        async with asyncio.timeout(20):
            while not await equals_the_tape(self.log, self.tape, now_ms):  # noqa: ASYNC110 another process writes
                await asyncio.sleep(0.05)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    tape = build_tape(SyntheticSpec(symbols=5, timeframes=TIMEFRAMES, history_bars=DEPTH + 5, live_bars=600))
    clock_file = tmp_path / "clock.json"
    steer(clock_file, tape_ms=tape.live_from, speed=SPEED)

    async def trigger(_request: web.Request) -> web.Response:
        return web.Response(status=202)

    app = web.Application()
    app.router.add_post("/trigger", trigger)
    with LocalRedis(log_dir=tmp_path) as redis:
        async with (
            Simulator(tape, TapeClock(clock_file)).serve() as url,
            TestServer(app) as server,
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(1.0)) as session,
            Redis.from_url(redis.url) as client,
            AsyncExitStack() as stack,
        ):
            log, lease = RedisCandleLogWriter(client, depth=DEPTH), RedisLease(client, "binance", owner="the test")
            env = {
                "VENUE_REST_URL": url,
                "VENUE_WS_URL": url.replace("http", "ws"),
                "COLLECTOR_SYMBOLS": "5",
                "COLLECTOR_TIMEFRAMES": "1m,5m",
                "LOG_DEPTH": str(DEPTH),
                "CLOCK_FILE": str(clock_file),
                "UPSTASH_REDIS_URL": redis.url,
                "TRIGGER_URL": str(server.make_url("/trigger")),
                "TRIGGER_SECRET": SECRET,
            }
            yield Stage(tape, TapeClock(clock_file), redis, env, session, log, lease, stack)


async def test_a_standby_follows_a_stop_at_once_and_a_kill_within_ten_seconds(stage: Stage) -> None:
    first = await stage.start()
    token = (await stage.is_saying(first, "holder", status="ok", within_s=30))["lease"]["token"]
    second = await stage.start()
    assert (await stage.is_saying(second, "standby", status="standby", within_s=30))["http"] == 200
    await stage.grows()

    first.process.send_signal(signal.SIGTERM)
    _, errors = await asyncio.wait_for(first.process.communicate(), 20)
    assert first.process.returncode == 0, errors.decode()
    assert (await stage.is_saying(second, "holder", status="ok", within_s=5))["lease"]["token"] > token
    third = await stage.start()
    await stage.is_saying(third, "standby", status="standby", within_s=30)
    await stage.grows()

    killed_s = time.monotonic()
    second.process.kill()
    await stage.is_saying(third, "holder", status="ok", within_s=TAKEOVER_S)
    assert time.monotonic() - killed_s < TAKEOVER_S
    await stage.grows()


async def test_a_holder_that_was_paused_finds_itself_fenced_off_and_stands_by(stage: Stage) -> None:
    first = await stage.start()
    await stage.is_saying(first, "holder", status="ok", within_s=30)
    second = await stage.start()
    await stage.is_saying(second, "standby", status="standby", within_s=30)
    os.kill(first.process.pid, signal.SIGSTOP)
    try:
        await stage.is_saying(second, "holder", status="ok", within_s=TAKEOVER_S)
        tenure = await stage.lease.look()
    finally:
        os.kill(first.process.pid, signal.SIGCONT)
    await stage.is_saying(first, "standby", status="standby", within_s=15)
    await stage.grows()
    assert await stage.lease.look() == tenure
    assert await stage.lease.ask() == 1  # one answers for the lease, and it is not the one that was paused
    first.process.send_signal(signal.SIGTERM)
    _, errors = await asyncio.wait_for(first.process.communicate(), 20)
    assert first.process.returncode == 0, errors.decode()
    assert await stage.lease.look() == tenure  # what a standby does not hold it does not hand over


async def test_a_redis_that_lost_everything_is_filled_again(stage: Stage) -> None:
    only = await stage.start()
    token = (await stage.is_saying(only, "holder", status="ok", within_s=30))["lease"]["token"]
    stage.redis.stop()
    stage.redis.start()
    async with asyncio.timeout(15):
        while (await stage.lease.look()).token <= token:  # noqa: ASYNC110 another process claims
            await asyncio.sleep(0.05)
    await stage.is_saying(only, "holder", status="ok", within_s=15)
    await stage.grows()
    assert (await stage.log.frame("binance", Timeframe.M1)).bars == DEPTH
