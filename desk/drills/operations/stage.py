"""The stage of a drill of operations: what the desk stands on, each part behind a door, and the functions that watch.

The market's clock is a file, moved a minute at a time; what waits by the database's clock is moved along. The functions
scheduled-monitor and notify are the real ones in their own processes. Collector and agents are played (`Cast`).
"""

import secrets
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
from redis import Redis

from desk.drills.market import held_market
from desk.drills.operations.cast import MINUTE_MS, Cast
from desk.drills.operations.doors import Door, door
from desk.lambda_host.host import LambdaHost
from desk.lambda_host.pool import Outcome
from desk.lambda_host.queue_source import failures, record_of
from desk.lambda_host.spec import DeskSpec, read_spec
from desk.local.aws import LocalSqs
from desk.local.process import HOST, PROJECT, LocalPartError, claim_port
from desk.local.receiver import LocalReceiver
from desk.local.redis import LocalRedis
from desk.local.supabase_lite import SupabaseLite
from desk.local.upstash import UpstashFacade
from desk.migrate import sql_files
from desk.simulator.faults import Fault
from shared.adapters.clock import TapeClock, steer
from shared.adapters.redis_watch import KEPT_KEY
from shared.adapters.supabase.channels import SupabaseChannelStore
from shared.adapters.supabase.client import AWAY_S, call, connect, once, rows
from shared.domain.monitoring import Task
from shared.domain.notifications import Channel, ChannelKind

HOME: Final = Path(".desk/drills/operations")
MONITOR, NOTIFY = "scheduled-monitor", "notify"
DESK, SPARE, DIRECT = "/desk", "/spare", "/direct"
_QUEUE: Final = "NotificationsQueue"
_PASSING: Final = Path(__file__).with_name("9999_let_time_pass.sql")
_TEMPLATES: Final = PROJECT / ".desk" / "drills" / "supabase"
_TIMEOUT: Final = "ReadTimeout"
_CALM: Final = 3
_FORGETS_S: Final = AWAY_S + 0.1
_CRON: Final = {"source": "aws.events"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of the monitor as seen from outside: how long its invocation took, and what every task came to.

    It has `stalled` when the database took too long to answer though nothing was done to it: the machine was busy.
    """

    duration_ms: float
    error: str | None
    failed: frozenset[Task]
    answered: int
    skipped_reason: str | None
    open: tuple[str, ...]
    kept: frozenset[str]
    away: frozenset[str]
    stalled: bool


@dataclass(slots=True)
class Heard:
    """What the receiver was sent, by the path it came to: how often each key was told of, by what became of it."""

    told: list[tuple[str, str]] = field(default_factory=list)  # kind, dedupe key, in order
    direct: int = 0
    spare: int = 0

    def of(self, key: str) -> Counter[str]:
        """Return how often a key was told of, by kind."""
        return Counter(kind for kind, about in self.told if about == key)


@dataclass(slots=True, kw_only=True)
class OperationsStage:
    """Everything a drill breaks and looks at; use `operations_stage`."""

    home: Path
    clock: TapeClock
    database: Door
    redis: Door
    queues: Door
    target: Door
    supabase: SupabaseLite
    store: Redis
    sqs: LocalSqs
    host: LambdaHost
    receiver: LocalReceiver
    market: httpx.Client
    cast: Cast
    spare_id: str
    away: set[str] = field(default_factory=set)
    was_away: bool = False

    def minute(self) -> Run:
        """Let a minute pass on the desk: the collector writes, the monitor looks, people are told, agents run."""
        self._forget()
        steer(self.clock.path, tape_ms=self.clock.now_ms() + MINUTE_MS, speed=0)
        call(self.cast.database, "let_time_pass", {"p_ms": MINUTE_MS})
        if "redis" not in self.away:
            self.cast.collect()
        run = self.look()
        self.tell()
        if not self.away & {"database", "redis"}:
            self.cast.work()
        if "database" not in self.away:
            self.cast.beat()
        return run

    def look(self) -> Run:
        """Have the monitor run, and return what came of it."""
        began = time.perf_counter()
        outcome = self.host.invoke(MONITOR, _CRON)
        duration_ms = (time.perf_counter() - began) * 1_000
        body: Mapping[str, Any] = outcome.result or {}
        results = body.get("results", [])
        kept = self.store.hkeys(KEPT_KEY)
        return Run(
            duration_ms=duration_ms,
            error=None if outcome.error is None else str(outcome.error.get("errorMessage")),
            failed=frozenset(Task(each["task"]) for each in results if not each["success"]),
            answered=len(results),
            skipped_reason=body.get("skipped_reason"),
            open=tuple(each["dedupe_key"] for each in self.alerts() if each["state"] != "resolved"),
            kept=frozenset(each.decode() if isinstance(each, bytes) else each for each in kept),
            away=frozenset(self.away),
            stalled="database" not in self.away and any(_TIMEOUT in (each.get("error") or "") for each in results),
        )

    def tell(self) -> None:
        """Have notify handle what its queue has, then sweep; while the database is away it could only wait."""
        if "queues" not in self.away:
            self._drain()
        if "database" not in self.away:
            self._answered(self.host.invoke(NOTIFY, _CRON))

    def alerts(self) -> list[dict[str, Any]]:
        """Return every alert there was that is open, or was a while ago."""
        query = (
            self.cast.database.from_("alerts").select("dedupe_key,state,seen,reopened").order("last_at_ms", desc=True)
        )
        return rows(once(query.limit(200)))

    def heard(self) -> Heard:
        """Return what people have been told since the last time, and forget it."""
        found = Heard()
        while self.receiver.received:
            path, body = self.receiver.received.popleft()
            if path == DIRECT:
                found.direct += 1
            elif path == SPARE:
                found.spare += 1
            else:
                found.told += [(each["kind"], str(each["data"].get("dedupe_key", ""))) for each in body["items"]]
        return found

    def test_spare(self) -> None:
        """Have the spare channel be sent something."""
        self.cast.channels.test(self.spare_id)

    def venue(self, fault: Fault) -> None:
        """Let a fault of the venue begin."""
        self.market.post("/_faults", json=fault.model_dump(mode="json", exclude_unset=True)).raise_for_status()

    def repair_venue(self) -> None:
        """End every fault of the venue."""
        self.market.delete("/_faults").raise_for_status()

    def _forget(self) -> None:
        """Wait until the monitor has forgotten that the database did not answer: a minute is long enough for that."""
        if self.was_away:
            time.sleep(_FORGETS_S)
        self.was_away = "database" in self.away

    def _drain(self) -> None:
        """Hand messages to notify as SQS does, and delete those it has handled."""
        client = self.sqs.client()
        url, arn = self.sqs.queue_urls[_QUEUE], self.sqs.spec.queue_arn(_QUEUE)
        try:
            while messages := client.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
            ).get("Messages"):
                records = [record_of(dict(message), arn, self.sqs.spec.region) for message in messages]
                outcome = self.host.invoke(NOTIFY, {"Records": records})
                kept = failures(outcome, [each["messageId"] for each in records], partial=True)
                for record in records:
                    if record["messageId"] not in kept:
                        client.delete_message(QueueUrl=url, ReceiptHandle=record["receiptHandle"])
        finally:
            client.close()

    def _answered(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            raise LocalPartError(f"notify failed: {outcome.error.get('errorMessage')}, see {self.home}/{NOTIFY}.log")


@contextmanager
def operations_stage(*, seed: int, home: Path = HOME) -> Iterator[OperationsStage]:
    """Set the stage, with everything well, and clear it in the end; all it writes is below `home`."""
    home.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        supabase = stack.enter_context(SupabaseLite(log_dir=home, sql=_sql(home), templates=_TEMPLATES))
        market = stack.enter_context(held_market(home, seed=seed))
        redis = stack.enter_context(LocalRedis(log_dir=home))
        redis_door = stack.enter_context(door(redis.port or 0))
        token = secrets.token_urlsafe(32)
        facade = UpstashFacade(redis_port=redis_door.port, token=token, log_dir=home)
        stack.enter_context(facade)
        database_door = stack.enter_context(door(supabase.port or 0))
        receiver = stack.enter_context(LocalReceiver())
        target_door = stack.enter_context(door(receiver.port))
        spec = _spec({
            "SUPABASE_URL": database_door.url,
            "SUPABASE_KEY": supabase.publishable_key,
            "SUPABASE_SERVICE_ROLE_KEY": supabase.secret_key,
            "SUPABASE_JWT_SECRET": supabase.jwt_secret,
            "UPSTASH_REDIS_REST_URL": facade.url,
            "UPSTASH_REDIS_REST_TOKEN": token,
            "TRIGGER_SECRET": secrets.token_urlsafe(32),
            "SERVICE_SECRET": secrets.token_urlsafe(32),
            "AWS_REGION": "eu-central-1",
            "BINANCE_URL": str(market.base_url).rstrip("/"),
            "ALERT_URLS": f"json://{HOST}:{receiver.port}{DIRECT}",
            "ALLOW_PRIVATE_WEBHOOKS": "true",
        })  # fmt: skip
        sqs = stack.enter_context(LocalSqs(spec=spec, log_dir=home))
        queues_door = stack.enter_context(door(sqs.port or 0))
        behind = {name: url.replace(sqs.url, queues_door.url) for name, url in sqs.queue_urls.items()}
        clock_file = (home / "clock.json").resolve()
        clock = TapeClock(clock_file)
        host = LambdaHost(
            spec=spec,
            log_dir=home,
            env={**sqs.env, "AWS_ENDPOINT_URL": queues_door.url, "CLOCK_FILE": str(clock_file)},
            queue_urls=behind,
            port=claim_port(None, "the API"),
        )
        client = connect(supabase.url, supabase.secret_key)
        store = Redis(port=redis.port or 0)
        stack.callback(store.close)
        cast = Cast(database=client, redis=store, clock=clock, channels=SupabaseChannelStore(client))
        cast.enter()
        _channel(cast, "people", ChannelKind.WEBHOOK, f"http://{HOST}:{receiver.port}{DESK}")
        spare_id = _channel(cast, "spare", ChannelKind.APPRISE, f"json://{HOST}:{target_door.port}{SPARE}")
        stack.enter_context(host)
        stage = OperationsStage(
            home=home, clock=clock, database=database_door, redis=redis_door, queues=queues_door, target=target_door,
            supabase=supabase, store=store, sqs=sqs, host=host, receiver=receiver, market=market, cast=cast,
            spare_id=spare_id,
        )  # fmt: skip
        for _ in range(_CALM):  # the first look does not know what just began
            stage.minute()
        yield stage


def _channel(cast: Cast, name: str, kind: ChannelKind, target: str) -> str:
    channel = Channel(channel_id=str(uuid4()), owner_id=None, name=name, kind=kind, shown=name, digest_ms=0)
    secret = secrets.token_urlsafe(32) if kind is ChannelKind.WEBHOOK else None
    return cast.channels.create(channel, target=target, secret=secret).channel_id


def _spec(env: Mapping[str, str]) -> DeskSpec:
    """Return the functions that watch and tell, woken by nobody but the drill."""
    spec = read_spec(PROJECT / "serverless.yml", env)
    return replace(spec, functions={name: replace(spec.functions[name], queues=()) for name in (MONITOR, NOTIFY)})


def _sql(home: Path) -> Path:
    """Put the files of sql/ beside the one that lets time pass, and return where."""
    folder = home / "sql"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.sql"):
        with suppress(FileNotFoundError):
            old.unlink()
    for file in sql_files():
        (folder / file.name).write_text(file.text)
    (folder / _PASSING.name).write_text(_PASSING.read_text())
    return folder.resolve()
