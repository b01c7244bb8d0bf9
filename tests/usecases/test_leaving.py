"""A position whose guard is reached is left, also when somebody is leaving it more slowly: exactly once."""

from decimal import Decimal
from typing import Any

import pytest

from shared.adapters.paper_exchange import PaperExchange
from shared.domain.errors import OutcomeUnknownError, TransientError
from shared.domain.trading.intents import Algorithm, AlgorithmName, Guard, Intent, Source
from shared.domain.trading.money import total
from shared.domain.trading.paper import PaperBar
from shared.domain.trading.records import Role
from shared.domain.trading.states import AT_RISK, IntentState, OrderState
from shared.trading_messages import IntentDecided, TickersWritten
from shared.usecases.execution_agent import execution_agent
from shared.usecases.risk_agent import decide_intent
from tests.usecases.trading_in_memory import SYMBOL, VENUE, TradingInMemory

D = Decimal
STOP = Guard(stop_price=D(38_000), take_profit_price=D(46_000))
TARGET = Algorithm(name=AlgorithmName.LIMIT, limit_price=D(43_000))
TWAP = Algorithm(name=AlgorithmName.TWAP, duration_ms=600_000, slices=5)


@pytest.fixture
def desk() -> TradingInMemory:
    desk = TradingInMemory()
    desk.wish(guard=STOP)
    desk.run()
    return desk


def looks(desk: TradingInMemory) -> list[str]:
    return execution_agent(TickersWritten(tickers_of=VENUE), desk=desk.execution).exits


def exits(desk: TradingInMemory) -> list[Intent]:
    rows = desk.database.trading.intents.values()
    return [row.intent for row in rows if row.intent.source is Source.PROTECTION]


def sold(desk: TradingInMemory) -> Decimal:
    return total(row.fill.qty for row in desk.database.trading.fills.values() if row.fill.side.sign < 0)


def standing(desk: TradingInMemory) -> dict[Role, Decimal]:
    orders = desk.orders.standing(desk.book.book_id, VENUE, SYMBOL)
    return {order.role: order.qty for order in orders if order.state in AT_RISK}


def test_a_resting_exit_gives_way_to_the_stop(desk: TradingInMemory) -> None:
    held, slow = desk.qty(), desk.leave(desk.qty(), algorithm=TARGET)
    desk.run()
    assert [order.state for order, _ in desk.orders.resting()] == [OrderState.OPEN]
    desk.market.price = D(37_900)
    assert looks(desk) == []  # the limit has to go first
    desk.run()
    view = desk.view(slow)
    assert (view.intent.state, [order.state for order in view.orders]) == (IntentState.FAILED, [OrderState.CANCELLED])
    assert "to be left at once: the price reached 37900.00, the stop is 38000" in (view.intent.withdrawn or "")
    assert [intent.state for intent in exits(desk)] == [IntentState.EXECUTED]
    assert (desk.qty(), sold(desk)) == (D(0), held)
    desk.sweep(3)
    assert len(exits(desk)) == 1
    assert desk.adds_up()


def test_what_a_resting_exit_has_filled_stays_filled(desk: TradingInMemory) -> None:
    held, slow = desk.qty(), desk.leave(desk.qty(), algorithm=TARGET)
    desk.run()
    opened = desk.clock.advance(60_000) // 60_000 * 60_000
    high = PaperBar(
        open_time=opened, close_time=opened + 60_000, open=D(42_000), high=D(43_500), low=D(42_000), volume=D("0.5")
    )
    desk.market.bars.append(high)
    desk.clock.advance(60_000)
    desk.sweep()
    part = held - desk.qty()
    assert D(0) < part < held
    desk.market.price = D(37_900)
    looks(desk)
    desk.run()
    assert desk.view(slow).intent.state is IntentState.EXECUTED
    assert [(intent.state, intent.qty) for intent in exits(desk)] == [(IntentState.EXECUTED, held - part)]
    assert (desk.qty(), sold(desk)) == (D(0), held)
    assert desk.adds_up()


def test_a_twap_gives_way_between_its_slices(desk: TradingInMemory) -> None:
    held, slow = desk.qty(), desk.leave(desk.qty(), algorithm=TWAP)
    desk.run()
    desk.sweep(3)
    assert D(0) < desk.qty() < held
    desk.market.price = D(37_900)
    looks(desk)
    desk.run()
    states = [order.state for order in desk.view(slow).orders]
    assert set(states) == {OrderState.FILLED, OrderState.CANCELLED}
    assert (desk.qty(), sold(desk)) == (D(0), held)
    desk.sweep(12)
    assert sold(desk) == held
    assert desk.adds_up()


def test_nothing_is_sold_while_the_cancel_is_in_doubt(desk: TradingInMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object) -> object:
        raise OutcomeUnknownError("no answer")

    def away(*_: object, **__: object) -> object:
        raise TransientError("the venue is away")

    held, slow = desk.qty(), desk.leave(desk.qty(), algorithm=TARGET)
    desk.run()
    desk.market.price = D(37_900)
    with monkeypatch.context() as patch:
        patch.setattr(PaperExchange, "cancel", lost)
        patch.setattr(PaperExchange, "order", away)
        patch.setattr(PaperExchange, "open_orders", away)
        for _ in range(3):
            looks(desk)
            desk.run()
            desk.clock.advance(30_000)
        assert [order.state for order in desk.view(slow).orders] == [OrderState.UNKNOWN]
        assert exits(desk) == []
    desk.sweep(2)
    assert (desk.qty(), sold(desk), len(exits(desk))) == (D(0), held, 1)
    assert desk.adds_up()


def test_an_exit_that_was_denied_for_another_is_raised_again_once_that_has_ended(desk: TradingInMemory) -> None:
    desk.wish(guard=Guard(trailing_rate=D("0.05")))
    desk.run()
    held = desk.qty()
    slow = desk.leave(held, algorithm=TARGET)
    desk.market.price = D(37_900)
    (denied,) = looks(desk)  # nobody has decided the slow one yet
    assert decide_intent(slow.intent_id, desk=desk.risk).state == "approved"
    assert decide_intent(denied, desk=desk.risk).state == "denied"
    work = IntentDecided(intent_id=slow.intent_id, correlation_id=slow.correlation_id)
    execution_agent(work, desk=desk.execution)
    assert looks(desk) == []
    desk.run()
    assert [intent.state for intent in exits(desk)] == [IntentState.DENIED, IntentState.EXECUTED]
    assert (desk.qty(), sold(desk)) == (D(0), held)


def test_one_that_has_not_begun_is_left_out_at_once(desk: TradingInMemory) -> None:
    desk.wish(guard=Guard(trailing_rate=D("0.05")))
    desk.run()
    slow = desk.leave(desk.qty(), algorithm=TARGET)
    assert decide_intent(slow.intent_id, desk=desk.risk).state == "approved"
    desk.market.price = D(37_900)
    assert len(looks(desk)) == 1
    assert desk.view(slow).intent.state is IntentState.EXPIRED
    desk.run()
    assert desk.qty() == 0


@pytest.mark.parametrize("source", [Source.PROTECTION, Source.PERSON])
def test_what_leaves_at_any_price_is_left_alone(desk: TradingInMemory, source: Source) -> None:
    desk.wish(guard=Guard(trailing_rate=D("0.05")))
    desk.run()
    quick = desk.leave(desk.qty(), source=source)
    assert decide_intent(quick.intent_id, desk=desk.risk).state == "approved"
    desk.market.price = D(37_900)
    assert looks(desk) == []
    assert desk.view(quick).intent.withdrawn is None
    desk.run()
    assert desk.qty() == 0


def test_a_guarded_position_is_left_by_a_twap_and_protected_again_if_that_ends_early(desk: TradingInMemory) -> None:
    held = desk.qty()
    slow = desk.leave(held / 2, algorithm=TWAP)
    desk.run()
    desk.sweep(4)
    assert standing(desk) == {}  # what the next slices sell cannot be promised to a stop as well
    desk.intents.withdraw(desk.view(slow).intent, actor="ada", reason="enough")
    desk.sweep()
    assert desk.view(slow).intent.state is IntentState.EXECUTED
    assert standing(desk) == {Role.STOP: desk.qty(), Role.TAKE_PROFIT: desk.qty()}
    rest = desk.leave(desk.qty(), algorithm=TWAP)
    desk.run()
    desk.sweep(12)
    assert (desk.view(rest).intent.state, desk.qty()) == (IntentState.EXECUTED, D(0))
    assert {order.state for order in desk.view(rest).orders} == {OrderState.FILLED}


def test_an_entry_that_filled_nothing_leaves_the_guard_as_it_is(desk: TradingInMemory) -> None:
    before = desk.guard()
    low = Algorithm(name=AlgorithmName.LIMIT, limit_price=D(39_000))
    changes: dict[str, Any] = {"guard": Guard(stop_price=D(20_000)), "algorithm": low}
    more = desk.wish(**changes)
    desk.run()
    desk.intents.withdraw(desk.view(more).intent, actor="ada", reason="thought better of it")
    desk.sweep()
    assert desk.view(more).intent.state is IntentState.FAILED
    assert desk.guard() == before
