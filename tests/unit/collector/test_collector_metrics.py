"""What Prometheus reads is what the report says; what nobody knows is not there."""

import re
from dataclasses import replace
from pathlib import Path

from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from collector.health import Report, health_app
from collector.metrics import COUNTERS, PREFIX, Metrics
from collector.usage import RedisUse
from shared.domain.timeframe import Timeframe
from shared.domain.usage import MonthUsage, Usage

NOW = 1_700_002_800_000
REPORT = Report(
    venue="binance",
    timeframes=(Timeframe.M1, Timeframe.H1),
    now_ms=NOW + 1_500,
    phase="live",
    newest_close={Timeframe.M1: NOW, Timeframe.H1: NOW},
    clock_offset_ms=-250,
    open_gaps=3,
    buffered=2,
    last_write_ms=NOW + 20,
    counts={"frames": 10, "closed": 4},
    redis=RedisUse(
        commands=7,
        bytes_sent=70,
        bytes_received=8,
        plan=Usage(commands=1_000, bytes=10_000),
        month=MonthUsage(month="2026-11", since_ms=0, used=Usage(commands=90, bytes=900)),
        projected=Usage(commands=200, bytes=2_000),
    ),
)


def families(report: Report) -> dict[str, Metric]:
    text = Metrics(lambda: report).text().decode()
    return {family.name.removeprefix(f"{PREFIX}_"): family for family in text_string_to_metric_families(text)}


def values(family: Metric) -> list[float]:
    return [sample.value for sample in family.samples]


def test_the_report_is_what_prometheus_reads() -> None:
    found = families(REPORT)
    assert values(found["frames"]) == [10]
    assert values(found["candles"]) == [4]
    assert values(found["repairs"]) == [0]
    assert values(found["healthy"]) == [1]
    assert values(found["open_gaps"]) == [3]
    assert values(found["buffered_writes"]) == [2]
    assert values(found["clock_offset_seconds"]) == [-0.25]
    assert values(found["data_age_seconds"]) == [1.5, 1.5]
    assert values(found["redis_commands"]) == [7]
    assert values(found["redis_month_bytes"]) == [900]
    assert values(found["redis_projected_commands"]) == [200]


def test_the_unknown_is_not_zero() -> None:
    assert REPORT.redis is not None
    unknown = families(
        replace(
            REPORT,
            newest_close={Timeframe.M1: NOW},
            clock_offset_ms=None,
            last_write_ms=None,
            redis=replace(REPORT.redis, month=None, projected=None),
        )
    )
    for name in ("clock_offset_seconds", "last_write_timestamp_seconds", "redis_month_commands"):
        assert values(unknown[name]) == []
    assert [sample.labels["timeframe"] for sample in unknown["data_age_seconds"].samples] == ["1m"]


def test_names_and_labels_are_as_prometheus_wants_them() -> None:
    for family in families(REPORT).values():
        assert family.documentation
        for sample in family.samples:
            assert set(sample.labels) <= {"venue", "timeframe", "le"}
            if family.type == "counter":
                assert sample.name.endswith(("_total", "_created"))
            if family.type == "gauge":
                assert not sample.name.endswith("_total")


def test_a_write_is_in_its_bucket() -> None:
    metrics = Metrics(lambda: REPORT)
    metrics.observe_append(0.03)
    text = metrics.text().decode()
    assert 'nightdesk_collector_append_seconds_bucket{le="0.025",venue="binance"} 0.0' in text
    assert 'nightdesk_collector_append_seconds_bucket{le="0.05",venue="binance"} 1.0' in text


def test_whatever_the_collector_counts_is_exported() -> None:
    folder = Path(__file__).parents[3] / "collector"
    counted = {name for file in folder.glob("*.py") for name in re.findall(r'_counts\["(\w+)"\]', file.read_text())}
    assert counted
    assert counted <= COUNTERS.keys()


async def test_metrics_are_not_for_the_public() -> None:
    app = health_app(lambda: REPORT, Metrics(lambda: REPORT).text)
    async with TestClient(TestServer(app)) as client:
        inside = await client.get("/metrics")
        outside = await client.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9"})
        assert (inside.status, outside.status) == (200, 403)
        assert "nightdesk" not in await outside.text()
