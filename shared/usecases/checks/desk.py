"""The monitor's checks of the desk itself: agents, runs, intents, accounts, the kill switch."""

from shared.book_ports import DeskStates
from shared.domain.agents import WOKEN_BY_CLOSES
from shared.domain.judging_desk import judge_agents, judge_intents, judge_orders, judge_runs, judge_switch
from shared.domain.monitoring import Looked, MonitorSettings, Occasion, Task
from shared.domain.status import shortest_of
from shared.domain.trading.intents import Purpose
from shared.domain.trading.states import TradingState
from shared.messages import ShardDue
from shared.monitor_ports import AgentWatch, MonitorStore
from shared.ports import Clock, Queue, RunStore, VenueStore
from shared.status_ports import QueueDepths
from shared.trading_ports import IntentStore, OrderStore
from shared.usecases.halting import read_desk_state


def check_agents(
    occasion: Occasion, *, agents: AgentWatch, venues: VenueStore, wall_clock: Clock, settings: MonitorSettings
) -> Looked:
    """Mark agents offline that are silent, and judge all of them."""
    shortest_ms = shortest_of(venues.enabled())
    agents.silence(older_than_ms=settings.agent_stale_ms, longer={WOKEN_BY_CLOSES: shortest_ms})
    known = [each for each in agents.list() if each.last_beat_ms]  # one that never ran is not silent
    before = occasion.last.details_of(Task.AGENT_HEALTH).get("degraded") if occasion.last else None
    return judge_agents(
        known,
        degraded_before=before if isinstance(before, list | tuple) else (),
        shortest_ms=shortest_ms,
        wall_ms=wall_clock.now_ms(),
        settings=settings,
    )


def check_runs(
    *, store: MonitorStore, runs: RunStore, queue: Queue, depths: QueueDepths, settings: MonitorSettings
) -> Looked:
    """Send runs again that are stuck past their lease, and judge those that are open.

    The sweep of trigger-executions does the same; a run is taken by one of them alone, and finishes once.
    """
    messages = depths.depths()
    overdue = runs.take_overdue(older_than_ms=settings.run_overdue_ms, limit=settings.runs_at_once)
    if overdue:
        queue.send([ShardDue.of(shard, correlation_id).model_dump_json() for shard, correlation_id in overdue])
    found = store.runs(window_ms=settings.run_window_ms)
    return judge_runs(found, redispatched=len(overdue), messages=messages, settings=settings)


def check_intents(
    occasion: Occasion, *, store: MonitorStore, intents: IntentStore, settings: MonitorSettings
) -> Looked:
    """Expire what nobody has decided by its horizon, and judge what is under way."""
    intents.pending(limit=1, now_ms=occasion.now_ms)
    return judge_intents(store.intents(now_ms=occasion.now_ms, grace_ms=settings.intent_grace_ms), settings)


def check_accounts(*, store: MonitorStore, settings: MonitorSettings) -> Looked:
    """Judge what reconciliation has left open."""
    return judge_orders(store.orders(doubt_ms=settings.doubt_ms), settings)


def check_switch(*, states: DeskStates, orders: OrderStore, wall_clock: Clock, settings: MonitorSettings) -> Looked:
    """Judge the trading states, and while the desk is halted what still rests."""
    desk, restrained = read_desk_state(states), states.restrained()
    halted = desk.state is TradingState.HALTED
    resting = [order for order, purpose in orders.resting() if purpose is Purpose.ENTER] if halted else []
    return judge_switch(desk, restrained, resting, wall_ms=wall_clock.now_ms(), settings=settings)
