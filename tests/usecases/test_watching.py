"""Books are marked, stopped by their breakers once an occasion, and told apart from what a venue holds."""

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.errors import TransientError
from shared.domain.trading.accounts import Balance
from shared.domain.trading.books import BreakerSettings
from shared.domain.trading.intents import Algorithm, AlgorithmName
from shared.domain.trading.orders import TimeInForce
from shared.domain.trading.states import TradingState
from shared.messages import CronTick
from shared.usecases.execution_agent import execution_agent
from shared.usecases.reconciling import reconcile
from shared.usecases.risk_agent import risk_agent
from shared.usecases.watching import PAGE, watch_books
from shared.venue_ports import Exchange
from tests.fakes.counted import Counted as CountedCalls
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


def watch(desk: TradingInMemory) -> list[str]:
    """Watch the books; return what went off in the one that trades."""
    return watch_books(desk=desk.risk.watch).tripped.get(desk.book.book_id, [])


def state(desk: TradingInMemory) -> TradingState:
    return desk.books.get(desk.book.book_id).state


def test_equity_is_marked_every_minute(desk: TradingInMemory) -> None:
    holding(desk)
    watch(desk)
    desk.market.move(D(41_000))
    watch(desk)
    points = [point.equity for _, point in sorted(desk.database.trading.equity.items())]
    assert len(points) == 2
    assert points[0] < D(100_000)  # the fee
    assert points[1] > D(100_000)


def test_a_daily_loss_reduces_and_then_halts(desk: TradingInMemory) -> None:
    holding(desk)
    desk.market.move(D(35_800))
    assert any("lost" in each for each in watch(desk))
    assert state(desk) is TradingState.REDUCING
    desk.market.move(D(34_000))
    risk_agent(CronTick(trigger="cron"), desk=desk.risk)
    assert state(desk) is TradingState.HALTED


def test_what_a_person_released_stays_released_that_day(desk: TradingInMemory) -> None:
    holding(desk)
    desk.market.move(D(35_800))
    watch(desk)
    desk.states.set("book", desk.book.book_id, TradingState.ACTIVE, actor="ada", reason="seen")
    (sentence,) = [each for each in watch(desk) if "lost" in each]
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


def test_more_books_than_one_read_tells_of_are_all_watched(desk: TradingInMemory) -> None:
    for number in range(PAGE):
        book = desk.books.create(replace(desk.book, book_id=f"b{number:03}", name=f"Book {number}"))
        desk.states.set("book", book.book_id, TradingState.HALTED, actor="test", reason="")
    holding(desk)
    books: Any = CountedCalls(desk.books)
    assert watch_books(desk=replace(desk.risk.watch, books=books)).errors == {}
    assert dict(books.calls) == {"watched": 2}
    assert len({book_id for book_id, _ in desk.database.trading.equity}) == PAGE + 1


def test_a_market_that_cannot_be_read_is_asked_once_and_told_of_each_book(desk: TradingInMemory) -> None:
    books = [desk.books.create(replace(desk.book, book_id=f"b{number}", name="Book")).book_id for number in range(3)]
    for book_id in books:
        desk.states.set("book", book_id, TradingState.HALTED, actor="test", reason="")
    asked: list[str] = []

    class Away:
        def now(self, venues: list[str]) -> Any:
            asked.extend(venues)
            raise TransientError("the board is away")

    board: Any = Away()
    watched = watch_books(desk=replace(desk.risk.watch, market=replace(desk.risk.market, tickers=board)))
    assert watched.errors == dict.fromkeys(books, "TransientError: the board is away")
    assert asked == ["binance"]


def test_a_book_that_cannot_be_told_does_not_keep_the_others(desk: TradingInMemory) -> None:
    holding(desk)
    bad = desk.books.create(
        replace(desk.book, book_id="0", name="Bad", breakers=BreakerSettings(max_slippage_bps=D("NaN")))
    )
    desk.states.set("book", bad.book_id, TradingState.REDUCING, actor="test", reason="")
    found = watch_books(desk=desk.risk.watch)
    assert {*found.errors} == {bad.book_id}
    assert [book_id for book_id, _ in desk.database.trading.equity] == [desk.book.book_id]
