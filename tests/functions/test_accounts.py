"""Adopting what a live account's owner paid in, over the API and as an operator types it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from desk.cli import app
from shared.domain.people import PersonRole
from shared.runtime.telemetry import start_logging
from shared.trading_messages import AdoptBalances, ExecutionRequest
from shared.usecases.execution_agent import execution_agent
from tests.functions.api_client import ALICE, call, token_of
from tests.functions.api_http import serve_commands
from tests.functions.trading_desk import OPERATOR, SECRET, told, trading_api
from tests.usecases.live_account import BTC, VENUE, LiveDesk

ADOPT, FLOWS = f"/api/v1/accounts/{VENUE}/adopt", f"/api/v1/accounts/{VENUE}/flows"
WHY = {"reason": "monthly deposit"}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveDesk]:
    start_logging("api")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".desk").mkdir()
    here = {"api_url": "http://desk.test", "token": token_of(ALICE), "service_secret": SECRET}
    (tmp_path / ".desk" / "desk.json").write_text(json.dumps(here))
    desk = LiveDesk()
    desk.trading.database.people.enrol(OPERATOR, role=PersonRole.OPERATOR)
    desk.trade(desk.books[0], "2")
    desk.pay_funding("-1.25")
    desk.pay_in("500.50")
    with trading_api(desk.trading):
        yield desk


def delivered(desk: LiveDesk) -> list[Any]:
    """Let execution have the messages that wait for it."""
    bodies, desk.trading.decided.bodies = desk.trading.decided.bodies, []
    wishes = [ExecutionRequest.validate_python(json.loads(body)) for body in bodies]
    for wish in wishes:
        execution_agent(wish, desk=desk.execution)
    return wishes


def test_an_operator_adopts_and_sees_what_came_of_it(desk: LiveDesk) -> None:
    answer = call("POST", ADOPT, WHY, user=OPERATOR)
    assert (answer.status, answer.body["status"]) == (202, "queued")
    (wish,) = delivered(desk)
    assert wish == AdoptBalances(
        event_id=answer.body["event_id"], adopt_at=VENUE, actor=OPERATOR, reason="monthly deposit"
    )
    assert desk.off() == 0
    adopted, funding = call("GET", FLOWS, user=OPERATOR).body["items"]
    assert adopted["flow_id"].startswith(answer.body["event_id"])
    assert (adopted["kind"], adopted["qty"], adopted["book_id"]) == ("adjustment", "500.5", None)
    assert (adopted["actor"], adopted["reason"]) == (OPERATOR, "monthly deposit")
    assert (funding["kind"], funding["qty"], funding["book_id"]) == ("funding", "-1.25", "one")
    assert (funding["symbol"], funding["asset"], funding["actor"]) == (BTC, "USDT", "execution-agent")
    assert len(call("GET", FLOWS, token=SECRET, query="limit=1").body["items"]) == 1


def test_nobody_else_adopts_or_sees(desk: LiveDesk) -> None:
    for who, status in (({"user": ALICE}, 403), ({"user": None}, 401)):
        assert call("POST", ADOPT, WHY, **who).status == status
        assert call("GET", FLOWS, **who).status == status
    assert desk.trading.decided.bodies == []


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "reason"), ({"reason": " "}, "reason"), (WHY | {"asset": "no asset"}, "asset"), (WHY | {"qty": "5"}, "qty")],
)
def test_what_is_wrong_is_named_and_nothing_sent(desk: LiveDesk, body: dict[str, Any], field: str) -> None:
    answer = call("POST", ADOPT, body, user=OPERATOR)
    assert (answer.status, set(told(answer))) == (400, {field})
    assert desk.trading.decided.bodies == []


def test_where_the_desk_has_no_live_account_there_is_nothing_to_adopt(desk: LiveDesk) -> None:
    assert call("POST", "/api/v1/accounts/okx/adopt", WHY, user=OPERATOR).status == 404
    assert desk.trading.decided.bodies == []


class Execution(httpx.BaseTransport):
    """Execution's function, of the desk in memory."""

    def __init__(self, desk: LiveDesk) -> None:
        self.desk = desk

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Do what is asked."""
        assert (request.url.path, request.headers["authorization"]) == (
            "/functions/v1/execution-agent", f"Bearer {SECRET}",
        )  # fmt: skip
        wish = ExecutionRequest.validate_python(json.loads(request.content))
        return httpx.Response(200, json=execution_agent(wish, desk=self.desk.execution).model_dump(mode="json"))


def test_what_is_adopted_at_the_terminal_is_told(desk: LiveDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.pay_in("3", "BNB")
    serve_commands(monkeypatch, Execution(desk))
    first = CliRunner().invoke(app, ["account", "adopt", VENUE, "BNB", "--reason", "fees"])
    assert (first.exit_code, first.stdout.splitlines()[0]) == (1, f"adopted 3 BNB at {VENUE}")
    assert "balance USDT" in first.stdout.splitlines()[1]
    rest = CliRunner().invoke(app, ["account", "adopt", VENUE, "--reason", "monthly deposit"])
    assert (rest.exit_code, rest.stdout) == (0, f"adopted 500.5 USDT at {VENUE}\n")
    again = CliRunner().invoke(app, ["account", "adopt", VENUE, "--reason", "again", "--json"])
    assert json.loads(again.stdout)["adopted"] == {}
    assert CliRunner().invoke(app, ["account", "adopt", VENUE]).exit_code == 2, "a reason is needed"


def test_flows_are_listed_at_the_terminal(desk: LiveDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.adopt()
    serve_commands(monkeypatch)
    listed = CliRunner().invoke(app, ["account", "flows", VENUE])
    assert listed.exit_code == 0, listed.output
    _, adopted, funding = listed.stdout.splitlines()
    assert {"adjustment", "500.5", "USDT"} <= {*adopted.split()}
    assert {"funding", "-1.25", "USDT", BTC} <= {*funding.split()}
    assert len(json.loads(CliRunner().invoke(app, ["account", "flows", VENUE, "--limit", "1", "--json"]).stdout)) == 1
