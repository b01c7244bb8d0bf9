"""Proposals and the consensus over the API: who sees them, who decides, and that a decision counts once."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.consensus import SignalAgentSettings
from shared.domain.intelligence import Direction, IntelligenceSignal, Provenance
from shared.domain.signals import Signal
from shared.domain.timeframe import Timeframe
from shared.domain.traders import PositionSide
from shared.domain.trading.states import TradingState
from shared.messages import CronTick
from shared.usecases.signal_agent import SignalDesk, signal_agent
from tests.contract.stores import a_trader
from tests.fakes.intelligence import MemoryIntelligenceStore, MemoryProposalStore
from tests.fakes.queue import MemoryQueue
from tests.fakes.stores import MemorySignalStore, MemoryTraderStore
from tests.functions.api_client import ALICE, BOB, Answer, call
from tests.functions.trading_desk import HERS, OPERATOR, SECRET, trading_api, trading_desk
from tests.usecases.trading_in_memory import SYMBOL, TradingInMemory

PROPOSALS = "/api/v1/proposals"
SUMMARY = "/api/v1/engine/intelligence/summary"


@pytest.fixture
def desk() -> Iterator[TradingInMemory]:
    desk = trading_desk()
    with trading_api(desk):
        yield desk


def agree(desk: TradingInMemory, *sources: str, **change: Any) -> None:
    """Let sources say long now."""
    now_ms = desk.clock.now_ms()
    MemoryIntelligenceStore(desk.database).record(
        [
            IntelligenceSignal(
                source=source,
                kind="sentiment",
                instrument=SYMBOL,
                confidence=0.9,
                observed_at_ms=now_ms,
                expires_at_ms=now_ms + 3_600_000,
                data_quality=1.0,
                correlation_id="c",
                **({"direction": Direction.LONG, "provenance": Provenance.MEASURED} | change),
            )
            for source in sources
        ]
    )


def proposed(desk: TradingInMemory, book_id: str = HERS) -> str:
    """Let the agent propose what three sources agree on; return the proposal's id."""
    agree(desk, "coingecko", "glassnode", "santiment")
    done = signal_agent(
        CronTick(trigger="cron"),
        desk=SignalDesk(
            settings=SignalAgentSettings(book_id=book_id),
            intelligence=MemoryIntelligenceStore(desk.database),
            proposals=MemoryProposalStore(desk.database),
            books=desk.books,
            states=desk.states,
            instruments=desk.instruments,
            intents_queue=desk.raised,
            notifications=MemoryQueue(),
            clock=desk.clock,
        ),
    )
    return done.proposed[SYMBOL]


def decide(proposal_id: str, verb: str = "approve", body: Any = None, **who: Any) -> Answer:
    return call("POST", f"{PROPOSALS}/{proposal_id}/{verb}", body, **who)


def test_a_proposal_is_read_approved_and_traded(desk: TradingInMemory) -> None:
    proposal_id = proposed(desk)
    (item,) = call("GET", PROPOSALS, query="state=open").body["items"]
    assert item == call("GET", f"{PROPOSALS}/{proposal_id}").body
    assert (item["instrument"], item["direction"], item["notional"], item["actor"]) == (
        SYMBOL,
        "long",
        "100",
        "signal-agent",
    )
    assert item["guard"]["trailing_rate"] == "0.03"
    assert {vote["source"] for vote in item["votes"]} == {"coingecko", "glassnode", "santiment"}
    answer = decide(proposal_id, body={"reason": "agreed"})
    assert (answer.status, answer.body["state"], answer.body["actor"]) == (200, "approved", ALICE)
    desk.run()
    story = call("GET", f"/api/v1/intents/{answer.body['intent_id']}").body["intent"]
    assert (story["state"], story["source"], story["book_id"]) == ("executed", "agent", HERS)
    steps = call("GET", f"/api/v1/trace/{answer.body['intent_id']}").body["steps"]
    assert [(step["subject"], step["after"]) for step in steps][:3] == [
        ("proposal", "open"),
        ("intent", "pending"),
        ("proposal", "approved"),
    ]
    assert call("GET", PROPOSALS, query="state=open").body["items"] == []


def test_an_approval_counts_once(desk: TradingInMemory) -> None:
    proposal_id = proposed(desk)
    first, again = decide(proposal_id), decide(proposal_id, user=OPERATOR)
    assert (again.status, again.body) == (200, first.body)
    assert len(desk.database.trading.intents) == 1
    assert decide(proposal_id, "dismiss").status == 409
    desk.run()
    assert len(desk.database.trading.orders) == 1


def test_what_was_dismissed_stays_so(desk: TradingInMemory) -> None:
    proposal_id = proposed(desk)
    answer = decide(proposal_id, "dismiss", {"reason": "the news is priced in"})
    assert (answer.status, answer.body["state"], answer.body["reason"]) == (200, "dismissed", "the news is priced in")
    assert decide(proposal_id, "dismiss", user=OPERATOR).body == answer.body
    assert decide(proposal_id).status == 409
    assert desk.database.trading.intents == {}


def test_one_whose_time_is_over_is_not_approved(desk: TradingInMemory) -> None:
    proposal_id = proposed(desk)
    desk.clock.advance(SignalAgentSettings().horizon_ms)
    assert decide(proposal_id).status == 409
    assert MemoryProposalStore(desk.database).expire(now_ms=desk.clock.now_ms()) == 1
    for verb in ("approve", "dismiss"):
        assert decide(proposal_id, verb).status == 409
    assert desk.database.trading.intents == {}


def test_nothing_is_approved_on_a_halted_desk(desk: TradingInMemory) -> None:
    proposal_id = proposed(desk)
    desk.states.set("desk", "", TradingState.HALTED, actor="test", reason="drill")
    assert decide(proposal_id).status == 423
    assert desk.database.trading.intents == {}
    assert call("GET", f"{PROPOSALS}/{proposal_id}").body["state"] == "open"


@pytest.mark.parametrize("verb", ["approve", "dismiss"])
def test_only_the_owner_of_the_book_and_operators_decide(desk: TradingInMemory, verb: str) -> None:
    hers, desks = proposed(desk), proposed(desk, desk.book.book_id)
    assert decide(hers, verb, user=None).status == 401
    assert decide(hers, verb, user=BOB).status == 404  # it is not theirs to see
    assert decide(desks, verb).status == 403  # she sees the desk's, and does not decide it
    assert decide("nothing", verb, user=OPERATOR).status == 404
    assert decide(hers, verb, {"reson": "typo"}).status == 400
    assert {each.state for each in desk.database.trading.proposals.values()} == {"open"}
    assert decide(hers, verb, user=OPERATOR).status == 200
    assert decide(desks, verb, token=SECRET).body["actor"] == "operator"


def test_a_queue_that_is_away_leaves_the_intent_to_the_sweep(desk: TradingInMemory) -> None:
    proposal_id = proposed(desk)
    desk.raised.broken = True
    assert decide(proposal_id).status == 200
    desk.raised.broken = False
    desk.sweep()
    (row,) = desk.database.trading.intents.values()
    assert row.intent.state == "executed"


def test_people_see_the_proposals_of_their_books_and_the_desks(desk: TradingInMemory) -> None:
    hers, desks = proposed(desk), proposed(desk, desk.book.book_id)

    def seen(query: str = "", **who: Any) -> set[str]:
        return {item["proposal_id"] for item in call("GET", PROPOSALS, query=query, **who).body["items"]}

    assert seen() == {hers, desks}
    assert seen(user=BOB) == {desks}
    assert seen(token=SECRET) == {hers, desks}
    assert seen(f"book_id={HERS}") == {hers}
    assert call("GET", PROPOSALS, user=None).status == 401
    assert call("GET", PROPOSALS, query="state=lost").status == 400
    first = call("GET", PROPOSALS, query="limit=1").body
    assert {first["items"][0]["proposal_id"]} | seen(f"limit=1&cursor={first['next']}") == {hers, desks}


def test_the_summary_tells_the_consensus_with_its_votes(desk: TradingInMemory) -> None:
    agree(desk, "coingecko", "glassnode", "santiment")
    agree(desk, "twitter", direction=Direction.SHORT, provenance=Provenance.SIMULATED)
    answer = call("GET", SUMMARY)
    assert (answer.status, answer.body["min_sources"], answer.body["min_share"]) == (200, 3, 0.7)
    (each,) = answer.body["instruments"]
    assert (each["instrument"], each["verdict"], each["direction"], each["share"]) == (SYMBOL, "consensus", "long", 1.0)
    assert each["sentence"] == "long: 3 of 3 sources agree, with 100.0 % of the weight (3 and 70 % are asked for)"
    votes = {vote["source"]: vote for vote in each["votes"]}
    assert votes["coingecko"]["sentence"] == "long, 0.90 sure, 0 s old: weighs 0.90"
    assert votes["twitter"]["sentence"] == "short, 0.90 sure, 0 s old: made up, which never counts"
    assert call("GET", SUMMARY, query="instrument=ETH/USDT").body["instruments"] == []
    assert call("GET", SUMMARY, query="instrument=nonsense").status == 400
    assert call("GET", SUMMARY, user=None).status == 401


def test_in_the_summary_only_ones_own_traders_vote(desk: TradingInMemory) -> None:
    hers = MemoryTraderStore(desk.database).create(a_trader(ALICE, name="Her dips"))
    fired = Signal(
        trader_id=hers.trader_id,
        symbol=SYMBOL,
        timeframe=Timeframe.M1,
        close_time=desk.clock.now_ms() // 60_000 * 60_000,
        side=PositionSide.LONG,
        price=1.0,
        rule_hash="c0ffee",
        values={},
    )
    MemorySignalStore(desk.database).record("binance", "c", [fired, fired._replace(symbol="ETH/USDT")])
    (each, _) = call("GET", SUMMARY).body["instruments"]
    assert [(vote["label"], vote["kind"]) for vote in each["votes"]] == [("Her dips", "trader")]
    assert each["sentence"] == "insufficient: 1 source to go by, 3 are asked for"
    assert call("GET", SUMMARY, user=BOB).body["instruments"] == []
    assert call("GET", SUMMARY, token=SECRET).body["instruments"] == []


def test_a_proposal_of_a_book_that_trades_at_several_venues_leaves_the_venue_open(desk: TradingInMemory) -> None:
    wide = replace(desk.book, book_id="wide", owner_id=ALICE, name="Wide", venues=(desk.venue, "kraken"))
    desk.books.create(wide)
    intent_id = decide(proposed(desk, "wide")).body["intent_id"]
    assert call("GET", f"/api/v1/intents/{intent_id}").body["intent"]["venue"] is None
