"""What every ProposalStore keeps, in memory and in Supabase."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest

from shared.domain.alerts import Severity
from shared.domain.consensus import SignalAgentSettings, form_consensus
from shared.domain.errors import ConflictError, HaltedError, InvalidMessageError, NotFoundError
from shared.domain.intelligence import Direction, View
from shared.domain.proposals import Proposal, ProposalState, intent_of, propose
from shared.domain.trading.books import Book
from shared.domain.trading.intents import Sizing, SizingMethod
from shared.domain.trading.states import IntentState, Mode, TradingState
from shared.signal_ports import Proposed
from tests.contract.stores import CLOSE, Stores
from tests.contract.test_outbox import LEASE_MS, a_channel, create, route_all

ALICE, BOB = str(uuid4()), str(uuid4())
HOUR = 3_600_000
NOON = CLOSE // HOUR * HOUR
SETTINGS = SignalAgentSettings()


@pytest.fixture
def book(stores: Stores) -> Book:
    return stores.books().create(
        Book(
            book_id=str(uuid4()), owner_id=ALICE, name="Hers", mode=Mode.PAPER, quote="USDT", capital=Decimal(100_000),
            state=TradingState.ACTIVE, venues=("binance",),
        )
    )  # fmt: skip


def of_consensus(book: Book, at_ms: int = NOON, direction: Direction = Direction.LONG) -> Proposal:
    views = [
        View(
            source=source, kind="sentiment", instrument="BTC/USDT", direction=direction, confidence=0.9,
            observed_at_ms=at_ms, expires_at_ms=at_ms + HOUR,
        )
        for source in "abc"
    ]  # fmt: skip
    return propose(form_consensus("BTC/USDT", views, settings=SETTINGS, now_ms=at_ms), book, SETTINGS)


def proposed(stores: Stores, proposal: Proposal, *, cooldown_ms: int = HOUR, asks: bool = True) -> Proposed:
    return stores.proposals().propose(
        proposal, cooldown_ms=cooldown_ms, asks=asks, actor="signal-agent", reason="they agree"
    )


def stored(stores: Stores, proposal: Proposal, cooldown_ms: int = HOUR) -> tuple[Proposal, bool]:
    done = proposed(stores, proposal, cooldown_ms=cooldown_ms)
    return done.proposal, done.is_new


def approved(
    stores: Stores, proposal: Proposal, book: Book, *, now_ms: int = NOON + 1_000, actor: str = ALICE
) -> Proposal:
    intent = intent_of(proposal, book, now_ms=now_ms)
    return stores.proposals().approve(proposal, intent, actor=actor, reason="yes", now_ms=now_ms)


def test_a_proposal_comes_back_as_it_was_made(stores: Stores, book: Book) -> None:
    made = of_consensus(book)
    proposal, is_new = stored(stores, made)
    assert is_new
    assert proposal == replace(made, actor="signal-agent", reason="they agree")
    assert stores.proposals().get(made.proposal_id) == proposal
    assert len(proposal.votes) == 3
    assert proposal.guard.trailing_rate == Decimal("0.03")


@pytest.mark.parametrize("asks", [True, False])
def test_whose_book_it_is_for_is_told_of_a_proposal_once(stores: Stores, book: Book, asks: bool) -> None:
    stores.enrol(ALICE, BOB)
    hers = create(stores, a_channel(ALICE, kinds=("proposal",)))
    for owner in (BOB, None):
        create(stores, a_channel(owner))
    made = of_consensus(book)
    first, again = (proposed(stores, made, asks=asks) for _ in range(2))
    assert (first.is_new, again.is_new, again.told) == (True, False, None)
    assert [(each.outbox_id, each.channels) for each in route_all(stores)] == [(first.told, (hers.channel_id,))]
    (channel,) = stores.deliveries().claim(str(uuid4()), lease_ms=LEASE_MS, channels=9, rows=9).channels
    (due,) = channel.deliveries
    assert (due.kind, due.severity, due.correlation_id) == ("proposal", Severity.INFO, made.correlation_id)
    assert {name: due.data[name] for name in ("proposal_id", "instrument", "direction", "sentence", "asks")} == {
        "proposal_id": made.proposal_id,
        "instrument": "BTC/USDT",
        "direction": "long",
        "sentence": "they agree",
        "asks": asks,
    }
    assert due.data["expires_at_ms"] == made.expires_at_ms
    assert "votes" not in due.data


def test_the_desk_is_told_of_proposals_for_its_own_books(stores: Stores) -> None:
    own = stores.books().create(
        Book(
            book_id=str(uuid4()), owner_id=None, name="Ours", mode=Mode.PAPER, quote="USDT", capital=Decimal(100_000),
            state=TradingState.ACTIVE, venues=("binance",),
        )
    )  # fmt: skip
    desk = create(stores, a_channel(None))
    told = proposed(stores, of_consensus(own)).told
    assert [(each.outbox_id, each.channels) for each in route_all(stores)] == [(told, (desk.channel_id,))]


def test_the_same_consensus_makes_one(stores: Stores, book: Book) -> None:
    first, _ = stored(stores, of_consensus(book))
    assert stored(stores, of_consensus(book)) == (first, False)
    assert stored(stores, of_consensus(book, NOON + HOUR - 1), 0) == (first, False)  # the same window
    assert stored(stores, of_consensus(book, NOON + HOUR), HOUR + 1) == (first, False)  # cooling down
    second, is_new = stored(stores, of_consensus(book, NOON + HOUR), HOUR)
    assert is_new
    assert second.proposal_id != first.proposal_id
    assert [each.proposal_id for each in stores.proposals().list(limit=9)] == [second.proposal_id, first.proposal_id]


def test_a_consensus_for_the_other_side_ends_what_was_open_for_the_other_side(stores: Stores, book: Book) -> None:
    long, _ = stored(stores, of_consensus(book))
    short, is_new = stored(stores, of_consensus(book, NOON + 60_000, Direction.SHORT))
    assert is_new
    ended = stores.proposals().get(long.proposal_id)
    assert (ended.state, ended.reason) == (ProposalState.EXPIRED, "the sources say otherwise by now")
    with pytest.raises(ConflictError):
        approved(stores, ended, book)
    assert approved(stores, short, book, now_ms=NOON + 61_000).state is ProposalState.APPROVED


def test_an_approval_raises_one_intent_however_often_it_is_repeated(stores: Stores, book: Book) -> None:
    proposal, _ = stored(stores, of_consensus(book))
    first = approved(stores, proposal, book)
    assert (first.state, first.version, first.actor, first.reason) == (ProposalState.APPROVED, 2, ALICE, "yes")
    assert approved(stores, proposal, book, actor=BOB, now_ms=NOON + 2_000) == first
    assert stores.intents().pending(limit=9, now_ms=NOON) == [first.intent_id]
    told = stores.reads().intent(first.intent_id or "").told.intent
    assert (told.source, told.sizing.value, told.state) == ("agent", SETTINGS.notional, IntentState.PENDING)
    assert (told.confidence, told.correlation_id) == (Decimal("0.9"), proposal.correlation_id)
    with pytest.raises(ConflictError):
        stores.proposals().dismiss(first, actor=ALICE, reason="no")


def test_the_steps_are_in_the_trace_of_the_intent(stores: Stores, book: Book) -> None:
    proposal, _ = stored(stores, of_consensus(book))
    first = approved(stores, proposal, book)
    for user_id in (None, ALICE):
        steps = stores.reads(user_id).trace(proposal.correlation_id)
        told = [(step["subject"], step["after"], step["actor"], step["intent_id"]) for step in steps]
        assert sorted(told) == [
            ("intent", "pending", ALICE, first.intent_id),
            ("proposal", "approved", ALICE, first.intent_id),
            ("proposal", "open", "signal-agent", first.intent_id),
        ]
        (opened,) = [step for step in steps if step["after"] == "open"]
        assert opened["details"]["instrument"] == "BTC/USDT"  # type: ignore[index]
    assert stores.reads(BOB).trace(proposal.correlation_id) == []


def test_what_was_dismissed_or_is_over_is_not_approved(stores: Stores, book: Book) -> None:
    proposal, _ = stored(stores, of_consensus(book))
    with pytest.raises(ConflictError):  # its time is over, and nobody has swept it yet
        approved(stores, proposal, book, now_ms=proposal.expires_at_ms)
    dismissed = stores.proposals().dismiss(proposal, actor=ALICE, reason="no")
    assert (dismissed.state, dismissed.reason, dismissed.intent_id) == (ProposalState.DISMISSED, "no", None)
    assert stores.proposals().dismiss(proposal, actor=BOB, reason="neither") == dismissed
    with pytest.raises(ConflictError):
        approved(stores, dismissed, book)
    assert stores.intents().pending(limit=9, now_ms=NOON) == []


def test_what_is_over_expires_once(stores: Stores, book: Book) -> None:
    proposal, _ = stored(stores, of_consensus(book))
    proposals = stores.proposals()
    assert proposals.expire(now_ms=proposal.expires_at_ms - 1) == 0
    assert proposals.expire(now_ms=proposal.expires_at_ms) == 1
    assert proposals.expire(now_ms=proposal.expires_at_ms) == 0
    over = proposals.get(proposal.proposal_id)
    assert (over.state, over.actor, over.version) == (ProposalState.EXPIRED, "sweep", 2)
    with pytest.raises(ConflictError):
        approved(stores, over, book)
    with pytest.raises(ConflictError):
        proposals.dismiss(over, actor=ALICE, reason="")


def test_a_moved_one_is_not_decided(stores: Stores, book: Book) -> None:
    proposal, _ = stored(stores, of_consensus(book))
    acts: list[Callable[[Proposal], object]] = [
        lambda given: approved(stores, given, book),
        lambda given: stores.proposals().dismiss(given, actor=ALICE, reason=""),
    ]
    for act in acts:
        with pytest.raises(ConflictError):
            act(replace(proposal, version=2))


@pytest.mark.parametrize("state", [TradingState.REDUCING, TradingState.HALTED])
def test_nothing_is_approved_while_nothing_may_be_entered(stores: Stores, book: Book, state: TradingState) -> None:
    proposal, _ = stored(stores, of_consensus(book))
    stores.states().set("book", book.book_id, state, actor="test", reason="drill")
    with pytest.raises(HaltedError):
        approved(stores, proposal, book)
    assert stores.proposals().get(proposal.proposal_id) == proposal
    assert stores.intents().pending(limit=9, now_ms=NOON) == []
    stores.states().set("book", book.book_id, TradingState.ACTIVE, actor="test", reason="drill")
    assert approved(stores, proposal, book).state is ProposalState.APPROVED


def test_another_intent_than_the_proposals_is_refused(stores: Stores, book: Book) -> None:
    proposal, _ = stored(stores, of_consensus(book))
    intent = intent_of(proposal, book, now_ms=NOON)
    more = replace(intent, sizing=Sizing(method=SizingMethod.NOTIONAL, value=Decimal(1_000_000)))
    with pytest.raises(InvalidMessageError):
        stores.proposals().approve(proposal, more, actor=ALICE, reason="", now_ms=NOON)
    assert stores.proposals().get(proposal.proposal_id).state is ProposalState.OPEN


def test_a_proposal_is_of_a_book_of_its_mode(stores: Stores, book: Book) -> None:
    for change in ({"mode": Mode.LIVE}, {"book_id": "nothing"}):
        with pytest.raises(InvalidMessageError):
            stored(stores, replace(of_consensus(book), **change))


def test_people_see_those_of_the_books_they_see(stores: Stores, book: Book) -> None:
    proposal, _ = stored(stores, of_consensus(book))
    assert stores.proposals(ALICE).get(proposal.proposal_id) == proposal
    assert stores.proposals(ALICE).list(limit=9) == [proposal]
    assert stores.proposals(BOB).list(limit=9) == []
    for user_id, proposal_id in ((BOB, proposal.proposal_id), (None, "nothing")):
        with pytest.raises(NotFoundError):
            stores.proposals(user_id).get(proposal_id)


def test_lists_page_and_filter(stores: Stores, book: Book) -> None:
    made = [stored(stores, of_consensus(book, NOON + n * HOUR), 0)[0] for n in range(3)]
    proposals = stores.proposals()
    approved(stores, made[1], book, now_ms=NOON + HOUR)
    first = proposals.list(limit=2)
    assert [each.proposal_id for each in first] == [made[2].proposal_id, made[1].proposal_id]
    rest = proposals.list(limit=2, before=(first[-1].created_at_ms, first[-1].proposal_id))
    assert rest == [made[0]]
    assert [each.proposal_id for each in proposals.list(limit=9, state=ProposalState.APPROVED)] == [made[1].proposal_id]
    assert proposals.list(limit=9, book_id="nothing") == []
