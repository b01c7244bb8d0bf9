"""Protection of a position: placed as a pair the right way round, placed again by the sweep, kept through a halt."""

from decimal import Decimal
from itertools import pairwise

import pytest

from shared.adapters.paper_exchange import PaperExchange
from shared.domain.errors import FatalError, RejectedError, TransientError
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


def refuse(*_: object) -> object:
    raise RejectedError("would_trigger", "Stop price would trigger immediately.")


def alerts(desk: TradingInMemory) -> list[str]:
    return [alert.sentence for alert in desk.database.trading.alerts.values()]


def test_a_stop_that_is_refused_is_tried_ever_more_seldom_and_told_of_until_one_stands(
    desk: TradingInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(PaperExchange, "place_oco", refuse)
        desk.wish(guard=GUARD)
        desk.run()
        desk.sweep(2)
        stops = [row.order for row in desk.database.trading.orders.values() if row.order.role is Role.STOP]
        assert [order.state for order in stops] == [OrderState.REJECTED] * 3
        assert alerts(desk) == [
            "BTC/USDT has no stop at binance, and the desk alone watches it: it was refused 3 times in a row, "
            "would_trigger: would_trigger: Stop price would trigger immediately."
        ]
        desk.sweep(10 * 60)
        times = [
            row.order.submitted_at_ms or 0
            for row in desk.database.trading.orders.values()
            if row.order.role is Role.STOP
        ]
        pauses_min = [(after - before) // 60_000 for before, after in pairwise(sorted(times))]
        assert pauses_min[:8] == [1, 1, 2, 4, 8, 16, 32, 60]
        assert set(pauses_min[8:]) == {60}
        assert len(alerts(desk)) == 1
    desk.sweep(61)
    assert standing(desk) == {Role.STOP: desk.qty(), Role.TAKE_PROFIT: desk.qty()}
    assert alerts(desk) == []


def test_a_stop_of_another_size_is_tried_at_once(desk: TradingInMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(PaperExchange, "place_oco", refuse)
        desk.wish(guard=GUARD)
        desk.run()
        desk.sweep(10)
    assert standing(desk) == {}
    desk.leave(desk.qty() / 2)
    desk.run()
    assert standing(desk) == {Role.STOP: desk.qty(), Role.TAKE_PROFIT: desk.qty()}


def test_what_could_not_be_protected_is_told_of(desk: TradingInMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_key(*_: object) -> object:
        raise FatalError("no key")

    with monkeypatch.context() as patch:
        patch.setattr(PaperExchange, "place_oco", refuse)
        desk.wish(guard=GUARD)
        desk.run()
    with monkeypatch.context() as patch:
        patch.setattr(PaperExchange, "capabilities", no_key)
        desk.sweep()
        assert alerts(desk) == ["BTC/USDT has no stop at binance, and the desk alone watches it: FatalError: no key"]
    desk.sweep()
    assert alerts(desk) == []


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
