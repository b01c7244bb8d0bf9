"""What a pause of each agent lets pass is found by rows and sweeps once it is resumed; and a halt cancels meanwhile."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from functions.execute_trader import handler as execute_trader
from functions.execution_agent import handler as execution_agent
from functions.risk_agent import handler as risk_agent
from shared.domain.agents import AgentState
from shared.domain.errors import FatalError
from shared.domain.runs import RunStatus
from shared.domain.trading.intents import Algorithm, AlgorithmName
from shared.domain.trading.orders import TimeInForce
from shared.domain.trading.states import IntentState, Mode, OrderState, Scope, TradingState
from shared.runtime.entrypoint import LambdaHandler
from shared.trading_messages import AdoptBalances, SliceDue, TickersWritten
from shared.usecases.clearance import REMEMBERED_MS
from shared.usecases.halting import set_desk_state, set_part_state
from shared.usecases.patience import Patience
from tests.fakes.queue import MemoryQueue
from tests.functions.api_client import MemoryDeps
from tests.functions.trading_desk import TradingDeps, trading_desk
from tests.usecases.desk_in_memory import DeskInMemory, make_trader
from tests.usecases.trading_in_memory import D, TradingInMemory

CRON = {"source": "aws.events"}
WHY = "paused by ann: drill"
LONG_MS = 150_000


def batch(bodies: Sequence[str]) -> dict[str, Any]:
    return {"Records": [{"messageId": f"m{n}", "body": body} for n, body in enumerate(bodies)]}


def taken(queue: MemoryQueue) -> list[str]:
    """Return the messages of a queue and empty it."""
    bodies, queue.bodies, queue.delays_s = queue.bodies, [], []
    return bodies


def acknowledged(handler: LambdaHandler, queue: MemoryQueue, deps: Any) -> int:
    """Deliver all messages, each of which must be acknowledged; return how many there were."""
    bodies = taken(queue)
    assert handler(batch(bodies), None, deps=deps) == {"batchItemFailures": []}
    return len(bodies)


def trading_deps(desk: TradingInMemory) -> TradingDeps:
    deps = TradingDeps(desk)
    deps.risk_desk, deps.execution_desk = desk.risk, desk.execution
    return deps


def resume(deps: Any, agent: str) -> None:
    deps.agents.resume(agent, actor="ann")
    deps.wall_clock.advance(REMEMBERED_MS)


@pytest.fixture
def evaluating() -> MemoryDeps:
    desk = DeskInMemory(traders_per_shard=1_000)
    desk.traders.create(make_trader(1, "close > 100"))
    deps = MemoryDeps(desk)
    deps.watchlist, deps.traders, deps.outcomes = desk.watchlist, desk.traders, desk.outcomes
    return deps


def test_closes_of_a_pause_are_evaluated_after_it(evaluating: MemoryDeps) -> None:
    desk, agents = evaluating.desk, evaluating.agents
    agents.pause("strategy-agent", actor="ann", reason="drill")
    for _ in range(3):
        desk.announce(desk.minute(BTC=101.0))
        assert acknowledged(execute_trader, desk.queue, evaluating) == 1
    assert desk.recorded() == []
    assert {run.status for run in desk.database.runs.values()} == {RunStatus.PENDING}
    assert {run.attempts for run in desk.database.runs.values()} == {0}  # a pause of any length uses up none
    assert agents.get("strategy-agent").state is AgentState.PAUSED

    resume(evaluating, "strategy-agent")
    desk.clock.advance(60_000)
    assert desk.sweep().redispatched == 3
    assert acknowledged(execute_trader, desk.queue, evaluating) == 3
    assert len(desk.recorded()) == 3
    assert {run.status for run in desk.database.runs.values()} == {RunStatus.FINISHED}
    assert agents.get("strategy-agent").state is AgentState.ONLINE
    assert [each.memory.event_type for each in agents.recall("strategy-agent")][:3] == ["signals"] * 3


def test_user_triggered_evaluates_only_what_somebody_asks_for(evaluating: MemoryDeps) -> None:
    desk = evaluating.desk
    evaluating.agents.configure("strategy-agent", {"autonomy": "user_triggered"}, actor="ann")
    desk.announce(desk.minute(BTC=101.0))
    (body,) = taken(desk.queue)
    passed = execute_trader(json.loads(body), None, deps=evaluating)
    assert (passed["skipped"], desk.recorded()) == ("traders are evaluated only when somebody asks for one", [])
    desk.clock.advance(LONG_MS)
    assert desk.sweep().redispatched == 0  # passed over is finished: it does not come back
    (trader,) = desk.database.traders
    asked = execute_trader({"trader_id": trader}, None, deps=evaluating)
    assert (asked["skipped"], asked["signals"]) == (None, 1)


def test_intents_of_a_pause_are_decided_after_it(desk_on_paper: TradingInMemory) -> None:
    desk, deps = desk_on_paper, trading_deps(desk_on_paper)
    deps.agents.pause("risk-agent", actor="ann", reason="drill")
    lasting = desk.wish(expires_at_ms=desk.clock.now_ms() + 10 * LONG_MS)
    brief = desk.wish(expires_at_ms=desk.clock.now_ms() + 1_000)
    assert acknowledged(risk_agent, desk.raised, deps) == 2
    assert risk_agent(CRON, None, deps=deps) == {"skipped": WHY}
    assert {desk.view(each).intent.state for each in (lasting, brief)} == {IntentState.PENDING}

    desk.clock.advance(LONG_MS)
    resume(deps, "risk-agent")
    swept = risk_agent(CRON, None, deps=deps)
    assert swept["decided"] == {lasting.intent_id: "approved"}
    assert desk.view(brief).intent.state is IntentState.EXPIRED
    (decided,) = deps.agents.recall("risk-agent", event_type="decided")
    assert decided.memory.data["intent_id"] == lasting.intent_id
    assert "10000 USDT" in str(decided.memory.data["why"])


def test_orders_of_a_pause_are_worked_after_it(desk_on_paper: TradingInMemory) -> None:
    desk, deps = desk_on_paper, trading_deps(desk_on_paper)
    twap = Algorithm(name=AlgorithmName.TWAP, duration_ms=600_000, slices=4)
    begun = desk.wish(algorithm=twap)
    desk.run()
    assert len(desk.view(begun).orders) >= 1
    filled = sum(order.filled_qty for order in desk.view(begun).orders)
    deps.agents.pause("execution-agent", actor="ann", reason="drill")
    fresh = desk.wish(expires_at_ms=desk.clock.now_ms() + 10 * LONG_MS)
    acknowledged(risk_agent, desk.raised, deps)
    assert acknowledged(execution_agent, desk.decided, deps) == 1
    due = next(order for order in desk.view(begun).orders if order.state is OrderState.NEW)
    desk.clock.advance(due.due_at_ms - desk.clock.now_ms())
    message = SliceDue(
        intent_id=begun.intent_id, order_id=due.order_id, slice_no=due.slice_no, correlation_id="abcdef123456"
    )
    desk.decided.send([message.model_dump_json()])
    assert acknowledged(execution_agent, desk.decided, deps) == 1
    assert execution_agent(CRON, None, deps=deps)["skipped"] == WHY
    assert desk.view(fresh).intent.state is IntentState.APPROVED
    assert sum(order.filled_qty for order in desk.view(begun).orders) == filled

    resume(deps, "execution-agent")
    swept = execution_agent(CRON, None, deps=deps)
    assert swept["worked"][fresh.intent_id].startswith("executed: ")
    assert sum(order.filled_qty for order in desk.view(begun).orders) > filled
    ended = deps.agents.recall("execution-agent", event_type="ended")
    assert [each.memory.data["intent_id"] for each in ended] == [fresh.intent_id]


@pytest.fixture
def desk_on_paper() -> TradingInMemory:
    return trading_desk()


@pytest.fixture
def resting() -> tuple[TradingInMemory, TradingDeps, list[str]]:
    """A paused execution, the only one that reaches the venue, with an order that rests in each of two books."""
    desk = trading_desk()
    quiet = Algorithm(name=AlgorithmName.LIMIT, limit_price=D(39_000), time_in_force=TimeInForce.GTC)
    wished = [desk.wish(algorithm=quiet, book_id=book.book_id).intent_id for book in desk.books.list()[:2]]
    desk.run()
    assert len(desk.orders.resting()) == 2
    deps = trading_deps(desk)
    deps.agents.pause("execution-agent", actor="ann", reason="drill")
    deps.execution_desk = desk.execution
    desk.floor = replace(desk.floor, exchanges=Unreachable())
    wait = Patience(up_to_ms=400, pause_s=lambda _: acknowledged(execution_agent, desk.decided, deps))
    desk.switch = replace(desk.switch, patience=wait)
    return desk, deps, wished


class Unreachable:
    """What the API has of venues: nothing."""

    def of(self, venue: str, account: str) -> Any:
        raise FatalError("BINANCE_API_KEY is not set")


def test_a_halt_cancels_while_execution_is_paused(resting: tuple[TradingInMemory, TradingDeps, list[str]]) -> None:
    desk, deps, wished = resting
    halt = set_desk_state(
        TradingState.HALTED, actor="ann", reason="drill", flatten=False, switch=desk.switch, floor=desk.floor
    )
    assert (halt.state, halt.handed_over) == (TradingState.HALTED, 2)
    assert sum(account.cancelled for account in halt.accounts) == 2
    assert [account.errors for account in halt.accounts if account.left] == []
    assert desk.orders.resting() == []
    assert deps.agents.get("execution-agent").state is AgentState.PAUSED

    desk.states.set("desk", "", TradingState.ACTIVE, actor="ann", reason="over")
    resume(deps, "execution-agent")
    execution_agent(CRON, None, deps=deps)
    assert desk.orders.resting() == []
    assert {desk.orders.execution(each).intent.state for each in wished} <= {IntentState.FAILED, IntentState.EXPIRED}


def test_a_part_is_halted_alone_while_execution_is_paused(
    resting: tuple[TradingInMemory, TradingDeps, list[str]],
) -> None:
    desk, _, wished = resting
    book_id = desk.orders.execution(wished[0]).intent.book_id
    halt = set_part_state(
        Scope.BOOK, [book_id], TradingState.HALTED, actor="ann", reason="x", switch=desk.switch, floor=desk.floor
    )
    assert sum(account.cancelled for account in halt.accounts) == 1
    assert [order.intent_id for order, _ in desk.orders.resting()] == [wished[1]]


def test_a_halt_whose_messages_are_lost_is_made_good_by_the_sweep_of_a_paused_execution(
    resting: tuple[TradingInMemory, TradingDeps, list[str]],
) -> None:
    desk, deps, _ = resting
    assert execution_agent(CRON, None, deps=deps)["settled"] == 0
    assert len(desk.orders.resting()) == 2  # nothing is halted: nothing is done
    desk.states.set("desk", "", TradingState.HALTED, actor="ann", reason="drill")
    swept = execution_agent(CRON, None, deps=deps)
    assert (swept["skipped"], swept["settled"], swept["errors"]) == (WHY, 2, {})
    assert desk.orders.resting() == []


def test_a_paused_execution_watches_and_adopts_nothing(
    resting: tuple[TradingInMemory, TradingDeps, list[str]],
) -> None:
    desk, deps, _ = resting
    desk.states.set("desk", "", TradingState.HALTED, actor="ann", reason="drill")
    for message in (TickersWritten(tickers_of="binance"), AdoptBalances(adopt_at="binance", actor="a", reason="r")):
        answer = execution_agent(message.model_dump(mode="json"), None, deps=deps)
        assert (answer["skipped"], answer["settled"], answer["exits"]) == (WHY, 0, [])
    assert len(desk.orders.resting()) == 2


def test_the_caps_that_are_set_hold_for_the_next_decision(desk_on_paper: TradingInMemory) -> None:
    desk, deps = desk_on_paper, trading_deps(desk_on_paper)
    deps.risk_desk = replace(desk.risk, caps=deps.caps)
    deps.agents.configure("risk-agent", {"limits": {"max_concentration": 0.05}}, actor="ann")
    wish = desk.wish()
    acknowledged(risk_agent, desk.raised, deps)
    view = desk.orders.execution(wish.intent_id)
    assert (view.intent.state, view.intent.mode) == (IntentState.MODIFIED, Mode.PAPER)
    assert view.intent.qty is not None
    assert view.intent.qty * desk.market.price <= D(5_000)
    told = desk.database.trading.intents[wish.intent_id].decision
    said = json.dumps(told)
    assert "the desk caps max_concentration_rate at 0.05" in said
    assert '"desk_cap.max_concentration_rate": "0.05"' in said
