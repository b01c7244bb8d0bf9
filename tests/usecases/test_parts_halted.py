"""A venue that is halted, or a symbol there, is left out by who may go elsewhere; what rests there is taken back."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.domain.errors import FatalError
from shared.domain.trading.intents import Algorithm, AlgorithmName
from shared.domain.trading.orders import TimeInForce
from shared.domain.trading.states import IntentState, OrderState, Scope, TradingState
from shared.usecases.halting import keys_of, set_part_state
from shared.venue_ports import Exchange
from tests.usecases.two_venues import TwoVenues

RESTING = Algorithm(name=AlgorithmName.LIMIT, limit_price=Decimal(39_000), time_in_force=TimeInForce.GTC)


class WithoutKeys:
    """What the API has of venues: nothing."""

    def of(self, venue: str, account: str) -> Exchange:
        raise FatalError(f"no keys of {account} at {venue}")


@pytest.fixture
def desk() -> TwoVenues:
    return TwoVenues()


def set_part(desk: TwoVenues, scope: Scope, key: str, state: TradingState = TradingState.HALTED) -> int:
    """Set a state and return how many orders were cancelled for it."""
    keys = keys_of(scope, key, instruments=desk.trading.instruments)
    halt = set_part_state(
        scope, keys, state, actor="ada", reason="test", switch=desk.trading.switch, floor=desk.trading.floor
    )
    assert halt.state is state
    return sum(account.cancelled for account in halt.accounts)


@pytest.mark.parametrize(("scope", "key"), [(Scope.VENUE, "binance"), (Scope.SYMBOL, "binance:BTC/USDT")])
def test_an_intent_of_any_venue_goes_to_one_that_may_be_traded_at(desk: TwoVenues, scope: Scope, key: str) -> None:
    set_part(desk, scope, key)
    intent = desk.wish()
    assert desk.went_to(intent) == ["okx"]
    assert desk.trading.view(intent).intent.state is IntentState.EXECUTED
    set_part(desk, scope, key, TradingState.ACTIVE)
    assert desk.went_to(desk.wish()) == ["binance"]


def test_a_symbol_halted_everywhere_is_traded_nowhere(desk: TwoVenues) -> None:
    set_part(desk, Scope.SYMBOL, "BTC/USDT")
    intent = desk.wish()
    desk.trading.sweep(6)
    assert desk.went_to(intent) == []
    assert desk.trading.view(intent).intent.state is IntentState.EXPIRED


def test_what_rests_at_a_halted_venue_is_taken_back_and_ordered_again_when_it_may_be(desk: TwoVenues) -> None:
    intent = desk.wish(algorithm=RESTING)
    assert desk.went_to(intent) == ["binance"]
    assert set_part(desk, Scope.VENUE, "okx") == 0
    assert set_part(desk, Scope.VENUE, "binance") == 1
    desk.trading.sweep(3)
    assert [order.state for order in desk.trading.view(intent).orders] == [OrderState.CANCELLED]
    set_part(desk, Scope.VENUE, "binance", TradingState.ACTIVE)
    desk.trading.sweep()
    desk.pass_time()
    assert [order.state for order in desk.trading.view(intent).orders] == [OrderState.CANCELLED, OrderState.OPEN]


def test_execution_takes_back_what_the_switch_could_not_reach(desk: TwoVenues) -> None:
    intent = desk.wish(algorithm=RESTING)
    keyless = replace(desk.trading.floor, exchanges=WithoutKeys())
    halt = set_part_state(
        Scope.VENUE, ["binance"], TradingState.HALTED, actor="a", reason="", switch=desk.trading.switch, floor=keyless
    )
    assert [(account.cancelled, account.left, account.errors) for account in halt.accounts] == [(1, 0, ())]
    assert halt.handed_over == 1
    assert [order.state for order in desk.trading.view(intent).orders] == [OrderState.CANCELLED]
    assert desk.trading.view(intent).intent.state is IntentState.EXECUTING


def test_an_order_waiting_for_its_time_at_a_halted_venue_makes_no_others(desk: TwoVenues) -> None:
    twap = Algorithm(name=AlgorithmName.TWAP, duration_ms=600_000, slices=5)
    intent = desk.wish(algorithm=twap)
    before = len(desk.trading.view(intent).orders)
    set_part(desk, Scope.VENUE, "binance")
    desk.trading.sweep(5)
    view = desk.trading.view(intent)
    assert len(view.orders) == before
    assert {order.state for order in view.orders} == {OrderState.FILLED, OrderState.CANCELLED}
    desk.trading.sweep(6)
    assert desk.trading.view(intent).intent.state is IntentState.EXECUTED
