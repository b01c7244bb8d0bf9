"""`desk proposals` and `desk consensus` as a person types them, against a trading desk in memory."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from desk.cli import app
from shared.domain.intelligence import Direction, Provenance
from shared.runtime.telemetry import start_logging
from tests.functions.api_client import ALICE, token_of
from tests.functions.api_http import serve_commands
from tests.functions.test_proposals_api import agree, proposed
from tests.functions.trading_desk import SECRET, trading_api, trading_desk
from tests.usecases.trading_in_memory import SYMBOL, TradingInMemory

Run = Callable[..., Result]


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
    def invoke(*arguments: str) -> Result:
        serve_commands(monkeypatch)
        return CliRunner().invoke(app, [*arguments])

    return invoke


def test_proposals_are_listed_and_approved_by_the_first_digits(desk: TradingInMemory, run: Run) -> None:
    proposal_id = proposed(desk)
    for command in (("proposals",), ("proposals", "list"), ("proposals", "list", "--book", "Hers", "--state", "open")):
        lines = run(*command).stdout.splitlines()
        assert proposal_id[:8] in lines[0]
        assert lines[0].endswith("open  be long BTC/USDT, notional 100")
        assert "long: 3 of 3 sources agree" in lines[1]
        assert max(map(len, lines)) <= 80
    told = run("proposals", "approve", proposal_id[:8], "--reason", "agreed").stdout
    (intent_id,) = desk.database.trading.intents
    assert told.strip() == f"{proposal_id[:8]} is approved: intent {intent_id}"
    desk.run()
    story = run("trace", intent_id).stdout
    assert "proposal" in story
    assert "open by signal-agent: be long BTC/USDT" in story
    assert "approved by person aaaaaaaa: agreed" in story
    assert max(map(len, story.splitlines())) <= 80, story
    assert [item["state"] for item in json.loads(run("proposals", "list", "--json").stdout)] == ["approved"]


def test_the_desks_own_are_decided_with_the_operators_secret(desk: TradingInMemory, run: Run) -> None:
    proposal_id = proposed(desk, desk.book.book_id)
    assert run("proposals", "dismiss", proposal_id[:8]).stdout.strip() == f"{proposal_id[:8]} is dismissed"
    (stored,) = desk.database.trading.proposals.values()
    assert (stored.state, stored.actor) == ("dismissed", "operator")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("proposals", "approve", "nothing"), "no proposal 'nothing'"),
        (("proposals", "dismiss", ""), "may be any of"),
        (("proposals", "list", "--state", "lost"), "state"),
        (("consensus", "nonsense"), "instrument"),
    ],
)
def test_refusals_are_one_line_and_an_exit_code(
    desk: TradingInMemory, run: Run, arguments: tuple[str, ...], said: str
) -> None:
    proposed(desk)
    proposed(desk, desk.book.book_id)
    refused = run(*arguments)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert said in refused.stderr


def test_one_that_is_over_is_refused(desk: TradingInMemory, run: Run) -> None:
    proposal_id = proposed(desk)
    desk.clock.advance(86_400_000)
    refused = run("proposals", "approve", proposal_id)
    assert (refused.exit_code, refused.stderr.strip()) == (1, "its time is over")


def test_the_consensus_is_told_with_every_vote(desk: TradingInMemory, run: Run) -> None:
    assert run("consensus").stderr.strip() == "no source has said anything lately"
    agree(desk, "coingecko", "glassnode", "santiment")
    agree(desk, "twitter", direction=Direction.SHORT, provenance=Provenance.SIMULATED)
    for command in (("consensus",), ("consensus", SYMBOL)):
        lines = run(*command).stdout.splitlines()
        assert lines[0].startswith("BTC/USDT  long: 3 of 3 sources agree, with 100.0 % of the weight")
        assert "    coingecko: long, 0.90 sure, 0 s old: weighs 0.90" in lines
        assert "    twitter: short, 0.90 sure, 0 s old: made up, which never counts" in lines
        assert max(map(len, lines)) <= 80
    told: dict[str, Any] = json.loads(run("consensus", "--json").stdout)
    assert [each["verdict"] for each in told["instruments"]] == ["consensus"]


def test_without_a_consensus_votes_are_told_when_one_asks_for_the_symbol(desk: TradingInMemory, run: Run) -> None:
    agree(desk, "coingecko")
    assert run("consensus").stdout.splitlines() == ["BTC/USDT  insufficient: 1 source to go by, 3 are asked for"]
    assert "coingecko: long" in run("consensus", SYMBOL).stdout
