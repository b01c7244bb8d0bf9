"""Books are marked, stopped by their breakers once an occasion, and told apart from what a venue holds."""

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.trading.accounts import Balance
from shared.domain.trading.intents import Algorithm, AlgorithmName
from shared.domain.trading.orders import TimeInForce
from shared.domain.trading.states import TradingState
from shared.messages import CronTick
from shared.trading_ports import Exchange
from shared.usecases.execution_agent import execution_agent
from shared.usecases.reconciling import reconcile
from shared.usecases.risk_agent import risk_agent
from shared.usecases.watching import watch_book
from tests.usecases.trading_in_memory import TradingInMemory

D = Decimal


@pytest.fixture
def desk() -> TradingInMemory:
    return TradingInMemory()


def holding(desk: TradingInMemory, notional: int = 40_000) -> None:
    desk.wish(sizing=replace(desk_sizing(desk), value=D(notional)))
    desk.run()
    assert desk.qty() > 0


def desk_sizing(desk: TradingInMemory) -> Any:
    from shared.domain.trading.intents import Sizing, SizingMethod

    return Sizing(method=SizingMethod.NOTIONAL, value=D(1))


def state(desk: TradingInMemory) -> TradingState:
    return desk.books.get(desk.book.book_id).state


def test_equity_is_marked_every_minute(desk: TradingInMemory) -> None:
    holding(desk)
    watch_book(desk.book.book_id, desk=desk.risk.watch)
    desk.market.move(D(41_000))
    watch_book(desk.book.book_id, desk=desk.risk.watch)
    points = [point.equity for _, point in sorted(desk.database.trading.equity.items())]
    assert len(points) == 2
    assert points[0] < D(100_000)  # the fee
    assert points[1] > D(100_000)


def test_a_daily_loss_reduces_and_then_halts(desk: TradingInMemory) -> None:
    holding(desk)
    desk.market.move(D(35_800))
    assert any("lost" in each for each in watch_book(desk.book.book_id, desk=desk.risk.watch))
    assert state(desk) is TradingState.REDUCING
    desk.market.move(D(34_000))
    risk_agent(CronTick(trigger="cron"), desk=desk.risk)
    assert state(desk) is TradingState.HALTED


def test_what_a_person_released_stays_released_that_day(desk: TradingInMemory) -> None:
    holding(desk)
    desk.market.move(D(35_800))
    watch_book(desk.book.book_id, desk=desk.risk.watch)
    desk.states.set("book", desk.book.book_id, TradingState.ACTIVE, actor="ada", reason="seen")
    (sentence,) = [each for each in watch_book(desk.book.book_id, desk=desk.risk.watch) if "lost" in each]
    assert sentence.endswith("(released before)")
    assert state(desk) is TradingState.ACTIVE


@dataclass
class Generous:
    """A venue that says it holds a little more than it does."""

    exchange: Exchange

    def __getattr__(self, name: str) -> Any:
        return getattr(self.exchange, name)

    def balances(self) -> list[Balance]:
        return [replace(each, total=each.total + D("0.00000001")) for each in self.exchange.balances()]


def test_a_difference_to_the_last_digit_is_an_alert_with_its_numbers(desk: TradingInMemory) -> None:
    holding(desk)
    assert execution_agent(CronTick(trigger="cron"), desk=desk.execution).differences == []
    desk.exchange = Generous(desk.account(desk.book.book_id))
    found = execution_agent(CronTick(trigger="cron"), desk=desk.execution).differences
    assert len(found) == 2
    assert all("the venue" in sentence for sentence in found)
    assert desk.books.observe(desk.book.book_id, since_ms=0).mismatches == 2
    desk.exchange = None
    execution_agent(CronTick(trigger="cron"), desk=desk.execution)
    assert desk.books.observe(desk.book.book_id, since_ms=0).mismatches == 0


@dataclass
class Counting:
    """A venue that counts what it is asked."""

    exchange: Exchange
    asked: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        return getattr(self.exchange, name)


def test_what_rests_unchanged_costs_one_question_for_all_of_it(desk: TradingInMemory) -> None:
    for price in (39_000, 38_000, 37_000):
        desk.wish(algorithm=Algorithm(name=AlgorithmName.LIMIT, limit_price=D(price), time_in_force=TimeInForce.GTC))
    desk.run()
    desk.sweep(12)
    venue = Counting(desk.account(desk.book.book_id))
    desk.exchange = venue
    found = reconcile("binance", desk.book.book_id, floor=desk.floor)
    assert (found.settled, found.differences) == (0, ())
    assert (venue.asked.count("open_orders"), venue.asked.count("order"), venue.asked.count("fills")) == (1, 0, 0)
    desk.market.move(D(38_500))
    again = reconcile("binance", desk.book.book_id, floor=desk.floor)
    assert again.settled == 1
    assert venue.asked.count("order") == 1
    assert desk.adds_up()
