"""A sweep asks of what may have changed, and of everything else seldom."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from shared.domain.trading.intents import Guard
from shared.messages import CronTick
from shared.usecases.execution_agent import execution_agent
from shared.usecases.reconciling import BUDGET_S, IDLE_EVERY_MINUTES, WINDOW_MS, reconcile, reconcile_all
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


def test_an_account_that_cannot_hold_futures_is_not_asked_about_them(desk: TradingInMemory) -> None:
    orders: Any = Counted(desk.orders)
    ledger: Any = Counted(desk.ledger)
    reconcile(VENUE, desk.book.book_id, floor=replace(desk.floor, orders=orders, ledger=ledger))
    assert ledger.calls["holdings"]
    assert ledger.calls["open_positions"] == orders.calls["accounts"] == 0


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


def test_accounts_that_time_does_not_suffice_for_are_told_and_not_the_same_every_minute(desk: TradingInMemory) -> None:
    # Whose turn it is in a minute is as good as drawn from their ids: of some, eight minutes would leave one out.
    books = [desk.books.create(replace(desk.book, book_id=str(UUID(int=no)), name=f"Book {no}")) for no in range(2, 8)]
    for book in books:
        desk.wish(book_id=book.book_id)
    desk.run()
    reached: Counter[str] = Counter()
    for _ in range(8):
        desk.clock.advance(60_000)
        seconds = count(step=BUDGET_S / 3)  # as slow as that: a look at the watch before each account
        swept = reconcile_all(floor=replace(desk.floor, stopwatch=lambda: next(seconds)))  # noqa: B023
        assert len(swept.done) == 3
        assert swept.errors == {"reconciliation": "4 of 7 accounts are left to the sweeps after this one"}
        reached.update(each.account for each in swept.done)
    assert set(reached) == {book.book_id for book in [desk.book, *books]}
