"""The simulated venue's private REST as Binance documents it: who is let in, and which code each refusal has."""

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from tests.contract.simulated_venue import KEY, SECRET, SimulatedVenue


@pytest.fixture(scope="module")
def running() -> Iterator[SimulatedVenue]:
    with SimulatedVenue() as venue:
        yield venue


@pytest.fixture
def venue(running: SimulatedVenue) -> Iterator[SimulatedVenue]:
    running.open_account(balances={"USDT": "100000", "BTC": "2"})
    yield running
    running.faults_off()


def ask(
    venue: SimulatedVenue,
    method: str,
    path: str,
    *,
    key: str = KEY,
    secret: str = SECRET,
    late_ms: int = 0,
    **values: Any,
) -> httpx.Response:
    sent = {name: value for name, value in values.items() if value is not None}
    query = urlencode(sent | {"timestamp": venue.clock.now_ms() - late_ms})
    signature = hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()
    return venue.http.request(method, f"{path}?{query}&signature={signature}", headers={"X-MBX-APIKEY": key})


def order(venue: SimulatedVenue, **values: Any) -> httpx.Response:
    usual: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
    return ask(venue, "POST", "/api/v3/order", **(usual | values))


def code(answer: httpx.Response) -> tuple[int, int]:
    return answer.status_code, answer.json()["code"]


def price(venue: SimulatedVenue) -> float:
    return float(venue.http.get("/api/v3/ticker/price", params={"symbol": "BTCUSDT"}).json()["price"])


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"key": "another"}, (401, -2015)),
        ({"secret": "another"}, (400, -1022)),
        ({"late_ms": 6_000}, (400, -1021)),
        ({"late_ms": -1_000}, (400, -1021)),
        ({"late_ms": 6_000, "recvWindow": 5_999}, (400, -1021)),
        ({"recvWindow": 60_001}, (400, -1131)),
    ],
)
def test_who_is_not_let_in(venue: SimulatedVenue, changes: dict[str, Any], refusal: tuple[int, int]) -> None:
    assert code(ask(venue, "GET", "/api/v3/account", **changes)) == refusal
    assert code(order(venue, **changes)) == refusal
    assert venue.account()["orders"] == []


def test_a_late_request_within_its_window_is_let_in(venue: SimulatedVenue) -> None:
    assert ask(venue, "GET", "/api/v3/account", late_ms=6_000, recvWindow=6_000).status_code == 200
    assert venue.http.get("/api/v3/account", headers={"X-MBX-APIKEY": KEY}).json()["code"] == -1022


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"symbol": "NOPE"}, -1121),
        ({"symbol": None}, -1102),
        ({"type": "WISH"}, -1116),
        ({"side": "UP"}, -1117),
        ({"quantity": "much"}, -1100),
        ({"quantity": "0.000015"}, -1013),
        ({"quantity": "0"}, -1013),
        ({"quantity": "0.0001"}, -1013),
        ({"quantity": "50"}, -2010),
        ({"side": "SELL", "quantity": "2.00001"}, -2010),
        ({"price": "40000"}, -1106),
        ({"type": "LIMIT", "price": "40000"}, -1102),
        ({"type": "LIMIT", "price": "40000", "timeInForce": "NOW"}, -1115),
        ({"type": "LIMIT", "price": "40000.001", "timeInForce": "GTC"}, -1013),
        ({"type": "LIMIT", "price": "900", "timeInForce": "GTC", "quantity": "1"}, -1013),
        ({"type": "LIMIT_MAKER", "price": "44000"}, -2010),
        ({"type": "STOP_LOSS", "side": "SELL", "stopPrice": "44000"}, -2010),
        ({"type": "TAKE_PROFIT", "side": "SELL", "stopPrice": "38000"}, -2010),
        ({"type": "STOP_LOSS", "side": "SELL"}, -1102),
        ({"newClientOrderId": "an id with spaces"}, -1100),
    ],
)
def test_what_is_no_order(venue: SimulatedVenue, changes: dict[str, Any], refusal: int) -> None:
    assert code(order(venue, **changes)) == (400, refusal)
    assert venue.account()["orders"] == []


def test_an_id_is_taken_again_once_its_order_has_ended(venue: SimulatedVenue) -> None:
    resting = {"type": "LIMIT", "price": "30000", "timeInForce": "GTC", "newClientOrderId": "same"}
    assert order(venue, **resting).json()["status"] == "NEW"
    assert code(order(venue, **resting)) == (400, -2010)
    assert ask(venue, "DELETE", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="same").status_code == 200
    assert order(venue, **resting).json()["status"] == "NEW"
    newest = ask(venue, "GET", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="same").json()
    assert newest["status"] == "NEW"


def test_orders_nobody_has_placed(venue: SimulatedVenue) -> None:
    unknown: dict[str, Any] = {"symbol": "BTCUSDT", "origClientOrderId": "never"}
    assert code(ask(venue, "GET", "/api/v3/order", **unknown)) == (400, -2013)
    assert code(ask(venue, "DELETE", "/api/v3/order", **unknown)) == (400, -2011)
    assert code(ask(venue, "DELETE", "/api/v3/openOrders", symbol="BTCUSDT")) == (400, -2011)
    assert code(ask(venue, "GET", "/api/v3/order", symbol="BTCUSDT")) == (400, -1102)


def test_a_take_profit_waits_above_and_a_stop_limit_becomes_a_limit(venue: SimulatedVenue) -> None:
    now = price(venue)
    profit = order(venue, side="SELL", type="TAKE_PROFIT", stopPrice=f"{now + 3:.2f}").json()
    stop = order(
        venue,
        side="SELL",
        type="STOP_LOSS_LIMIT",
        timeInForce="GTC",
        stopPrice=f"{now - 3:.2f}",
        price=f"{now + 900:.2f}",
    ).json()
    assert {profit["status"], stop["status"]} == {"NEW"}
    for _ in range(2_000):
        venue.clock.advance(5_000)
        states = {one["orderId"]: one for one in venue.account()["orders"]}
        if states[profit["orderId"]]["isWorking"] and states[stop["orderId"]]["isWorking"]:
            break
    assert states[profit["orderId"]]["status"] == "FILLED"
    assert (states[stop["orderId"]]["status"], states[stop["orderId"]]["isWorking"]) == ("NEW", True)


def test_cancelling_all_ends_the_orders_of_a_symbol(venue: SimulatedVenue) -> None:
    resting = {"type": "LIMIT", "price": "30000", "timeInForce": "GTC"}
    for _ in range(3):
        order(venue, **resting)
    ended = ask(venue, "DELETE", "/api/v3/openOrders", symbol="BTCUSDT").json()
    assert [one["status"] for one in ended] == ["CANCELED"] * 3
    assert ask(venue, "GET", "/api/v3/openOrders").json() == []
    assert ask(venue, "GET", "/api/v3/account", omitZeroBalances="true").json()["balances"] == [
        {"asset": "BTC", "free": "2.00000000", "locked": "0.00000000"},
        {"asset": "USDT", "free": "100000.00000000", "locked": "0.00000000"},
    ]


def test_the_book_is_that_of_the_ticker(venue: SimulatedVenue) -> None:
    best = venue.http.get("/api/v3/ticker/bookTicker", params={"symbol": "BTCUSDT"}).json()
    book = venue.http.get("/api/v3/depth", params={"symbol": "BTCUSDT", "limit": 5}).json()
    assert (book["bids"][0][0], book["asks"][0][0]) == (best["bidPrice"], best["askPrice"])
    assert len(book["bids"]) == len(book["asks"]) == 5


def test_an_account_is_opened_as_described_or_not_at_all(venue: SimulatedVenue) -> None:
    answer = venue.http.put("/_accounts/new", json={"secret": "s", "balance": {}})
    assert answer.status_code == 400
    assert "balance" in answer.json()["error"]
    assert venue.http.get("/_accounts/new").status_code == 404
