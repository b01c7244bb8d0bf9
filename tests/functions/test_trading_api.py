"""Raise an intent over the API, and see what became of it; whatever is wrong is told at once, and nothing is stored."""

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.timeframe import Timeframe
from shared.domain.venues import Venue
from tests.fakes.stores import MemoryDatabase
from tests.functions.api_client import ALICE, BOB, Answer, call
from tests.functions.trading_desk import (
    HERS,
    HIS,
    INTENT,
    OPERATOR,
    SECRET,
    TRADE,
    number,
    told,
    trade,
    trading_api,
    trading_desk,
)
from tests.usecases.trading_in_memory import FUTURE, SYMBOL, HandBoard, TradingInMemory


@pytest.fixture
def desk() -> Iterator[TradingInMemory]:
    desk = trading_desk()
    with trading_api(desk):
        yield desk


def nothing_stored(database: MemoryDatabase) -> bool:
    tables = database.trading
    return not (tables.intents or tables.orders or tables.fills or tables.positions or tables.steps)


def test_an_intent_is_queued_decided_and_traded(desk: TradingInMemory) -> None:
    answer = call("POST", TRADE, INTENT | {"stop_loss": 39_000, "take_profit": 42_000})
    assert (answer.status, answer.body["status"]) == (202, "queued")
    desk.run()
    story = call("GET", f"/api/v1/intents/{answer.body['intent_id']}").body
    intent = story["intent"]
    assert (intent["state"], intent["book_id"], intent["source"]) == ("executed", HERS, "person")
    assert (intent["sizing"]["value"], intent["confidence"]) == ("1000", "0.7")
    assert (intent["guard"]["stop_price"], intent["guard"]["take_profit_price"]) == ("39000", "42000")
    assert story["decision"]["figures"]["equity"] == "100000"
    assert story["plan"]
    assert {order["role"] for order in story["orders"]} == {"slice", "stop", "take_profit"}
    (order,) = [order for order in story["orders"] if order["role"] == "slice"]
    assert number(order["filled_qty"]) == number(intent["qty"]) == sum(number(fill["qty"]) for fill in order["fills"])


def test_every_problem_is_told_at_once_and_nothing_is_stored(desk: TradingInMemory) -> None:
    bad = {
        "size_usd": -5, "confidence": 1.5, "stop_loss": 41_000, "take_profit": 39_000, "trailing_rate": 2,
        "hold_ms": 0, "edge_rate": 7, "expires_in_ms": -1, "algorithm": {"name": "twap"},
    }  # fmt: skip
    answer = call("POST", TRADE, INTENT | bad)
    assert answer.status == 400
    assert told(answer).keys() == {
        "size_usd", "confidence", "stop_loss", "take_profit", "trailing_rate", "hold_ms", "edge_rate",
        "expires_in_ms", "algorithm.duration_ms",
    }  # fmt: skip
    assert "below" in told(answer)["stop_loss"]
    assert "expired" in told(answer)["expires_in_ms"]
    assert nothing_stored(desk.database)
    assert desk.raised.bodies == []


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("size_usd", {"size_usd": 0}),
        ("size_usd", {"size_usd": -1}),
        ("size_usd", {"size_usd": float("nan")}),
        ("size_usd", {"size_usd": float("inf")}),
        ("size_usd", {"size_usd": 1e30}),
        ("size_usd", {"size_usd": "much"}),
        ("instrument", {"instrument": "DOGE/USDT"}),
        ("instrument", {"instrument": ""}),
        ("stop_loss", {"stop_loss": 40_000}),
        ("stop_loss", {"direction": "short", "stop_loss": 39_999}),
        ("stop_loss", {"stop_loss": float("nan")}),
        ("take_profit", {"direction": "short", "take_profit": 40_001}),
        ("expires_in_ms", {"expires_in_ms": 0}),
        ("expires_in_ms", {"expires_in_ms": 10**12}),
        ("direction", {"direction": "sideways"}),
        ("venue", {"venue": "kraken"}),
        ("purpose", {"purpose": "exit", "stop_loss": 39_000}),
        ("algorithm.limit_price", {"algorithm": {"name": "limit"}}),
        ("algorithm.slices", {"algorithm": {"name": "market", "slices": 3}}),
        ("sise_usd", {"sise_usd": 5}),
    ],
)
def test_what_is_wrong_is_named(desk: TradingInMemory, field: str, change: dict[str, Any]) -> None:
    answer = call("POST", TRADE, json.dumps(INTENT | change))
    assert answer.status == 400
    assert field in told(answer), answer.body
    assert nothing_stored(desk.database)
    assert desk.raised.bodies == []


def test_what_follows_the_volume_needs_candles_short_enough(desk: TradingInMemory) -> None:
    desk.database.venues[:] = [Venue(venue="binance", timeframes=(Timeframe.H1,))]
    vwap = {"algorithm": {"name": "vwap", "duration_ms": 600_000, "slices": 4}}
    answer = call("POST", TRADE, INTENT | vwap)
    assert answer.status == 400
    problem = told(answer)["algorithm"]
    assert problem == "binance: vwap needs candles of 15m or shorter, collected are 1h"
    assert nothing_stored(desk.database)
    desk.database.venues[:] = [Venue(venue="binance", timeframes=(Timeframe.H1, Timeframe.M5))]
    assert call("POST", TRADE, INTENT | vwap).status == 202


@pytest.mark.parametrize(("book", "status"), [(HIS, 403), ("desks", 403), ("nothing", 404)])
def test_only_ones_own_book_is_traded(desk: TradingInMemory, book: str, status: int) -> None:
    book_id = desk.book.book_id if book == "desks" else book
    assert call("POST", TRADE, INTENT | {"book_id": book_id}).status == status
    assert nothing_stored(desk.database)


def test_nobody_but_a_person_raises_one(desk: TradingInMemory) -> None:
    assert call("POST", TRADE, INTENT, user=None).status == 401
    assert call("POST", TRADE, INTENT, token=SECRET).status == 403
    assert nothing_stored(desk.database)


def test_which_book_must_be_said_when_there_are_several_or_none(desk: TradingInMemory) -> None:
    desk.books.create(replace(desk.book, book_id="second", owner_id=ALICE, name="Second"))
    answer = call("POST", TRADE, INTENT)
    assert answer.status == 400
    assert HERS in told(answer)["book_id"]
    assert "second (Second)" in told(answer)["book_id"]
    stranger = call("POST", TRADE, INTENT, user="dddddddd-0000-4000-8000-000000000004")
    assert "no book" in told(stranger)["book_id"]
    assert nothing_stored(desk.database)
    assert call("POST", TRADE, INTENT | {"book_id": "second"}).status == 202


def test_the_same_key_is_the_same_intent(desk: TradingInMemory) -> None:
    body = INTENT | {"idempotency_key": "k", "stop_loss": 39_000}
    first = call("POST", TRADE, body)
    desk.market.price = Decimal(38_000)  # the stop would now be refused
    assert call("POST", TRADE, body).body == first.body
    assert len(desk.database.trading.intents) == 1
    assert len(desk.raised.bodies) == 2  # asked again, decided once
    assert call("POST", TRADE, body | {"size_usd": 2000}).status == 409
    assert call("POST", TRADE, INTENT | {"idempotency_key": "k"}, user=BOB).body != first.body
    assert call("POST", TRADE, INTENT).body != call("POST", TRADE, INTENT).body


def test_base_and_quote_together_are_the_spot_pair(desk: TradingInMemory) -> None:
    intent_id = trade(desk, instrument="BTCUSDT")
    assert call("GET", f"/api/v1/intents/{intent_id}").body["intent"]["symbol"] == SYMBOL


def test_a_guard_waits_for_a_price_rather_than_being_guessed(desk: TradingInMemory) -> None:
    class Silent(HandBoard):
        def now(self, venues: Any) -> Any:
            return {venue: replace(now, tickers=None) for venue, now in super().now(venues).items()}

    desk.risk = replace(desk.risk, market=replace(desk.risk.market, tickers=Silent(desk.market)))
    assert call("POST", TRADE, INTENT | {"stop_loss": 39_000}).status == 503
    assert nothing_stored(desk.database)
    assert call("POST", TRADE, INTENT).status == 202  # risk decides what to make of it


def test_a_denial_says_every_reason(desk: TradingInMemory) -> None:
    intent_id = trade(desk, direction="short", expires_in_ms=60_000)
    (item,) = call("GET", "/api/v1/intents", query="state=denied").body["items"]
    assert item["intent_id"] == intent_id
    assert [reason["reason"] for reason in item["reasons"]] == ["spot_short"]
    assert call("GET", "/api/v1/intents", query="state=executed").body["items"] == []


def test_lists_page_by_cursor(desk: TradingInMemory) -> None:
    ids = [trade(desk, size_usd=1000 + n) for n in range(3)]
    for path, key in (("intents", "intent_id"), ("orders", "order_id"), ("fills", "trade_id")):
        seen: list[str] = []
        query = "limit=1"
        while query:
            page = call("GET", f"/api/v1/{path}", query=query).body
            seen += [item[key] for item in page["items"]]
            query = f"limit=1&cursor={page['next']}" if page["next"] else ""
        assert len(seen) == len(set(seen)) >= 3, path
        if path == "intents":
            assert set(seen) == set(ids)
    refused = call("GET", "/api/v1/intents", query="cursor=nonsense")
    assert (refused.status, {*told(refused)}) == (400, {"cursor"})


def test_positions_have_their_mark_and_what_they_would_earn(desk: TradingInMemory) -> None:
    trade(desk, size_usd=4000)
    desk.market.price += 100
    (position,) = call("GET", "/api/v1/positions").body["items"]
    qty, entry = number(position["qty"]), number(position["entry_price"])
    assert number(position["mark_price"]) == desk.market.price
    assert number(position["unrealised"]) == pytest.approx(qty * (desk.market.price - entry))
    desk.risk = replace(desk.risk, market=replace(desk.risk.market, tickers=HandBoard(desk.market)))
    assert call("GET", "/api/v1/positions", query="book_id=nothing").body["items"] == []


def test_what_has_no_price_is_null_and_not_zero(desk: TradingInMemory) -> None:
    trade(desk, size_usd=4000)

    class Silent(HandBoard):
        def now(self, venues: Any) -> Any:
            return {venue: replace(now, tickers=None) for venue, now in super().now(venues).items()}

    desk.risk = replace(desk.risk, market=replace(desk.risk.market, tickers=Silent(desk.market)))
    (position,) = call("GET", "/api/v1/positions").body["items"]
    unknown = ("mark_price", "mark_time_ms", "notional", "unrealised")
    assert {position[name] for name in unknown} == {None}


def test_people_see_what_is_theirs_and_the_desks(desk: TradingInMemory) -> None:
    intent_id = trade(desk, size_usd=4000)
    correlation_id = intent_id.replace("-", "")
    for path in ("intents", "orders", "fills", "positions"):
        assert call("GET", f"/api/v1/{path}").body["items"], path
        assert call("GET", f"/api/v1/{path}", user=BOB).body["items"] == [], path
        assert call("GET", f"/api/v1/{path}", token=SECRET).body["items"], path
        assert call("GET", f"/api/v1/{path}", user=None).status == 401
    for path in (f"intents/{intent_id}", f"trace/{correlation_id}", f"trace/{intent_id}"):
        assert call("GET", f"/api/v1/{path}").status == 200, path
        assert call("GET", f"/api/v1/{path}", user=BOB).status == 404, path
    desk.wish()
    desk.run()
    (item,) = call("GET", "/api/v1/intents", user=BOB).body["items"]
    assert item["book_id"] == desk.book.book_id


RESTING: dict[str, Any] = {"algorithm": {"name": "limit", "limit_price": 39_000, "duration_ms": 600_000}}
WHY = {"reason": "thought better of it"}


def withdraw(intent_id: str, body: dict[str, str] = WHY, **who: Any) -> Answer:
    return call("POST", f"/api/v1/intents/{intent_id}/withdraw", body, **who)


def test_what_waits_for_its_decision_expires_when_it_is_withdrawn(desk: TradingInMemory) -> None:
    intent_id = str(call("POST", TRADE, INTENT).body["intent_id"])
    answer = withdraw(intent_id)
    assert (answer.status, answer.body["state"], answer.body["withdrawn"]) == (200, "expired", WHY["reason"])
    desk.run()
    assert call("GET", f"/api/v1/intents/{intent_id}").body["intent"]["state"] == "expired"
    assert desk.database.trading.orders == {}


def test_what_rests_is_cancelled_at_once_when_it_is_withdrawn(desk: TradingInMemory) -> None:
    intent_id = trade(desk, **RESTING)
    answer = withdraw(intent_id)
    assert (answer.status, answer.body["state"], answer.body["withdrawn"]) == (200, "executing", WHY["reason"])
    desk.run()
    story = call("GET", f"/api/v1/intents/{intent_id}").body
    assert (story["intent"]["state"], [order["state"] for order in story["orders"]]) == ("failed", ["cancelled"])
    assert story["intent"]["reason"].endswith("filled: withdrawn: thought better of it")
    steps = call("GET", f"/api/v1/trace/{intent_id}").body["steps"]
    assert [(step["after"], step["actor"]) for step in steps if step["subject"] == "intent"][-2:] == [
        ("withdrawn", ALICE),
        ("failed", "execution-agent"),
    ]
    again = withdraw(intent_id, {"reason": "again"})
    assert (again.status, again.body["state"], again.body["withdrawn"]) == (200, "failed", WHY["reason"])


def test_what_has_ended_is_told_as_it_is(desk: TradingInMemory) -> None:
    answer = withdraw(trade(desk))
    assert (answer.status, answer.body["state"], answer.body["withdrawn"]) == (200, "executed", None)


def test_only_the_owner_of_its_book_and_operators_withdraw_an_intent(desk: TradingInMemory) -> None:
    hers, desks = trade(desk, **RESTING), desk.wish().intent_id
    assert withdraw(hers, user=BOB).status == 404
    assert withdraw(desks).status == 403
    assert withdraw("nothing").status == 404
    assert withdraw(hers, user=None).status == 401
    assert withdraw(hers, {"reason": " "}).status == 400
    assert not any(row.intent.withdrawn for row in desk.database.trading.intents.values())
    assert withdraw(hers, user=OPERATOR).body["withdrawn"]
    assert withdraw(desks, token=SECRET).body["state"] == "expired"


def test_a_trace_tells_the_way_from_the_wish_to_the_position(desk: TradingInMemory) -> None:
    intent_id = trade(desk)
    found = call("GET", f"/api/v1/trace/{intent_id}").body
    assert found["correlation_id"] == intent_id.replace("-", "")
    states = [step["after"] for step in found["steps"] if step["subject"] == "intent"]
    assert states == ["pending", "approved", "executing", "executed"]
    assert [story["intent"]["intent_id"] for story in found["stories"]] == [intent_id]
    assert [position["symbol"] for position in found["positions"]] == [SYMBOL]
    by_correlation = call("GET", f"/api/v1/trace/{found['correlation_id']}").body
    assert by_correlation == found
    assert call("GET", "/api/v1/trace/nothing-at-all").status == 404


def test_a_future_is_sold_short_at_a_venue_a_new_book_names() -> None:
    desk = trading_desk(FUTURE)
    opened = {"name": "Shorts", "quote": "USDT", "capital": 100_000, "venues": [FUTURE.venue]}
    with trading_api(desk):
        book = call("POST", "/api/v1/books", opened)
        assert book.status == 201, book.body
        book_id = book.body["book_id"]
        wish = INTENT | {"instrument": FUTURE.symbol, "direction": "short", "stop_loss": 41_000, "book_id": book_id}
        answer = call("POST", TRADE, wish)
        assert answer.status == 202, answer.body
        desk.run()
        story = call("GET", f"/api/v1/intents/{answer.body['intent_id']}").body
        assert story["intent"]["state"] == "executed"
        assert {(order["role"], order["side"]) for order in story["orders"]} == {("slice", "sell"), ("stop", "buy")}
        (position,) = call("GET", "/api/v1/positions", query=f"book_id={book_id}").body["items"]
        assert -1_000 <= number(position["qty"]) * 40_000 < -990
        closing = call("POST", TRADE, wish | {"purpose": "exit", "size_usd": 5_000, "stop_loss": None})
        assert closing.status == 202, closing.body
        desk.run()
        assert call("GET", "/api/v1/positions", query=f"book_id={book_id}").body["items"] == []
