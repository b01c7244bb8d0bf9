"""GET /api/v1/traders/{id}/why: the live decision made again, and compared with what its run recorded."""

from collections.abc import Iterator
from typing import Any

import pytest

from shared.domain.candles import Boundary, Candle
from shared.domain.codec import encode
from tests.functions.api_client import BOB, api_of, call
from tests.usecases.desk_in_memory import M1, DeskInMemory

BODY: dict[str, Any] = {
    "name": "Above its average",
    "rule": "close > sma(2) and volume > 0",
    "timeframe": "1m",
    "edge": "rising",
}


@pytest.fixture
def desk() -> Iterator[DeskInMemory]:
    desk = DeskInMemory(traders_per_shard=1_000)
    with api_of(desk):
        yield desk


def save() -> str:
    return str(call("POST", "/api/v1/traders", BODY).body["trader"]["trader_id"])


def ask(trader_id: str, symbol: str = "BTC/USDT", at: int | None = None, **who: Any) -> Any:
    query = f"symbol={symbol}" + (f"&at={at}" if at is not None else "")
    return call("GET", f"/api/v1/traders/{trader_id}/why", query=query, **who)


def live(desk: DeskInMemory, **closes: float) -> int:
    """Let a minute close and be decided; return its close."""
    event = desk.minute(**closes)
    desk.announce(event)
    desk.work()
    return event.close_time


def test_why_it_fired_and_why_it_did_not(desk: DeskInMemory) -> None:
    trader_id = save()
    for price in (100.0, 99.0):
        live(desk, BTC=price, ETH=50.0)
    fired = live(desk, BTC=101.0, ETH=50.0)

    answer = ask(trader_id).body
    assert (answer["verdict"], answer["close_time"], answer["price"]) == ("fired", fired, 101.0)
    assert answer["sentence"] == "close 101 above SMA(2) 100 and volume 1 > 0"
    assert answer["standing"] == "same"
    first, second = answer["rule"]["parts"]
    assert first["sides"] == [{"text": "close", "value": 101.0}, {"text": "sma(close, 2)", "value": 100.0}]
    assert (first["holds"], first["decided"], first["margin"], first["marks"]) == (True, True, 1.0, [">"])
    assert second["text"] == "volume > 0"

    other = ask(trader_id, "ETH/USDT").body
    assert (other["verdict"], other["standing"]) == ("false", "same")
    assert other["sentence"] == "close 50 not above SMA(2) 50"
    assert [part["decided"] for part in other["rule"]["parts"]] == [True, False]


def test_any_close_in_the_log_can_be_asked_about(desk: DeskInMemory) -> None:
    trader_id = save()
    first, *closes = [live(desk, BTC=price) for price in (100.0, 99.0, 101.0, 102.0, 98.0)]
    verdicts = [ask(trader_id, at=at).body["verdict"] for at in closes]
    assert verdicts == ["insufficient", "fired", "already_true", "false"]
    assert {ask(trader_id, at=at).body["standing"] for at in closes} == {"same"}
    assert ask(trader_id, at=first).body["sentence"] == "SMA(2) cannot be told yet"
    assert ask(trader_id, "X/EUR", at=first).body["rule"] is None


def test_an_edited_trader_and_an_unrecorded_close_are_told(desk: DeskInMemory) -> None:
    for price in (100.0, 99.0, 101.0):
        desk.minute(BTC=price)
    trader_id = save()
    assert ask(trader_id).body["standing"] == "unrecorded"
    close_time = live(desk, BTC=103.0)
    assert ask(trader_id, at=close_time).body["standing"] == "same"
    call("PATCH", f"/api/v1/traders/{trader_id}", {"cooldown_bars": 1})
    call("PATCH", f"/api/v1/traders/{trader_id}", {"rule": "close > 500"})
    told = ask(trader_id, at=close_time).body
    assert (told["standing"], told["version"]) == ("same", 1)
    assert told["sentence"] == "close 103 above SMA(2) 102 and volume 1 > 0, but it was true one candle before, too"
    assert ask(trader_id, at=close_time - 60_000).body["version"] is None
    corrected = Boundary.of(
        M1,
        close_time - M1.ms,
        [("BTC/USDT", Candle(close_time - M1.ms, 104.0, 104.0, 104.0, 104.0, 1.0, 104.0, 1.0, 0.5))],
    )
    desk.streams["binance", M1].append(encode(corrected))
    assert ask(trader_id, at=close_time).body["standing"] == "different"


def test_what_cannot_be_asked(desk: DeskInMemory) -> None:
    trader_id = save()
    close_time = live(desk, BTC=1.0)
    assert ask(trader_id, at=close_time + 1).body["errors"][0]["field"] == "at"
    assert ask(trader_id, at=close_time + 60_000).body["errors"][0]["field"] == "at"
    assert ask(trader_id, at=close_time - 60_000).status == 404
    assert ask(trader_id, symbol="btc").body["errors"][0]["field"] == "symbol"
    assert ask(trader_id, user=BOB).status == 404
