"""`desk logs`: one stream of every part's lines, here and of a deployed stage."""

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from typer.testing import CliRunner

from desk.cli import app
from desk.log_lines import read_line, text_of, wanted
from desk.log_sources import CloudLogs, LocalLogs
from desk.logs_cli import declared_functions, span_ms
from shared.domain.errors import InvalidMessageError, NotFoundError

NOW_MS = 1_795_000_000_000


def line(at_ms: int, message: str, **more: Any) -> str:
    at = datetime.fromtimestamp(at_ms / 1_000, UTC)
    stamp = f"{at:%Y-%m-%d %H:%M:%S},{at_ms % 1_000:03}+0000"
    return json.dumps({"level": "INFO", "message": message, "timestamp": stamp, "service": "x"} | more)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / ".desk" / "logs"
    folder.mkdir(parents=True)
    return folder


def test_lines_of_every_part_come_in_the_order_of_time(folder: Path) -> None:
    (folder / "a.log").write_text(f"{line(NOW_MS + 1, 'one')}\n{line(NOW_MS + 30, 'four')}\n")
    (folder / "b.log").write_text(f"{line(NOW_MS + 2, 'two')}\nTraceback (most recent call last):\n  in f\n")
    (folder / "c.log").write_text('{"message":"measured","service":"c","Duration":1.0}\n')
    logs = LocalLogs(folder)
    found = logs.lines()
    assert [(each.source, each.message) for each in found] == [
        ("a", "one"), ("b", "two"), ("b", "Traceback (most recent call last):"), ("b", "  in f"), ("a", "four"),
    ]  # fmt: skip
    assert [each.level for each in found] == ["INFO", "INFO", "ERROR", "INFO", "INFO"]
    assert logs.lines() == []


def test_a_half_written_line_waits_and_a_new_desk_begins_anew(folder: Path) -> None:
    path = folder / "a.log"
    path.write_text(line(NOW_MS, "one") + "\n" + line(NOW_MS, "two")[:20])
    logs = LocalLogs(folder, ["a"])
    assert [each.message for each in logs.lines()] == ["one"]
    with path.open("a") as file:
        file.write(line(NOW_MS, "two")[20:] + "\n")
    assert [each.message for each in logs.lines()] == ["two"]
    path.write_text(line(NOW_MS, "new") + "\n")
    assert [each.message for each in logs.lines()] == ["new"]


def test_a_part_that_begins_later_is_heard_too(folder: Path) -> None:
    (folder / "a.log").write_text(line(NOW_MS, "one") + "\n")
    every, mine = LocalLogs(folder), LocalLogs(folder, ["a"])
    assert [each.message for each in every.lines()] == ["one"]
    (folder / "notify.log").write_text(line(NOW_MS, "told") + "\n")
    assert [(each.source, each.message) for each in every.lines()] == [("notify", "told")]
    assert [each.source for each in mine.lines()] == ["a"]


def test_the_command_follows_until_it_is_interrupted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now_ms = time.time_ns() // 1_000_000
    (folder / "api.log").write_text(f"{line(now_ms, 'before')}\n")
    coming = ["first", "second"]

    def wait(_s: float) -> None:
        if not coming:
            raise KeyboardInterrupt
        with (folder / "api.log").open("a") as file:
            file.write(f"{line(now_ms, coming.pop(0))}\n{line(now_ms, 'quiet', level='DEBUG')}\n")

    monkeypatch.setattr("desk.log_sources.time.sleep", wait)
    told = CliRunner().invoke(app, ["logs", "--follow", "--json", "--level", "info"])
    assert told.exit_code == 0, told.output
    assert [json.loads(each)["message"] for each in told.stdout.splitlines()] == ["before", "first", "second"]


def test_lines_are_chosen_by_id_level_and_time(folder: Path) -> None:
    texts = [
        line(NOW_MS, "mine", correlation_id="c1"),
        line(NOW_MS, "asked", request_id="c1", level="WARNING"),
        line(NOW_MS, "other", correlation_id="c2", level="ERROR"),
        line(NOW_MS - 1, "old", correlation_id="c1"),
    ]
    (folder / "a.log").write_text("\n".join(texts) + "\n")
    found = LocalLogs(folder).lines()
    assert [each.message for each in wanted(found, since_ms=NOW_MS, correlation_id="c1")] == ["mine", "asked"]
    assert [each.message for each in wanted(found, level="WARNING")] == ["asked", "other"]


def test_a_line_reads_well_and_is_never_markup() -> None:
    read = read_line(
        line(NOW_MS, "[bold]closed[/]", correlation_id="c1", took_ms=2.5, exception="Traceback\nValueError"),
        source="api", at_ms=0,
    )  # fmt: skip
    assert read is not None
    assert (read.at_ms, read.more) == (NOW_MS, {"took_ms": 2.5})
    text = text_of(read)
    assert r"\[bold]closed\[/]" in text
    assert "took_ms=2.5" in text
    assert text.endswith("[red]Traceback\nValueError[/]")


def test_what_a_result_says_nothing_of_is_left_out() -> None:
    idle: dict[str, Any] = {"skipped": None, "orders": 0, "exits": [], "errors": {}}
    read = read_line(line(NOW_MS, "CronTick", took_ms=0, result=idle), source="execution-agent", at_ms=0)
    assert read is not None
    assert text_of(read).endswith("[dim]took_ms=0[/]")
    busy = idle | {"orders": 2, "success": False, "why": {"a": None, "b": "x"}}
    read = read_line(line(NOW_MS, "CronTick", result=busy), source="execution-agent", at_ms=0)
    assert read is not None
    assert 'result={"orders":2,"success":false,"why":{"b":"x"}}' in text_of(read)


def test_the_command_prints_what_was_asked_for(folder: Path) -> None:
    now_ms = time.time_ns() // 1_000_000
    (folder / "api.log").write_text(f"{line(now_ms, 'GET /health', correlation_id='c1')}\n{line(now_ms, 'else')}\n")
    told = CliRunner().invoke(app, ["logs", "api", "--correlation", "c1"])
    assert told.exit_code == 0, told.output
    assert "GET /health" in told.stdout
    assert "else" not in told.stdout
    (found,) = CliRunner().invoke(app, ["logs", "--json", "--correlation", "c1"]).stdout.splitlines()
    assert json.loads(found)["correlation_id"] == "c1"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere",), "no log of nowhere"),
        (("--since", "5x"), "since"),
        (("--level", "loud"), "level"),
        (("--stage", "dev", "nowhere"), "no function nowhere"),
    ],
)
def test_refusals_are_one_line_and_an_exit_code(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    (folder / "api.log").write_text("")
    refused = CliRunner().invoke(app, ["logs", *arguments])
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert said in refused.stderr


def test_without_a_desk_there_are_no_logs(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="desk up"):
        LocalLogs(tmp_path)


def test_spans() -> None:
    assert [span_ms(text) for text in ("90s", "15m", "2h", "1d")] == [90_000, 900_000, 7_200_000, 86_400_000]
    with pytest.raises(InvalidMessageError):
        span_ms("-1h")


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        yield boto3.client("logs")


def put(client: Any, function: str, *texts: tuple[int, str]) -> None:
    """Let a function of the stage `prod` have written lines."""
    group = f"/aws/lambda/nightdesk-prod-{function}"
    client.create_log_group(logGroupName=group)
    client.create_log_stream(logGroupName=group, logStreamName="s")
    events = [{"timestamp": at_ms, "message": text} for at_ms, text in texts]
    client.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)


def test_a_deployed_stage_is_read_from_cloudwatch(cloud: Any) -> None:
    now_ms = time.time_ns() // 1_000_000
    put(cloud, "api", (now_ms - 500, line(now_ms - 500, "second")), (now_ms - 400, "END RequestId: 1"))
    put(cloud, "risk-agent", (now_ms - 900, line(now_ms - 900, "first")))
    groups = {name: f"/aws/lambda/nightdesk-prod-{name}" for name in ("api", "risk-agent", "execute-trader")}
    logs = CloudLogs(cloud, groups, since_ms=now_ms - 60_000)
    assert [(each.source, each.message) for each in logs.lines()] == [("risk-agent", "first"), ("api", "second")]
    assert logs.lines() == []  # each line once, though the last minute is asked for again
    told = CliRunner().invoke(app, ["logs", "--stage", "prod", "--since", "5m"])
    assert told.exit_code == 0, told.output
    assert told.stdout.index("first") < told.stdout.index("second")


def test_every_declared_function_has_a_log_group() -> None:
    assert {"api", "execute-trader", "risk-agent"} <= set(declared_functions())
