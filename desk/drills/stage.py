"""The stage of a drill: a venue on a tape, a Redis behind a gate, a trigger that listens, and collectors."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import web
from redis.asyncio import Redis

from desk.drills.catalogue import Drill
from desk.drills.gate import Gate
from desk.drills.ledger import Ledger
from desk.local.process import HOST, Child, LocalPartError, accepts, answers, claim_port, end_group, python_module
from desk.local.redis import LocalRedis
from desk.local.upstash import UpstashFacade
from desk.simulator.faults import Fault, FaultKind
from desk.simulator.spec import build_tape, read_spec
from desk.simulator.tape import Tape
from shared.adapters.clock import steer
from shared.adapters.redis_log import stream_key, upstash_candle_log
from shared.domain.timeframe import Timeframe, parse_timeframe

VENUE: Final = "binance"
DEPTH: Final = 100
SLACK: Final = 200
LIVE_FROM: Final = 1_704_067_200_000  # 2024-01-01T00:00Z
_TOKEN: Final = "a drill"  # noqa: S105 opens nothing
_READ_EVERY_S: Final = 0.1
_PAGE: Final = 1_000
_READY_S: Final = 60.0


@dataclass(slots=True, kw_only=True)
class Stage:
    """The parts of one drill while it runs; use `stage_of`."""

    drill: Drill
    home: Path
    tape: Tape
    redis: LocalRedis
    gate: Gate
    ledger: Ledger
    http: aiohttp.ClientSession
    simulator_url: str = ""
    trigger_url: str = ""
    collectors: list[Child] = field(default_factory=list)
    is_cleared: asyncio.Event = field(default_factory=asyncio.Event)
    reading: asyncio.Task[None] = field(init=False)
    _started: int = 0
    _last_ids: dict[Timeframe, str] = field(default_factory=dict)

    @property
    def clock_file(self) -> Path:
        """Return the file that all parts take the market's time from."""
        return self.home / "clock.json"

    async def start_collector(self, *, is_first: bool = False) -> None:
        """Start one more collector, and wait until the first is live."""
        self._started += 1
        port = claim_port(None, "the collector")
        collector = Child(
            name=f"collector {self._started}",
            argv=python_module("collector"),
            env=self._environment(port),
            log=self.home / f"collector-{self._started}.log",
            grace_s=8.0,
        )
        self.collectors.append(collector)
        await asyncio.to_thread(collector.start)
        if is_first:
            await asyncio.to_thread(
                collector.wait_ready, lambda: answers(f"http://{HOST}:{port}/health"), timeout_s=_READY_S
            )

    async def kill(self) -> None:
        """Kill the oldest collector."""
        collector = self.collectors.pop(0)
        end_group(collector.pid, with_signal=signal.SIGKILL)
        await asyncio.to_thread(collector.stop)

    def signal_oldest(self, number: signal.Signals) -> None:
        """Send a signal to the oldest collector."""
        end_group(self.collectors[0].pid, with_signal=number)

    async def switch_on(self, fault: Fault) -> None:
        """Let a fault of the venue begin."""
        body = fault.model_dump(mode="json", exclude_unset=True)
        async with self.http.post(f"{self.simulator_url}/_faults", json=body) as answer:
            if answer.status != 200:
                raise LocalPartError(f"the simulator refused {fault.kind}: {await answer.text()}")

    async def recover(self) -> dict[str, int]:
        """Open the gate and end the faults that came later; return how often each kind has struck since the start."""
        self.gate.open()
        lasting = {fault.kind for fault in self.drill.from_boot}
        for kind in set(FaultKind) - lasting:
            async with self.http.delete(f"{self.simulator_url}/_faults/{kind}") as answer:
                found = await answer.json()
        hits: dict[str, int] = found["hits"]
        return hits

    async def empty_redis(self) -> None:
        """Have Redis lose everything, past the gate, and tell the ledger when."""
        async with Redis(host=HOST, port=self.redis.port or 0) as client:
            await client.flushall()
        self.ledger.empty(at_ms=time.time_ns() // 1_000_000)

    async def is_connected(self) -> bool:
        """Tell whether the venue has a whole socket and no half-open one."""
        async with self.http.get(f"{self.simulator_url}/_tape/status") as answer:
            status: dict[str, Any] = await answer.json()
        return status["connections"] > 0 and not status["half_open"]

    async def follow(self) -> None:
        """Read the log as it is written, past the gate, until the stage is cleared."""
        client = Redis(host=HOST, port=self.redis.port or 0, decode_responses=True)
        is_last = False
        try:
            while not is_last:
                is_last = self.is_cleared.is_set()
                for timeframe in self.drill.timeframes:
                    await self._read(client, timeframe)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.is_cleared.wait(), _READ_EVERY_S)
        finally:
            await client.aclose()

    def check(self) -> None:
        """Raise `LocalPartError` when a collector has ended by itself."""
        for collector in self.collectors:
            if not collector.alive:
                raise LocalPartError(f"{collector.name} has stopped; {collector.log} ends with:\n{collector.tail()}")

    async def clear(self) -> None:
        """Ask every collector to end, and read the last they wrote."""
        await asyncio.gather(*(asyncio.to_thread(collector.stop) for collector in self.collectors))
        self.is_cleared.set()
        await self.reading

    def read_back(self) -> None:
        """Read the log as functions do that know nothing of it yet, and tell the ledger what it shows."""
        with (
            UpstashFacade(redis_port=self.redis.port or 0, token=_TOKEN, log_dir=self.home) as facade,
            closing(upstash_candle_log(facade.url, _TOKEN)) as log,
        ):
            for timeframe in self.drill.timeframes:
                self.ledger.read(log.frame(VENUE, timeframe, bars=self.ledger.bars(timeframe)))

    async def _read(self, client: "Redis", timeframe: Timeframe) -> None:
        key = stream_key(VENUE, timeframe)
        while True:
            page: Any = await client.xrange(key, min=f"({self._last_ids.get(timeframe, '0-0')}", count=_PAGE)
            if not page:
                return
            for entry_id, fields in page:
                # An entry's id is when Redis took it, in its own epoch ms: this machine's.
                self.ledger.write(timeframe, fields, at_ms=int(entry_id.partition("-")[0]))
            self._last_ids[timeframe] = page[-1][0]

    def _environment(self, port: int) -> dict[str, str]:
        return {
            "VENUE_REST_URL": self.simulator_url,
            "VENUE_WS_URL": self.simulator_url.replace("http", "ws", 1),
            "UPSTASH_REDIS_URL": f"redis://{HOST}:{self.gate.port}/0",
            "TRIGGER_URL": self.trigger_url,
            "TRIGGER_SECRET": "a drill",
            "COLLECTOR_SYMBOLS": str(len(self.tape.instruments)),
            "COLLECTOR_TIMEFRAMES": ",".join(self.drill.timeframes),
            "COLLECTOR_PORT": str(port),
            "LOG_DEPTH": str(_depth(self.drill)),
            "SYMBOL_REFRESH_S": "10",
            "CLOCK_FILE": str(self.clock_file.resolve()),
        }


@asynccontextmanager
async def stage_of(drill: Drill, *, home: Path, seed: int) -> AsyncIterator[Stage]:
    """Set the stage with the market held and one collector live, and clear it in the end."""
    tape = await asyncio.to_thread(_prepare, drill, home, seed)
    async with AsyncExitStack() as stack:
        redis = stack.enter_context(LocalRedis(log_dir=home))
        gate = await stack.enter_async_context(Gate(redis.port or 0, port=claim_port(None, "the gate")))
        stage = Stage(
            drill=drill,
            home=home,
            tape=tape,
            redis=redis,
            gate=gate,
            ledger=Ledger(tape, drill.timeframes, depth=DEPTH, kept=_depth(drill)),
            http=await stack.enter_async_context(aiohttp.ClientSession()),
        )
        stage.simulator_url = await stack.enter_async_context(_simulator(drill, home, seed))
        stage.trigger_url = await stack.enter_async_context(_trigger(stage.ledger))
        for fault in drill.from_boot:
            await stage.switch_on(fault)
        stage.reading = asyncio.create_task(stage.follow())
        try:
            await stage.start_collector(is_first=True)
            yield stage
        finally:
            await stage.clear()


def _prepare(drill: Drill, home: Path, seed: int) -> Tape:
    """Write the tape and hold the clock at its beginning."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "tape.json").write_text(json.dumps(_tape_spec(drill, seed)))
    tape = build_tape(read_spec(home / "tape.json"))
    steer(home / "clock.json", tape_ms=tape.live_from, speed=0)
    return tape


@asynccontextmanager
async def _simulator(drill: Drill, home: Path, seed: int) -> AsyncIterator[str]:
    port = claim_port(None, "the simulator")
    options = {
        "--tape": home / "tape.json",
        "--clock-file": home / "clock.json",
        "--port": port,
        "--seed": seed,
        "--weight-scale": 1 / drill.speed,  # a minute of the tape may use what a minute may
    }
    argv = python_module("desk.simulator", *(str(part) for option in options.items() for part in option))
    with Child(name="the simulator", argv=argv, log=home / "simulator.log") as child:
        await asyncio.to_thread(child.wait_ready, lambda: accepts(port))
        yield f"http://{HOST}:{port}"


@asynccontextmanager
async def _trigger(ledger: Ledger) -> AsyncIterator[str]:
    """Serve what the collector announces to, and tell the ledger."""

    async def take(request: web.Request) -> web.Response:
        at_ms = time.time_ns() // 1_000_000
        told = await request.json()
        ledger.tell(parse_timeframe(told["timeframe"]), told["close_time"], at_ms=at_ms)
        return web.Response(status=202)

    app = web.Application()
    app.router.add_post("/closed", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, 0).start()
        yield f"http://{HOST}:{runner.addresses[0][1]}/closed"
    finally:
        await runner.cleanup()


def _depth(drill: Drill) -> int:
    """Return how deep the log is: the history that is looked at, the whole drill, and then some."""
    return DEPTH + drill.minutes + SLACK


def _tape_spec(drill: Drill, seed: int) -> dict[str, Any]:
    def instants(minutes: dict[str, int]) -> dict[str, int]:
        return {symbol: LIVE_FROM + minute * Timeframe.M1.ms for symbol, minute in minutes.items()}

    return {
        "kind": "synthetic",
        "symbols": drill.symbols,
        "seed": seed,
        "timeframes": list(drill.timeframes),
        "history_bars": _depth(drill),  # the log is full from the start, so that every entry pushes one out
        "live_from": LIVE_FROM,
        "listed_from": instants(drill.listed),
        "delisted_from": instants(drill.delisted),
    }
