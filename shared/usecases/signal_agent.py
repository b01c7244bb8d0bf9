"""Form the consensus of independent sources, and propose or raise what it speaks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shared.domain.agents import Autonomy
from shared.domain.consensus import LOOKBACK_WINDOWS, Consensus, SignalAgentSettings, form_all
from shared.domain.consensus_words import sentence_of
from shared.domain.errors import NightdeskError, NotFoundError
from shared.domain.intelligence import Direction
from shared.domain.proposals import Proposal, ProposalState, intent_of, propose
from shared.domain.trading.instruments import InstrumentKind
from shared.domain.trading.states import TradingState
from shared.messages import CronTick
from shared.signal_messages import SignalAgentCommanded, SignalAgentResult, SignalsRecorded
from shared.usecases.alerts import announce_outbox
from shared.usecases.raising import announce_intents

if TYPE_CHECKING:
    from shared.book_ports import Books, DeskStates
    from shared.domain.trading.books import Book
    from shared.ports import Clock, Queue
    from shared.signal_ports import IntelligenceStore, ProposalStore
    from shared.venue_ports import InstrumentStore

ACTOR: Final = "signal-agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalDesk:
    """What signal-agent takes."""

    settings: SignalAgentSettings
    intelligence: IntelligenceStore
    proposals: ProposalStore
    books: Books
    states: DeskStates
    instruments: InstrumentStore
    intents_queue: Queue
    notifications: Queue
    clock: Clock


@dataclass(slots=True)
class _Done:
    """What a run has done so far, by instrument."""

    proposed: dict[str, str] = field(default_factory=dict)
    raised: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)


def signal_agent(event: CronTick | SignalsRecorded | SignalAgentCommanded, *, desk: SignalDesk) -> SignalAgentResult:
    """Look at the instruments an event is about, or at all, and act on every consensus as far as the agent may.

    With `full` autonomy the intent is raised, else a person is asked; `user_triggered`, it acts on commands alone. The
    minute's sweep also ends the proposals whose time is over.
    """
    now_ms = desk.clock.now_ms()
    expired = desk.proposals.expire(now_ms=now_ms) if isinstance(event, CronTick) else 0
    if desk.settings.autonomy is Autonomy.USER_TRIGGERED and not isinstance(event, SignalAgentCommanded):
        return SignalAgentResult(idle="it acts on commands alone", expired=expired)
    book = _book(desk)
    if isinstance(book, str):
        return SignalAgentResult(idle=book, expired=expired)
    instruments = _instruments(event, desk.settings)
    if instruments is None:
        return SignalAgentResult(idle="none of these instruments is the agent's", expired=expired)

    formed = consensus_now(
        desk.intelligence, person=book.owner_id, instruments=instruments, settings=desk.settings, now_ms=now_ms
    )

    done = _Done()
    for consensus in formed:
        if consensus.is_reached:
            _act(consensus, book, desk, done)
    announce_outbox(done.told, queue=desk.notifications)
    return SignalAgentResult(
        verdicts=dict(Counter(consensus.verdict.value for consensus in formed)),
        proposed=done.proposed,
        raised=done.raised,
        skipped=done.skipped,
        expired=expired,
        errors=done.errors,
    )


def consensus_now(
    intelligence: IntelligenceStore,
    *,
    person: str | None,
    instruments: Collection[str],
    settings: SignalAgentSettings,
    now_ms: int,
    windows: int = LOOKBACK_WINDOWS,
) -> Sequence[Consensus]:
    """Return what sources make of instruments, or of all, now; of people's traders only the person's own vote.

    One window back is all that votes; more of them tell that sources would agree, had they spoken lately.
    """
    views = intelligence.views(
        now_ms=now_ms,
        since_ms=now_ms - windows * settings.window_ms,
        min_data_quality=settings.min_data_quality,
        person=person,
        instruments=instruments,
    )
    return form_all(views, settings=settings, now_ms=now_ms)


def consensus_seen(
    *, intelligence: IntelligenceStore, books: Books, settings: SignalAgentSettings, now_ms: int
) -> Sequence[Consensus]:
    """Return where sources agree now as signal-agent sees it, for who only wants to know; of its instruments alone."""
    formed = consensus_now(
        intelligence,
        person=_owner(books, settings),
        instruments=settings.instruments,
        settings=settings,
        now_ms=now_ms,
        windows=1,
    )
    return [each for each in formed if each.is_reached]


def _owner(books: Books, settings: SignalAgentSettings) -> str | None:
    """Return whose traders vote beside the built-in ones: those of the owner of the configured book."""
    try:
        return None if settings.book_id is None else books.get(settings.book_id).owner_id
    except NotFoundError:
        return None


def _book(desk: SignalDesk) -> Book | str:
    """Return the book to trade in, or why there is none to raise anything in."""
    book_id, mode = desk.settings.book_id, desk.settings.mode
    if book_id is None:
        return "no book is configured"
    if (state := desk.states.read()) is not TradingState.ACTIVE:
        return f"the desk is {state}"
    try:
        book = desk.books.get(book_id)
    except NotFoundError:
        return f"there is no book {book_id!r}, which is configured"
    if book.mode is not mode:
        return f"book {book_id!r} is a {book.mode} book, and {mode} is configured"
    return f"book {book_id!r} is {book.state}" if book.state is not TradingState.ACTIVE else book


def _instruments(
    event: CronTick | SignalsRecorded | SignalAgentCommanded, settings: SignalAgentSettings
) -> Collection[str] | None:
    """Return the instruments to look at, none for all; None when there is none to look at."""
    asked = () if isinstance(event, CronTick) else event.instruments
    if not asked or not settings.instruments:
        return asked or settings.instruments
    return [name for name in asked if name in settings.instruments] or None


def _act(consensus: Consensus, book: Book, desk: SignalDesk, done: _Done) -> None:
    """Propose what a consensus speaks for, and approve it where the agent may."""
    instrument = consensus.instrument
    try:
        if why := _untradable(consensus, book, desk.instruments):
            done.skipped[instrument] = why
            return
        proposed = desk.proposals.propose(
            propose(consensus, book, desk.settings),
            cooldown_ms=desk.settings.cooldown_ms,
            asks=desk.settings.autonomy is not Autonomy.FULL,
            actor=ACTOR,
            reason=sentence_of(consensus, desk.settings),
        )
        if proposed.is_new:
            done.proposed[instrument] = proposed.proposal.proposal_id
        if proposed.told is not None:
            done.told.append(proposed.told)
        if desk.settings.autonomy is Autonomy.FULL and _may_raise(proposed.proposal, desk):
            done.raised[instrument] = _raised(proposed.proposal, book, desk)
        elif not proposed.is_new:
            done.skipped[instrument] = f"proposal {proposed.proposal.proposal_id} stands, {proposed.proposal.state}"
    except NightdeskError as error:  # one instrument must not keep the others waiting
        done.errors[instrument] = f"{type(error).__name__}: {error}"


def _may_raise(proposal: Proposal, desk: SignalDesk) -> bool:
    return proposal.state is ProposalState.OPEN and desk.clock.now_ms() < proposal.expires_at_ms


def _raised(proposal: Proposal, book: Book, desk: SignalDesk) -> str:
    """Approve a proposal as the agent and have its intent decided; return the intent's id."""
    now_ms = desk.clock.now_ms()
    intent = intent_of(proposal, book, now_ms=now_ms)
    desk.proposals.approve(proposal, intent, actor=ACTOR, reason="autonomy is full", now_ms=now_ms)
    announce_intents([intent.intent_id], proposal.correlation_id, queue=desk.intents_queue)
    return intent.intent_id


def _untradable(consensus: Consensus, book: Book, instruments: InstrumentStore) -> str | None:
    """Return why a book cannot enter what a consensus speaks for, None when it can."""
    symbol = consensus.instrument
    at = [each for each in instruments.list(symbol=symbol) if each.venue in book.venues]
    if not at:
        return f"{symbol} is not traded at {', '.join(book.venues)}"
    if all(each.quote != book.quote for each in at):
        return f"{symbol} is not quoted in {book.quote}, the book's currency"
    if consensus.direction is Direction.SHORT and all(each.kind is InstrumentKind.SPOT for each in at):
        return f"{symbol} is spot, which is not sold short"
    return None
