"""`desk collector status` as a person types it, against what /health would answer."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from typer.testing import CliRunner, Result

from collector.health import Report
from collector.usage import RedisUse
from desk.cli import app
from shared.domain.errors import FatalError, InvalidMessageError, NotFoundError, TransientError
from shared.domain.timeframe import Timeframe
from shared.domain.usage import MonthUsage, Usage

NOW = 1_793_534_400_000  # 2026-11-01T12:00Z
REPORT = Report(
    venue="binance",
    timeframes=(Timeframe.M1, Timeframe.H1),
    now_ms=NOW + 8_000,
    phase="live",
    lease="holder",
    token=42,
    newest_close={Timeframe.M1: NOW, Timeframe.H1: NOW},
    last_write_ms=NOW + 1_200,
    clock_offset_ms=-37,
    symbols=400,
    connections_open=3,
    connections_wanted=3,
    counts={"runs": 1, "frames": 123_456_789, "closed": 9_876_543, "corrections": 12, "repairs": 3, "gaps": 4},
    redis=RedisUse(
        commands=65_432,
        bytes_sent=900_000_000,
        bytes_received=5_000,
        plan=Usage(commands=500_000, bytes=10_000_000_000),
        month=MonthUsage(month="2026-11", since_ms=0, used=Usage(commands=123_456, bytes=1_234_567_890)),
        projected=Usage(commands=370_368, bytes=3_703_703_670),
    ),
)


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """Answer every request with the same; yields the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def status_of(report: Report, *options: str) -> Result:
    answer = json.dumps(report.body()).encode()
    with answering(200 if report.is_healthy else 503, answer) as url:
        return CliRunner().invoke(app, ["collector", "status", "--url", url, *options])


def test_a_healthy_collector_fits_a_terminal() -> None:
    result = status_of(REPORT)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.rstrip() for line in lines] == [
        "binance  ok",
        "timeframe    newest close",
        "1m                8 s ago    fresh",
        "1h                8 s ago    fresh",
        "lease         holder, token 42",
        "symbols       400",
        "connections   3 of 3 open, 0 lost",
        "gaps          0 candles missing now, 4 when written",
        "buffer        0 writes wait for Redis, 0 being assembled",
        "last write    2026-11-01 12:00:01 UTC",
        "clock offset  -37 ms",
        "frames        123,456,789, 0 of them invalid",
        "candles       9,876,543, 12 corrected",
        "streams       0 refused, 0 made again",
        "repairs       3 times REST was asked for what was late",
        "runs          1",
        "Redis         65,432 commands, 900.0 MB since start",
        "in 2026-11    123,456 commands (24.7% of the plan), 1.2 GB (12.3%)",
        "month's end   370,368 commands (74.1% of the plan), 3.7 GB (37.0%)",
    ]


def test_a_sick_one_says_why_and_exits_with_1() -> None:
    sick = replace(
        REPORT,
        now_ms=NOW + 300_000,
        clock_offset_ms=2_345,
        backfill_done=3,
        backfill_total=9,
        lease="none",
        token=0,
        redis=None,
    )
    result = status_of(sick)
    assert result.exit_code == 1
    text = result.stdout
    for expected in ("stale", "The newest 1m close is 300 s old.", "5 min 0 s ago", "2,345 ms behind", "3 of 9 series"):
        assert expected in text
    assert "Redis  " not in text


def test_nothing_known_yet_is_said_so() -> None:
    text = status_of(Report(venue="binance", timeframes=(Timeframe.M1,))).stdout
    assert "The collector is not live: starting." in text
    assert "none" in text
    assert "unknown" in text


def test_what_a_standby_has_not_looked_at_is_not_stale() -> None:
    result = status_of(replace(REPORT, phase="standby", lease="standby", newest_close={}))
    assert (result.exit_code, result.stdout.splitlines()[0].strip()) == (0, "binance  standby")
    assert "not known" in result.stdout
    assert "stale" not in result.stdout


def test_json_is_what_health_says_and_the_exit_code_stays() -> None:
    result = status_of(REPORT, "--json")
    assert json.loads(result.stdout) == REPORT.body()
    assert result.exit_code == 0
    assert status_of(replace(REPORT, newest_close={}), "--json").exit_code == 1


def test_it_finds_the_desk_that_runs_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    nothing = CliRunner().invoke(app, ["collector", "status"])
    assert isinstance(nothing.exception, NotFoundError)
    assert "--url" in str(nothing.exception)
    with answering(200, json.dumps(REPORT.body()).encode()) as url:
        (tmp_path / ".desk").mkdir()
        (tmp_path / ".desk" / "desk.json").write_text(json.dumps({"collector_url": url}))
        assert CliRunner().invoke(app, ["collector", "status"]).exit_code == 0


@pytest.mark.parametrize("body", [b"hello", b"[1]", b'{"status": "ok"}'])
def test_what_is_no_collector_is_not_taken_for_one(body: bytes) -> None:
    with answering(200, body) as url:
        result = CliRunner().invoke(app, ["collector", "status", "--url", url])
    assert isinstance(result.exception, FatalError)
    assert "no collector" in str(result.exception)


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("http://127.0.0.1:1", TransientError, "no collector answers at http://127.0.0.1:1"),
        ("localhost:8080", InvalidMessageError, "expected an address"),
        ("http://[::", TransientError, "no collector answers"),
    ],
)
def test_an_address_without_one_is_a_clear_error(url: str, error: type[Exception], words: str) -> None:
    result = CliRunner().invoke(app, ["collector", "status", "--url", url])
    assert isinstance(result.exception, error)
    assert words in str(result.exception)
