"""Protection of a position: placed as a pair the right way round, placed again by the sweep, kept through a halt."""

from decimal import Decimal

import pytest

from shared.adapters.paper_exchange import PaperExchange
from shared.domain.errors import TransientError
from shared.domain.trading.intents import Algorithm, AlgorithmName, Guard
from shared.domain.trading.orders import OrderKind, OrderRequest
from shared.domain.trading.records import Role
from shared.domain.trading.states import AT_RISK, IntentState, OrderState, TradingState
from shared.messages import CronTick
from shared.usecases.protecting import protect_position
from shared.usecases.risk_agent import risk_agent
from tests.usecases.trading_in_memory import SYMBOL, VENUE, TradingInMemory

D = Decimal
GUARD = Guard(stop_price=D(38_000), take_profit_price=D(44_000))


@pytest.fixture
def desk() -> TradingInMemory:
    return TradingInMemory()


def standing(desk: TradingInMemory) -> dict[Role, Decimal]:
    orders = desk.orders.standing(desk.book.book_id, VENUE, SYMBOL)
    return {order.role: order.qty for order in orders if order.state in AT_RISK}


def test_a_pair_is_sent_stop_first_however_its_orders_are_stored(
    desk: TradingInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds: list[tuple[OrderKind, OrderKind]] = []
    place_oco = PaperExchange.place_oco

    def watched(exchange: PaperExchange, stop: OrderRequest, take_profit: OrderRequest) -> object:
        kinds.append((stop.kind, take_profit.kind))
        return place_oco(exchange, stop, take_profit)

    monkeypatch.setattr(PaperExchange, "place_oco", watched)
    for number in range(8):  # their ids sort either way
        desk.wish(intent_id=f"00000000-0000-4000-8000-{number:012d}", guard=GUARD)
        desk.run()
        desk.leave(desk.qty())
        desk.run()
    assert kinds == [(OrderKind.STOP_MARKET, OrderKind.LIMIT)] * 8


def test_protection_that_was_refused_is_placed_by_the_sweep(
    desk: TradingInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> object:
        raise TransientError("too many requests")

    with monkeypatch.context() as patch:
        patch.setattr(PaperExchange, "place_oco", busy)
        desk.wish(guard=GUARD)
        desk.run()
    assert standing(desk) == {}
    desk.sweep()
    assert standing(desk) == {Role.STOP: desk.qty(), Role.TAKE_PROFIT: desk.qty()}


def test_the_sweep_leaves_a_position_alone_that_is_being_left(desk: TradingInMemory) -> None:
    desk.wish(guard=GUARD)
    desk.run()
    high = Algorithm(name=AlgorithmName.LIMIT, limit_price=D(43_000))
    desk.leave(desk.qty() / 2, algorithm=high)
    desk.run()
    orders = len(desk.database.trading.orders)
    desk.sweep(3)
    assert len(desk.database.trading.orders) == orders


def test_an_exit_that_a_halt_overtakes_takes_no_protection_away(desk: TradingInMemory) -> None:
    desk.wish(guard=GUARD)
    desk.run()
    before = standing(desk)
    leaving = desk.leave(desk.qty())
    risk_agent(CronTick(trigger="cron"), desk=desk.risk)
    assert desk.view(leaving).intent.state is IntentState.APPROVED
    desk.states.set("desk", "", TradingState.HALTED, actor="test", reason="because")
    desk.sweep()
    assert desk.view(leaving).intent.state is IntentState.EXPIRED
    assert standing(desk) == before


def test_a_halted_desk_writes_no_orders_it_may_not_send(desk: TradingInMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object) -> object:
        raise TransientError("too many requests")

    monkeypatch.setattr(PaperExchange, "place_oco", busy)
    desk.wish(guard=GUARD)
    desk.run()
    desk.states.set("desk", "", TradingState.HALTED, actor="test", reason="because")
    orders = len(desk.database.trading.orders)
    desk.sweep(3)
    assert len(desk.database.trading.orders) == orders


def test_a_second_process_that_protects_at_once_sends_nothing(
    desk: TradingInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.wish(guard=GUARD)
    desk.run()
    before = standing(desk)
    monkeypatch.setattr(type(desk.orders), "standing", lambda *_: ())  # read before the other had written
    place = desk.book.book_id, VENUE, SYMBOL
    protect_position(*place, guards=desk.guards, floor=desk.floor)
    monkeypatch.undo()
    assert standing(desk) == before
    refused = [row.order for row in desk.database.trading.orders.values() if row.order.attempt == 2]
    assert {order.state for order in refused} == {OrderState.CANCELLED}
    assert all("left to protect" in (order.reason or "") for order in refused)
