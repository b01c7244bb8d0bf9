"""`desk traders` as a person types it, against the API with a desk in memory behind it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from desk.cli import app
from shared.runtime.telemetry import start_logging
from tests.functions.api_client import ALICE, BOB, api_of, call, token_of
from tests.functions.api_http import ApiTransport, serve_commands
from tests.usecases.desk_in_memory import DeskInMemory, make_trader, trader_id

TWO = """\
version: 1
traders:
- name: Dip
  rule: |-
    close > 100
    and open > 1
  timeframe: 1m
- name: Rally
  rule: close > 200
  timeframe: 5m
  universe:
    include:
    - BTC/USDT
  side: short
"""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DeskInMemory]:
    start_logging("api")  # its log goes where this process writes, not into what a command printed
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NIGHTDESK_API_URL", "http://desk.test")
    monkeypatch.setenv("NIGHTDESK_TOKEN", token_of(ALICE))
    desk = DeskInMemory(traders_per_shard=1_000)
    with api_of(desk):
        yield desk


@pytest.fixture
def transport() -> ApiTransport:
    return ApiTransport()


Run = Callable[..., Result]


@pytest.fixture
def run(desk: DeskInMemory, transport: ApiTransport, monkeypatch: pytest.MonkeyPatch) -> Run:
    def invoke(*arguments: str, by: httpx.BaseTransport = transport) -> Result:
        serve_commands(monkeypatch, by)
        return CliRunner().invoke(app, ["traders", *arguments])

    return invoke


def written(text: str, name: str = "traders.yaml") -> str:
    Path(name).write_text(text)
    return name


def test_an_import_makes_what_the_file_says_and_again_changes_nothing(run: Run, transport: ApiTransport) -> None:
    file = written(TWO)
    first = run("import", file)
    assert (first.exit_code, first.stdout) == (0, "new      Dip\nnew      Rally\n")
    assert first.stderr == "2 new, 0 changed, 0 unchanged\n"
    assert [method for method, _ in transport.writes] == ["POST", "POST"]

    again = run("import", file)
    assert (again.exit_code, again.stdout, again.stderr) == (0, "", "0 new, 0 changed, 2 unchanged\n")
    assert len(transport.writes) == 2
    assert run("export", "--no-ids").stdout == TWO


def test_what_was_exported_is_imported_without_a_change(run: Run, transport: ApiTransport) -> None:
    run("import", written(TWO))
    writes = len(transport.writes)
    exported = run("export", "mine.yaml")
    assert (exported.exit_code, exported.stdout, exported.stderr) == (0, "", "2 traders in mine.yaml\n")
    assert Path("mine.yaml").read_text().count("trader_id: ") == 2
    assert run("export").stdout == Path("mine.yaml").read_text()

    assert run("import", "mine.yaml").stderr == "0 new, 0 changed, 2 unchanged\n"
    assert len(transport.writes) == writes


def test_an_export_has_ones_own_traders_alone(run: Run, desk: DeskInMemory) -> None:
    desk.traders.create(make_trader(1, "close > 1"))
    call(
        "POST",
        "/api/v1/traders",
        {"name": "B", "rule": "close > 1", "timeframe": "1m", "visibility": "public"},
        user=BOB,
    )
    assert run("export").stdout == "version: 1\ntraders: []\n"


def test_every_page_of_a_long_list_is_exported(run: Run, desk: DeskInMemory) -> None:
    for number in range(1, 602):
        desk.traders.create(make_trader(number, "close > 1", owner_id=ALICE))
    assert run("export").stdout.count("- trader_id: ") == 601


def test_an_entry_with_an_id_changes_that_trader_and_only_what_differs(run: Run, desk: DeskInMemory) -> None:
    desk.traders.create(make_trader(1, "close > 1", owner_id=ALICE, description="stays"))
    run("export", "mine.yaml")
    text = Path("mine.yaml").read_text()
    assert "description: stays" in text

    done = run("import", written(text.replace("close > 1", "close > 2").replace("name: Trader 1", "name: Renamed")))

    assert done.stdout == "changed  Renamed: name, rule\n"
    versions = call("GET", f"/api/v1/traders/{trader_id(1)}/versions").body["items"]
    assert [(v["rule"], v["name"]) for v in versions] == [("close > 2", "Renamed"), ("close > 1", "Trader 1")]


def test_what_an_entry_leaves_out_is_at_its_default(run: Run, desk: DeskInMemory) -> None:
    desk.traders.create(make_trader(1, "close > 1", owner_id=ALICE, cooldown_bars=3, enabled=False))
    file = written("version: 1\ntraders:\n- {name: Trader 1, rule: close > 1, timeframe: 1m, edge: level}\n")
    assert run("import", file).stdout == "changed  Trader 1: cooldown_bars, enabled\n"
    stored = call("GET", f"/api/v1/traders/{trader_id(1)}").body
    assert (stored["cooldown_bars"], stored["enabled"]) == (0, True)


def test_a_dry_run_says_what_would_change_and_stores_nothing(run: Run, transport: ApiTransport) -> None:
    done = run("import", written(TWO), "--dry-run")
    assert (done.exit_code, done.stdout) == (0, "new      Dip\nnew      Rally\n")
    assert "nothing stored" in done.stderr
    assert transport.writes == []


def test_one_wrong_entry_and_nothing_is_stored(run: Run, transport: ApiTransport) -> None:
    bad = TWO + "- {name: Bad, rule: rsl(14) < 30, timeframe: 1m}\n- {name: Worse, rule: close > 1, timeframe: 1d}\n"
    refused = run("import", written(bad))
    assert (refused.exit_code, refused.stdout) == (1, "")
    first, second = refused.stderr.splitlines()
    assert first.startswith("traders[2].rule: unknown function 'rsl'")
    assert second.startswith("traders[3].timeframe: 1d is not collected")
    assert transport.writes == []

    unread = run("import", written("version: 1\ntraders:\n- {name: x, rule: close > 1, timeframe: 7m, edge: up}\n"))
    assert [line.split(":")[0] for line in unread.stderr.splitlines()] == ["traders[0].timeframe", "traders[0].edge"]


def test_an_id_of_somebody_else_is_refused(run: Run, desk: DeskInMemory, transport: ApiTransport) -> None:
    desk.traders.create(make_trader(1, "close > 1"))
    entry = f"{{trader_id: {trader_id(1)}, name: x, rule: close > 1, timeframe: 1m}}"
    refused = run("import", written(f"version: 1\ntraders: [{entry}]\n"))
    assert (refused.exit_code, refused.stderr[:21]) == (1, "traders[0].trader_id:")
    assert transport.writes == []


def test_an_import_that_breaks_off_says_so_and_is_finished_by_the_next(run: Run, transport: ApiTransport) -> None:
    class Breaking(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if transport.writes and request.method != "GET":
                raise httpx.ConnectError("gone")
            return transport.handle_request(request)

    file = written(TWO)
    broken = run("import", file, by=Breaking())
    assert broken.exit_code == 1
    assert "Rally: the API does not answer: ConnectError('gone')" in broken.stderr
    assert "1 of 2 stored; import again" in broken.stderr
    assert run("import", file).stderr == "1 new, 0 changed, 1 unchanged\n"


def test_a_diff_is_from_the_desk_to_the_file(run: Run) -> None:
    run("import", written(TWO))
    same = run("diff", "traders.yaml")
    assert (same.exit_code, same.stdout) == (0, "")

    changed = TWO.replace("and open > 1", "and open > 2").replace("name: Rally", "name: New")
    other = run("diff", written(changed))
    assert other.exit_code == 1
    assert other.stdout.startswith("--- desk\n+++ traders.yaml\n")
    lines = other.stdout.splitlines()
    assert "-    and open > 1" in lines
    assert "+    and open > 2" in lines
    assert "-  name: Rally" in lines
    assert "+- name: New" in lines
    assert not any("Dip" in line for line in lines if line[0] in "+-")

    assert run("diff", written("version: 3\ntraders: []\n")).exit_code == 2


def test_a_token_that_is_refused_and_an_answer_of_something_else(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    denied = run("export", "--token", "nonsense")
    assert (denied.exit_code, "token refused" in denied.stderr) == (1, True)
    page = httpx.MockTransport(lambda _: httpx.Response(200, text="<html>"))
    assert "no desk" in run("export", by=page).stderr
    busy = httpx.MockTransport(lambda _: httpx.Response(503, json={"detail": "later"}))
    assert "later" in run("export", by=busy).stderr


def test_the_desk_that_runs_here_is_found_and_its_token_goes_nowhere_else(
    run: Run, monkeypatch: pytest.MonkeyPatch, transport: ApiTransport
) -> None:
    monkeypatch.delenv("NIGHTDESK_API_URL")
    monkeypatch.delenv("NIGHTDESK_TOKEN")
    assert "desk up" in run("export").stderr
    Path(".desk").mkdir()
    Path(".desk/desk.json").write_text(json.dumps({"api_url": "http://here.test", "token": token_of(BOB)}))
    assert run("import", written(TWO)).exit_code == 0
    assert {trader["owner_id"] for trader in call("GET", "/api/v1/traders", user=BOB).body["items"]} == {BOB}

    elsewhere = run("export", "--api", "http://elsewhere.test")
    assert (elsewhere.exit_code, elsewhere.stderr[:6]) == (1, "token:")
    assert run("export", "--api", "elsewhere:80", "--token", "x").stderr.startswith("api:")


def test_a_place_that_cannot_be_written_is_said(run: Run) -> None:
    refused = run("export", "missing/mine.yaml")
    assert (refused.exit_code, refused.stderr[:5]) == (1, "FILE:")
