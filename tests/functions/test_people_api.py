"""People over the API and `desk people`: what one may do oneself, and who says so."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from desk.cli import app
from shared.domain.people import PersonRole
from shared.runtime.telemetry import start_logging
from tests.functions.api_client import ALICE, BOB, Answer, call, token_of
from tests.functions.api_http import serve_commands
from tests.functions.trading_desk import OPERATOR, SECRET, told, trading_api, trading_desk
from tests.usecases.trading_in_memory import TradingInMemory

ADMIN = "dddddddd-0000-4000-8000-000000000004"
PEOPLE = "/api/v1/people"
Run = Callable[..., Result]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TradingInMemory]:
    start_logging("api")  # its log goes where this process writes, not into what a command printed
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".desk").mkdir()
    here = {"api_url": "http://desk.test", "token": token_of(ALICE), "service_secret": SECRET}
    (tmp_path / ".desk" / "desk.json").write_text(json.dumps(here))
    desk = trading_desk()
    desk.database.people.enrol(ADMIN, role=PersonRole.ADMIN)
    with trading_api(desk):
        yield desk


@pytest.fixture
def run(desk: TradingInMemory, monkeypatch: pytest.MonkeyPatch) -> Run:
    def invoke(*arguments: str) -> Result:
        serve_commands(monkeypatch, None)
        return CliRunner().invoke(app, [*arguments])

    return invoke


def give(user_id: str, *, user: str | None = ADMIN, token: str | None = None, **change: object) -> Answer:
    return call("PATCH", f"{PEOPLE}/{user_id}", change, user=user, token=token)


def test_people_are_named_by_the_beginning_of_their_id(run: Run) -> None:
    assert ALICE in run("people").stdout
    done = run("people", "set-tier", ALICE[:8], "pro")
    assert (done.exit_code, done.stdout) == (0, f"{ALICE} is trader, tier pro\n")
    assert "no person 'nobody'" in run("people", "set-tier", "nobody", "pro").stderr


def test_one_is_told_ones_role_tier_and_what_is_used(desk: TradingInMemory) -> None:
    give(ALICE, tier="free")
    answer = call("GET", "/api/v1/me")
    assert answer.status == 200, answer.body
    assert (answer.body["user_id"], answer.body["role"], answer.body["tier"]["tier"]) == (ALICE, "trader", "free")
    assert answer.body["tier"]["max_traders"] == 10
    assert answer.body["tier"]["timeframes"][:2] == ["5m", "15m"]
    used = {"traders": 0, "traders_beyond": 0, "books": 1, "channels": 0, "notifications": 0}
    assert answer.body["used"] == used
    assert call("GET", "/api/v1/me", user=None).status == 401
    assert call("GET", "/api/v1/me", token=SECRET).status == 403


def test_admins_and_the_machine_alone_see_and_change_people(desk: TradingInMemory) -> None:
    for user in (ALICE, OPERATOR):
        assert call("GET", PEOPLE, user=user).status == 403
        assert give(BOB, user=user, role="admin").status == 403
    assert desk.database.people.role(BOB) is PersonRole.TRADER
    everybody = [person["user_id"] for person in call("GET", PEOPLE, token=SECRET).body["items"]]
    assert everybody == sorted((ALICE, BOB, OPERATOR, ADMIN))
    first = call("GET", PEOPLE, user=ADMIN, query="limit=3").body
    rest = call("GET", PEOPLE, user=ADMIN, query=f"after={first['next']}").body
    assert [person["user_id"] for person in first["items"] + rest["items"]] == everybody
    assert rest["next"] is None
    changed = give(BOB, role="operator", tier="pro")
    assert (changed.status, changed.body["role"], changed.body["tier"]) == (200, "operator", "pro")


def test_a_change_that_cannot_be_is_refused(desk: TradingInMemory) -> None:
    assert told(give(BOB)).keys() == {"role"}
    assert told(give(BOB, role="king")).keys() == {"role"}
    assert told(give(BOB, tier="whale")) == {"tier": "expected one of anonymous, elite, free, pro, got whale"}
    assert give("eeeeeeee-0000-4000-8000-000000000005", tier="pro").status == 404
    assert give(ADMIN, role="viewer").status == 409
    assert call("PATCH", f"{PEOPLE}/me", {"tier": "pro"}, user=ADMIN).status == 400


def test_a_viewer_opens_no_book_and_trades_none(desk: TradingInMemory) -> None:
    give(ALICE, role="viewer")
    book = {"name": "Mine", "capital": "1", "quote": "USDT", "venues": ["binance"], "mode": "paper"}
    assert call("POST", "/api/v1/books", book).status == 403
    intent = {"instrument": "BTC/USDT", "direction": "long", "size_usd": "10", "confidence": 1}
    assert call("POST", "/api/v1/engine/trade-intent", intent).status in {400, 403}
    assert not desk.database.trading.intents


def test_the_command_lists_and_changes_people(desk: TradingInMemory, run: Run) -> None:
    listed = run("people", "list")
    assert listed.exit_code == 0, listed.output
    assert max(map(len, listed.stdout.splitlines())) <= 80, listed.stdout
    assert {person["user_id"] for person in json.loads(run("people", "list", "--json").stdout)} == {
        ALICE, BOB, OPERATOR, ADMIN,
    }  # fmt: skip
    assert run("people", "set-role", BOB, "viewer").stdout == f"{BOB} is viewer, tier elite\n"
    assert run("people", "set-tier", BOB, "free").stdout == f"{BOB} is viewer, tier free\n"
    refused = run("people", "set-role", ADMIN, "trader")
    assert (refused.exit_code, "last admin" in refused.output) == (1, True)
