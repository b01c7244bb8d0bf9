"""`desk why`: the decision as a tree one can read."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from desk.api import connect
from desk.cli import app
from desk.why_cli import instant
from shared.domain.errors import InvalidMessageError, NotFoundError
from tests.functions.api_client import ALICE, api_of, call, token_of
from tests.functions.api_http import serve_commands
from tests.usecases.desk_in_memory import DeskInMemory

RULE = "close > sma(2) and (volume > 5 or close > 100)"


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[DeskInMemory]:
    desk = DeskInMemory(traders_per_shard=1_000)
    serve_commands(monkeypatch)
    with api_of(desk):
        yield desk


def trader_of(desk: DeskInMemory) -> str:
    body = {"name": "n", "rule": RULE, "timeframe": "1m"}
    trader_id = str(call("POST", "/api/v1/traders", body).body["trader"]["trader_id"])
    for price in (100.0, 99.0, 102.0):
        desk.announce(desk.minute(BTC=price))
        desk.work()
    return trader_id


def run(*args: str) -> Result:
    return CliRunner().invoke(app, ["why", *args, "--api", "http://desk.test", "--token", token_of(ALICE)])


def test_a_decision_is_shown_as_a_tree(desk: DeskInMemory) -> None:
    lines = run(trader_of(desk), "BTC/USDT").stdout.splitlines()
    assert lines == [
        "BTC/USDT 1m closed 2022-01-01 00:03 UTC at 102",
        "fired: close 102 above SMA(2) 100.5 and close 102 > 100",
        "yes all of",
        "├── yes close > sma(close, 2)  close = 102, sma(close, 2) = 100.5, by 1.5  ←",
        "└── yes any of",
        "    ├── no  volume > 5  volume = 1, misses by 4",
        "    └── yes close > 100  close = 102, by 2  ←",
        "bit for bit what the desk decided then",
    ]


def test_an_earlier_close_and_json(desk: DeskInMemory) -> None:
    trader_id = trader_of(desk)
    found = json.loads(run(trader_id, "BTC/USDT", "2022-01-01T00:02Z", "--json").stdout)
    assert (found["verdict"], found["close_time"]) == ("insufficient", 1_640_995_320_000)


def test_a_refusal_names_its_field(desk: DeskInMemory) -> None:
    result = run(trader_of(desk), "BTC/USDT", "1640995320001")
    assert isinstance(result.exception, InvalidMessageError)
    assert result.exception.field == "at"
    assert isinstance(run("7b1f6a52-0f7e-5b38-9d5c-1d2f3a4b5c6d", "BTC/USDT").exception, NotFoundError)


def test_instants() -> None:
    assert instant("1640995320000") == instant("2022-01-01T00:02Z") == instant("2022-01-01 00:02") == 1_640_995_320_000
    assert instant("2022-01-01T01:02+01:00") == 1_640_995_320_000
    with pytest.raises(InvalidMessageError, match="AT"):
        instant("yesterday")


def test_without_an_address_a_desk_must_be_running(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="desk up"):
        connect(None, None, home=tmp_path)
