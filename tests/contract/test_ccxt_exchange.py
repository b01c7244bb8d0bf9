"""The live adapter where the venue misbehaves: what it says of an order is what has become of it."""

import decimal
from collections.abc import Iterator
from decimal import Decimal

import pytest

from shared.adapters.ccxt_dialect import Keys
from shared.adapters.ccxt_exchange import CcxtExchange
from shared.domain.errors import FatalError, OutcomeUnknownError, RejectedError, TransientError
from shared.domain.trading.instruments import Side
from shared.domain.trading.orders import OrderKind, OrderRequest, is_ours
from shared.domain.trading.states import OrderState
from tests.contract.simulated_venue import KEY, SECRET, SimulatedVenue
from tests.contract.test_exchanges import SYMBOL, a_request

D = Decimal
BALANCES = {"USDT": "1000000", "BTC": "5", "BNB": "10"}


@pytest.fixture(scope="module")
def running() -> Iterator[SimulatedVenue]:
    with SimulatedVenue() as venue:
        yield venue


@pytest.fixture
def venue(running: SimulatedVenue) -> Iterator[SimulatedVenue]:
    running.open_account(balances=BALANCES)
    yield running
    running.faults_off()


def an_exchange(venue: SimulatedVenue, **options: object) -> CcxtExchange:
    keys = options.pop("keys", Keys(api_key=KEY, secret=SECRET))
    return CcxtExchange("binance", keys, venue.clock, url=venue.url, **options)  # type: ignore[arg-type]


@pytest.fixture
def exchange(venue: SimulatedVenue) -> CcxtExchange:
    ready = an_exchange(venue)
    ready.instruments()
    return ready


def a_far_limit() -> OrderRequest:
    return a_request(kind=OrderKind.LIMIT, limit_price=D("30000"))


@pytest.mark.parametrize(("kind", "parameters"), [("answer_lost", {"delay_s": 0.0}), ("answer_5xx", {})])
def test_an_order_whose_answer_is_lost_is_unknown_and_there_once(
    venue: SimulatedVenue, exchange: CcxtExchange, kind: str, parameters: dict[str, float]
) -> None:
    request = a_request()
    venue.fault(kind, **parameters)
    with pytest.raises(OutcomeUnknownError):
        exchange.place(request)
    assert venue.faults_off()[kind] >= 1
    assert len(venue.account()["orders"]) == 1
    report = exchange.order(SYMBOL, request.client_order_id)
    assert report is not None
    assert report.state is OrderState.FILLED


def test_an_answer_that_takes_too_long_is_unknown(venue: SimulatedVenue) -> None:
    hasty = an_exchange(venue, timeout_ms=300)
    hasty.instruments()
    venue.fault("answer_lost", delay_s=1.5)
    with pytest.raises(OutcomeUnknownError, match="RequestTimeout"):
        hasty.place(a_request())
    assert len(venue.account()["orders"]) == 1


@pytest.mark.parametrize(
    ("kind", "parameters", "error"),
    [
        ("private_429", {"retry_after_s": 3}, TransientError),
        ("private_418", {"retry_after_s": 3}, TransientError),
        ("private_5xx", {}, OutcomeUnknownError),  # it may have been taken, for all that is known
        ("down", {}, OutcomeUnknownError),
        ("reject", {}, RejectedError),
    ],
)
def test_what_the_venue_did_not_take_is_not_there(
    venue: SimulatedVenue, exchange: CcxtExchange, kind: str, parameters: dict[str, float], error: type[Exception]
) -> None:
    venue.fault(kind, **parameters)
    with pytest.raises(error) as caught:
        exchange.place(a_request())
    assert venue.faults_off()[kind] == 1, "nothing is repeated by itself"
    assert getattr(caught.value, "retry_after_s", None) == (3.0 if "retry_after_s" in parameters else None)
    assert venue.account()["orders"] == []


def test_a_cancel_whose_answer_is_lost_is_unknown(venue: SimulatedVenue, exchange: CcxtExchange) -> None:
    request = a_far_limit()
    exchange.place(request)
    venue.fault("answer_lost", delay_s=0.0)
    with pytest.raises(OutcomeUnknownError):
        exchange.cancel(SYMBOL, request.client_order_id)
    venue.faults_off()
    report = exchange.order(SYMBOL, request.client_order_id)
    assert report is not None
    assert report.state is OrderState.CANCELLED


def test_a_cancel_that_comes_too_late_returns_the_fill(venue: SimulatedVenue, exchange: CcxtExchange) -> None:
    request = a_far_limit()
    exchange.place(request)
    venue.fault("cancel_race")
    report = exchange.cancel(SYMBOL, request.client_order_id)
    assert (report.state, report.filled_qty) == (OrderState.FILLED, request.qty)


def test_a_partial_fill_stays_partial_until_it_is_cancelled(venue: SimulatedVenue, exchange: CcxtExchange) -> None:
    request = a_request(qty="1")
    venue.fault("partial", filled_rate=0.02)
    assert exchange.place(request).state is OrderState.PARTIALLY_FILLED
    venue.faults_off()
    venue.clock.advance(60_000)
    report = exchange.cancel(SYMBOL, request.client_order_id)
    assert (report.state, report.filled_qty) == (OrderState.CANCELLED, D("0.02"))
    (fill,) = exchange.fills(SYMBOL, since_ms=0)
    assert fill.qty == D("0.02")


def test_trades_told_twice_and_in_disorder_are_one_list(venue: SimulatedVenue, exchange: CcxtExchange) -> None:
    for side in (Side.BUY, Side.SELL, Side.BUY):
        exchange.place(a_request(side, "1.5"))
        venue.clock.advance(1_000)
    honest = exchange.fills(SYMBOL, since_ms=0)
    assert len(honest) > 3
    venue.fault("trades_twice")
    venue.fault("trades_shuffled")
    assert list(exchange.fills(SYMBOL, since_ms=0)) == list(honest)


def test_an_order_that_fills_at_once_costs_two_requests(
    exchange: CcxtExchange, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG", logger="urllib3.connectionpool"):
        report = exchange.place(a_request())
        fills = exchange.fills(SYMBOL, since_ms=0)
    asked = [record.getMessage() for record in caplog.records if "/api/" in record.getMessage()]
    assert [("POST /api/v3/order" in one, "GET /api/v3/myTrades" in one) for one in asked] == [
        (True, False),
        (False, True),
    ]
    assert report.state is OrderState.FILLED
    assert {fill.client_order_id for fill in fills} == {report.client_order_id}


def test_a_thousand_fills_of_one_instant_come_in_pages(venue: SimulatedVenue, exchange: CcxtExchange) -> None:
    for number in range(300):
        venue.foreign_order(
            symbol="BTCUSDT", side="BUY" if number % 2 else "SELL", type="MARKET", quantity="0.9", newClientOrderId="x"
        )
    told = venue.account()["trades"]
    assert len(told) > 1_000
    fills = exchange.fills(SYMBOL, since_ms=0)
    assert [fill.trade_id for fill in fills] == [str(trade["id"]) for trade in told]
    assert exchange.fills(SYMBOL, since_ms=venue.clock.now_ms() + 1) == []


def test_a_wrong_clock_is_set_once_and_a_runaway_clock_is_fatal(venue: SimulatedVenue, exchange: CcxtExchange) -> None:
    venue.fault("clock", offset_ms=90_000)
    assert exchange.place(a_request()).state is OrderState.FILLED
    venue.faults_off()
    assert exchange.place(a_request()).state is OrderState.FILLED
    assert len(venue.account()["orders"]) == 2


def test_the_first_use_refuses_a_key_that_may_withdraw(venue: SimulatedVenue) -> None:
    venue.open_account("rich", secret=SECRET, balances=BALANCES, can_withdraw=True)
    exchange = an_exchange(venue, keys=Keys(api_key="rich", secret=SECRET))
    with pytest.raises(FatalError, match="may withdraw"):
        exchange.balances()
    with pytest.raises(FatalError, match="may withdraw"):
        exchange.place(a_request())
    assert venue.account("rich")["orders"] == []


@pytest.mark.parametrize("keys", [Keys(api_key="nobody", secret="x"), Keys(api_key=KEY, secret="wrong")])
def test_a_bad_key_is_fatal_and_not_told(venue: SimulatedVenue, keys: Keys) -> None:
    with pytest.raises(FatalError) as caught:
        an_exchange(venue, keys=keys).balances()
    assert keys.api_key not in str(caught.value)


def test_what_others_do_with_the_key_is_seen(venue: SimulatedVenue, exchange: CcxtExchange) -> None:
    venue.foreign_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.01")
    venue.foreign_order(
        symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.01", price="30000.00"
    )
    (resting,) = exchange.open_orders()
    (fill,) = exchange.fills(SYMBOL, since_ms=0)
    assert not is_ours(resting.client_order_id)
    assert not is_ours(fill.client_order_id)
    assert exchange.cancel(SYMBOL, resting.client_order_id).state is OrderState.CANCELLED


def test_a_fee_in_a_third_asset_is_worth_what_it_is_told(venue: SimulatedVenue) -> None:
    venue.open_account(balances=BALANCES, bnb_price="310")
    blind = an_exchange(venue)
    blind.place(a_request())
    with pytest.raises(TransientError, match="BNB"):
        blind.fills(SYMBOL, since_ms=0)
    exchange = an_exchange(venue, price_of=lambda asset, quote: {("BNB", "USDT"): D(300)}[asset, quote])
    for fill in exchange.fills(SYMBOL, since_ms=0):
        assert (fill.fee_asset, fill.fee_notional) == ("BNB", fill.fee_qty * 300)
        assert fill.fee_qty == pytest.approx(fill.notional * D("0.001") / 310, abs=D("1e-8"))


def test_the_desks_arithmetic_is_left_alone(exchange: CcxtExchange) -> None:
    before = decimal.getcontext().copy()
    exchange.place(a_request())
    with pytest.raises(RejectedError):
        exchange.place(a_request(qty="900"))
    after = decimal.getcontext()
    assert (after.rounding, after.prec, after.traps) == (before.rounding, before.prec, before.traps)
