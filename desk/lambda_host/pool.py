"""The execution environments of one function: as many warm workers as it has invocations at a time."""

import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from desk.lambda_host.spec import ACCOUNT, FunctionSpec
from desk.local.process import LocalPartError, clean_env, end_group, reaper

INIT_TIMEOUT_S: Final = 60.0
_DURATIONS: Final = 10_000
_LINE_LIMIT: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an invocation came to: a result, or an error as AWS words it (`errorMessage`, `errorType`)."""

    result: Any = None
    error: Mapping[str, Any] | None = None
    timed_out: bool = False


@dataclass(slots=True, kw_only=True)
class FunctionStats:
    """What has been asked of a function; durations in milliseconds as its caller sees them, newest last."""

    invocations: int = 0
    errors: int = 0
    cold_starts: int = 0
    durations_ms: deque[float] = field(default_factory=lambda: deque(maxlen=_DURATIONS))


class _Worker:
    """One child process; it handles one event at a time."""

    def __init__(self, spec: FunctionSpec, env: Mapping[str, str], log: Path, region: str) -> None:
        self._spec, self._env, self._log, self._region = spec, env, log, region
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "desk.lambda_host.worker", self._spec.handler),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=clean_env(self._env),
                start_new_session=True,
                limit=_LINE_LIMIT,
            )
        reaper.watch(self._process.pid)
        try:
            answer = await asyncio.wait_for(self._read(), INIT_TIMEOUT_S)
        except (TimeoutError, ConnectionError) as error:
            await self.kill()
            raise LocalPartError(f"{self._spec.name} did not start, see {self._log}") from error
        if "error" in answer:
            await self.kill()
            raise LocalPartError(f"{self._spec.name} cannot be imported: {answer['error']['errorMessage']}")

    async def run(self, event: Any) -> Outcome:
        """Hand the event over; a worker that runs too long is killed, as Lambda does."""
        process = self._process
        if process is None or process.stdin is None:
            raise ConnectionError("the worker has not been started")
        process.stdin.write(json.dumps({"event": event, "context": self._context()}).encode() + b"\n")
        try:
            async with asyncio.timeout(self._spec.timeout_s):
                await process.stdin.drain()
                answer = await self._read()
        except TimeoutError:
            message = f"Task timed out after {self._spec.timeout_s:.2f} seconds"
            return Outcome(error={"errorMessage": message, "errorType": "Sandbox.Timedout"}, timed_out=True)
        return Outcome(result=answer.get("ok"), error=answer.get("error"))

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    async def kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        end_group(process.pid)
        await process.wait()
        reaper.forget(process.pid)

    async def _read(self) -> dict[str, Any]:
        if self._process is None or self._process.stdout is None:
            raise ConnectionError("the worker has not been started")
        line = await self._process.stdout.readline()
        if not line:
            raise ConnectionError("the worker has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _context(self) -> dict[str, Any]:
        return {
            "aws_request_id": str(uuid4()),
            "function_name": self._spec.name,
            "memory_limit_in_mb": self._spec.memory_mb,
            "invoked_function_arn": f"arn:aws:lambda:{self._region}:{ACCOUNT}:function:{self._spec.name}",
            "deadline_ms": time.time_ns() // 1_000_000 + int(self._spec.timeout_s * 1_000),
            "log_group_name": f"/aws/lambda/{self._spec.name}",
            "log_stream_name": self._log.name,
        }


class FunctionPool:
    """One function with up to `concurrency` warm workers; a broken worker is replaced at the next event."""

    def __init__(
        self, spec: FunctionSpec, *, env: Mapping[str, str], log: Path, region: str, concurrency: int = 1
    ) -> None:
        self.spec: Final = spec
        self.stats = FunctionStats()
        self._make: Callable[[], _Worker] = lambda: _Worker(spec, env, log, region)
        self._workers: list[_Worker] = []
        self._idle: list[_Worker] = []
        self._concurrency = concurrency
        self._slots = asyncio.Semaphore(concurrency)

    @property
    def worker_pids(self) -> list[int]:
        """Return the process ids of the workers that run."""
        return [worker.pid for worker in self._workers if worker.alive]

    async def warm_up(self) -> None:
        """Start every worker there may be, so that no event waits for one."""
        self._idle += [await self._worker() for _ in range(self._concurrency)]

    async def invoke(self, event: Any) -> Outcome:
        """Run one event, waiting for a free worker if all are busy."""
        async with self._slots:
            began = time.perf_counter()
            outcome = await self._run(event)
        self.stats.invocations += 1
        self.stats.errors += outcome.error is not None
        self.stats.durations_ms.append((time.perf_counter() - began) * 1_000)
        return outcome

    async def stop(self) -> None:
        """Kill every worker."""
        await asyncio.gather(*(self._drop(worker) for worker in tuple(self._workers)))

    async def _run(self, event: Any) -> Outcome:
        try:
            worker = await self._worker()
        except LocalPartError as error:
            return Outcome(error={"errorMessage": str(error), "errorType": "Runtime.ImportModuleError"})
        try:
            outcome = await worker.run(event)
        except OSError:
            await self._drop(worker)
            return Outcome(error={"errorMessage": "the worker ended while it ran", "errorType": "Runtime.ExitError"})
        except asyncio.CancelledError:  # its answer would be taken for the next event's
            await self._drop(worker)
            raise
        if outcome.timed_out:
            await self._drop(worker)
        else:
            self._idle.append(worker)
        return outcome

    async def _worker(self) -> _Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                return worker
            await self._drop(worker)
        worker = self._make()
        self._workers.append(worker)
        await worker.start()
        self.stats.cold_starts += 1
        return worker

    async def _drop(self, worker: _Worker) -> None:
        self._workers = [other for other in self._workers if other is not worker]
        self._idle = [other for other in self._idle if other is not worker]
        await worker.kill()
