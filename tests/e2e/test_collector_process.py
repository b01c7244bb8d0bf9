"""`python -m collector` as a process: on real sockets and a real Redis protocol, from boot to SIGTERM."""

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import aiohttp
import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from desk.local.redis import LocalRedis
from desk.simulator.server import Simulator
from desk.simulator.spec import SyntheticSpec, build_tape
from desk.simulator.tape import Tape
from shared.adapters.clock import SystemClock, TapeClock, steer
from shared.adapters.redis_log import RedisCandleLogWriter
from shared.adapters.redis_tcp import connect
from shared.domain.signing import verify
from shared.domain.ticker_codec import decode_snapshot
from shared.domain.tickers import Ticker
from shared.domain.timeframe import Timeframe

TIMEFRAMES = (Timeframe.M1, Timeframe.M5)
SECRET = "a secret of the test"
PASSWORD = "a-password-of-the-test"
DEPTH = 50
LIVE = 10


@asynccontextmanager
async def collector(env: dict[str, str]) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "collector", env={"PATH": os.environ["PATH"], **env}, stdout=PIPE, stderr=PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


async def health(session: aiohttp.ClientSession, port: int, status: int) -> dict[str, Any]:
    """Wait for an answer with a status, and return it."""
    async with asyncio.timeout(90):
        while True:
            try:
                async with session.get(f"http://127.0.0.1:{port}/health") as answer:
                    body: dict[str, Any] = await answer.json()
                    if answer.status == status:
                        return body
            except aiohttp.ClientError:
                pass  # not listening yet
            await asyncio.sleep(0.05)


async def metrics(session: aiohttp.ClientSession, port: int) -> dict[str, Metric]:
    """Return what Prometheus would read, by name."""
    async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return {family.name: family for family in text_string_to_metric_families(await answer.text())}


def log_lines(output: bytes, errors: bytes) -> list[dict[str, Any]]:
    """Return what a process logged, each line one JSON object of the same shape; it says nothing else."""
    assert errors == b""
    lines = [json.loads(line) for line in output.splitlines()]
    for line in lines:
        assert {"level", "message", "timestamp", "location"} <= line.keys()
        assert (line["service"], line["venue"]) == ("collector", "binance")
    return lines


def value(scraped: dict[str, Metric], name: str, suffix: str = "") -> float:
    """Return the one value of a metric."""
    family = scraped[f"nightdesk_collector_{name}"]
    name = family.name + (suffix or ("_total" if family.type == "counter" else ""))
    (found,) = [sample.value for sample in family.samples if sample.name == name]
    return found


async def equals_the_tape(writer: RedisCandleLogWriter, tape: Tape, close_time: int) -> bool:
    for timeframe in TIMEFRAMES:
        log = (await writer.frame("binance", timeframe)).until(close_time)
        if log.close_time < timeframe.last_close(close_time):
            return False
        expected = tape.frame(timeframe, since=int(log.open_times[0]), until=close_time)
        log = log.select(expected.symbols)
        assert np.array_equal(log.values, expected.values, equal_nan=True)
        assert np.array_equal(log.filled, expected.filled)
    return True


async def shows_current_prices(redis: LocalRedis, tape: Tape, clock: TapeClock) -> None:
    """Expect a price of every symbol on the ticker board, one the tape saw between the question and now."""
    client = connect(redis.url)
    text = await client.get("tickers:binance")
    assert isinstance(text, bytes)
    snapshot = decode_snapshot(text.decode(), Ticker)
    since = Timeframe.M1.open_time(snapshot.time_ms)
    candles = tape.frame(Timeframe.M1, since=since, until=Timeframe.M1.last_close(clock.now_ms()) + Timeframe.M1.ms)
    assert set(snapshot.rows) == set(tape.tradable)
    for row, symbol in enumerate(candles.symbols):
        last, bid, ask = snapshot.rows[symbol]  # the book is another question, asked a moment later
        assert candles.column("low")[row].min() <= last <= candles.column("high")[row].max()
        assert bid < ask
    assert 0 < await client.pttl("tickers:binance") <= 6_000
    assert await client.get("funding:binance") is None  # spot pays none
    await client.aclose()


async def test_from_boot_to_sigterm(tmp_path: Path) -> None:
    tape = build_tape(SyntheticSpec(symbols=5, timeframes=TIMEFRAMES, history_bars=DEPTH + 5, live_bars=600))
    clock_file = tmp_path / "clock.json"
    steer(clock_file, tape_ms=tape.live_from, speed=0)
    told: list[dict[str, Any]] = []

    async def trigger(request: web.Request) -> web.Response:
        body = await request.text()
        headers = {name.lower(): value for name, value in request.headers.items()}
        verify(SECRET, headers=headers, body=body, now_ms=SystemClock().now_ms())
        told.append(json.loads(body))
        return web.Response(status=202)

    app = web.Application()
    app.router.add_post("/functions/v1/trigger-executions", trigger)
    port = free_port()
    with LocalRedis(log_dir=tmp_path) as redis:
        async with (
            Simulator(tape, TapeClock(clock_file)).serve() as url,
            TestServer(app) as server,
            aiohttp.ClientSession() as session,
            collector(
                {
                    "VENUE_REST_URL": url,
                    "VENUE_WS_URL": url.replace("http", "ws"),
                    "COLLECTOR_SYMBOLS": "5",
                    "COLLECTOR_TIMEFRAMES": "1m,5m",
                    "COLLECTOR_PORT": str(port),
                    "LOG_DEPTH": str(DEPTH),
                    "TICKER_INTERVAL_S": "2",
                    "CLOCK_FILE": str(clock_file),
                    "UPSTASH_REDIS_URL": redis.url,
                    "TRIGGER_URL": str(server.make_url("/functions/v1/trigger-executions")),
                    "TRIGGER_SECRET": SECRET,
                }
            ) as process,
        ):
            body = await health(session, port, 200)
            assert body["data_age"]["5m"]["age_ms"] == 0
            writer = RedisCandleLogWriter(redis.url, depth=DEPTH)
            assert await equals_the_tape(writer, tape, tape.live_from)

            steer(clock_file, tape_ms=tape.live_from, speed=240)
            async with asyncio.timeout(90):
                while not await equals_the_tape(writer, tape, tape.live_from + LIVE * Timeframe.M1.ms):  # noqa: ASYNC110 another process writes
                    await asyncio.sleep(0.05)
            await writer.close()
            scraped = await metrics(session, port)
            body = await health(session, port, 200)
            await shows_current_prices(redis, tape, TapeClock(clock_file))
            process.send_signal(signal.SIGTERM)
            output, errors = await asyncio.wait_for(process.communicate(), 60)
            async with connect(redis.url) as client:
                saved = await client.hgetall(f"usage:{body['redis']['month']['month']}")
    assert process.returncode == 0, errors.decode()
    assert int(saved[b"commands"]) >= body["redis"]["commands"], "what was used is put down at the end"
    assert b"Traceback" not in output
    lines = log_lines(output, errors)
    announced = {line["correlation_id"] for line in lines if line["message"] == "boundary announced"}
    assert announced == {one["correlation_id"] for one in told}
    assert {(one["venue"], one["timeframe"]) for one in told} == {("binance", "1m"), ("binance", "5m")}
    assert lines[-1]["message"] == "stopped"
    assert body["problems"] == []
    assert body["counts"] == {"runs": 1, "frames": ANY, "closed": ANY, "boundaries": ANY, "tickers": ANY}
    assert body["redis"]["month"]["commands"] == body["redis"]["commands"]
    for name, count in (("candles", "closed"), ("boundaries", "boundaries"), ("runs", "runs")):
        assert value(scraped, name) == body["counts"][count] > 0
    assert value(scraped, "healthy") == 1
    assert 0 < value(scraped, "redis_commands") <= body["redis"]["commands"]
    assert value(scraped, "redis_plan_commands") == 500_000
    assert value(scraped, "append_seconds", "_count") > 0


@pytest.mark.parametrize("is_redis_there", [True, False])
async def test_whatever_goes_wrong_is_one_line_of_json_without_a_secret(tmp_path: Path, is_redis_there: bool) -> None:
    """No venue, no trigger, perhaps no Redis, and a request that is none: errors of our parts and of libraries."""
    port = free_port()
    nowhere = "127.0.0.1:1"
    with LocalRedis(log_dir=tmp_path) as redis:
        async with (
            aiohttp.ClientSession() as session,
            collector(
                {
                    "VENUE_REST_URL": f"http://{nowhere}",
                    "VENUE_WS_URL": f"ws://{nowhere}",
                    "COLLECTOR_PORT": str(port),
                    "LOG_LEVEL": "DEBUG",
                    "UPSTASH_REDIS_URL": redis.url if is_redis_there else f"redis://default:{PASSWORD}@{nowhere}",
                    "TRIGGER_URL": f"http://{nowhere}",
                    "TRIGGER_SECRET": SECRET,
                }
            ) as process,
        ):
            body = await health(session, port, 503)
            async with asyncio.timeout(60):
                while is_redis_there and body["counts"].get("runs", 0) < 2:
                    body = await health(session, port, 503)
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"this is no HTTP\r\n\r\n")
            await writer.drain()
            writer.close()
            await asyncio.sleep(0.5)
            process.send_signal(signal.SIGTERM)
            output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    messages = {line["message"] for line in log_lines(output, errors)}
    assert "stopped" in messages
    if is_redis_there:
        assert {"run failed, starting over", "stamina.retry_scheduled"} <= messages
    else:
        assert body["redis"]["month"] is None
        assert "usage not saved" in messages
    for secret in (PASSWORD, SECRET):
        assert secret.encode() not in output


async def test_bad_settings_name_the_variable_and_exit_2() -> None:
    async with collector({"UPSTASH_REDIS_URL": "redis://localhost", "TRIGGER_URL": "nowhere"}) as process:
        output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 2
    assert b"TRIGGER_URL" in output
    assert b"TRIGGER_SECRET" in output
