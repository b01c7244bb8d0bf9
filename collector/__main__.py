"""Collect candles until told to stop: `python -m collector`, set up by environment variables (collector/config.py)."""

import asyncio
import signal
import sys
from contextlib import suppress
from typing import Final

import aiohttp
from aiohttp import web
from aws_lambda_powertools import Logger

from collector.collector import Collector
from collector.config import Settings
from collector.health import Report, health_app
from collector.supervisor import supervise
from shared.adapters.announcer import HttpAnnouncer
from shared.adapters.clock import SystemClock, TapeClock
from shared.adapters.redis_log import RedisCandleLogWriter
from shared.adapters.venues.registry import dialect_of
from shared.domain.errors import FatalError
from shared.ports import Clock
from shared.runtime.telemetry import start_logging

DRAIN_S: Final = 5.0


class Service:
    """The process: one run of the collector at a time, and a /health that outlives them."""

    def __init__(self, settings: Settings, log: Logger) -> None:
        self._settings = settings
        self._log = log
        self._clock: Clock = TapeClock(settings.clock_file) if settings.clock_file else SystemClock()
        self._collector: Collector | None = None

    async def serve(self, stopped: asyncio.Event) -> None:
        """Collect and answer /health until stopped, then write what is assembled; raise `FatalError`."""
        runner = web.AppRunner(health_app(self._report), access_log=None)
        await runner.setup()
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
            await runner.cleanup()

    async def _stop(self, runs: asyncio.Task[None]) -> None:
        if self._collector is not None and not await self._collector.drain(DRAIN_S):
            self._log.warning("stopped before everything was written; the next run backfills it")
        runs.cancel()
        with suppress(asyncio.CancelledError):
            await runs
        self._log.info("stopped")

    async def _run(self) -> None:
        settings = self._settings
        dialect = dialect_of(settings.venue)
        writer = RedisCandleLogWriter(settings.upstash_redis_url.get_secret_value(), depth=settings.log_depth)
        try:
            async with aiohttp.ClientSession() as session:
                self._collector = Collector(
                    settings,
                    session=session,
                    source=dialect.source(session, settings.venue_rest_url or dialect.rest_url),
                    writer=writer,
                    announcer=HttpAnnouncer(
                        session=session, url=settings.trigger_url, secret=settings.trigger_secret.get_secret_value()
                    ),
                    clock=self._clock,
                    log=self._log,
                )
                await self._collector.run()
        finally:
            await writer.close()

    def _report(self) -> Report:
        if self._collector is None:
            return Report(venue=self._settings.venue, timeframes=self._settings.collector_timeframes)
        return self._collector.report()


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
    try:
        asyncio.run(collect(settings, log))
    except (FatalError, OSError) as error:  # a port in use is an OSError
        log.critical("collector stopped", error=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
