"""The whole desk on one machine: every part started in order, awaited, watched, and stopped in the reverse order."""

import json
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import httpx

from desk.lambda_host.host import LambdaHost
from desk.lambda_host.spec import DeskSpec, read_spec
from desk.local.aws import LocalSqs
from desk.local.process import HOST, PROJECT, Child, LocalPartError, accepts, answers, claim_port, python_module
from desk.local.redis import LocalRedis
from desk.local.supabase_lite import SupabaseLite
from desk.local.upstash import UpstashFacade
from shared.adapters.clock import SystemClock, TapeClock
from shared.domain.timeframe import Timeframe
from shared.ports import Clock

VENUE: Final = "binance"
LIVE_BALANCE: Final = "1000000"
"""What the desk's account at the simulated venue holds of the quote currency when it may trade live."""


@dataclass(slots=True, kw_only=True)
class LocalDesk:
    """A desk with its own market; a context manager whose parts are attributes once it has started.

    `tape` says what the market replays (desk/simulator/spec.py). With a `clock_file` everything follows that tape
    clock; whoever made the file steers it. Redis, SQS and, without `data_dir`, Supabase forget when the desk stops.
    `env` overrides variables of the functions, `visibility_timeout_s` what serverless.yml says about redelivery. With
    `live_simulator` books of mode `live` trade at the simulated venue, through ccxt and its private interface.
    """

    tape: Mapping[str, Any]
    timeframes: tuple[Timeframe, ...]
    symbols: int
    quote: str = "USDT"
    home: Path = Path(".desk")
    clock_file: Path | None = None
    api_port: int | None = None
    data_dir: Path | None = None
    log_depth: int = 1_000
    concurrency: int = 1
    embedded_redis: bool | None = None
    visibility_timeout_s: int | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    ticker_interval_s: int = 10
    live_simulator: bool = False
    serverless: Path = PROJECT / "serverless.yml"

    trigger_secret: str = field(default_factory=lambda: secrets.token_urlsafe(32), init=False, repr=False)
    service_secret: str = field(default_factory=lambda: secrets.token_urlsafe(32), init=False, repr=False)
    venue_key: str = field(default_factory=lambda: secrets.token_urlsafe(32), init=False, repr=False)
    venue_secret: str = field(default_factory=lambda: secrets.token_urlsafe(32), init=False, repr=False)
    clock: Clock = field(init=False, repr=False)
    spec: DeskSpec = field(init=False, repr=False)
    redis: LocalRedis = field(init=False, repr=False)
    upstash: UpstashFacade = field(init=False, repr=False)
    supabase: SupabaseLite = field(init=False, repr=False)
    sqs: LocalSqs = field(init=False, repr=False)
    host: LambdaHost = field(init=False, repr=False)
    simulator: Child = field(init=False, repr=False)
    collector: Child = field(init=False, repr=False)
    simulator_port: int = field(init=False)
    collector_port: int = field(init=False)
    _stack: ExitStack = field(default_factory=ExitStack, init=False, repr=False)

    @property
    def api_url(self) -> str:
        """Return the address of the HTTP API and the function URLs."""
        return self.host.url

    @property
    def simulator_url(self) -> str:
        """Return the address of the simulated venue (REST)."""
        return f"http://{HOST}:{self.simulator_port}"

    @property
    def collector_url(self) -> str:
        """Return the address of the collector; /health answers 200 while its data are fresh."""
        return f"http://{HOST}:{self.collector_port}"

    @property
    def logs(self) -> Path:
        """Return where each part writes its log."""
        return self.home / "logs"

    def start(self) -> Self:
        """Start every part; raise `LocalPartError` that names the part that cannot, with nothing left running."""
        self.logs.mkdir(parents=True, exist_ok=True)
        try:
            self._prepare()
            self._together(self._start_redis, self._start_supabase, self._start_sqs, self._start_simulator)
            self._started(self.host.stop, self.host.start)
            self.start_collector()
        except BaseException:
            self.stop()
            raise
        return self

    def start_collector(self) -> None:
        """Start the collector (again, after `collector.stop()`) and wait until its data are fresh."""
        self._started(self.collector.stop, self.collector.start)
        self.collector.wait_ready(lambda: answers(f"{self.collector_url}/health"), timeout_s=180)

    def stop(self) -> None:
        """Stop every part, those first that call others."""
        self._stack.close()

    def check(self) -> None:
        """Raise `LocalPartError` with the end of its log if a part has died."""
        for child in (self.simulator, self.collector):
            if not child.alive:
                raise LocalPartError(f"{child.name} has stopped; {child.log} ends with:\n{child.tail()}")
        for name, port in (
            ("Redis", self.redis.port),
            ("Upstash REST", self.upstash.port),
            ("Supabase Lite", self.supabase.port),
            ("SQS (moto)", self.sqs.port),
            ("the Lambda host", self.host.port),
        ):
            if port is None or not accepts(port):
                raise LocalPartError(f"{name} has stopped, see {self.logs}")

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def _prepare(self) -> None:
        """Decide ports, secrets and environments before anything starts, so that the parts can start side by side."""
        self.clock = TapeClock(self.clock_file) if self.clock_file else SystemClock()
        self.redis = LocalRedis(log_dir=self.logs, port=claim_port(None, "Redis"), embedded=self.embedded_redis)
        self.upstash = UpstashFacade(
            redis_port=self.redis.port or 0,
            token=secrets.token_urlsafe(32),
            log_dir=self.logs,
            port=claim_port(None, "Upstash REST"),
        )
        self.supabase = SupabaseLite(log_dir=self.logs, data_dir=self.data_dir, port=claim_port(None, "Supabase Lite"))
        self.simulator_port = claim_port(None, "the simulator")
        self.collector_port = claim_port(None, "the collector")
        variables = self.variables()
        self.spec = read_spec(self.serverless, variables)
        self.sqs = LocalSqs(spec=self.spec, log_dir=self.logs, visibility_timeout_s=self.visibility_timeout_s)
        self.host = LambdaHost(
            spec=self.spec,
            log_dir=self.logs,
            clock=self.clock,
            port=claim_port(self.api_port, "the API"),
            concurrency=self.concurrency,
        )
        self.simulator = self._simulator()
        self.collector = self._collector()

    def variables(self) -> dict[str, str]:
        """Return what whoever deploys the desk would set."""
        return {
            "SUPABASE_URL": self.supabase.url,
            "SUPABASE_KEY": self.supabase.publishable_key,
            "SUPABASE_SERVICE_ROLE_KEY": self.supabase.secret_key,
            "SUPABASE_JWT_SECRET": self.supabase.jwt_secret,
            "UPSTASH_REDIS_REST_URL": self.upstash.url,
            "UPSTASH_REDIS_REST_TOKEN": self.upstash.token,
            "TRIGGER_SECRET": self.trigger_secret,
            "SERVICE_SECRET": self.service_secret,
            "AWS_REGION": "eu-central-1",
            "BINANCE_URL": self.simulator_url,
            "ALLOW_PRIVATE_WEBHOOKS": "true",
            **self._keys(),
            **self.env,
        }

    def _keys(self) -> dict[str, str]:
        """Return what makes the functions trade live, at the simulator."""
        if not self.live_simulator:
            return {}
        return {"AGENT_MODE": "live", "BINANCE_API_KEY": self.venue_key, "BINANCE_API_SECRET": self.venue_secret}

    def _simulator(self) -> Child:
        tape = self.home / "tape.json"
        tape.write_text(json.dumps(self.tape))
        clock = ("--clock-file", str(self.clock_file.resolve())) if self.clock_file else ()
        argv = python_module("desk.simulator", "--tape", str(tape), "--port", str(self.simulator_port), *clock)
        return Child(name="the simulator", argv=argv, log=self.logs / "simulator.log")

    def _collector(self) -> Child:
        env = {
            "VENUE_REST_URL": self.simulator_url,
            "VENUE_WS_URL": self.simulator_url.replace("http", "ws", 1),
            "UPSTASH_REDIS_URL": self.redis.url,
            "TRIGGER_URL": f"{self.host.url}/functions/v1/trigger-executions",
            "TICKERS_URL": f"{self.host.url}/functions/v1/execution-agent",
            "TRIGGER_SECRET": self.trigger_secret,
            "TICKER_INTERVAL_S": str(self.ticker_interval_s),
            "COLLECTOR_QUOTE": self.quote,
            "COLLECTOR_SYMBOLS": str(self.symbols),
            "COLLECTOR_TIMEFRAMES": ",".join(self.timeframes),
            "COLLECTOR_PORT": str(self.collector_port),
            "LOG_DEPTH": str(self.log_depth),
            **self._clock_env(),
        }
        return Child(
            name="the collector", argv=python_module("collector"), env=env, log=self.logs / "collector.log", grace_s=8.0
        )

    def _clock_env(self) -> dict[str, str]:
        return {"CLOCK_FILE": str(self.clock_file.resolve())} if self.clock_file else {}

    def _start_redis(self) -> None:
        self._started(self.redis.stop, self.redis.start)
        self._started(self.upstash.stop, self.upstash.start)

    def _start_supabase(self) -> None:
        from shared.adapters.supabase.client import connect

        self._started(self.supabase.stop, self.supabase.start)
        venue = {"venue": VENUE, "timeframes": list(self.timeframes), "log_depth": self.log_depth, "enabled": True}
        connect(self.supabase.url, self.supabase.secret_key).from_("venues").upsert(venue).execute()

    def _start_sqs(self) -> None:
        self._started(self.sqs.stop, self.sqs.start)
        self.host.queue_urls = self.sqs.queue_urls
        self.host.env = {**self.sqs.env, **self._clock_env(), **self.env}

    def _start_simulator(self) -> None:
        self._started(self.simulator.stop, self.simulator.start)
        self.simulator.wait_ready(lambda: accepts(self.simulator_port))
        if self.live_simulator:
            account = {"secret": self.venue_secret, "balances": {self.quote: LIVE_BALANCE}}
            httpx.put(f"{self.simulator_url}/_accounts/{self.venue_key}", json=account, timeout=30).raise_for_status()

    def _started(self, stop: Callable[[], None], start: Callable[[], object]) -> None:
        self._stack.callback(stop)
        start()

    def _together(self, *steps: Callable[[], None]) -> None:
        with ThreadPoolExecutor(len(steps)) as pool:
            for future in [pool.submit(step) for step in steps]:
                future.result()
