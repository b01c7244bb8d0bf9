"""GET /api/v1/traders/{id}/performance: the scorecard of what the desk measured."""

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


def trader_after(desk: DeskInMemory, minutes: int) -> str:
    """Let BTC go up and down between 100 and 101, ETH stand; return a trader that fires on both at every minute."""
    body = {"name": "n", "rule": "close > 1", "timeframe": "1m", "edge": "level"}
    trader_id = str(call("POST", "/api/v1/traders", body).body["trader"]["trader_id"])
    for minute in range(minutes):
        desk.announce(desk.minute(BTC=100.0 + minute % 2, ETH=50.0))
        desk.work()
    return trader_id


def ask(trader_id: str, query: str = "bars=1&fee_bps=5", **who: Any) -> Any:
    return call("GET", f"/api/v1/traders/{trader_id}/performance", query=query, **who)


def test_too_few_signals_are_not_judged(desk: DeskInMemory) -> None:
    card = ask(trader_after(desk, 10)).body
    assert (card["verdict"], card["total"]["signals"], card["total"]["measured"]) == ("not enough signals", 20, 18)
    assert card["total"]["enough"] is False
    assert (card["total"]["hit_rate"], card["signals_per_day"]) == (None, None)


def test_a_scorecard(desk: DeskInMemory) -> None:
    card = ask(trader_after(desk, 31)).body
    assert (card["verdict"], card["bars"], card["fee_bps"], card["signals_per_day"]) == ("measured", 1, 5.0, 62.0)
    assert (card["total"]["measured"], card["total"]["hit_rate"]) == (60, 0.25)
    btc, eth = card["by_symbol"]
    assert (btc["symbol"], btc["measured"], btc["hit_rate"]) == ("BTC/USDT", 30, 0.5)
    assert btc["expectancy_percent"] == pytest.approx((1 - 100 / 101) / 2, abs=1e-9)
    assert btc["expectancy_after_fee_percent"] == pytest.approx(btc["expectancy_percent"] - 0.1)
    assert btc["hit_rate_low"] < 0.5 < btc["hit_rate_high"]
    assert (eth["hit_rate"], eth["expectancy_percent"], eth["adverse_percent"]) == (0.0, 0.0, 0.0)
    assert [(hour["hour"], hour["signals"]) for hour in card["by_hour"]] == [(0, 62)]
    assert card["last_close_time"] == desk.clock.now_ms()


def test_later_outcomes_wait_and_odd_ones_are_refused(desk: DeskInMemory) -> None:
    trader_id = trader_after(desk, 31)
    assert ask(trader_id, "bars=20").body["total"]["measured"] == 22
    assert ask(trader_id, "bars=60").body["total"]["measured"] == 0
    assert ask(trader_id, "bars=7").body["errors"][0]["field"] == "bars"
    assert ask(trader_id, "fee_bps=-1").body["errors"][0]["field"] == "fee_bps"


def test_an_edit_starts_a_new_card_unless_every_rule_is_asked_for(desk: DeskInMemory) -> None:
    trader_id = trader_after(desk, 12)
    call("PATCH", f"/api/v1/traders/{trader_id}", {"rule": "close > 2"})
    assert ask(trader_id).body["total"]["signals"] == 0
    assert ask(trader_id, "every_rule=true").body["total"]["signals"] == 24
    assert ask(trader_id, user=BOB).status == 404
