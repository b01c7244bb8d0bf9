"""Orders that end while nobody looks, at a venue that forgets them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.trading.accounts import Balance
from shared.domain.trading.intents import Algorithm, AlgorithmName, Guard, Intent
from shared.domain.trading.orders import Fill, OrderReport
from shared.domain.trading.reconciliation import FORGOTTEN_AFTER_MS
from shared.domain.trading.records import Order, Role
from shared.domain.trading.states import IntentState, OrderState, is_final
from shared.messages import CronTick
from shared.usecases.execution_agent import execution_agent
from shared.venue_ports import Exchange
from tests.fakes.counted import Counted
from tests.usecases.trading_in_memory import TradingInMemory

D = Decimal
TICK = CronTick(trigger="cron")
PATIENCE = FORGOTTEN_AFTER_MS // 60_000 + 2
"""Minutes until an order that is forgotten has ended: one sweep misses it, and one comes after the time is over."""


@dataclass
class Forgetful:
    """A venue that does not tell of orders that have ended while it `forgets`, nor of any while it is `confused`; it
    keeps `hidden` trades to itself, and lists no order while it is `blank`."""

    exchange: Exchange
    forgets: bool = True
    confused: bool = False
    blank: bool = False
    hidden: int = 0
    placed: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.exchange, name)

    def order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        report = self.exchange.order(symbol, client_order_id)
        if report is None or self.confused or (self.forgets and is_final(report.state)):
            return None
        return report

    def open_orders(self, symbol: str | None = None) -> Sequence[OrderReport]:
        return [] if self.blank else self.exchange.open_orders(symbol)

    def fills(self, symbol: str, *, since_ms: int) -> Sequence[Fill]:
        found = self.exchange.fills(symbol, since_ms=since_ms)
        return found[: len(found) - self.hidden]

    def balances(self) -> Sequence[Balance]:
        return self.exchange.balances()


@pytest.fixture
def desk() -> TradingInMemory:
    return TradingInMemory()


def forgetful(desk: TradingInMemory, **changes: Any) -> Forgetful:
    venue = Forgetful(desk.account(desk.book.book_id), **changes)
    desk.exchange = venue
    return venue


def resting(desk: TradingInMemory) -> tuple[Intent, Order]:
    """Return an intent whose one order rests below the market."""
    limit = Algorithm(name=AlgorithmName.LIMIT, limit_price=D(39_000))
    intent = desk.wish(algorithm=limit, expires_at_ms=desk.clock.now_ms() + 86_400_000)
    desk.run()
    (order,) = desk.view(intent).orders
    assert order.state is OrderState.OPEN
    return intent, order


def now(desk: TradingInMemory, order: Order) -> Order:
    orders = desk.orders.execution(order.intent_id).orders
    return next(each for each in orders if each.order_id == order.order_id)


def sweep(desk: TradingInMemory, minutes: int) -> list[str]:
    """Let minutes pass with their sweeps; return the differences of the last one."""
    found: list[str] = []
    for _ in range(minutes):
        desk.clock.advance(60_000)
        found = list(execution_agent(TICK, desk=desk.execution).differences)
    return found


def test_an_order_that_was_cancelled_and_forgotten_ends_with_what_is_posted(desk: TradingInMemory) -> None:
    intent, order = resting(desk)
    venue = forgetful(desk)
    desk.clock.advance(10_800_000)  # an outage of three hours, in which somebody cancels it
    venue.exchange.cancel(order.symbol, order.client_order_id)
    sweep(desk, 1)
    missed = now(desk, order)
    assert (missed.state, missed.missed_at_ms) == (OrderState.UNKNOWN, desk.clock.now_ms())
    sweep(desk, PATIENCE)
    ended = now(desk, order)
    assert (ended.state, ended.filled_qty, ended.missed_at_ms) == (OrderState.CANCELLED, D(0), None)
    assert "forgotten" in (ended.reason or "")
    others = [each for each in desk.view(intent).orders if each.order_id != order.order_id]
    assert sum(each.qty for each in others) == order.qty, "what it did not fill is ordered again, once"


@pytest.mark.parametrize("hidden", [0, 1])
def test_an_order_that_filled_and_is_forgotten_is_filled(desk: TradingInMemory, hidden: int) -> None:
    intent, order = resting(desk)
    venue = forgetful(desk, hidden=hidden)
    desk.clock.advance(10_800_000)
    desk.market.move(D(38_900))
    venue.exchange.order(order.symbol, order.client_order_id)
    sweep(desk, 2)
    venue.hidden = 0  # trades are listed late, and have been by the time it counts as forgotten
    sweep(desk, PATIENCE)
    ended = now(desk, order)
    assert (ended.state, ended.filled_qty) == (OrderState.FILLED, order.qty)
    assert desk.view(intent).intent.state is IntentState.EXECUTED
    assert desk.qty() == order.qty
    assert desk.adds_up()


def test_a_part_that_filled_is_kept_and_the_rest_ordered_again(desk: TradingInMemory) -> None:
    intent, order = resting(desk)
    venue = forgetful(desk)
    desk.market.move(D(38_999), volume=order.qty / 4)
    desk.market.move(D(40_000), volume=order.qty / 4)
    venue.exchange.cancel(order.symbol, order.client_order_id)
    sweep(desk, PATIENCE)
    ended = now(desk, order)
    assert ended.state is OrderState.CANCELLED
    assert 0 < ended.filled_qty == ended.posted_qty < order.qty
    assert ended.filled_qty == desk.qty()
    others = [each for each in desk.view(intent).orders if each.order_id != order.order_id]
    assert sum(each.qty for each in others) == order.qty - ended.filled_qty
    assert desk.adds_up()


def test_a_glitch_changes_nothing(desk: TradingInMemory) -> None:
    _, order = resting(desk)
    venue = forgetful(desk, confused=True, blank=True)
    sweep(desk, 3)
    assert now(desk, order).state is OrderState.UNKNOWN
    venue.confused = venue.blank = False
    sweep(desk, 1)
    assert (now(desk, order).state, now(desk, order).missed_at_ms) == (OrderState.OPEN, None)
    venue.confused = venue.blank = True
    sweep(desk, 3)  # each time it is missed anew
    assert now(desk, order).state is OrderState.UNKNOWN
    venue.confused = venue.blank = False
    sweep(desk, PATIENCE)
    assert now(desk, order).state is OrderState.OPEN


def test_an_order_that_is_listed_as_open_is_never_forgotten(desk: TradingInMemory) -> None:
    _, order = resting(desk)
    forgetful(desk, confused=True)
    sweep(desk, 3 * PATIENCE)
    assert now(desk, order).state is OrderState.OPEN


def test_an_order_that_was_just_sent_is_not_missed(desk: TradingInMemory) -> None:
    forgetful(desk, confused=True, blank=True)
    _, order = resting(desk)
    execution_agent(TICK, desk=desk.execution)
    assert now(desk, order) == order


def test_an_order_that_was_asked_to_cancel_and_is_forgotten_ends(desk: TradingInMemory) -> None:
    _, order = resting(desk)
    venue = forgetful(desk)
    desk.orders.mark(order, OrderState.CANCEL_PENDING, actor="test", reason="asked to cancel")
    venue.exchange.cancel(order.symbol, order.client_order_id)
    sweep(desk, PATIENCE + 1)
    assert now(desk, order).state is OrderState.CANCELLED
    assert desk.adds_up()


def test_an_order_whose_answer_was_lost_and_that_is_forgotten_keeps_its_fills(desk: TradingInMemory) -> None:
    """The desk never heard of it, the venue no longer does: its fills alone tell that it was placed."""
    intent, order = resting(desk)
    venue = forgetful(desk)
    row = desk.database.trading.orders[order.order_id]
    row.order = replace(row.order, state=OrderState.UNKNOWN, venue_order_id=None)
    desk.clock.advance(10_800_000)
    desk.market.move(D(38_900))
    venue.exchange.order(order.symbol, order.client_order_id)
    sweep(desk, PATIENCE + 1)
    ended = now(desk, order)
    assert (ended.state, ended.filled_qty) == (OrderState.FILLED, order.qty)
    assert desk.view(intent).orders == (ended,), "nothing was sent in its place"
    assert desk.adds_up()


def test_fills_the_venue_spoke_of_and_never_tells_keep_the_order_and_are_an_alert(desk: TradingInMemory) -> None:
    _, order = resting(desk)
    venue = forgetful(desk)
    half = order.qty / 2
    told = venue.exchange.order(order.symbol, order.client_order_id)
    assert told is not None
    desk.orders.advance(order, replace(told, state=OrderState.PARTIALLY_FILLED, filled_qty=half), actor="test")
    venue.exchange.cancel(order.symbol, order.client_order_id)
    assert not sweep(desk, 1)
    (said,) = sweep(desk, PATIENCE)
    assert "lost fill" in said
    assert f"{half}" in said
    assert now(desk, order).state is OrderState.UNKNOWN, "it blocks what may have filled"


def test_a_stop_that_is_forgotten_stands_again(desk: TradingInMemory) -> None:
    desk.wish(guard=Guard(stop_price=D(38_000)))
    desk.run()
    (stop,) = desk.orders.standing(desk.book.book_id, desk.venue, desk.symbol)
    venue = forgetful(desk)
    venue.exchange.cancel(stop.symbol, stop.client_order_id)
    sweep(desk, PATIENCE + 1)
    (again,) = desk.orders.standing(desk.book.book_id, desk.venue, desk.symbol)
    assert (again.role, again.state, again.qty) == (Role.STOP, OrderState.OPEN, stop.qty)
    assert again.order_id != stop.order_id


def test_what_is_ended_is_not_asked_for_again(desk: TradingInMemory) -> None:
    _, order = resting(desk)
    venue = forgetful(desk)
    venue.exchange.cancel(order.symbol, order.client_order_id)
    sweep(desk, PATIENCE)
    counted: Any = Counted(desk.account(desk.book.book_id))
    desk.exchange = counted
    sweep(desk, 1)
    assert counted.calls["order"] == 0
