"""The monitor as its function runs it, on Supabase Lite, Redis behind Upstash's interface and SQS; venues alone are not
real."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from desk.lambda_host.spec import DeskSpec, QueueSpec
from desk.local.aws import LocalSqs
from desk.local.supabase_lite import SupabaseLite
from desk.local.upstash import UpstashFacade
from functions.scheduled_monitor import handler
from shared.adapters.redis_rest import connect_rest, run
from shared.adapters.redis_watch import KEPT_KEY
from shared.adapters.supabase.client import connect, once, refuse_busy, rows
from shared.adapters.supabase.intelligence import SupabaseIntelligenceStore
from shared.adapters.venue_ping import HttpVenuePings
from shared.domain.intelligence import Direction, IntelligenceSignal, Provenance
from shared.domain.monitoring import MonitorSettings, Task
from shared.domain.timeframe import Timeframe
from shared.notification_messages import DirectNotification
from shared.runtime.config import Settings
from shared.runtime.wiring import Deps
from tests.fakes.clock import ManualClock

CRON = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
QUEUES = {name: QueueSpec(logical_id=name, name=name.lower()) for name in ("Executions", "Notifications")}


@pytest.fixture(scope="module")
def sqs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSqs]:
    spec = DeskSpec(service="tested", stage="dev", region="eu-central-1", functions={}, queues=QUEUES)
    with LocalSqs(spec=spec, log_dir=tmp_path_factory.mktemp("sqs")) as queues:
        yield queues


class UnhurriedDeps(Deps):
    """The runtime's parts, which have the time a busy machine takes; what is away refuses at once all the same."""

    @property
    def monitor_settings(self) -> MonitorSettings:
        """The monitor's measures, but for how long a task may take."""
        return replace(super().monitor_settings, task_limit_ms=30_000)


class Parts:
    """A desk on real parts, whose monitor is called as AWS calls it; each call is a cold start."""

    def __init__(self, supabase: SupabaseLite, upstash: UpstashFacade, sqs: LocalSqs) -> None:
        self.clock = ManualClock(1_700_000_040_000)
        self.client = connect(supabase.url, supabase.secret_key)
        self.redis = connect_rest(upstash.url, upstash.token)
        self.env = {
            "SUPABASE_URL": supabase.url,
            "SUPABASE_SERVICE_ROLE_KEY": supabase.secret_key,
            "UPSTASH_REDIS_REST_URL": upstash.url,
            "UPSTASH_REDIS_REST_TOKEN": upstash.token,
            "EXECUTIONS_QUEUE_URL": sqs.queue_urls["Executions"],
            "NOTIFICATIONS_QUEUE_URL": sqs.queue_urls["Notifications"],
        }
        self.sqs = sqs

    def minute(self, **changes: str) -> dict[str, Any]:
        """Let a minute pass in which every close is written, and run the monitor."""
        now_ms = self.clock.advance(60_000)
        fields = [part for tf in Timeframe for part in (f"newest_close:{tf}", str(tf.last_close(now_ms)))]
        run(self.redis, ["HSET", "collector:binance", *fields], "test")
        return self.run(lambda _: httpx.Response(200, json={"serverTime": 1}), **changes)

    def run(self, venue: Callable[[httpx.Request], httpx.Response], **changes: str) -> dict[str, Any]:
        """Run the monitor."""
        settings = Settings.from_env(self.env | changes)
        deps = UnhurriedDeps(settings)
        session = httpx.Client(timeout=30, event_hooks={"response": [refuse_busy]})
        url, key = settings.need("supabase_url"), settings.need("supabase_service_role_key")
        deps.hasty_database = connect(url, key, session=session)
        deps.clock = self.clock
        deps.venue_pings = HttpVenuePings({}, session=httpx.Client(transport=httpx.MockTransport(venue)))
        answer: dict[str, Any] = handler(CRON, None, deps=deps)
        deps.hasty_redis.close()
        session.close()
        return answer

    def alerts(self) -> dict[str, str]:
        """Return the state of each alert the monitor has raised."""
        found = rows(self.client.from_("alerts").select("dedupe_key,state").neq("kind", "reconciliation").execute())
        return {row["dedupe_key"]: row["state"] for row in found}

    def notices(self) -> list[DirectNotification]:
        """Take what the operators were told without a database."""
        client, url = self.sqs.client(), self.sqs.queue_urls["Notifications"]
        found = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for message in found:
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        client.close()
        direct = [message["Body"] for message in found if "dedupe_key" in message["Body"]]
        return [DirectNotification.model_validate_json(body) for body in direct]


@pytest.fixture
def parts(
    clean_supabase: SupabaseLite, upstash: UpstashFacade, sqs: LocalSqs, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Parts]:
    for name, value in sqs.env.items():
        monkeypatch.setenv(name, value)
    made = Parts(clean_supabase, upstash, sqs)
    run(made.redis, ["DEL", KEPT_KEY, "collector:binance"], "test")
    once(made.client.from_("alerts").delete().neq("dedupe_key", ""))
    yield made
    made.redis.close()


def test_where_sources_agree_is_told(parts: Parts) -> None:
    at_ms = parts.clock.now_ms()
    signals = [
        IntelligenceSignal(
            source=source, kind="sentiment", instrument="BTC/USDT", direction=Direction.SHORT, confidence=0.8,
            observed_at_ms=at_ms, expires_at_ms=at_ms + 3_600_000, provenance=Provenance.MEASURED, data_quality=1.0,
            correlation_id="c",
        )
        for source in ("coingecko", "glassnode", "santiment")
    ]  # fmt: skip
    SupabaseIntelligenceStore(parts.client).record(signals)
    (told,) = [each for each in parts.minute()["results"] if each["task"] == "signals"]
    assert told["success"] is True
    assert told["details"]["consensus"]["BTC/USDT"]["direction"] == "short"
    assert told["details"]["consensus"]["BTC/USDT"]["agreeing"] == 3
    assert parts.alerts() == {}


def test_everything_is_looked_at(parts: Parts) -> None:
    for _ in range(3):
        answer = parts.minute()
        assert [each.get("error") for each in answer["results"]] == [None] * len(Task)
        assert answer["success"] is True
        assert "notes" not in answer
    found = {each["task"]: each for each in answer["results"]}
    assert found["market_data"]["details"]["binance"]["age_ms"]["1m"] == 0
    assert found["venue_health"]["details"]["binance"]["state"] == "online"
    assert found["agent_health"]["details"]["agents"] == {"ops-agent": "online"}
    assert found["executions"]["details"]["waiting_messages"] == 0
    assert parts.alerts() == {}
    assert len(rows(parts.client.from_("monitor_runs").select("run_id").not_.is_("finished_at", "null").execute())) == 3


def test_a_database_that_was_away_is_one_alert_that_is_resolved(parts: Parts) -> None:
    for _ in range(2):
        parts.minute()
    began = parts.clock.time_ms + 60_000
    nowhere = {"SUPABASE_URL": "http://127.0.0.1:9"}
    for _ in range(2):
        answer = parts.minute(**nowhere)
        assert answer["success"] is False
        assert {each["task"] for each in answer["results"] if each["success"]} == set()
        assert parts.alerts() == {}
    (notice,) = parts.notices()
    assert "database" in notice.title
    once(parts.client.from_("monitor_runs").update({"finished_at": "2020-01-01T00:00:00Z"}).neq("task", ""))
    assert parts.minute()["success"] is True
    assert parts.alerts() == {"dependency:database": "resolved"}
    (row,) = rows(parts.client.from_("alerts").select("first_at_ms,resolved_at_ms").execute())
    assert row == {"first_at_ms": began, "resolved_at_ms": parts.clock.time_ms}
    assert not run(parts.redis, ["EXISTS", KEPT_KEY], "test")
    parts.minute()
    assert parts.alerts() == {"dependency:database": "resolved"}
    assert parts.notices() == []


def test_a_redis_that_was_away_is_one_alert_that_is_resolved(parts: Parts) -> None:
    for _ in range(2):
        parts.minute()
    answer = parts.minute(UPSTASH_REDIS_REST_URL="http://127.0.0.1:9")
    assert {each["task"] for each in answer["results"] if not each["success"]} == {"market_data"}
    assert parts.alerts() == {"dependency:redis": "open"}
    assert parts.minute()["success"] is True
    assert parts.alerts() == {"dependency:redis": "resolved"}


def test_queues_that_were_away_are_one_alert_that_is_resolved(parts: Parts) -> None:
    for _ in range(2):
        parts.minute()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        answer = parts.minute()
    assert {each["task"] for each in answer["results"] if not each["success"]} == {"executions"}
    assert parts.alerts() == {"dependency:queues": "open"}
    parts.minute()
    assert parts.alerts() == {"dependency:queues": "resolved"}


def test_a_collector_that_falls_silent_is_told_and_one_that_is_back_is_not(parts: Parts) -> None:
    for _ in range(2):
        parts.minute()
    run(parts.redis, ["DEL", "collector:binance"], "test")
    for _ in range(2):
        parts.run(lambda _: httpx.Response(503))
    assert parts.alerts() == {"collector:binance": "open", "venue:binance": "open"}
    for _ in range(2):
        parts.minute()
    assert parts.alerts() == {"collector:binance": "resolved", "venue:binance": "resolved"}
