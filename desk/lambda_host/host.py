"""The Lambda host: every function of `serverless.yml`, warm, and everything that wakes them, in one thread."""

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import aiohttp
from aiohttp import web

from desk.lambda_host.http import HttpGateway
from desk.lambda_host.pool import FunctionPool, FunctionStats, Outcome
from desk.lambda_host.queue_source import QueueSource
from desk.lambda_host.schedule import ScheduleSource
from desk.lambda_host.spec import DeskSpec, FunctionSpec
from desk.local.process import HOST, LocalPartError, claim_port
from shared.ports import Clock

PART: Final = "the API (Lambda host)"
T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class LambdaHost:
    """Functions on this machine; a context manager, to be used from any thread.

    `env` is added to what `serverless.yml` gives each function. Without `queue_urls` (logical id to URL) nothing is
    polled, without a `clock` no schedule fires. Workers are separate processes and their kills are clean; the host
    itself only passes JSON on, and so lives in a thread of the desk.
    """

    spec: DeskSpec
    log_dir: Path
    env: Mapping[str, str] = field(default_factory=dict)
    queue_urls: Mapping[str, str] = field(default_factory=dict)
    clock: Clock | None = None
    port: int | None = None
    concurrency: int = 1
    _pools: dict[str, FunctionPool] = field(default_factory=dict, init=False)
    _loop: asyncio.AbstractEventLoop | None = field(default=None, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)
    _ready: threading.Event = field(default_factory=threading.Event, init=False)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _problem: BaseException | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """Return the address of the HTTP API."""
        return f"http://{HOST}:{self.port}"

    def start(self) -> Self:
        """Start a worker of each function and serve; raise `LocalPartError` when one cannot be imported."""
        self.port = claim_port(self.port, PART)
        self.log_dir.mkdir(parents=True, exist_ok=True)
        self._thread = threading.Thread(target=self._run, name="lambda-host", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._problem is not None:
            self.stop()
        return self

    def stop(self) -> None:
        """Stop waking functions, then end the workers; raise what made the host fail, if it did."""
        if self._thread is not None and self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
            self._thread = None
        if self._problem is not None:
            raise self._problem

    def invoke(self, function: str, event: Any) -> Outcome:
        """Invoke a function directly and wait for what it comes to; raise `LocalPartError` if there is none."""
        if function not in self._pools:
            raise LocalPartError(f"there is no function {function!r}, there are {', '.join(self._pools)}")
        return self._wait(self._pools[function].invoke(event))

    def stats(self) -> dict[str, FunctionStats]:
        """Return what has been asked of each function."""
        return {name: pool.stats for name, pool in self._pools.items()}

    def worker_pids(self, function: str) -> list[int]:
        """Return the process ids of a function's workers."""
        return self._pools[function].worker_pids

    def __enter__(self) -> Self:
        """Start serving."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop serving."""
        self.stop()

    def _wait(self, task: Coroutine[Any, Any, T]) -> T:
        if self._loop is None:
            raise LocalPartError("the Lambda host has not been started")
        return asyncio.run_coroutine_threadsafe(task, self._loop).result()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that stops the host
            self._problem = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._pools = {name: self._pool(function) for name, function in self.spec.functions.items()}
        runner = web.AppRunner(HttpGateway(self._pools, prefix=self.spec.prefix).app(), access_log=None)
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            try:
                await asyncio.gather(*(pool.warm_up() for pool in self._pools.values()))
                await runner.setup()
                await web.TCPSite(runner, HOST, self.port).start()
                sources = [asyncio.create_task(source.run()) for source in self._sources(session)]
                self._ready.set()
                await self._until_stopped(sources)
            finally:
                await asyncio.gather(*(pool.stop() for pool in self._pools.values()))
                await runner.cleanup()

    async def _until_stopped(self, sources: list[asyncio.Task[None]]) -> None:
        """Wait for the stop; a source that ends by itself has failed, and so has the host."""
        stop = asyncio.create_task(self._stopping.wait())
        done, pending = await asyncio.wait({stop, *sources}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for task in done:
            task.result()

    def _pool(self, function: FunctionSpec) -> FunctionPool:
        log = self.log_dir / f"{function.name}.log"
        log.write_bytes(b"")
        here = {"AWS_ENDPOINT_URL_LAMBDA": self.url}
        env = {**environment_of(function, self.queue_urls), **here, **self.env, **runtime_variables(function)}
        return FunctionPool(function, env=env, log=log, region=self.spec.region, concurrency=self.concurrency)

    def _sources(self, session: aiohttp.ClientSession) -> list[QueueSource | ScheduleSource]:
        found: list[QueueSource | ScheduleSource] = []
        for pool in self._pools.values():
            for event in pool.spec.queues:
                if event.queue in self.queue_urls:
                    source = QueueSource(
                        session=session,
                        queue_url=self.queue_urls[event.queue],
                        queue_arn=self.spec.queue_arn(event.queue),
                        region=self.spec.region,
                        event=event,
                        pool=pool,
                    )
                    found += [source] * self.concurrency
            if self.clock is not None:
                found += [
                    ScheduleSource(expression=text, region=self.spec.region, clock=self.clock, pool=pool)
                    for text in pool.spec.schedules
                ]
        return found


def environment_of(function: FunctionSpec, queue_urls: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a function, a reference to a queue being its URL; raise `LocalPartError` for others."""
    values = {}
    for name, value in function.environment.items():
        if isinstance(value, dict):
            if value.get("Ref") not in queue_urls:
                raise LocalPartError(f"{function.name}: {name} refers to {value}, which is no queue of this desk")
            values[name] = queue_urls[value["Ref"]]
        else:
            values[name] = str(value)
    return values


def runtime_variables(function: FunctionSpec) -> dict[str, str]:
    """Return what the Lambda runtime itself tells a function."""
    return {
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "_HANDLER": function.handler,
        "TZ": "UTC",
    }
