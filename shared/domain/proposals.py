"""Proposals: what a consensus would trade, for a person or an agent to approve once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from shared.domain.consensus import Consensus, SignalAgentSettings, Vote
from shared.domain.errors import ConflictError, InvalidMessageError
from shared.domain.intelligence import Direction
from shared.domain.trading.asking import EXPIRES_IN_MS
from shared.domain.trading.books import Book
from shared.domain.trading.instruments import PositionSide
from shared.domain.trading.intents import Guard, Intent, Sizing, SizingMethod, Source
from shared.domain.trading.states import Mode

_SPACE: Final = uuid5(NAMESPACE_URL, "https://nightdesk.example/proposals")
_PLACES: Final = Decimal("0.0001")


class ProposalState(StrEnum):
    """What has become of a proposal: it waits, or it was approved or dismissed, or its time is over."""

    OPEN = "open"
    APPROVED = "approved"
    DISMISSED = "dismissed"
    EXPIRED = "expired"


PROPOSAL_STEPS: Final[Mapping[ProposalState, frozenset[ProposalState]]] = {
    ProposalState.OPEN: frozenset({ProposalState.APPROVED, ProposalState.DISMISSED, ProposalState.EXPIRED}),
    ProposalState.APPROVED: frozenset(),
    ProposalState.DISMISSED: frozenset(),
    ProposalState.EXPIRED: frozenset(),
}
"""Which state may follow which; sql/ enforces the same table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A position a consensus speaks for, in a book; times are the market's (epoch ms).

    Its id is derived from book, instrument, direction and the window it was made in, which begins at
    `window_start_ms`: the same consensus makes one. `notional` is quote units, `share` the part of the weight on its
    side, `confidence` what the sources on it weigh on average, `votes` who said what. `intent_id` is None until it is
    approved; `actor` and `reason` are those of the last step.
    """

    proposal_id: str
    book_id: str
    mode: Mode
    instrument: str
    direction: PositionSide
    window_start_ms: int
    notional: Decimal
    guard: Guard = field(default_factory=Guard)
    share: Decimal
    confidence: Decimal
    votes: Sequence[Mapping[str, Any]] = ()
    created_at_ms: int
    expires_at_ms: int
    state: ProposalState = ProposalState.OPEN
    version: int = 1
    actor: str = ""
    reason: str = ""
    intent_id: str | None = None
    correlation_id: str


def propose(consensus: Consensus, book: Book, settings: SignalAgentSettings) -> Proposal:
    """Return the proposal of a consensus that is reached; raise `InvalidMessageError` for any other."""
    if not consensus.is_reached or consensus.direction in {None, Direction.NEUTRAL}:
        raise InvalidMessageError("consensus", f"expected one that is reached, got {consensus.verdict}")
    direction = PositionSide(str(consensus.direction))
    window_start_ms = consensus.at_ms // settings.window_ms * settings.window_ms
    proposal_id = str(uuid5(_SPACE, f"{book.book_id} {consensus.instrument} {direction.value} {window_start_ms}"))
    return Proposal(
        proposal_id=proposal_id,
        book_id=book.book_id,
        mode=book.mode,
        instrument=consensus.instrument,
        direction=direction,
        window_start_ms=window_start_ms,
        notional=settings.notional,
        guard=Guard(trailing_rate=settings.trailing_rate, hold_ms=settings.hold_ms),
        share=_rounded(consensus.share),
        confidence=_rounded(consensus.confidence),
        votes=[_told(vote) for vote in consensus.votes],
        created_at_ms=consensus.at_ms,
        expires_at_ms=consensus.at_ms + settings.horizon_ms,
        correlation_id=proposal_id.replace("-", ""),
    )


def intent_of(proposal: Proposal, book: Book, *, now_ms: int) -> Intent:
    """Return the one intent a proposal ever raises; a book of one venue trades there, in another the router chooses.

    It is of use for as long as a person's wish is.
    """
    return Intent(
        intent_id=str(uuid5(_SPACE, proposal.proposal_id)),
        book_id=proposal.book_id,
        mode=proposal.mode,
        source=Source.AGENT,
        venue=book.venues[0] if len(book.venues) == 1 else None,
        symbol=proposal.instrument,
        direction=proposal.direction,
        sizing=Sizing(method=SizingMethod.NOTIONAL, value=proposal.notional),
        guard=proposal.guard,
        confidence=proposal.confidence,
        raised_at_ms=now_ms,
        expires_at_ms=now_ms + EXPIRES_IN_MS,
        correlation_id=proposal.correlation_id,
    )


def check_proposal_step(proposal: Proposal, after: ProposalState) -> None:
    """Raise `ConflictError` unless a state may follow a proposal's."""
    if after not in PROPOSAL_STEPS[proposal.state]:
        raise ConflictError(f"the proposal is {proposal.state} and cannot become {after}")


def _told(vote: Vote) -> dict[str, Any]:
    return {
        "source": vote.source,
        "kind": vote.kind,
        "label": vote.label,
        "direction": vote.direction.value,
        "validity": vote.validity.value,
        "confidence": round(vote.confidence, 4),
        "freshness": round(vote.freshness, 4),
        "weight": round(vote.weight, 4),
        "observed_at_ms": vote.observed_at_ms,
    }


def _rounded(value: float) -> Decimal:
    return Decimal(repr(value)).quantize(_PLACES)
