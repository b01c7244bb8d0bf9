"""The kill switch and the figures of risk over the API."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.errors import FatalError
from shared.domain.trading.states import TradingState
from shared.messages import IntentDecided
from tests.functions.api_client import ALICE, BOB, call
from tests.functions.trading_desk import HERS, OPERATOR, SECRET, number, told, trade, trading_api, trading_desk
from tests.usecases.trading_in_memory import HandLog, TradingInMemory

STATE, STATUS, SIZE = "/api/v1/desk/state", "/api/risk/status", "/api/risk/calculate-position"
SEED: dict[str, Any] = {
    "symbol": "BTCUSDT", "entry_price": 45000, "stop_loss": 44000, "account_size": 10000, "risk_percent": 2,
}  # fmt: skip
RESTING: dict[str, Any] = {"algorithm": {"name": "limit", "limit_price": 39_000, "duration_ms": 600_000}}


@pytest.fixture
def desk() -> Iterator[TradingInMemory]:
    desk = trading_desk()
    with trading_api(desk):
        yield desk


def test_the_state_is_everybodys_to_read_and_operators_to_set(desk: TradingInMemory) -> None:
    assert call("GET", STATE).body["state"] == "active"
    assert call("GET", STATE, user=None).status == 401
    for who in ({"user": ALICE}, {"user": BOB}):
        assert call("PUT", STATE, {"state": "halted"}, **who).status == 403
    assert call("PUT", STATE, {"state": "halted"}, user=None).status == 401
    assert call("PUT", STATE, {"state": "halted"}, token="not-the-secret").status == 401
    assert desk.states.read() is TradingState.ACTIVE
    assert call("PUT", STATE, {"state": "reducing"}, user=OPERATOR).body["state"] == "reducing"
    assert call("PUT", STATE, {"state": "halted"}, token=SECRET).body["state"] == "halted"
    assert call("GET", STATE).body["state"] == "halted"
    assert call("PUT", STATE, {"state": "paused"}, user=OPERATOR).status == 400


def test_a_halt_cancels_what_rests_everywhere_and_says_what_it_did(desk: TradingInMemory) -> None:
    for user in (ALICE, BOB):
        trade(desk, user=user, **RESTING)
    answer = call("PUT", STATE, {"state": "halted", "reason": "drill"}, user=OPERATOR)
    assert (answer.body["state"], answer.body["exits"], answer.body["handed_over"]) == ("halted", [], 0)
    assert [(each["cancelled"], each["left"]) for each in answer.body["accounts"]] == [(1, 0), (1, 0)]
    assert {row.order.state.value for row in desk.database.trading.orders.values()} == {"cancelled"}
    intent_id = trade(desk)
    assert call("GET", f"/api/v1/intents/{intent_id}").body["intent"]["state"] == "denied"


def test_to_flatten_leaves_every_position(desk: TradingInMemory) -> None:
    trade(desk, size_usd=4000)
    answer = call("PUT", STATE, {"state": "halted", "flatten": True}, user=OPERATOR)
    assert (answer.body["state"], len(answer.body["exits"])) == ("reducing", 1)
    desk.run()
    assert call("GET", "/api/v1/positions").body["items"] == []


def test_what_the_switch_cannot_reach_is_handed_to_execution(desk: TradingInMemory) -> None:
    intent_id = trade(desk, **RESTING)

    class Unreachable:
        def of(self, venue: str, account: str) -> Any:
            raise FatalError("BINANCE_API_KEY is not set")

    working, desk.floor = desk.floor, replace(desk.floor, exchanges=Unreachable())
    answer = call("PUT", STATE, {"state": "halted"}, user=OPERATOR).body
    assert (answer["state"], answer["handed_over"]) == ("halted", 1)
    (account,) = answer["accounts"]
    assert (account["left"], "BINANCE_API_KEY is not set" in account["errors"][0]) == (1, True)
    assert [IntentDecided.model_validate_json(body).intent_id for body in desk.decided.bodies] == [intent_id]
    desk.floor = working
    desk.run()
    (order,) = call("GET", "/api/v1/orders").body["items"]
    assert order["state"] == "cancelled"


def test_the_status_has_the_figures_beside_their_limits(desk: TradingInMemory) -> None:
    trade(desk, size_usd=4000)
    found = call("GET", STATUS).body
    assert (found["desk_state"], found["risk_tier"]) == ("active", 2)
    status = next(book for book in found["books"] if book["book_id"] == HERS)
    assert {book["name"] for book in found["books"]} == {"Hers", "Paper"}
    assert (
        number(status["leverage"])
        == number(status["concentration_rate"])
        == pytest.approx(Decimal("0.04"), abs=Decimal("0.001"))
    )
    assert (status["concentration_asset"], status["open_positions"], status["unpriced"]) == ("BTC", 1, [])
    assert float(status["stress_loss"]) == pytest.approx(2_000, rel=0.01)
    for way in ("historical", "parametric", "monte_carlo"):
        tail = status["tails"][way]
        assert 0 < tail["value_at_risk"] < tail["expected_shortfall"]
    assert status["tails"]["insufficient_data"] is None
    assert (status["limits"]["max_leverage"], status["limits"]["max_concentration_rate"]) == ("3", "0.5")
    with trading_api(desk, RISK_TIER="1"):
        status = call("GET", STATUS).body["books"][0]
        assert (status["limits"]["max_leverage"], status["limits"]["max_daily_drawdown_rate"]) == ("1.5", "0.025")
    assert call("GET", STATUS, user=None).status == 401


def test_too_little_history_is_an_answer_of_its_own(desk: TradingInMemory) -> None:
    trade(desk, size_usd=4000)

    class Short(HandLog):
        def frame(self, venue: str, timeframe: Any, *, bars: int) -> Any:
            return super().frame(venue, timeframe, bars=bars).tail(20)

    desk.risk = replace(desk.risk, market=replace(desk.risk.market, candles=Short(desk.market)))
    tails = next(book for book in call("GET", STATUS).body["books"] if book["book_id"] == HERS)["tails"]
    assert "100 are needed" in tails["insufficient_data"]
    assert {tails[way] for way in ("historical", "parametric", "monte_carlo")} == {None}


def test_breakers_that_went_off_are_told(desk: TradingInMemory) -> None:
    desk.books.trip(
        HERS,
        breaker="daily_loss",
        state=TradingState.REDUCING,
        at_ms=desk.clock.now_ms(),
        details={},
        reason="0.041 of the equity is lost",
    )
    status = next(book for book in call("GET", STATUS).body["books"] if book["book_id"] == HERS)
    assert (status["state"], status["forbidding"]) == ("reducing", ["book"])
    (event,) = status["breakers"]
    assert (event["breaker"], event["state"]) == ("daily_loss", "reducing")
    assert "lost" in event["reason"]


def test_a_position_is_sized_so_that_the_stop_costs_no_more_than_was_said(desk: TradingInMemory) -> None:
    answer = call("POST", SIZE, SEED)
    assert answer.status == 200, answer.body
    found = answer.body
    assert (found["symbol"], found["venue"], found["side"], found["budget"]) == ("BTC/USDT", "binance", "buy", "200")
    qty, loss = number(found["qty"]), number(found["loss_at_stop"])
    assert number(found["notional"]) == qty * 45_000
    slipped = Decimal("0.0005")
    entry, left = 45_000 * (1 + slipped), 44_000 * (1 - slipped)
    assert loss == qty * (entry - left + Decimal("0.001") * (entry + left))
    assert loss <= 200 < loss / qty * (qty + Decimal("0.00001"))
    short = call("POST", SIZE, SEED | {"stop_loss": 46_000}).body
    assert (short["side"], number(short["loss_at_stop"]) <= 200) == ("sell", True)


def test_below_the_venues_minima_the_size_is_nothing(desk: TradingInMemory) -> None:
    found = call("POST", SIZE, SEED | {"account_size": 1}).body
    assert (found["qty"], found["notional"], found["loss_at_stop"], found["reason"]) == ("0", "0", "0", "minimum")
    assert "minimum" in found["why"]


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"entry_price": 0, "stop_loss": -1, "account_size": "NaN", "risk_percent": 101},
         {"entry_price", "stop_loss", "account_size", "risk_percent"}),
        ({"stop_loss": 45_000}, {"stop_loss"}),
        ({"symbol": "NOPE", "risk_percent": 0}, {"symbol", "risk_percent"}),
        ({"venue": "mtgox"}, {"venue"}),
        ({"risk_percent": "much"}, {"risk_percent"}),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_by_field(desk: TradingInMemory, change: dict[str, Any], fields: set[str]) -> None:
    answer = call("POST", SIZE, SEED | change)
    assert (answer.status, {*told(answer)}) == (400, fields)
