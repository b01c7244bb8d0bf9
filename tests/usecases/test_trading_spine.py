"""From an intent to a position that is held, protected and accounted for."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.trading.intents import Algorithm, AlgorithmName, Guard, Purpose, Sizing, SizingMethod
from shared.domain.trading.orders import TimeInForce
from shared.domain.trading.records import Order, Role
from shared.domain.trading.states import IntentState, OrderState, TradingState
from shared.messages import IntentRaised
from shared.trading_messages import IntentDecided, TickersWritten
from shared.usecases.execution_agent import execution_agent
from shared.usecases.halting import Halt, set_desk_state
from shared.usecases.patience import Patience
from shared.usecases.risk_agent import risk_agent
from tests.fakes.counted import Counted
from tests.fakes.orders import MemoryOrderStore
from tests.usecases.trading_in_memory import SYMBOL, VENUE, TradingInMemory

D = Decimal
WAITING = Algorithm(name=AlgorithmName.LIMIT, limit_price=D(50_000), time_in_force=TimeInForce.GTC)


@pytest.fixture
def desk() -> TradingInMemory:
    return TradingInMemory()


def test_an_intent_becomes_a_position_that_the_venue_has_too(desk: TradingInMemory) -> None:
    intent = desk.wish()
    desk.run()
    view = desk.view(intent)
    assert view.intent.state is IntentState.EXECUTED
    assert [order.state for order in view.orders] == [OrderState.FILLED] * len(view.orders)
    assert desk.qty() == view.intent.qty == sum(fill.qty for fill in view.fills)
    assert 9_990 < desk.qty() * desk.market.price <= 10_000
    assert desk.adds_up()


def test_every_message_twice_changes_nothing(desk: TradingInMemory) -> None:
    intent = desk.wish()
    raised = IntentRaised(intent_id=intent.intent_id, correlation_id=intent.correlation_id)
    decided = IntentDecided(intent_id=intent.intent_id, correlation_id=intent.correlation_id)
    for _ in range(3):
        risk_agent(raised, desk=desk.risk)
        execution_agent(decided, desk=desk.execution)
    desk.run()
    view = desk.view(intent)
    assert view.intent.state is IntentState.EXECUTED
    assert desk.qty() == view.intent.qty
    assert desk.adds_up()


def test_a_lost_message_is_made_good_by_the_sweep(desk: TradingInMemory) -> None:
    intent = desk.wish()
    desk.raised.bodies.clear()
    desk.sweep()
    assert desk.view(intent).intent.state is IntentState.EXECUTED


def test_a_denial_says_every_reason_and_trades_nothing(desk: TradingInMemory) -> None:
    from dataclasses import replace

    sizing = replace(desk.wish().sizing, value=D(900_000))
    intent = desk.wish(sizing=sizing, guard=Guard(stop_price=D(50_000)))
    desk.run()
    view = desk.view(intent)
    assert view.intent.state is IntentState.DENIED
    assert view.orders == ()


def test_an_exit_leaves_what_it_says_and_never_more_than_is_held(desk: TradingInMemory) -> None:
    desk.wish()
    desk.run()
    held = desk.qty()
    desk.leave(held / 2)
    desk.run()
    assert D(0) < desk.qty() <= held / 2 + D("0.00001")
    desk.leave(held * 5)
    desk.run()
    assert desk.qty() == 0
    assert desk.adds_up()


def test_a_stop_stands_at_the_venue_as_large_as_the_position(desk: TradingInMemory) -> None:
    desk.wish(guard=Guard(stop_price=D(38_000), take_profit_price=D(43_000)))
    desk.run()
    standing = desk.orders.standing(desk.book.book_id, VENUE, SYMBOL)
    assert {(order.role, order.qty, order.state) for order in standing} == {
        (Role.STOP, desk.qty(), OrderState.OPEN),
        (Role.TAKE_PROFIT, desk.qty(), OrderState.OPEN),
    }
    desk.leave(desk.qty() / 4)
    desk.run()
    standing = desk.orders.standing(desk.book.book_id, VENUE, SYMBOL)
    assert [order.qty for order in standing] == [desk.qty()] * 2


def test_a_stop_that_is_reached_leaves_the_position(desk: TradingInMemory) -> None:
    desk.wish(guard=Guard(stop_price=D(38_000), take_profit_price=D(43_000)))
    desk.run()
    desk.market.move(D(37_500))
    desk.sweep(2)
    assert desk.qty() == 0
    assert desk.orders.standing(desk.book.book_id, VENUE, SYMBOL) == []
    assert desk.adds_up()


def test_a_trailing_stop_is_the_desks_to_watch(desk: TradingInMemory) -> None:
    desk.wish(guard=Guard(trailing_rate=D("0.05")))
    desk.run()
    for price in (42_000, 44_000, 42_500):
        desk.market.move(D(price))
        execution_agent(TickersWritten(tickers_of=VENUE), desk=desk.execution)
        desk.run()
        assert desk.qty() > 0
    desk.market.move(D(41_700))
    execution_agent(TickersWritten(tickers_of=VENUE), desk=desk.execution)
    desk.run()
    assert desk.qty() == 0


def test_a_twap_fills_all_of_it_in_its_time(desk: TradingInMemory) -> None:
    intent = desk.wish(algorithm=Algorithm(name=AlgorithmName.TWAP, duration_ms=600_000, slices=5))
    desk.run()
    assert D(0) < desk.qty() < (desk.view(intent).intent.qty or D(0))
    desk.sweep(12)
    view = desk.view(intent)
    assert view.intent.state is IntentState.EXECUTED
    assert desk.qty() == view.intent.qty
    assert len({order.due_at_ms for order in view.orders}) == 5
    assert desk.adds_up()


def resting(desk: TradingInMemory) -> None:
    limit = Algorithm(name=AlgorithmName.LIMIT, limit_price=D(39_000), time_in_force=TimeInForce.GTC)
    desk.wish(algorithm=limit)
    desk.run()
    (order, _) = desk.orders.resting()[0]
    assert order.state is OrderState.OPEN


def test_a_halt_cancels_what_rests_and_lets_nothing_through(desk: TradingInMemory) -> None:
    resting(desk)
    halt = set_desk_state(
        TradingState.HALTED, actor="ada", reason="drill", flatten=False, switch=desk.switch, floor=desk.floor
    )
    assert (halt.state, [(each.cancelled, each.left) for each in halt.accounts]) == (TradingState.HALTED, [(1, 0)])
    assert desk.orders.resting() == []
    intent = desk.wish()
    desk.run()
    assert desk.view(intent).intent.state is IntentState.DENIED
    desk.sweep()
    assert desk.qty() == 0


def test_a_halt_writes_down_any_number_of_cancels_in_two_calls(desk: TradingInMemory) -> None:
    for price in range(38_001, 38_013):
        desk.wish(
            algorithm=Algorithm(name=AlgorithmName.LIMIT, limit_price=D(price), time_in_force=TimeInForce.GTC),
            sizing=Sizing(method=SizingMethod.QTY, value=D("0.001")),
        )
        desk.run()
    assert len(desk.orders.resting()) == 12
    orders: Any = Counted(desk.orders)
    floor = replace(desk.floor, orders=orders)
    halt = set_desk_state(
        TradingState.HALTED, actor="ada", reason="drill", flatten=False, switch=desk.switch, floor=floor
    )
    assert [(each.cancelled, each.left, each.errors) for each in halt.accounts] == [(12, 0, ())]
    assert orders.calls == {"accounts": 1, "resting": 1, "mark_all": 1, "advance_all": 1}
    assert desk.orders.resting() == []


def test_an_order_that_somebody_settles_at_the_same_time_is_cancelled_all_the_same(desk: TradingInMemory) -> None:
    resting(desk)
    stale = [(replace(order, version=order.version - 1), purpose) for order, purpose in desk.orders.resting()]

    class Behind(MemoryOrderStore):
        def resting(self, *, trader_id: str | None = None) -> Sequence[tuple[Order, Purpose]]:
            return stale

    floor = replace(desk.floor, orders=Behind(desk.database))
    halt = set_desk_state(
        TradingState.HALTED, actor="a person", reason="test", flatten=False, switch=desk.switch, floor=floor
    )
    assert [(each.cancelled, each.left, each.errors) for each in halt.accounts] == [(1, 0, ())]
    assert desk.orders.resting() == []


def test_an_intent_approved_before_a_halt_is_not_sent_after_it(desk: TradingInMemory) -> None:
    intent = desk.wish()
    risk_agent(IntentRaised(intent_id=intent.intent_id, correlation_id=intent.correlation_id), desk=desk.risk)
    desk.states.set("desk", "", TradingState.HALTED, actor="ada", reason="drill")
    desk.run()
    desk.sweep()
    assert desk.qty() == 0
    assert desk.view(intent).intent.state in (IntentState.EXPIRED, IntentState.FAILED)


def flatten(desk: TradingInMemory) -> Halt:
    return set_desk_state(
        TradingState.REDUCING, actor="ada", reason="drill", flatten=True, switch=desk.switch, floor=desk.floor
    )


@pytest.mark.parametrize("algorithm", [WAITING, Algorithm(name=AlgorithmName.TWAP, duration_ms=600_000, slices=3)])
def test_flattening_takes_exits_that_wait_out_of_the_way(desk: TradingInMemory, algorithm: Algorithm) -> None:
    desk.wish()
    desk.run()
    slow = desk.leave(desk.qty(), algorithm=algorithm)
    desk.run()
    assert desk.view(slow).intent.state is IntentState.EXECUTING
    (fast,) = flatten(desk).exits
    desk.run()
    assert desk.qty() == 0
    assert desk.view(slow).intent.withdrawn == "everything is to be left at once"
    assert desk.orders.execution(fast).intent.state is IntentState.EXECUTED
    assert desk.adds_up()


def test_flattening_again_leaves_what_the_first_time_could_not(desk: TradingInMemory) -> None:
    desk.wish()
    desk.run()
    slow = desk.leave(desk.qty(), algorithm=WAITING)
    desk.run()
    patient, desk.switch = desk.switch, replace(desk.switch, patience=Patience(up_to_ms=0))
    (denied,) = flatten(desk).exits
    risk_agent(IntentRaised(intent_id=denied, correlation_id="as-it-was"), desk=desk.risk)  # before the other has ended
    assert desk.orders.execution(denied).intent.state is IntentState.DENIED
    desk.run()
    desk.switch = patient
    (raised,) = flatten(desk).exits
    desk.run()
    assert (raised != denied, desk.qty(), desk.view(slow).intent.state) == (True, D(0), IntentState.FAILED)
    assert desk.adds_up()


def test_flattening_leaves_everything_and_then_halts(desk: TradingInMemory) -> None:
    desk.wish(guard=Guard(stop_price=D(38_000)))
    desk.run()
    halt = set_desk_state(
        TradingState.HALTED, actor="ada", reason="drill", flatten=True, switch=desk.switch, floor=desk.floor
    )
    assert halt.state is TradingState.REDUCING
    desk.run()
    assert desk.qty() == 0
    assert desk.adds_up()
