"""docs/collector.md is true: its settings are the settings, its metrics the metrics, its fields those of /health."""

import re
import tomllib
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from collector.config import FILE, IN_FILE, Settings
from collector.health import Report
from collector.metrics import PREFIX, Metrics
from collector.usage import RedisUse
from shared.adapters.venues.registry import VENUES
from shared.domain.timeframe import Timeframe
from shared.domain.usage import MonthUsage, Usage

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "collector.md").read_text()
USAGE = Usage(commands=1, bytes=1)
REPORT = Report(
    venue="binance",
    timeframes=(Timeframe.M1,),
    newest_close={Timeframe.M1: 0},
    last_write_ms=0,
    clock_offset_ms=0,
    redis=RedisUse(
        commands=1,
        bytes_sent=1,
        bytes_received=1,
        plan=USAGE,
        month=MonthUsage(month="2026-11", since_ms=0, used=USAGE),
        projected=USAGE,
    ),
)


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading."""
    section = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    assert lines
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def written(default: object) -> str:
    if isinstance(default, tuple):
        return f"`{','.join(map(str, default))}`"
    return "none" if default is None else f"`{default}`"


def test_every_setting_is_there_with_its_default() -> None:
    expected = {
        f"`{name.upper()}`": "required" if field.is_required() else written(field.default)
        for name, field in Settings.model_fields.items()
    }
    expected["`COLLECTOR_FILE`"] = f"`{FILE.relative_to(ROOT)}`"
    assert {name: default for name, default, _ in rows("Settings")} == expected


def test_what_may_stand_in_the_file_is_named_and_what_a_venue_has_its_own_default_for_too() -> None:
    prose = TEXT.partition("\n## Settings\n")[2].partition("\n|")[0]
    assert set(re.findall(r"`([a-z_]+)`", prose)) == set(IN_FILE)
    purposes = {name: purpose for name, _, purpose in rows("Settings")}
    for venue, table in tomllib.loads(FILE.read_text()).items():
        for name in ("ticker_interval_s", "funding_interval_s"):
            if name in table:
                assert f"`{venue}` {table[name]}" in purposes[f"`{name.upper()}`"]


def test_every_metric_is_there_with_its_type() -> None:
    expected = {}
    for family in text_string_to_metric_families(Metrics(lambda: REPORT).text().decode()):
        name = family.name.removeprefix(f"{PREFIX}_")
        if name != family.name and not name.endswith("_created"):
            assert family.samples
            expected[f"`{name}{'_total' if family.type == 'counter' else ''}`"] = family.type
    assert {name: kind for name, kind, _ in rows("`/metrics`")} == expected


def test_alerts_name_metrics_there_are() -> None:
    named = set(re.findall(rf"{PREFIX}_(\w+)", TEXT))
    known = {name.strip("`") for name, *_ in rows("`/metrics`")}
    assert named
    assert named <= known


def test_every_field_of_health_is_there() -> None:
    named = [name for fields, _ in rows("`/health`") for name in re.findall(r"`(\w+)`", fields)]
    assert sorted([*named, "now_ms"]) == sorted(REPORT.body())


def test_every_venue_is_described_and_can_be_switched_on_in_the_database() -> None:
    assert [row[0].strip("`") for row in rows("Venues")] == list(VENUES)
    sql = "".join(path.read_text() for path in sorted((ROOT / "sql").glob("*.sql")))
    for venue, dialect in VENUES.items():
        timeframes = ", ".join(f"'{timeframe}'" for timeframe in dialect.timeframes)
        assert f"('{venue}', array[{timeframes}]" in sql
