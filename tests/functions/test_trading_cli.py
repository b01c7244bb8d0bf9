"""`desk book|intents|orders|positions|pnl|trace|halt|…` as a person types them, against a trading desk in memory."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from desk.cli import app
from shared.domain.trading.states import TradingState
from shared.runtime.telemetry import start_logging
from tests.functions.api_client import ALICE, BOB, call, token_of
from tests.functions.api_http import ApiTransport, serve_commands
from tests.functions.trading_desk import HERS, HIS, SECRET, trade, trading_api, trading_desk
from tests.usecases.trading_in_memory import TradingInMemory

Run = Callable[..., Result]
COMMANDS = (
    ("book", "list"), ("book", "show", "Hers"), ("book", "limits", "Hers"), ("intents",), ("orders",), ("positions",),
    ("pnl",),
)  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TradingInMemory]:
    start_logging("api")  # its log goes where this process writes, not into what a command printed
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".desk").mkdir()
    here = {"api_url": "http://desk.test", "token": token_of(ALICE), "service_secret": SECRET}
    (tmp_path / ".desk" / "desk.json").write_text(json.dumps(here))
    desk = trading_desk()
    with trading_api(desk):
        yield desk


@pytest.fixture
def run(desk: TradingInMemory, monkeypatch: pytest.MonkeyPatch) -> Run:
    def invoke(*arguments: str, by: httpx.BaseTransport | None = None) -> Result:
        serve_commands(monkeypatch, by)
        return CliRunner().invoke(app, [*arguments])

    return invoke


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_what_is_told_fits_eighty_columns_and_is_json_when_asked(
    desk: TradingInMemory, run: Run, command: tuple[str, ...]
) -> None:
    trade(desk, size_usd=4000, stop_loss=39_000)
    trade(desk, direction="short")
    told = run(*command)
    assert told.exit_code == 0, told.output
    assert told.stdout.strip()
    assert max(map(len, told.stdout.splitlines())) <= 80, told.stdout
    assert json.loads(run(*command, "--json").stdout)


def test_a_book_is_opened_listed_limited_and_frozen(desk: TradingInMemory, run: Run) -> None:
    book_id = run("book", "create", "Second", "--capital", "2500").stdout.strip()
    assert desk.books.get(book_id).owner_id == ALICE
    assert [line.split()[1] for line in run("book", "list").stdout.splitlines()] == ["name", "Hers", "Paper", "Second"]
    changed = run("book", "limits", "Second", "max_leverage=1.5", "max_trade_notional=300")
    assert "1.5" in changed.stdout
    assert str(desk.books.get(book_id).limits.max_trade_notional) == "300"
    run("book", "limits", book_id[:8], "max_trade_notional=none")
    assert desk.books.get(book_id).limits.max_trade_notional is None
    assert "is halted" in run("book", "freeze", "Second").stdout
    assert desk.books.get(book_id).state is TradingState.HALTED
    assert "is reducing" in run("book", "reduce", "Second").stdout
    assert "is active" in run("book", "thaw", "Second").stdout
    assert "is halted" in run("book", "freeze", "Paper").stdout  # the desk's own, by the operator's secret


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("book", "show", "His"), "no book 'His'"),
        (("book", "limits", "Hers", "max_levarage=1"), "limits.max_levarage"),
        (("book", "limits", "Hers", "max_leverage"), "NAME=VALUE"),
        (("book", "create", "Live", "--live"), "trades paper"),
        (("trace", "nothing"), "nothing"),
        (("intents", "--state", "lost"), "state"),
    ],
)
def test_refusals_are_one_line_and_an_exit_code(run: Run, arguments: tuple[str, ...], said: str) -> None:
    refused = run(*arguments)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert said in refused.stderr


def test_a_denial_is_listed_with_its_reasons(desk: TradingInMemory, run: Run) -> None:
    trade(desk, direction="short")
    lines = run("intents").stdout.splitlines()
    assert "denied  be short BTC/USDT, notional 1000" in lines[0]
    assert lines[1].startswith("    spot_short: ")
    assert run("intents", "--state", "executed").stdout == ""


def test_what_was_earned_is_summed_by_book(desk: TradingInMemory, run: Run) -> None:
    trade(desk, size_usd=4000)
    (hers,) = [row for row in json.loads(run("pnl", "--json").stdout) if row["book_id"] == HERS]
    (position,) = call("GET", "/api/v1/positions").body["items"]
    assert [hers[name] for name in ("realised", "unrealised", "fees")] == [
        position[name] for name in ("realised", "unrealised", "fees")
    ]


def test_a_trace_reads_as_a_story(desk: TradingInMemory, run: Run) -> None:
    intent_id = trade(desk, stop_loss=39_000)
    lines = run("trace", intent_id[:10]).stdout.splitlines()
    assert lines[0].startswith(intent_id.replace("-", ""))
    story = "\n".join(lines)
    for word in ("pending by", "approved by risk-agent: 1000 USDT at", "executing by", "executed by", "holds"):
        assert word in story, story
    assert max(map(len, lines)) <= 80, story
    assert json.loads(run("trace", intent_id, "--json").stdout)["stories"]


def test_an_intent_is_withdrawn_by_the_first_digits_of_its_id(desk: TradingInMemory, run: Run) -> None:
    intent_id = trade(desk, algorithm={"name": "limit", "limit_price": 39_000, "duration_ms": 600_000})
    assert run("withdraw", intent_id[:10]).exit_code == 2  # a reason is asked for
    assert "is withdrawn" in run("withdraw", intent_id[:10], "--reason", "thought better of it").stdout
    desk.run()
    told = run("withdraw", intent_id[:10], "--reason", "again").stdout
    assert told.startswith(f"{intent_id[:8]} is failed: 0 of ")
    assert "withdrawn by person" in run("trace", intent_id).stdout
    desks = desk.wish().intent_id  # the desk's own, by the operator's secret
    withdrawn = json.loads(run("withdraw", desks, "--reason", "thought better of it", "--json").stdout)
    assert (withdrawn["state"], withdrawn["withdrawn"]) == ("expired", "thought better of it")


def test_the_switch_halts_reduces_and_resumes(desk: TradingInMemory, run: Run) -> None:
    trade(desk, algorithm={"name": "limit", "limit_price": 39_000, "duration_ms": 600_000})
    trade(desk, user=BOB, size_usd=4000)
    halted = run("halt", "--reason", "drill")
    assert halted.exit_code == 0, halted.output
    assert halted.stdout.startswith("the desk is halted, read back after ")
    assert f"binance {HERS}: 1 orders cancelled" in halted.stdout
    assert desk.states.read() is TradingState.HALTED
    assert "the desk is active" in run("resume").stdout
    reduced = json.loads(run("reduce", "--flatten", "--json").stdout)
    assert (reduced["state"], len(reduced["exits"])) == ("reducing", 1)
    assert desk.states.read() is TradingState.REDUCING


@pytest.mark.parametrize(
    ("guard", "shown"),
    [
        ({"stop_loss": 39_000}, "39000"),
        ({"trailing_rate": 0.02}, "trailing 2.00 %"),
        ({"stop_loss": 39_000, "trailing_rate": 0.02}, "39000 trailing 2.00 %"),
        ({}, "none"),
    ],
)
def test_positions_say_where_they_are_left(desk: TradingInMemory, run: Run, guard: dict[str, Any], shown: str) -> None:
    trade(desk, size_usd=4000, **guard)
    assert run("positions").stdout.splitlines()[-1].strip().endswith(shown)


def test_the_switch_moves_a_part_and_tells_the_state_of_all(desk: TradingInMemory, run: Run) -> None:
    trade(desk, user=BOB, algorithm={"name": "limit", "limit_price": 39_000, "duration_ms": 600_000})
    assert run("state").stdout == "the desk is active\n"
    halted = run("halt", "--book", "His", "--reason", "looks wrong")
    assert halted.stdout.startswith(f"book {HIS} is halted, read back after ")
    assert f"binance {HIS}: 1 orders cancelled" in halted.stdout
    assert "venue binance is reducing" in run("reduce", "--venue", "binance").stdout
    assert "symbol binance:BTC/USDT is halted" in run("halt", "--symbol", "BTC/USDT", "--venue", "binance").stdout
    assert "symbol binance:BTC/USDT is halted" in run("halt", "--symbol", "BTC/USDT").stdout
    lines = run("state").stdout.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == [
        "the desk is active", f"book {HIS} is halted", "symbol binance:BTC/USDT is halted", "venue binance is reducing",
    ]  # fmt: skip
    assert lines[2].strip().endswith("set by operator: looks wrong")
    assert lines[2].strip().startswith("since 11-14 22:13:20")
    found = json.loads(run("state", "--json").stdout)
    assert [each["scope"] for each in found["restrained"]] == ["book", "symbol", "venue"]
    for part in (("--book", HIS), ("--venue", "binance"), ("--symbol", "BTC/USDT")):
        assert "is active" in run("resume", *part).stdout
    assert run("state").stdout.splitlines()[0] == "the desk is active"
    assert desk.states.restrained() == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("halt", "--venue", "mtgox"), "no venue 'mtgox'"),
        (("halt", "--trader", "nobody"), "no trader 'nobody'"),
        (("halt", "--book", "nothing"), "no book 'nothing'"),
        (("halt", "--book", "His", "--trader", "x"), "one at a time"),
        (("halt", "--venue", "binance", "--flatten"), "flatten"),
    ],
)
def test_a_part_that_cannot_be_set_is_one_line_and_an_exit_code(
    desk: TradingInMemory, run: Run, arguments: tuple[str, ...], said: str
) -> None:
    refused = run(*arguments)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert said in refused.stderr
    assert desk.states.restrained() == []


@pytest.mark.parametrize("part", [(), ("--venue", "binance")])
def test_a_persons_token_moves_no_switch(desk: TradingInMemory, run: Run, part: tuple[str, ...]) -> None:
    refused = run("halt", *part, "--token", token_of(ALICE))
    assert refused.exit_code == 1
    assert "only operators" in refused.stderr
    assert desk.states.read() is TradingState.ACTIVE


class Execution(httpx.BaseTransport):
    """Answers as execution's own sweep does."""

    def __init__(self, differences: list[str], skipped: str | None = None) -> None:
        self.differences, self.skipped = differences, skipped
        self.asked: list[tuple[str, str, str]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Keep what was asked, and say what differs."""
        self.asked.append((request.url.path, request.headers["authorization"], request.content.decode()))
        body = {"worked": {}, "exits": [], "settled": 2, "adopted": {}, "differences": self.differences, "errors": {}}
        return httpx.Response(200, json=body | {"skipped": self.skipped})


@pytest.mark.parametrize(("differences", "code"), [([], 0), (["balance BTC on binance: the desk has 1"], 1)])
def test_reconciling_calls_execution_and_fails_on_a_difference(run: Run, differences: list[str], code: int) -> None:
    execution = Execution(differences)
    told = run("reconcile", by=execution)
    assert told.exit_code == code
    assert told.stdout.splitlines() == differences
    assert execution.asked == [("/functions/v1/execution-agent", f"Bearer {SECRET}", '{"trigger":"cron"}')]
    assert json.loads(run("reconcile", "--json", by=execution).stdout)["differences"] == differences


@pytest.mark.parametrize("command", [("reconcile",), ("account", "adopt", "binance", "--reason", "paid in")])
def test_a_paused_execution_is_no_account_without_differences(run: Run, command: tuple[str, ...]) -> None:
    refused = run(*command, by=Execution([], "paused by ann: drill"))
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == "execution-agent is paused by ann: drill\n"


def test_another_desk_is_never_given_this_ones_secret(run: Run) -> None:
    refused = run("halt", "--api", "http://elsewhere.test", by=ApiTransport())
    assert refused.exit_code == 1
    assert "token" in refused.stderr
