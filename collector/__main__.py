"""Collect candles until told to stop: `python -m collector`, set up by environment variables (collector/config.py)."""

import asyncio
import signal
import socket
import sys
import uuid
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import Final

import aiohttp
from aiohttp import web
from aws_lambda_powertools import Logger
from redis.asyncio import Redis

from collector.collector import Collector
from collector.config import Settings
from collector.health import Report, health_app
from collector.lease import Tenant
from collector.metrics import Metrics
from collector.supervisor import supervise
from collector.usage import UsageKeeper
from shared.adapters.announcer import HttpAnnouncer
from shared.adapters.clock import SystemClock, TapeClock
from shared.adapters.redis_lease import RedisLease
from shared.adapters.redis_log import STATUS_TTL_MS, RedisCandleLogWriter
from shared.adapters.redis_tcp import RedisMeter, connect
from shared.adapters.redis_tickers import RedisTickerBoardWriter
from shared.adapters.redis_usage import RedisUsageBook
from shared.adapters.venues.registry import dialect_of
from shared.domain.errors import FatalError, TransientError
from shared.domain.lease import Tenure
from shared.domain.usage import Usage
from shared.ports import Clock
from shared.runtime.telemetry import start_logging

DRAIN_S: Final = 5.0
SAVE_S: Final = 2.0


class Service:
    """The process: one run of the collector at a time, and counts, a /health and a /metrics that outlive them."""

    def __init__(self, settings: Settings, log: Logger) -> None:
        self._settings = settings
        self._log = log
        self._clock: Clock = TapeClock(settings.clock_file) if settings.clock_file else SystemClock()
        self._owner = f"{socket.gethostname()}-{uuid.uuid4().hex[:12]}"
        self._collector: Collector | None = None
        self._tenant: Tenant | None = None
        self._counts: Counter[str] = Counter()  # of the runs before this one
        self._meter = RedisMeter()
        self._redis = connect(self._redis_url, meter=self._meter)
        plan = Usage(commands=settings.redis_plan_commands, bytes=settings.redis_plan_bytes)
        self._usage = UsageKeeper(self._meter, RedisUsageBook(self._redis), plan=plan, log=log)
        self._metrics = Metrics(self._report)

    async def serve(self, stopped: asyncio.Event) -> None:
        """Collect and answer until stopped, then write what is assembled; raise `FatalError`."""
        runner = web.AppRunner(health_app(self._report, self._metrics.text), access_log=None)
        await runner.setup()
        saving = asyncio.create_task(supervise(self._usage.run, log=self._log))
        try:
            await web.TCPSite(runner, "0.0.0.0", self._settings.collector_port).start()  # noqa: S104 a container's port
            runs = asyncio.create_task(supervise(self._run, log=self._log))
            waiting = asyncio.create_task(stopped.wait())
            await asyncio.wait({runs, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if not runs.done():
                await self._stop(runs)
            else:
                runs.result()
        finally:
            saving.cancel()
            with suppress(asyncio.CancelledError):
                await saving
            await self._save_usage()
            await runner.cleanup()

    async def _save_usage(self) -> None:
        try:
            async with asyncio.timeout(SAVE_S):
                await self._usage.save()
        except (TransientError, TimeoutError) as error:
            self._log.warning("usage of the last half hour not saved", error=repr(error))
        finally:
            await self._redis.aclose()

    async def _stop(self, runs: asyncio.Task[None]) -> None:
        if self._collector is not None and not await self._collector.drain(DRAIN_S):
            self._log.warning("stopped before everything was written; the next run backfills it")
        runs.cancel()
        with suppress(asyncio.CancelledError):
            await runs
        self._log.info("stopped")

    async def _run(self) -> None:
        """Wait for the lease, then collect for as long as it is ours; handed over when we stop and when a run fails."""
        if self._collector is not None:
            self._counts.update(self._collector.report().counts)
            self._collector = None
        redis = connect(self._redis_url, meter=self._meter)
        self._tenant = tenant = Tenant(RedisLease(redis, self._settings.venue, owner=self._owner), log=self._log)
        try:
            tenure = await tenant.stand_by()
            async with asyncio.TaskGroup() as tasks:
                attending = tasks.create_task(tenant.attend())
                await self._collect(redis, tenure)
                attending.cancel()
        finally:
            await tenant.hand_over()
            await redis.aclose()

    async def _collect(self, redis: Redis, tenure: Tenure) -> None:
        settings = self._settings
        dialect = dialect_of(settings.venue)
        self._counts["runs"] += 1
        shortest_ms = min(timeframe.ms for timeframe in settings.collector_timeframes)
        writer = RedisCandleLogWriter(
            redis,
            depth=settings.log_depth,
            tenure=tenure,
            ttl_ms=max(3 * shortest_ms, STATUS_TTL_MS),
            on_append=self._metrics.observe_append,
        )
        secret = settings.trigger_secret.get_secret_value()
        async with aiohttp.ClientSession() as session:
            watcher = settings.tickers_url and HttpAnnouncer(
                session=session, url=settings.tickers_url, secret=secret, setting="TICKERS_URL"
            )
            self._collector = Collector(
                settings,
                session=session,
                source=dialect.source(session, settings.venue_rest_url or dialect.rest_url),
                writer=writer,
                announcer=HttpAnnouncer(session=session, url=settings.trigger_url, secret=secret),
                watcher=watcher or None,
                board=RedisTickerBoardWriter(redis),
                clock=self._clock,
                log=self._log,
            )
            await self._collector.run()

    @property
    def _redis_url(self) -> str:
        return self._settings.upstash_redis_url.get_secret_value()

    def _report(self) -> Report:
        tenant = self._tenant
        if self._collector is None or tenant is None or tenant.state in {"asking", "standby"}:
            report = Report(
                venue=self._settings.venue,
                timeframes=self._settings.collector_timeframes,
                now_ms=self._clock.now_ms(),
                phase="standby" if tenant is not None and tenant.state == "standby" else "starting",
            )
        else:
            report = self._collector.report()
        if tenant is not None:
            report = replace(report, lease=tenant.state, token=tenant.tenure.token, is_cut_off=tenant.is_cut_off)
        counts = self._counts + Counter(self._collector.report().counts if self._collector is not None else {})
        return replace(report, counts=dict(counts), redis=self._usage.use())


async def collect(settings: Settings, log: Logger) -> None:
    """Run the service until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    await Service(settings, log).serve(stopped)


def main() -> int:
    """Return the exit code: 0 after a stop signal, 1 after a fatal error, 2 for bad settings."""
    log = start_logging("collector")
    try:
        settings = Settings.from_env()
    except FatalError as error:
        log.critical(str(error))
        return 2
    log.append_keys(venue=settings.venue)
    try:
        asyncio.run(collect(settings, log))
    except (FatalError, OSError) as error:  # a port in use is an OSError
        log.critical("collector stopped", error=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
