"""The kill switch and the figures of risk over the API."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.errors import FatalError
from shared.domain.trading.intents import Algorithm, AlgorithmName
from shared.domain.trading.orders import TimeInForce
from shared.domain.trading.states import IntentState, TradingState
from shared.trading_messages import IntentDecided
from shared.usecases.patience import Patience
from tests.contract.stores import a_trader
from tests.functions.api_client import ALICE, BOB, call
from tests.functions.trading_desk import HERS, HIS, OPERATOR, SECRET, number, told, trade, trading_api, trading_desk
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


def test_the_state_says_since_when_who_set_it_and_why(desk: TradingInMemory) -> None:
    never = call("GET", STATE).body
    assert (never["state"], never["since_ms"], never["actor"], never["restrained"]) == ("active", None, None, [])
    began_ms = desk.clock.now_ms()
    call("PUT", STATE, {"state": "halted", "reason": "drill"}, user=OPERATOR)
    desk.clock.advance(60_000)
    call("PUT", STATE, {"state": "halted", "reason": "still"}, token=SECRET)
    found = call("GET", STATE, user=BOB).body
    assert [found[name] for name in ("scope", "state", "since_ms", "actor", "reason")] == [
        "desk", "halted", began_ms, "operator", "still",
    ]  # fmt: skip


def test_a_state_that_cannot_be_read_is_halted(desk: TradingInMemory) -> None:
    desk.database.trading.desk_state = None
    found = call("GET", STATE).body
    assert (found["state"], found["since_ms"], "cannot be read" in found["reason"]) == ("halted", None, True)


def a_trader_of(desk: TradingInMemory, user: str, book_id: str) -> str:
    """Store a trader and return its id."""
    trader = a_trader(user, name="T", trader_id=f"trader-of-{user[:4]}")
    desk.database.traders[trader.trader_id] = replace(trader, book_id=book_id)
    return trader.trader_id


PARTS = [
    ("venue", "binance", 2),
    ("symbol", "binance:BTC/USDT", 2),
    ("symbol", "BTC/USDT", 2),
    ("book", HERS, 1),
    ("trader", f"trader-of-{ALICE[:4]}", 1),
]


@pytest.mark.parametrize(("scope", "key", "concerned"), PARTS)
def test_a_part_is_halted_alone_with_what_rests_of_it(
    desk: TradingInMemory, scope: str, key: str, concerned: int
) -> None:
    traders = {user: a_trader_of(desk, user, book) for user, book in ((ALICE, HERS), (BOB, HIS))}
    for user, book in ((ALICE, HERS), (BOB, HIS)):
        resting = Algorithm(name=AlgorithmName.LIMIT, limit_price=Decimal(39_000), time_in_force=TimeInForce.GTC)
        desk.wish(book_id=book, trader_id=traders[user], algorithm=resting)
        desk.run()
    assert len(desk.orders.resting()) == 2
    body = {"state": "halted", "scope": scope, "key": key, "reason": "looks wrong"}
    answer = call("PUT", STATE, body, user=OPERATOR)
    assert (answer.status, answer.body["state"], answer.body["scope"]) == (200, "halted", scope), answer.body
    assert sum(account["cancelled"] for account in answer.body["accounts"]) == concerned
    assert len(desk.orders.resting()) == 2 - concerned
    assert desk.states.read() is TradingState.ACTIVE
    (entry,) = call("GET", STATE, user=OPERATOR).body["restrained"]
    place = "binance:BTC/USDT" if scope == "symbol" else key
    assert (entry["scope"], entry["key"], entry["actor"], entry["reason"]) == (scope, place, OPERATOR, "looks wrong")
    seen = call("GET", STATE).body["restrained"]
    assert [each["key"] for each in seen] == ([place] if scope in {"venue", "symbol"} else [])
    denied = desk.wish(book_id=HERS, trader_id=traders[ALICE])
    desk.run()
    assert desk.view(denied).intent.state is IntentState.DENIED
    assert call("PUT", STATE, body | {"state": "active"}, user=OPERATOR).body["state"] == "active"
    assert call("GET", STATE, user=OPERATOR).body["restrained"] == []


def test_a_part_that_reduces_keeps_its_exits(desk: TradingInMemory) -> None:
    trade(desk, size_usd=4000)
    resting: dict[str, Any] = {"name": "limit", "limit_price": 41_000, "duration_ms": 600_000}
    exit_id = trade(desk, purpose="exit", size_usd=1000, algorithm=resting)
    trade(desk, **RESTING)
    answer = call("PUT", STATE, {"state": "reducing", "scope": "venue", "key": "binance"}, user=OPERATOR).body
    assert sum(account["cancelled"] for account in answer["accounts"]) == 1
    ((order, _),) = desk.orders.resting()
    assert order.intent_id == exit_id


@pytest.mark.parametrize(("scope", "key", "concerned"), PARTS)
def test_nobody_but_an_operator_sets_the_state_of_a_part(
    desk: TradingInMemory, scope: str, key: str, concerned: int
) -> None:
    a_trader_of(desk, ALICE, HERS)
    body = {"state": "halted", "scope": scope, "key": key}
    assert call("PUT", STATE, body).status == 403
    assert call("PUT", STATE, body, user=None).status == 401
    assert desk.states.restrained() == []
    assert desk.database.trading.acts == {}
    assert concerned


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"scope": "venue"}, 400, "key"),
        ({"key": "binance"}, 400, "key"),
        ({"scope": "venue", "key": "binance", "flatten": True}, 400, "flatten"),
        ({"scope": "moon", "key": "x"}, 400, "scope"),
        ({"scope": "venue", "key": "mtgox"}, 404, None),
        ({"scope": "symbol", "key": "mtgox:BTC/USDT"}, 404, None),
        ({"scope": "symbol", "key": "NOPE/USDT"}, 404, None),
        ({"scope": "trader", "key": "nobody"}, 404, None),
        ({"scope": "book", "key": "nothing"}, 404, None),
    ],
)
def test_a_part_there_is_not_is_refused_and_nothing_stored(
    desk: TradingInMemory, body: dict[str, Any], status: int, field: str | None
) -> None:
    answer = call("PUT", STATE, {"state": "halted"} | body, user=OPERATOR)
    assert answer.status == status, answer.body
    assert field is None or field in told(answer)
    assert desk.database.trading.acts == {}
    assert desk.states.read() is TradingState.ACTIVE


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


class Unreachable:
    """What the API has of venues: nothing."""

    def of(self, venue: str, account: str) -> Any:
        raise FatalError("BINANCE_API_KEY is not set")


def test_what_the_switch_cannot_reach_is_handed_to_execution_and_waited_for(desk: TradingInMemory) -> None:
    trade(desk, **RESTING)
    desk.floor = replace(desk.floor, exchanges=Unreachable())
    answer = call("PUT", STATE, {"state": "halted"}, user=OPERATOR).body
    assert (answer["state"], answer["handed_over"]) == ("halted", 1)
    assert [(each["cancelled"], each["left"], each["errors"]) for each in answer["accounts"]] == [(1, 0, [])]
    (order,) = call("GET", "/api/v1/orders").body["items"]
    assert order["state"] == "cancelled"


def test_what_is_not_cancelled_in_time_is_told(desk: TradingInMemory) -> None:
    intent_id = trade(desk, **RESTING)
    desk.floor = replace(desk.floor, exchanges=Unreachable())
    desk.switch = replace(desk.switch, patience=Patience(up_to_ms=0))
    answer = call("PUT", STATE, {"state": "halted"}, user=OPERATOR).body
    (account,) = answer["accounts"]
    assert (account["cancelled"], account["left"]) == (0, 1)
    assert "BINANCE_API_KEY is not set" in account["errors"][0]
    assert [IntentDecided.model_validate_json(body).intent_id for body in desk.decided.bodies] == [intent_id]
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
    # The book says 0.5: what the desk caps, it tells as it holds it.
    assert (status["limits"]["max_leverage"], status["limits"]["max_concentration_rate"]) == ("3", "0.25")
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
