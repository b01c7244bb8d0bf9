"""Many connections beat, pause and configure one agent on a real Postgres: no pause is lost, no memory kept twice."""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.agents import merge_patch
from tests.contract.sql.test_concurrency import CLIENTS, all_at_once, count, value

BEAT = "select public.beat_agent('risk-agent', '1', %s, '{}', %s::jsonb, '{}', %s)"
STATE = "select state from public.agents where agent = 'risk-agent'"


@pytest.fixture
def agents(postgres: str) -> Iterator[str]:
    yield postgres
    with psycopg.connect(postgres) as connection:
        connection.execute("truncate public.agents, public.agent_memory")


def again(connection: psycopg.Connection) -> None:
    """End the transaction and begin another as the service."""
    connection.commit()
    connection.execute("set role service_role")


@pytest.mark.parametrize("known", [True, False], ids=["known", "new"])
def test_no_beat_undoes_a_pause(agents: str, known: bool) -> None:
    if known:
        with psycopg.connect(agents) as connection:
            value(connection, BEAT, None, "[]", uuid4())

    def act(connection: psycopg.Connection, n: int) -> list[str]:
        if n == 0:
            for _ in range(5):
                value(connection, "select public.pause_agent('risk-agent', 'ann', 'drill')")
                again(connection)
            return []
        seen = []
        for _ in range(10):
            seen.append(value(connection, BEAT, "busy" if n % 2 else None, "[]", uuid4()))
            again(connection)
        return seen

    answers = all_at_once(agents, act)
    with psycopg.connect(agents) as connection:
        assert value(connection, STATE) == "paused"
    for seen in answers[1:]:  # once a beat has seen the pause, none after it sees anything else
        assert "paused" not in seen or set(seen[seen.index("paused") :]) == {"paused"}
    assert count(agents, "select count(*) from public.agent_memory where event_type = 'paused'") == 1


def test_a_beat_sent_again_remembers_nothing_twice(agents: str) -> None:
    memories = json.dumps([{"event_type": "decided", "data": {"n": n}} for n in range(3)])
    beat_id = uuid4()
    all_at_once(agents, lambda connection, _: value(connection, BEAT, None, memories, beat_id))
    assert count(agents, "select count(*) from public.agent_memory") == 3


def test_settings_set_at_once_are_all_kept(agents: str) -> None:
    def configure(connection: psycopg.Connection, n: int) -> Any:
        patch = json.dumps({"limits": {f"limit_{n}": n}})
        return value(connection, "select public.configure_agent('risk-agent', 'ann', %s::jsonb)", patch)

    all_at_once(agents, configure)
    with psycopg.connect(agents) as connection:
        kept = value(connection, "select settings from public.agents where agent = 'risk-agent'")
    assert kept == {"limits": {f"limit_{n}": n for n in range(CLIENTS)}}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), JSON, max_size=3)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(target=OBJECTS, patch=OBJECTS)
def test_a_merge_patch_is_the_same_here_and_there(
    postgres: str, target: Mapping[str, Any], patch: Mapping[str, Any]
) -> None:
    with psycopg.connect(postgres) as connection:
        told = value(connection, "select desk.merge_patch(%s::jsonb, %s::jsonb)", json.dumps(target), json.dumps(patch))
    assert told == merge_patch(target, patch)
