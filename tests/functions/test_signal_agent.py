"""signal-agent as AWS wakes it: by its queue, by the clock, by a command."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from functions.signal_agent import handler
from shared.domain.agents import Autonomy
from shared.domain.consensus import SignalAgentSettings
from shared.runtime.config import Settings
from shared.runtime.wiring import Deps
from shared.usecases.clearance import REMEMBERED_MS
from tests.fakes.agents import MemoryAgentStore
from tests.fakes.clock import ManualClock
from tests.fakes.intelligence import MemoryIntelligenceStore, MemoryProposalStore
from tests.fakes.queue import MemoryQueue
from tests.functions.test_proposals_api import agree
from tests.usecases.trading_in_memory import SYMBOL, TradingInMemory

SAMPLE = json.loads((Path(__file__).parents[1] / "events" / "signal-agent.json").read_text())


class AgentDeps(Deps):
    """What signal-agent is given, in memory, with a book to trade in."""

    def __init__(self, desk: TradingInMemory) -> None:
        super().__init__(Settings.from_env({}))
        self.desk = desk
        self.clock = self.wall_clock = desk.clock
        self.intelligence = MemoryIntelligenceStore(desk.database)
        self.proposals = MemoryProposalStore(desk.database)
        self.books, self.desk_states, self.instruments = desk.books, desk.states, desk.instruments
        self.intents_queue, self.dead_letters, self.notifications = desk.raised, MemoryQueue(), MemoryQueue()
        self.agents = MemoryAgentStore(desk.database)

    @property
    def signal_agent_settings(self) -> SignalAgentSettings:
        """How the agent works here."""
        return SignalAgentSettings(book_id=self.desk.book.book_id)


@pytest.fixture
def deps() -> AgentDeps:
    return AgentDeps(TradingInMemory())


def test_a_message_makes_one_proposal_however_often_it_comes(deps: AgentDeps) -> None:
    agree(deps.desk, "coingecko", "glassnode", "santiment")
    for _ in range(2):
        assert handler(SAMPLE, None, deps=deps) == {"batchItemFailures": []}
    (made,) = deps.desk.database.trading.proposals.values()
    assert made.instrument == SYMBOL
    assert deps.agents.heartbeats().keys() == {"signal-agent"}


def test_the_clock_and_a_command_wake_it_too(deps: AgentDeps) -> None:
    agree(deps.desk, "coingecko", "glassnode", "santiment")
    answer: dict[str, Any] = handler({"source": "aws.events"}, None, deps=deps)
    assert list(answer["proposed"]) == [SYMBOL]
    again = handler({"trigger": "command"}, None, deps=deps)
    assert (again["proposed"], list(again["skipped"])) == ({}, [SYMBOL])


def test_a_message_nobody_can_read_is_buried(deps: AgentDeps) -> None:
    record = SAMPLE["Records"][0] | {"body": '{"instruments": []}'}
    assert handler({"Records": [record]}, None, deps=deps) == {"batchItemFailures": []}
    assert deps.dead_letters.bodies == ['{"instruments": []}']  # type: ignore[attr-defined]


def test_it_raises_nothing_until_an_operator_has_named_a_book() -> None:
    deps = Deps(Settings.from_env({}))
    deps.wall_clock = clock = ManualClock()
    deps.agents = MemoryAgentStore()
    assert deps.signal_agent_settings == SignalAgentSettings()
    assert SignalAgentSettings().book_id is None
    deps.agents.configure("signal-agent", {"book_id": "b", "autonomy": "full", "notional": 250}, actor="ann")
    clock.advance(REMEMBERED_MS)
    assert deps.signal_agent_settings == SignalAgentSettings(book_id="b", autonomy=Autonomy.FULL, notional=Decimal(250))


def test_a_paused_agent_proposes_nothing_and_finds_what_it_missed_once_it_is_resumed(deps: AgentDeps) -> None:
    agree(deps.desk, "coingecko", "glassnode", "santiment")
    deps.agents.pause("signal-agent", actor="ann", reason="drill")
    assert handler(SAMPLE, None, deps=deps) == {"batchItemFailures": []}
    assert deps.desk.database.trading.proposals == {}
    deps.agents.resume("signal-agent", actor="ann")
    deps.desk.clock.advance(REMEMBERED_MS)
    assert list(handler({"source": "aws.events"}, None, deps=deps)["proposed"]) == [SYMBOL]
