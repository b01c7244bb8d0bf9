"""A sweep of execution ends in time, however many intents are under way, and the next begins with those it left."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.trading.intents import Guard
from shared.messages import CronTick
from shared.trading_ports import IntentStore
from shared.usecases.execution_agent import execution_agent
from shared.usecases.risk_agent import risk_agent
from shared.usecases.turns import BUDGET_S, in_turn
from tests.usecases.trading_in_memory import SYMBOL, VENUE, TradingInMemory

D = Decimal
TICK = CronTick(trigger="cron")


@dataclass
class Rota:
    """Intents that are under way, handed out as the store does: those looked at longest ago first."""

    waiting: list[str]

    def unfinished(self, *, limit: int) -> list[str]:
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        self.waiting += taken
        return taken


@pytest.mark.parametrize("under_way", [0, 1, 25])
def test_each_has_its_turn_once(under_way: int) -> None:
    rota = Rota([f"{number}" for number in range(under_way)])
    turns = [*in_turn(rota, stopwatch=lambda: 0.0, began_s=0.0)]  # type: ignore[arg-type]
    assert turns == [f"{number}" for number in range(under_way)]


def test_what_is_not_begun_in_time_has_its_turn_in_a_later_sweep() -> None:
    """Each takes a third of the budget: a sweep begins three or four, and nobody waits for ever."""
    rota = Rota([f"{number}" for number in range(25)])
    came: set[str] = set()
    for _ in range(9):
        now_s = 0.0
        for intent_id in in_turn(rota, stopwatch=lambda: now_s, began_s=0.0):  # type: ignore[arg-type]  # noqa: B023
            came.add(intent_id)
            now_s += BUDGET_S / 3 + 0.1
        assert now_s < BUDGET_S * 1.5
    assert len(came) == 25


@dataclass
class Slow:
    """Intents of a desk each of which takes as long to begin as a sweep may."""

    intents: IntentStore
    elapsed_s: float = 0.0

    def unfinished(self, *, limit: int) -> Sequence[str]:
        taken = self.intents.unfinished(limit=limit)
        self.elapsed_s += BUDGET_S + 0.1
        return taken

    def __getattr__(self, name: str) -> Any:
        return getattr(self.intents, name)


def test_positions_are_protected_however_long_intents_take() -> None:
    desk = TradingInMemory()
    desk.wish(guard=Guard(stop_price=D(38_000)))
    desk.run()
    (stop,) = desk.orders.standing(desk.book.book_id, VENUE, SYMBOL)
    desk.account(desk.book.book_id).cancel(SYMBOL, stop.client_order_id)
    wishes = {desk.leave(D("0.01")).intent_id, desk.leave(D("0.02")).intent_id}
    risk_agent(TICK, desk=desk.risk)
    slow: Any = Slow(desk.intents)
    floor = replace(desk.floor, stopwatch=lambda: slow.elapsed_s)
    swept = execution_agent(TICK, desk=replace(desk.execution, intents=slow, floor=floor))
    assert len(swept.worked) == 1, "there was time to begin one"
    assert swept.worked.keys() < wishes
    (again,) = desk.orders.standing(desk.book.book_id, VENUE, SYMBOL)
    assert again.order_id != stop.order_id
