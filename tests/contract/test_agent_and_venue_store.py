"""What every store of agents and every VenueStore keeps, in memory and in Supabase."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.agents import MAX_MEMORIES, MAX_MEMORY_CHARS, AgentState, Memory, merge_patch
from shared.domain.errors import NotFoundError
from shared.domain.timeframe import Timeframe
from shared.domain.venues import Venue
from tests.contract.stores import Stores

RISK = "risk-agent"


def memory(number: int, event_type: str = "decided") -> Memory:
    return Memory(event_type=event_type, data={"number": number})


def test_the_last_beat_of_each_agent_is_kept(stores: Stores) -> None:
    agents = stores.agents()
    assert agents.heartbeats() == {}
    agents.beat("strategy-agent", version="0.1.0")
    first = agents.heartbeats()["strategy-agent"]
    agents.beat("strategy-agent", version="0.1.1", error="lost the log")
    agents.beat("ops-agent", version="0.1.0")

    beats = agents.heartbeats()
    assert set(beats) == {"strategy-agent", "ops-agent"}
    assert beats["strategy-agent"] >= first > 0


def test_a_beat_says_how_the_run_was(stores: Stores) -> None:
    agents = stores.agents()
    agents.beat(RISK, version="0.1.0", run={"messages": 3, "duration_ms": 12.5}, capabilities=["decide", "watch"])
    known = agents.get(RISK)
    assert (known.state, known.version, known.last_error) == (AgentState.ONLINE, "0.1.0", None)
    assert (known.last_run, known.capabilities) == ({"messages": 3, "duration_ms": 12.5}, ("decide", "watch"))
    agents.beat(RISK, version="0.1.1", error="TransientError: busy")
    failed = agents.get(RISK)
    assert (failed.state, failed.last_error) == (AgentState.DEGRADED, "TransientError: busy")
    assert failed.last_error_at_ms is not None
    assert (failed.last_run, failed.capabilities) == (known.last_run, known.capabilities)
    agents.beat(RISK, version="0.1.1")
    well = agents.get(RISK)
    assert (well.state, well.last_error) == (AgentState.ONLINE, "TransientError: busy")
    assert [each.agent for each in agents.list()] == [RISK]


def test_nobody_knows_an_agent_that_never_ran(stores: Stores) -> None:
    agents = stores.agents()
    assert list(agents.list()) == []
    with pytest.raises(NotFoundError, match="nobody-agent"):
        agents.get("nobody-agent")
    with pytest.raises(NotFoundError, match="nobody-agent"):
        agents.resume("nobody-agent", actor="me")


def test_a_paused_agent_stays_paused_whatever_it_does(stores: Stores) -> None:
    agents = stores.agents()
    agents.beat(RISK, version="0.1.0")
    paused = agents.pause(RISK, actor="ann", reason="looks wrong")
    assert (paused.state, paused.paused_by, paused.paused_reason) == (AgentState.PAUSED, "ann", "looks wrong")
    assert agents.pause(RISK, actor="bob", reason="too") == paused
    agents.beat(RISK, version="0.1.1", error="busy")
    assert agents.silence(older_than_ms=-60_000) == []
    assert agents.get(RISK).state is AgentState.PAUSED
    resumed = agents.resume(RISK, actor="ann")
    assert (resumed.state, resumed.paused_by, resumed.paused_reason) == (AgentState.OFFLINE, None, None)
    assert agents.resume(RISK, actor="ann").state is AgentState.OFFLINE
    agents.beat(RISK, version="0.1.1")
    assert agents.get(RISK).state is AgentState.ONLINE
    assert [each.memory.event_type for each in agents.recall(RISK)] == ["resumed", "paused"]


def test_an_agent_is_paused_and_configured_before_it_ever_ran(stores: Stores) -> None:
    agents = stores.agents()
    assert agents.pause(RISK, actor="ann", reason="").last_beat_ms == 0
    agents.configure("ops-agent", {"enabled": False}, actor="ann")
    assert agents.get("ops-agent").state is AgentState.OFFLINE
    assert agents.heartbeats() == {}
    assert agents.silence(older_than_ms=0) == []
    agents.beat(RISK, version="0.1.0")
    assert agents.get(RISK).state is AgentState.PAUSED
    assert set(agents.heartbeats()) == {RISK}


def test_a_silent_agent_is_offline_until_it_beats(stores: Stores) -> None:
    agents = stores.agents()
    agents.beat(RISK, version="0.1.0")
    assert agents.silence(older_than_ms=60_000) == []
    offline = agents.silence(older_than_ms=-60_000)  # as if a minute had passed
    assert [(each.agent, each.state) for each in offline] == [(RISK, AgentState.OFFLINE)]
    assert list(agents.silence(older_than_ms=60_000)) == list(offline)
    agents.beat(RISK, version="0.1.0")
    assert agents.silence(older_than_ms=60_000) == []
    agents.beat("strategy-agent", version="0.1.0")
    silent = agents.silence(older_than_ms=-60_000, longer={"strategy-agent": 120_000})
    assert [each.agent for each in silent] == [RISK]  # the other may be silent for two minutes more


def test_settings_are_merged_and_taken_back(stores: Stores) -> None:
    agents = stores.agents()
    agents.configure(RISK, {"autonomy": "full", "limits": {"max_leverage": 2, "var_limit": 0.01}}, actor="ann")
    changed = agents.configure(RISK, {"limits": {"max_leverage": None, "max_concentration": 0.5}}, actor="ann")
    assert changed.settings == {"autonomy": "full", "limits": {"var_limit": 0.01, "max_concentration": 0.5}}
    assert agents.configure(RISK, {"limits": None, "autonomy": None}, actor="ann").settings == {}
    newest = agents.recall(RISK, event_type="configured", limit=1)[0]
    assert newest.memory.data == {"by": "ann", "settings": {"limits": None, "autonomy": None}}


def test_memories_come_the_newest_first_by_kind_and_page(stores: Stores) -> None:
    agents = stores.agents()
    agents.beat(RISK, version="1", memories=[memory(1), memory(2), memory(3, "tripped")])
    agents.beat("ops-agent", version="1", memories=[memory(9)])
    agents.beat(RISK, version="1", memories=[memory(4)])
    found = agents.recall(RISK)
    assert [each.memory for each in found] == [memory(4), memory(3, "tripped"), memory(2), memory(1)]
    assert {each.agent for each in found} == {RISK}
    assert all(each.at_ms > 0 for each in found)
    assert [each.memory for each in agents.recall(RISK, event_type="tripped")] == [memory(3, "tripped")]
    first = agents.recall(RISK, limit=2)
    rest = agents.recall(RISK, limit=2, before=(first[-1].at_ms, first[-1].memory_id))
    assert [*first, *rest] == list(found)
    assert agents.recall(RISK, before=(rest[-1].at_ms, rest[-1].memory_id)) == []


def test_what_stays_as_it_is_is_remembered_once(stores: Stores) -> None:
    agents = stores.agents()
    for _ in range(3):
        agents.beat(RISK, version="1", memories=[memory(1, "differs")])
    agents.beat(RISK, version="1", memories=[memory(2, "differs")])
    agents.beat(RISK, version="1", memories=[memory(1, "differs")])
    assert [each.memory.data["number"] for each in agents.recall(RISK)] == [1, 2, 1]


def test_memory_is_bounded(stores: Stores) -> None:
    agents = stores.agents()
    long = Memory(event_type="said", data={"text": "x" * 10 * MAX_MEMORY_CHARS})
    agents.beat(RISK, version="1", memories=[long, *(memory(number) for number in range(MAX_MEMORIES + 5))])
    found = agents.recall(RISK, limit=2 * MAX_MEMORIES)
    assert len(found) == MAX_MEMORIES + 1
    assert found[0].memory == Memory(event_type="left_out", data={"memories": 6})
    assert len(str(found[-1].memory.data["cut"])) == MAX_MEMORY_CHARS


def test_what_no_database_takes_is_replaced(stores: Stores) -> None:
    agents = stores.agents()
    odd = Memory(
        event_type="said", data={"nul": "a\x00b", "half": "\ud800", "number": float("nan"), "line": "a\u2028b"}
    )
    agents.beat(RISK, version="1", memories=[odd], error="bad")
    (kept,) = agents.recall(RISK)
    assert kept.memory.data == {"nul": "a\N{REPLACEMENT CHARACTER}b", "half": "?", "number": "NaN", "line": "a\u2028b"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), JSON, max_size=3)


@given(OBJECTS, OBJECTS)
def test_a_patch_applied_twice_is_a_patch_applied_once(target: Mapping[str, Any], patch: Mapping[str, Any]) -> None:
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once
    assert merge_patch(target, {}) == target
    assert json.dumps(once)


def test_binance_is_collected_on_every_timeframe(stores: Stores) -> None:
    assert list(stores.venues().enabled()) == [Venue(venue="binance", timeframes=tuple(Timeframe))]
