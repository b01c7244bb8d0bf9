"""Execution says how many orders it sent and how many fills it posted, each once however often it is called."""

from decimal import Decimal

from shared.messages import CronTick, IntentRaised
from shared.trading_messages import IntentDecided
from shared.usecases.execution_agent import execution_agent
from shared.usecases.risk_agent import risk_agent
from tests.usecases.trading_in_memory import TradingInMemory


def test_an_entry_is_one_order_and_its_fills_and_nothing_when_told_again() -> None:
    desk = TradingInMemory()
    intent = desk.wish()
    known = {"intent_id": intent.intent_id, "correlation_id": intent.correlation_id}
    risk_agent(IntentRaised(**known), desk=desk.risk)

    done = execution_agent(IntentDecided(**known), desk=desk.execution)

    view = desk.view(intent)
    assert (done.orders, done.fills) == (len(view.orders), len(desk.database.trading.fills))
    assert done.orders == 1
    assert done.fills >= 1
    again = execution_agent(IntentDecided(**known), desk=desk.execution)
    swept = execution_agent(CronTick(trigger="cron"), desk=desk.execution)
    assert (again.orders, again.fills, swept.orders, swept.fills) == (0, 0, 0, 0)
    assert desk.qty() > Decimal(0)
