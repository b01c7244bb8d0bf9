"""signal-agent with everything in memory: what it proposes, what it raises, and what keeps it from either."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.agents import Autonomy
from shared.domain.consensus import SignalAgentSettings
from shared.domain.errors import TransientError
from shared.domain.intelligence import Direction, IntelligenceSignal, Provenance
from shared.domain.proposals import Proposal, ProposalState
from shared.domain.trading.states import Mode, TradingState
from shared.messages import CronTick, IntentRaised
from shared.notification_messages import NotificationDue
from shared.signal_messages import SignalAgentCommanded, SignalAgentResult, SignalsRecorded
from shared.usecases.books import Caller
from shared.usecases.proposals import ProposalDesk, approve_proposal
from shared.usecases.signal_agent import SignalDesk, signal_agent
from tests.fakes.intelligence import MemoryIntelligenceStore, MemoryProposalStore
from tests.fakes.queue import MemoryQueue
from tests.usecases.trading_in_memory import FUTURE, INSTRUMENT, SYMBOL, TradingInMemory

CRON = CronTick(trigger="cron")
COMMAND = SignalAgentCommanded(trigger="command")
MINUTE = 60_000
THREE = ("coingecko", "glassnode", "santiment")


class Agent:
    """signal-agent of a desk in memory, and what its sources say."""

    def __init__(self, desk: TradingInMemory | None = None, **changes: Any) -> None:
        self.desk = desk or TradingInMemory()
        self.settings = SignalAgentSettings(**({"book_id": self.desk.book.book_id} | changes))
        self.intelligence = MemoryIntelligenceStore(self.desk.database)
        self.proposals = MemoryProposalStore(self.desk.database)
        self.notifications = MemoryQueue()

    def say(
        self, *sources: str, direction: Direction = Direction.LONG, instrument: str = SYMBOL, **changes: Any
    ) -> None:
        now_ms = self.desk.clock.now_ms()
        values: dict[str, Any] = {"provenance": Provenance.MEASURED, "data_quality": 1.0, "confidence": 0.9} | changes
        self.intelligence.record(
            [
                IntelligenceSignal(
                    source=source,
                    kind="sentiment",
                    instrument=instrument,
                    direction=direction,
                    observed_at_ms=now_ms,
                    expires_at_ms=now_ms + 86_400_000,
                    correlation_id="c",
                    **values,
                )
                for source in sources
            ]
        )

    def run(self, event: CronTick | SignalsRecorded | SignalAgentCommanded = CRON, **changes: Any) -> SignalAgentResult:
        return signal_agent(event, desk=replace(self.signal_desk(), **changes))

    def signal_desk(self) -> SignalDesk:
        return SignalDesk(
            settings=self.settings,
            intelligence=self.intelligence,
            proposals=self.proposals,
            books=self.desk.books,
            states=self.desk.states,
            instruments=self.desk.instruments,
            intents_queue=self.desk.raised,
            notifications=self.notifications,
            clock=self.desk.clock,
        )

    def made(self) -> Sequence[Proposal]:
        return self.proposals.list(limit=99)

    def intents(self) -> list[str]:
        return [*self.desk.database.trading.intents]


def recorded(*instruments: str) -> SignalsRecorded:
    return SignalsRecorded(instruments=[*instruments], correlation_id="0123456789abcdef")


def test_by_default_a_consensus_is_proposed_and_nothing_raised() -> None:
    agent = Agent()
    agent.say(*THREE)
    result = agent.run()
    (proposal,) = agent.made()
    assert result == SignalAgentResult(verdicts={"consensus": 1}, proposed={SYMBOL: proposal.proposal_id})
    assert (proposal.state, proposal.direction, proposal.actor) == ("open", "long", "signal-agent")
    assert proposal.reason.startswith("long: 3 of 3 sources agree")
    assert (proposal.notional, proposal.share, proposal.confidence) == (
        Decimal(100),
        Decimal(1),
        Decimal("0.9"),
    )
    assert agent.intents() == agent.desk.raised.bodies == []
    assert [memory.event_type for memory in result.memories()] == ["proposed"]


def test_no_consensus_proposes_nothing() -> None:
    agent = Agent()
    agent.say("coingecko", "glassnode")
    agent.say("santiment", direction=Direction.SHORT)
    agent.say("twitter", provenance=Provenance.SIMULATED)
    assert agent.run() == SignalAgentResult(verdicts={"split": 1})
    assert agent.made() == []


def test_with_full_autonomy_the_intent_is_raised_and_traded() -> None:
    agent = Agent(autonomy=Autonomy.FULL)
    agent.say(*THREE)
    result = agent.run()
    (proposal,) = agent.made()
    assert result.raised == {SYMBOL: proposal.intent_id}
    assert result.proposed == {SYMBOL: proposal.proposal_id}
    assert (proposal.state, proposal.actor, proposal.reason) == ("approved", "signal-agent", "autonomy is full")
    (message,) = [IntentRaised.model_validate_json(body) for body in agent.desk.raised.bodies]
    assert (message.intent_id, message.correlation_id) == (proposal.intent_id, proposal.correlation_id)
    agent.desk.run()
    assert agent.desk.qty() > 0
    assert agent.desk.guard().trailing_rate == agent.settings.trailing_rate
    assert {memory.event_type for memory in result.memories()} == {"proposed", "raised"}


@pytest.mark.parametrize("autonomy", [Autonomy.FULL, Autonomy.SEMI])
def test_redelivery_and_a_second_instance_make_one_and_tell_of_it_once(autonomy: Autonomy) -> None:
    agent = Agent(autonomy=autonomy)
    other = Agent(agent.desk, autonomy=autonomy)
    agent.say(*THREE)
    message = recorded(SYMBOL)
    for each in (agent, other, agent, other):
        each.run(message)
        each.desk.clock.advance(MINUTE)
        each.run()
    assert len(agent.made()) == 1
    assert len(agent.intents()) == len(agent.desk.raised.bodies) == (1 if autonomy is Autonomy.FULL else 0)
    (told,) = agent.desk.database.telling.outbox.values()
    assert (told.kind, told.data["asks"]) == ("proposal", autonomy is Autonomy.SEMI)
    (wake,) = [*agent.notifications.bodies, *other.notifications.bodies]
    assert NotificationDue.model_validate_json(wake).outbox_id == told.outbox_id


def test_a_queue_that_takes_no_message_keeps_no_proposal() -> None:
    class Deaf(MemoryQueue):
        def send(self, bodies: Sequence[str], *, delay_s: int = 0) -> None:
            raise TransientError("it does not answer", source="queues")

    agent = Agent()
    agent.say(*THREE)
    assert list(agent.run(notifications=Deaf()).proposed) == [SYMBOL]
    assert len(agent.desk.database.telling.outbox) == 1  # notify's sweep finds it


def test_a_run_that_died_before_its_approval_is_finished_by_the_next() -> None:
    agent = Agent()
    agent.say(*THREE)
    agent.run()
    agent.settings = replace(agent.settings, autonomy=Autonomy.FULL)
    result = agent.run()
    assert (result.proposed, list(result.raised)) == ({}, [SYMBOL])
    assert agent.run().raised == {}
    assert len(agent.intents()) == 1


def test_a_queue_that_is_away_leaves_the_intent_to_the_sweep() -> None:
    agent = Agent(autonomy=Autonomy.FULL)
    agent.say(*THREE)
    agent.desk.raised.broken = True
    assert list(agent.run().raised) == [SYMBOL]
    agent.desk.raised.broken = False
    agent.desk.sweep()
    assert agent.desk.qty() > 0


def test_on_command_alone_means_what_it_says() -> None:
    agent = Agent(autonomy=Autonomy.USER_TRIGGERED)
    agent.say(*THREE)
    for event in (CRON, recorded(SYMBOL)):
        assert agent.run(event).idle == "it acts on commands alone"
    assert agent.made() == []
    assert list(agent.run(COMMAND).proposed) == [SYMBOL]
    assert agent.intents() == []  # it was asked to look, not to trade


def test_without_a_book_nothing_is_raised_and_the_result_says_why() -> None:
    agent = Agent(book_id=None, autonomy=Autonomy.FULL)
    agent.say(*THREE)
    assert agent.run() == SignalAgentResult(idle="no book is configured")
    assert agent.made() == []


def test_a_book_that_cannot_be_used_is_named() -> None:
    agent = Agent(book_id="nothing")
    agent.say(*THREE)
    assert agent.run().idle == "there is no book 'nothing', which is configured"
    agent.settings = replace(agent.settings, book_id=agent.desk.book.book_id, mode=Mode.LIVE)
    assert "is a paper book, and live is configured" in str(agent.run().idle)
    assert agent.made() == []


@pytest.mark.parametrize("autonomy", [Autonomy.FULL, Autonomy.SEMI])
@pytest.mark.parametrize("scope", ["desk", "book"])
@pytest.mark.parametrize("state", [TradingState.HALTED, TradingState.REDUCING])
def test_on_a_halted_desk_nothing_is_proposed(autonomy: Autonomy, scope: str, state: TradingState) -> None:
    agent = Agent(autonomy=autonomy)
    agent.say(*THREE)
    agent.desk.states.set(scope, agent.desk.book.book_id, state, actor="test", reason="drill")
    assert str(agent.run().idle).endswith(f"is {state}")
    assert agent.made() == []
    assert agent.intents() == []
    agent.desk.states.set(scope, agent.desk.book.book_id, TradingState.ACTIVE, actor="test", reason="drill")
    assert list(agent.run().proposed) == [SYMBOL]


def test_a_halt_between_the_look_and_the_approval_raises_nothing() -> None:
    class LateHalt(MemoryProposalStore):
        def approve(self, *args: Any, **named: Any) -> Proposal:
            agent.desk.states.set("desk", "", TradingState.HALTED, actor="test", reason="drill")
            return super().approve(*args, **named)

    agent = Agent(autonomy=Autonomy.FULL)
    agent.say(*THREE)
    result = agent.run(proposals=LateHalt(agent.desk.database))
    assert result.raised == {}
    assert result.errors[SYMBOL].startswith("HaltedError")
    assert agent.intents() == []
    assert [each.state for each in agent.made()] == [ProposalState.OPEN]


def test_what_the_book_cannot_enter_is_skipped_with_the_reason() -> None:
    agent = Agent()
    agent.say(*THREE, direction=Direction.SHORT)
    agent.say(*THREE, instrument="DOGE/USDT")
    agent.desk.instruments.record([replace(INSTRUMENT, symbol="ETH/BTC", base="ETH", quote="BTC")])
    agent.say(*THREE, instrument="ETH/BTC")
    assert agent.run().skipped == {
        SYMBOL: "BTC/USDT is spot, which is not sold short",
        "DOGE/USDT": "DOGE/USDT is not traded at binance",
        "ETH/BTC": "ETH/BTC is not quoted in USDT, the book's currency",
    }
    assert agent.made() == []


def test_a_future_is_sold_short() -> None:
    agent = Agent(TradingInMemory(instrument=FUTURE), autonomy=Autonomy.FULL)
    agent.say(*THREE, direction=Direction.SHORT, instrument=FUTURE.symbol)
    assert list(agent.run().raised) == [FUTURE.symbol]
    agent.desk.run()
    assert agent.desk.qty() < 0


def test_a_message_is_about_its_instruments_alone() -> None:
    agent = Agent(instruments=(SYMBOL, "ETH/USDT"))
    agent.say(*THREE)
    assert agent.run(recorded("ETH/USDT")) == SignalAgentResult()
    assert agent.run(recorded("DOGE/USDT")).idle == "none of these instruments is the agent's"
    assert agent.made() == []
    assert list(agent.run(recorded("DOGE/USDT", SYMBOL)).proposed) == [SYMBOL]
    agent.say(*THREE, instrument="DOGE/USDT")
    assert agent.run().verdicts == {"consensus": 1}  # of its own instruments alone


def test_proposals_expire_at_their_horizon_and_cool_down() -> None:
    agent = Agent()
    agent.say(*THREE)
    (first,) = agent.run().proposed.values()
    agent.desk.clock.advance(agent.settings.horizon_ms)
    result = agent.run()
    assert (result.expired, result.proposed) == (1, {})
    assert result.skipped == {SYMBOL: f"proposal {first} stands, expired"}
    agent.desk.clock.advance(agent.settings.cooldown_ms)
    agent.say(*THREE)
    assert list(agent.run().proposed) == [SYMBOL]
    assert [each.state for each in agent.made()] == ["open", "expired"]


def test_proposals_expire_even_when_the_agent_has_nothing_to_do() -> None:
    agent = Agent()
    agent.say(*THREE)
    agent.run()
    agent.settings = replace(agent.settings, book_id=None)
    agent.desk.clock.advance(agent.settings.horizon_ms)
    assert agent.run(COMMAND).expired == 0  # the sweep's alone
    assert agent.run().expired == 1


def test_one_instrument_that_fails_does_not_keep_the_others() -> None:
    class Broken(MemoryProposalStore):
        def propose(self, proposal: Proposal, **named: Any) -> Any:
            if proposal.instrument == SYMBOL:
                raise TransientError("the database answers 503")
            return super().propose(proposal, **named)

    agent = Agent()
    agent.desk.instruments.record([replace(INSTRUMENT, symbol="ETH/USDT", base="ETH")])
    agent.say(*THREE)
    agent.say(*THREE, instrument="ETH/USDT")
    result = agent.run(proposals=Broken(agent.desk.database))
    assert (list(result.errors), list(result.proposed)) == ([SYMBOL], ["ETH/USDT"])


EVENTS = st.lists(
    st.sampled_from(["cron", "message", "command", "turn", "agree", "minutes", "approve", "halt", "resume", "full"]),
    max_size=30,
)


@settings(max_examples=150)
@given(EVENTS)
def test_whatever_happens_a_proposal_raises_at_most_one_intent(events: list[str]) -> None:
    agent = Agent(TradingInMemory(instrument=FUTURE))
    for event in events:
        apply(agent, event)
        made = agent.made()
        raised = [each.intent_id for each in made if each.intent_id is not None]
        assert sorted(raised) == sorted(agent.intents())
        assert all((each.state is ProposalState.APPROVED) == (each.intent_id is not None) for each in made)
        assert sum(each.state is ProposalState.OPEN for each in made) <= 1
        identities = [(each.direction, each.window_start_ms) for each in made]
        assert len(identities) == len(set(identities))


def apply(agent: Agent, event: str) -> None:
    """Let one thing happen."""
    desk = agent.desk
    if event in {"cron", "message", "command"}:
        events = {"cron": CRON, "message": recorded(FUTURE.symbol), "command": COMMAND}
        agent.run(events[event])  # type: ignore[arg-type]
    elif event in {"turn", "agree"}:
        desk.clock.advance(1)
        agent.say(*THREE, direction=Direction.SHORT if event == "turn" else Direction.LONG, instrument=FUTURE.symbol)
    elif event == "minutes":
        desk.clock.advance(25 * MINUTE)
    elif event == "full":
        agent.settings = replace(agent.settings, autonomy=Autonomy.FULL)
    elif event in {"halt", "resume"}:
        state = TradingState.HALTED if event == "halt" else TradingState.ACTIVE
        desk.states.set("desk", "", state, actor="test", reason="drill")
    else:
        approve_open(agent)


def approve_open(agent: Agent) -> None:
    """Let an operator approve what is open, twice, as far as it may be."""
    deciding = ProposalDesk(
        seen=agent.proposals,
        proposals=agent.proposals,
        books=agent.desk.books,
        intents_queue=agent.desk.raised,
        clock=agent.desk.clock,
    )
    over = agent.desk.states.read() is not TradingState.ACTIVE
    for each in agent.made():
        if each.state is ProposalState.OPEN and not over and each.expires_at_ms > agent.desk.clock.now_ms():
            for _ in range(2):
                caller = Caller(user_id=None, operates=True)
                approve_proposal(each.proposal_id, reason="", caller=caller, desk=deciding)
