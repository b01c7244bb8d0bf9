"""Whoever cannot wait is told at once that a store is away."""

import time

import httpx
import pytest
import stamina

from shared.adapters.heartbeat_agents import HeartbeatAgents
from shared.adapters.supabase.client import _Hasty, call, connect
from shared.domain.agents import AgentState
from shared.domain.errors import TransientError
from tests.fakes.clock import ManualClock
from tests.fakes.stores import MemoryAgentStore, MemoryDatabase


@pytest.mark.parametrize("error", [httpx.ReadTimeout("slow"), httpx.ConnectError("refused")], ids=["slow", "refused"])
def test_a_database_that_does_not_answer_is_asked_once(error: httpx.TransportError) -> None:
    asked = []

    def away(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        raise error

    session = httpx.Client(transport=_Hasty(httpx.MockTransport(away)))
    client = connect("http://database.example", "k", session=session)
    began = time.perf_counter()
    with stamina.set_testing(False), pytest.raises(TransientError) as why:  # with real patience
        call(client, "last_monitor_run", {})
    assert why.value.source == "database"
    assert len(asked) == 1
    assert time.perf_counter() - began < 1
    session.close()


def test_agents_are_offline_by_their_heartbeats() -> None:
    clock = ManualClock()
    store = MemoryAgentStore(MemoryDatabase(clock=clock))
    store.beat("risk-agent", version="1")
    clock.advance(100_000)
    store.beat("ops-agent", version="1")
    clock.advance(100_000)
    agents = HeartbeatAgents(store=store, wall_clock=clock, stale_ms=120_000)
    assert {each.agent: each.state for each in agents.list()} == {
        "ops-agent": AgentState.ONLINE, "risk-agent": AgentState.OFFLINE,
    }  # fmt: skip
    assert [each.agent for each in agents.silence(older_than_ms=50_000)] == ["ops-agent", "risk-agent"]
