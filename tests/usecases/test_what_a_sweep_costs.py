"""A sweep asks of what may have changed, and of everything else seldom."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.trading.intents import Guard
from shared.messages import CronTick
from shared.usecases.execution_agent import execution_agent
from shared.usecases.reconciling import IDLE_EVERY_MINUTES, WINDOW_MS
from tests.fakes.counted import Counted
from tests.usecases.trading_in_memory import SYMBOL, VENUE, TradingInMemory

D = Decimal
QUIET_MINUTES = WINDOW_MS // 60_000 + 1
TICK = CronTick(trigger="cron")


@pytest.fixture
def desk() -> TradingInMemory:
    """Return a desk with a position that is protected at its venue, and nothing else to do."""
    desk = TradingInMemory()
    desk.wish(guard=Guard(stop_price=D(38_000)))
    desk.run()
    return desk


def test_a_position_that_is_protected_costs_a_sweep_nothing_of_its_own(desk: TradingInMemory) -> None:
    orders: Any = Counted(desk.orders)
    ledger: Any = Counted(desk.ledger)
    execution = replace(desk.execution, floor=replace(desk.floor, orders=orders, ledger=ledger))
    execution_agent(TICK, desk=execution)
    assert orders.calls["standing"] == 0
    assert ledger.calls["position"] == 0


def test_a_stop_that_somebody_cancels_at_the_venue_stands_again_after_the_sweep(desk: TradingInMemory) -> None:
    (stop,) = desk.orders.standing(desk.book.book_id, VENUE, SYMBOL)
    desk.account(desk.book.book_id).cancel(SYMBOL, stop.client_order_id)
    desk.sweep()
    (again,) = desk.orders.standing(desk.book.book_id, VENUE, SYMBOL)
    assert again.order_id != stop.order_id


def test_a_paper_account_at_rest_is_reconciled_once_an_hour(desk: TradingInMemory) -> None:
    desk.leave(desk.qty())
    desk.run()
    desk.sweep(QUIET_MINUTES)
    exchange: Any = Counted(desk.account(desk.book.book_id))
    desk.exchange = exchange
    desk.sweep(IDLE_EVERY_MINUTES)
    assert exchange.calls["balances"] == exchange.calls["open_orders"] == 1


def test_what_is_wrong_with_an_account_at_rest_is_found_within_the_hour(desk: TradingInMemory) -> None:
    desk.leave(desk.qty())
    desk.run()
    desk.sweep(QUIET_MINUTES)
    account = desk.paper.accounts[VENUE, desk.book.book_id]
    desk.paper.accounts[VENUE, desk.book.book_id] = replace(account, balances={**account.balances, "USDT": D(1)})
    found: list[str] = []
    for _ in range(IDLE_EVERY_MINUTES):
        desk.clock.advance(60_000)
        found += execution_agent(TICK, desk=desk.execution).differences
    assert len(found) == 1
    assert "USDT" in found[0]
