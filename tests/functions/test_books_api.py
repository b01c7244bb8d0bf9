"""Books over the API: open one, set its limits, freeze it; its owner may, operators freeze anybody's, and only the desk
decides about live."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.trading.states import Mode, Scope, TradingState
from tests.contract.trading import a_point
from tests.functions.api_client import ALICE, BOB, call
from tests.functions.trading_desk import (
    HERS,
    HIS,
    OPERATOR,
    SECRET,
    number,
    told,
    trade,
    trading_api,
    trading_desk,
)
from tests.usecases.trading_in_memory import TradingInMemory

BODY: dict[str, Any] = {"name": "New", "capital": "5000.5"}


@pytest.fixture
def desk() -> Iterator[TradingInMemory]:
    desk = trading_desk()
    with trading_api(desk):
        yield desk


def books(desk: TradingInMemory) -> dict[str, Any]:
    return dict(desk.database.trading.books)


def test_a_book_is_opened_with_the_defaults_but_what_is_said(desk: TradingInMemory) -> None:
    answer = call("POST", "/api/v1/books", BODY | {"limits": {"max_leverage": "1.5", "max_trade_notional": 100}})
    assert answer.status == 201, answer.body
    book = answer.body
    assert (book["owner_id"], book["mode"], book["state"], book["capital"]) == (ALICE, "paper", "active", "5000.5")
    limits = book["limits"]
    assert (limits["max_leverage"], limits["max_trade_notional"], limits["max_book_notional"]) == ("1.5", "100", None)
    assert (limits["max_daily_drawdown_rate"], limits["var_limit_rate"]) == ("0.05", "0.02")
    assert book["book_id"] in {item["book_id"] for item in call("GET", "/api/v1/books").body["items"]}
    assert book["book_id"] not in {item["book_id"] for item in call("GET", "/api/v1/books", user=BOB).body["items"]}


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("capital", {"capital": 0}),
        ("capital", {"capital": "NaN"}),
        ("name", {"name": " "}),
        ("venues", {"venues": ["mtgox"]}),
        ("venues", {"venues": ["binance", "binance"]}),
        ("venues", {"venues": []}),
        ("limits.max_leverage", {"limits": {"max_leverage": -1}}),
        ("limits.correlation", {"limits": {"correlation": 2}}),
        ("limits.max_levarage", {"limits": {"max_levarage": 1}}),
        ("breakers.reduce_at_share", {"breakers": {"reduce_at_share": 0}}),
    ],
)
def test_what_is_wrong_with_a_book_is_named(desk: TradingInMemory, field: str, change: dict[str, Any]) -> None:
    before = books(desk)
    answer = call("POST", "/api/v1/books", BODY | change)
    assert (answer.status, field in told(answer)) == (400, True), answer.body
    assert books(desk) == before


def test_a_live_book_needs_a_desk_that_trades_live(desk: TradingInMemory) -> None:
    before = books(desk)
    assert call("POST", "/api/v1/books", BODY | {"mode": "live"}).status == 409
    assert call("PATCH", f"/api/v1/books/{HERS}", {"mode": "live"}).status == 409
    assert books(desk) == before
    with trading_api(desk, AGENT_MODE="live"):
        assert call("PATCH", f"/api/v1/books/{HERS}", {"mode": "live"}).body["mode"] == "live"
        assert call("PATCH", f"/api/v1/books/{HERS}", {"mode": "paper"}).status == 409
        trade(desk, user=BOB)
        assert call("PATCH", f"/api/v1/books/{HIS}", {"mode": "live"}, user=BOB).status == 409  # it was traded
    assert (books(desk)[HERS].mode, books(desk)[HIS].mode) == (Mode.LIVE, Mode.PAPER)


def test_a_change_keeps_what_it_does_not_name(desk: TradingInMemory) -> None:
    before = books(desk)[HERS]
    patch = {"name": "Renamed", "limits": {"max_open_positions": 3}, "breakers": {"consecutive_losses": 2}}
    answer = call("PATCH", f"/api/v1/books/{HERS}", patch | {"version": 1})
    assert (answer.status, answer.body["version"]) == (200, 2)
    assert books(desk)[HERS] == replace(
        before,
        name="Renamed",
        version=2,
        risk_version=1,
        limits=replace(before.limits, max_open_positions=3),
        breakers=replace(before.breakers, consecutive_losses=2),
    )
    stale = call("PATCH", f"/api/v1/books/{HERS}", {"name": "Late", "version": 1})
    assert (stale.status, books(desk)[HERS].name) == (409, "Renamed")


@pytest.mark.parametrize("request_of", ["read", "change", "freeze", "equity"])
def test_a_strangers_book_does_not_exist_and_the_desks_is_not_ones_own(desk: TradingInMemory, request_of: str) -> None:
    def ask(book_id: str, **caller: Any) -> int:
        path = f"/api/v1/books/{book_id}"
        return {
            "read": lambda: call("GET", path, **caller),
            "change": lambda: call("PATCH", path, {"name": "Mine now"}, **caller),
            "freeze": lambda: call("PUT", f"{path}/state", {"state": "halted"}, **caller),
            "equity": lambda: call("GET", f"{path}/equity", **caller),
        }[request_of]().status

    before, writes = books(desk), request_of in {"change", "freeze"}
    assert ask(HIS) == 404
    assert ask("nothing") == 404
    assert ask(desk.book.book_id) == (403 if writes else 200)
    assert ask(HERS, user=None) == 401
    assert books(desk) == before
    assert ask(desk.book.book_id, user=OPERATOR) == 200  # operators mind the desk's
    freezes = request_of == "freeze"
    assert ask(HIS, user=OPERATOR) == (200 if freezes else 403 if writes else 404)
    assert ask(desk.book.book_id, token=SECRET) == 200
    assert ask(HIS, token=SECRET) == (403 if writes and not freezes else 200)
    assert ask("nothing", user=OPERATOR) == 404


def test_a_frozen_book_rests_no_orders_and_trades_nothing_until_it_is_thawed(desk: TradingInMemory) -> None:
    resting: dict[str, Any] = {"algorithm": {"name": "limit", "limit_price": 39_000, "duration_ms": 600_000}}
    trade(desk, **resting)
    trade(desk, user=BOB, **resting)
    answer = call("PUT", f"/api/v1/books/{HERS}/state", {"state": "halted", "reason": "looks wrong"})
    assert (answer.status, answer.body["state"]) == (200, "halted")
    (account,) = answer.body["accounts"]
    assert (account["account"], account["cancelled"], account["left"]) == (HERS, 1, 0)
    assert [order["state"] for order in call("GET", "/api/v1/orders").body["items"]] == ["cancelled"]
    assert [order["state"] for order in call("GET", "/api/v1/orders", user=BOB).body["items"]] == ["open"]
    intent_id = trade(desk)
    assert call("GET", f"/api/v1/intents/{intent_id}").body["intent"]["state"] == "denied"
    assert call("PUT", f"/api/v1/books/{HERS}/state", {"state": "active"}).body["state"] == "active"
    assert books(desk)[HERS].state is TradingState.ACTIVE
    assert call("PUT", f"/api/v1/books/{HERS}/state", {"state": "asleep"}).status == 400


def test_what_an_operator_has_frozen_its_owner_does_not_thaw(desk: TradingInMemory) -> None:
    path = f"/api/v1/books/{HERS}/state"

    def set_by(**caller: Any) -> int:
        state = caller.pop("state")
        return call("PUT", path, {"state": state, "reason": "looks wrong"}, **caller).status

    assert set_by(state="halted", user=BOB) == 404
    assert set_by(state="halted", user=OPERATOR) == 200
    entry = desk.states.entry(Scope.BOOK, HERS)
    assert (entry.state, entry.actor, entry.reason) == (TradingState.HALTED, OPERATOR, "looks wrong")
    for state in ("reducing", "active"):
        refused = call("PUT", path, {"state": state})
        assert (refused.status, "an operator has set" in refused.body["detail"]) == (403, True)
        assert "looks wrong" in refused.body["detail"]
    assert books(desk)[HERS].state is TradingState.HALTED
    assert desk.states.entry(Scope.BOOK, HERS) == entry
    assert set_by(state="reducing", token=SECRET) == 200
    assert set_by(state="halted") == 200  # stricter she may always
    assert set_by(state="active") == 200  # what she has set herself
    assert set_by(state="halted") == 200
    assert set_by(state="halted", user=OPERATOR) == 200  # the same, and now it is the operator's
    assert set_by(state="active") == 403


def test_what_a_breaker_has_stopped_its_owner_releases(desk: TradingInMemory) -> None:
    desk.books.trip(
        HERS, breaker="slippage", state=TradingState.REDUCING, at_ms=desk.clock.now_ms(), details={}, reason="60 bps"
    )
    assert call("PUT", f"/api/v1/books/{HERS}/state", {"state": "active"}).status == 200
    assert books(desk)[HERS].state is TradingState.ACTIVE


def test_a_book_is_told_with_its_equity_positions_and_the_days_drawdown(desk: TradingInMemory) -> None:
    trade(desk, size_usd=4000)
    found = call("GET", f"/api/v1/books/{HERS}").body
    status = found["status"]
    assert found["book"]["book_id"] == HERS
    (position,) = status["positions"]
    expected = Decimal(100_000) + number(position["unrealised"]) - number(position["fees"])
    assert number(status["equity"]) == expected < 100_000
    assert number(status["drawdown_rate"]) == pytest.approx((100_000 - expected) / 100_000, abs=Decimal("1e-7"))


def test_the_equity_curve_is_told_from_a_time_on(desk: TradingInMemory) -> None:
    now_ms = desk.clock.now_ms() // 60_000 * 60_000
    for n in range(3):
        desk.ledger.mark_equities({HERS: a_point(now_ms + n * 60_000, str(100 + n), realised=str(n), fees="0.5")})
    found = call("GET", f"/api/v1/books/{HERS}/equity", query=f"since={now_ms + 60_000}").body
    assert [(point["equity"], point["fees"]) for point in found["points"]] == [("101", "0.5"), ("102", "0.5")]
    assert found["quote"] == "USDT"
    assert len(call("GET", f"/api/v1/books/{HERS}/equity", query="limit=1").body["points"]) == 1


def test_there_is_an_end_to_books(desk: TradingInMemory) -> None:
    made = [call("POST", "/api/v1/books", BODY | {"name": f"Book {n}"}).status for n in range(50)]
    assert made == [201] * 49 + [409]
