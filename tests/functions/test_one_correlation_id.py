"""One id from a close to its fill: the announcement's, on every row, every message and every log line it leads to."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from io import StringIO
from logging import StreamHandler
from typing import Any, cast

import pytest

from functions import execute_trader, execution_agent, risk_agent, trigger_executions
from shared.domain.timeframe import Timeframe
from shared.domain.trading.intents import Sizing, SizingMethod
from shared.domain.trading.terms import TraderMode, TradeTerms
from shared.messages import BoundaryClosed
from shared.ports import Queue
from shared.runtime.config import Settings
from shared.runtime.telemetry import start_logging
from shared.runtime.wiring import Deps
from tests.fakes.agents import MemoryAgentStore
from tests.fakes.outcomes import MemoryOutcomeStore
from tests.fakes.queue import MemoryQueue
from tests.fakes.stores import MemoryRunStore, MemorySignalStore, MemoryTraderStore, MemoryVenueStore
from tests.usecases.desk_in_memory import make_trader
from tests.usecases.trading_in_memory import TradingInMemory

CORRELATION = "from-the-close-to-the-fill"
SERVICES = {"trigger-executions", "execute-trader", "risk-agent", "execution-agent"}


class WholeDesk(Deps):
    """Every part between a close and its fill, in memory, as the functions are given them."""

    def __init__(self, desk: TradingInMemory) -> None:
        super().__init__(Settings.from_env({}))
        database = desk.database
        self.desk = desk
        self.clock = self.wall_clock = desk.clock
        self.candle_log = desk.risk.market.candles
        self.venues = MemoryVenueStore(database)
        self.traders, self.runs = MemoryTraderStore(database), MemoryRunStore(database)
        self.signals, self.outcomes = MemorySignalStore(database), MemoryOutcomeStore(database)
        self.agents = MemoryAgentStore(database)
        self.executions, self.dead_letters, self.notifications = MemoryQueue(), MemoryQueue(), MemoryQueue()
        self.intents_queue, self.orders_queue, self.signals_queue = desk.raised, desk.decided, MemoryQueue()
        self.risk_desk, self.execution_desk = desk.risk, desk.execution


@pytest.fixture
def deps() -> WholeDesk:
    desk = TradingInMemory()
    desk.clock.time_ms = desk.clock.time_ms // 60_000 * 60_000
    deps = WholeDesk(desk)
    trader = make_trader(1, "close > 0")
    terms = TradeTerms(sizing=Sizing(method=SizingMethod.NOTIONAL, value=Decimal(1_000)))
    deps.traders.create(replace(trader, mode=TraderMode.PAPER, book_id=desk.book.book_id, trade=terms))
    return deps


@pytest.fixture
def logged() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What the functions write to their logs from here on, as parsed lines."""
    written = StringIO()
    handlers = [cast("StreamHandler[Any]", start_logging(service).registered_handler) for service in sorted(SERVICES)]
    before = [handler.setStream(written) for handler in handlers]
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    for handler, stream in zip(handlers, before, strict=True):
        handler.setStream(stream or sys.stdout)


def batch(queue: Queue) -> dict[str, Any]:
    """Take what a queue has as AWS hands it over; every message in it carries the id."""
    assert isinstance(queue, MemoryQueue)
    bodies, queue.bodies = queue.bodies, []
    assert bodies
    assert {json.loads(body)["correlation_id"] for body in bodies} == {CORRELATION}
    return {"Records": [{"messageId": str(number), "body": body} for number, body in enumerate(bodies)]}


def test_a_close_leads_to_a_fill_under_one_id(deps: WholeDesk, logged: Callable[[], list[dict[str, Any]]]) -> None:
    desk = deps.desk
    close = BoundaryClosed(
        venue=desk.venue, timeframe=Timeframe.M1, close_time=desk.clock.now_ms(), correlation_id=CORRELATION
    )
    fine: dict[str, Any] = {"batchItemFailures": []}

    trigger_executions.handler(close.model_dump(mode="json"), None, deps=deps)
    assert execute_trader.handler(batch(deps.executions), None, deps=deps) == fine
    assert risk_agent.handler(batch(desk.raised), None, deps=deps) == fine
    assert execution_agent.handler(batch(desk.decided), None, deps=deps) == fine

    tables = desk.database.trading
    (signal,) = desk.database.signals.values()
    (intent,) = [row.intent for row in tables.intents.values()]
    orders = [row.order for row in tables.orders.values()]
    runs = {run.correlation_id for run in desk.database.runs.values()}
    assert runs == {signal.correlation_id} == {intent.correlation_id} == {CORRELATION}
    assert orders
    assert {order.correlation_id for order in orders} == {CORRELATION}
    assert tables.fills
    assert {row.order_id for row in tables.fills.values()} <= {order.order_id for order in orders}
    steps = desk.intents.trace(CORRELATION)
    assert [step["subject"] for step in steps].count("signal") == 1
    assert {"signal", "intent", "order"} <= {str(step["subject"]) for step in steps}

    lines = logged()
    assert {line["service"] for line in lines} >= SERVICES
    assert {line.get("correlation_id") for line in lines} == {CORRELATION}, lines


@pytest.mark.parametrize("wrong", [{"timeframe": "7m"}, {}])
def test_a_failure_is_logged_under_the_id_of_its_message(
    deps: WholeDesk, logged: Callable[[], list[dict[str, Any]]], wrong: dict[str, str]
) -> None:
    """Also of a message nobody can read, and of one whose function fails with a bug."""
    close = {"venue": "nowhere", "timeframe": "1m", "close_time": deps.clock.now_ms(), "correlation_id": CORRELATION}
    due = close | {"shard": 0, "shards": 1} | wrong
    if not wrong:
        deps.runs = None  # type: ignore[assignment]  # a bug: an AttributeError inside the use-case
    record = {"messageId": "m", "body": json.dumps(due)}
    execute_trader.handler({"Records": [record]}, None, deps=deps)
    lines = logged()
    assert lines
    assert {line.get("correlation_id") for line in lines} == {CORRELATION}
