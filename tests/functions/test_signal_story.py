"""GET /api/v1/signals/{id}: a signal explains itself."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.functions.api_client import BOB, api_of, call
from tests.usecases.desk_in_memory import DeskInMemory


@pytest.fixture
def desk() -> Iterator[DeskInMemory]:
    desk = DeskInMemory(traders_per_shard=1_000)
    with api_of(desk):
        yield desk


def save(rule: str) -> str:
    body = {"name": "n", "rule": rule, "timeframe": "1m"}
    return str(call("POST", "/api/v1/traders", body).body["trader"]["trader_id"])


def live(desk: DeskInMemory, *prices: float) -> None:
    for price in prices:
        desk.announce(desk.minute(BTC=price))
        desk.work()


def story(**who: Any) -> Any:
    signal_id = call("GET", "/api/v1/signals").body["items"][-1]["signal_id"]
    answer = call("GET", f"/api/v1/signals/{signal_id}", **who)
    return answer.body if answer.status == 200 else answer.status


def test_a_signal_in_words_with_its_candles_and_outcomes(desk: DeskInMemory) -> None:
    save("crosses_above(close, sma(3)) and volume < 5")
    for price in range(130):
        desk.minute(BTC=300.0 - price)
    live(desk, 170.0, 160.0, 200.0, 210.0, 190.0)
    told = story()
    assert told["signal"]["price"] == 200.0
    assert told["sentence"] == "close 200 crossed above SMA(3) 176.67 and volume 1 < 5"
    assert (len(told["candles"]), told["candles"][-1]["close"]) == (120, 200.0)
    assert told["candles"][-1]["close_time"] == told["signal"]["close_time"]
    assert told["outcomes"] == [
        {
            "bars": 1,
            "return_percent": pytest.approx(5.0),
            "favourable_percent": pytest.approx(5.0),
            "adverse_percent": 0.0,
        }
    ]
    assert story(user=BOB) == 404


def test_the_rule_of_then_is_told_after_an_edit(desk: DeskInMemory) -> None:
    trader_id = save("close > 100")
    live(desk, 99.0, 101.0)
    call("PATCH", f"/api/v1/traders/{trader_id}", {"rule": "close > 500 and volume > 3"})
    assert story()["sentence"] == "close 101 > 100"
    call("DELETE", f"/api/v1/traders/{trader_id}")
    assert story()["sentence"] == "close 101"  # what it looked at is all that is left


def test_an_unknown_signal_is_not_found(desk: DeskInMemory) -> None:
    assert call("GET", "/api/v1/signals/7b1f6a52-0f7e-5b38-9d5c-1d2f3a4b5c6d").status == 404
    assert call("GET", "/api/v1/signals/nonsense").status == 400
