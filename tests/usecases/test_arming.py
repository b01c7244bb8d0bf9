"""A venue's dead-man timer takes back what a desk that is gone has left resting, and never what protects."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.adapters.paper_exchange import PaperExchange
from shared.domain.errors import OutcomeUnknownError, TransientError
from shared.domain.trading.accounts import Timer
from shared.domain.trading.intents import Algorithm, AlgorithmName, Guard, Intent
from shared.domain.trading.records import Role
from shared.domain.trading.states import AT_RISK, OrderState
from shared.usecases.arming import arm_timers
from shared.usecases.protecting import protect_position
from tests.fakes.counted import Counted
from tests.fakes.timed_venue import TimedVenue, as_exchange
from tests.usecases.trading_in_memory import SYMBOL, VENUE, TradingInMemory

D = Decimal
STOP = Guard(stop_price=D(38_000))
ACCOUNTS = Timer(longest_ms=3_600_000, per_symbol=False)
SYMBOLS = Timer(longest_ms=120_000, per_symbol=True)


class Desk(TradingInMemory):
    """A desk whose one account is at a venue with a timer."""

    def __init__(self, timer: Timer) -> None:
        super().__init__()
        inner = self.account(self.book.book_id)
        assert isinstance(inner, PaperExchange)
        self.timed = TimedVenue(inner, self.clock, timer)
        self.exchange = self.stands_for = as_exchange(self.timed)

    def rest(self, **changes: object) -> Intent:
        """Let a slice rest that nobody will fill."""
        algorithm = Algorithm(name=AlgorithmName.LIMIT, limit_price=D(30_000))
        expires_at_ms = self.clock.now_ms() + 86_400_000
        intent = self.wish(algorithm=algorithm, expires_at_ms=expires_at_ms, **changes)
        self.run()
        (order,) = self.view(intent).orders
        assert order.state is OrderState.OPEN
        return intent

    def hold(self) -> None:
        """Hold a position, protected by a stop at the venue."""
        self.wish(guard=STOP)
        self.run()
        assert self.standing() == [OrderState.OPEN]

    def standing(self) -> list[OrderState]:
        found = self.orders.standing(self.book.book_id, VENUE, SYMBOL)
        return [order.state for order in found if order.role is Role.STOP and order.state in AT_RISK]

    def at_venue(self) -> list[str]:
        return [report.client_order_id for report in self.stands_for.open_orders()]


@pytest.fixture(params=[ACCOUNTS, SYMBOLS], ids=["account", "symbol"])
def desk(request: pytest.FixtureRequest) -> Desk:
    return Desk(request.param)


def test_while_a_slice_rests_every_sweep_prolongs_the_timer(desk: Desk) -> None:
    intent = desk.rest()
    desk.sweep(30)
    scope = SYMBOL if desk.timed.timer.per_symbol else None
    assert desk.timed.sets == [(scope, min(180_000, desk.timed.timer.longest_ms))] * 30
    (order,) = desk.view(intent).orders
    assert order.state is OrderState.OPEN


def test_when_the_desk_dies_the_venue_takes_its_slices_back_and_the_desk_finds_out(desk: Desk) -> None:
    intent = desk.rest()
    desk.sweep()
    desk.clock.advance(180_000)
    assert desk.at_venue() == []
    desk.sweep()
    first, *rest = desk.view(intent).orders
    assert first.state is OrderState.CANCELLED
    assert [order.qty for order in rest] == [first.qty], "what was taken back is ordered again"
    assert desk.adds_up()


def test_when_the_desk_dies_its_protection_stays(desk: Desk) -> None:
    desk.rest()
    desk.sweep()
    assert desk.timed.runs
    desk.hold()
    assert not desk.timed.runs, "stopped before the stop was sent"
    desk.sweep()
    assert not desk.timed.runs
    desk.clock.advance(3_600_000)
    assert len(desk.at_venue()) == 2


def test_once_what_protected_is_gone_the_timer_runs_again(desk: Desk) -> None:
    desk.rest()
    desk.hold()
    desk.sweep()
    assert not desk.timed.runs
    desk.leave(desk.qty())
    desk.run()
    desk.sweep()
    assert desk.timed.runs


def test_a_stop_that_is_placed_while_the_sweep_arms_is_not_left_under_the_timer(desk: Desk) -> None:
    desk.hold()
    (stop,) = desk.orders.standing(desk.book.book_id, VENUE, SYMBOL)
    desk.timed.cancel(SYMBOL, stop.client_order_id)
    desk.sweep()
    desk.rest()
    for order in desk.orders.standing(desk.book.book_id, VENUE, SYMBOL):
        desk.timed.cancel(SYMBOL, order.client_order_id)
        desk.orders.mark(order, OrderState.CANCELLED, actor="test", reason="gone")
    protected: list[int] = []

    def protect_just_before(timeout_ms: int) -> None:
        if timeout_ms and not protected:
            protected.append(timeout_ms)
            protect_position(desk.book.book_id, VENUE, SYMBOL, guards=desk.guards, floor=desk.floor)

    desk.timed.before = protect_just_before
    assert arm_timers(floor=desk.floor) == {}
    assert protected
    assert desk.standing() == [OrderState.OPEN]
    assert not desk.timed.runs


def test_a_sweep_between_a_stops_row_and_its_sending_does_not_arm(desk: Desk) -> None:
    desk.rest()
    errors: list[dict[str, str]] = []
    desk.timed.before_place = lambda: errors.append(arm_timers(floor=desk.floor))
    desk.hold()
    assert errors == [{}, {}], "a sweep before the entry is placed, and one before its stop is"
    assert not desk.timed.runs
    desk.clock.advance(3_600_000)
    assert len(desk.at_venue()) == 2


@pytest.mark.parametrize("error", [TransientError("busy"), OutcomeUnknownError("no answer")])
def test_nothing_that_protects_is_sent_while_a_timer_may_run(desk: Desk, error: Exception) -> None:
    desk.rest()
    desk.sweep()

    def fail(_: int) -> None:
        raise error

    desk.timed.before = fail
    desk.wish(guard=STOP)
    desk.run()
    assert desk.standing() == []
    assert len(desk.at_venue()) == 1
    desk.timed.before = lambda _: None
    desk.sweep()
    assert desk.standing() == [OrderState.OPEN]
    assert not desk.timed.runs


def test_what_cannot_be_armed_is_told_and_keeps_nobody_waiting(desk: Desk) -> None:
    desk.rest()

    def fail(_: int) -> None:
        raise TransientError("busy")

    desk.timed.before = fail
    assert arm_timers(floor=desk.floor) == {f"timer {VENUE}:{desk.book.book_id}": "TransientError: busy"}
    desk.sweep()
    assert len(desk.at_venue()) == 1


def test_a_timer_is_stopped_when_nothing_rests_any_more_and_then_left_alone(desk: Desk) -> None:
    intent = desk.rest()
    desk.sweep()
    (order,) = desk.view(intent).orders
    desk.timed.cancel(SYMBOL, order.client_order_id)
    desk.orders.mark(order, OrderState.CANCELLED, actor="test", reason="gone")
    arm_timers(floor=desk.floor)
    assert not desk.timed.runs
    desk.clock.advance(300_000)
    before = len(desk.timed.sets)
    arm_timers(floor=desk.floor)
    assert len(desk.timed.sets) == before


def test_an_account_at_rest_costs_one_look_at_the_database(desk: Desk) -> None:
    orders: object = Counted(desk.orders)
    exchange: object = Counted(desk.timed)
    desk.exchange = exchange  # type: ignore[assignment]
    arm_timers(floor=replace(desk.floor, orders=orders))  # type: ignore[arg-type]
    assert isinstance(orders, Counted)
    assert isinstance(exchange, Counted)
    assert (dict(orders.calls), dict(exchange.calls)) == ({"stirring": 1}, {})


def test_a_venue_without_a_timer_is_not_asked() -> None:
    desk = TradingInMemory()
    desk.wish(algorithm=Algorithm(name=AlgorithmName.LIMIT, limit_price=D(30_000)))
    desk.run()
    assert arm_timers(floor=desk.floor) == {}
