"""Decide proposals: a person approves one, which raises its intent once, or dismisses it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.domain.errors import ForbiddenError
from shared.domain.proposals import Proposal, intent_of
from shared.usecases.raising import announce_intents

if TYPE_CHECKING:
    from shared.book_ports import Books
    from shared.ports import Clock, Queue
    from shared.signal_ports import ProposalStore
    from shared.usecases.books import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalDesk:
    """What deciding takes: `seen` is what the caller may see, the rest is the desk's own."""

    seen: ProposalStore
    proposals: ProposalStore
    books: Books
    intents_queue: Queue
    clock: Clock


def approve_proposal(proposal_id: str, *, reason: str, caller: Caller, desk: ProposalDesk) -> Proposal:
    """Approve a proposal for its book's owner or an operator and have its intent decided; return it as it is then.

    One approved before is returned as it was, and its intent is not raised again. Raise `NotFoundError` for one the
    caller cannot see, `ForbiddenError` for one in somebody else's book, `ConflictError` when it is dismissed or over,
    `HaltedError` while nothing may be entered.
    """
    proposal = _decidable(proposal_id, caller, desk)
    now_ms = desk.clock.now_ms()
    intent = intent_of(proposal, desk.books.get(proposal.book_id), now_ms=now_ms)
    approved = desk.proposals.approve(proposal, intent, actor=caller.actor, reason=reason, now_ms=now_ms)
    announce_intents([intent.intent_id], approved.correlation_id, queue=desk.intents_queue)
    return approved


def dismiss_proposal(proposal_id: str, *, reason: str, caller: Caller, desk: ProposalDesk) -> Proposal:
    """Dismiss a proposal for its book's owner or an operator; one dismissed before is returned as it is.

    Raises as `approve_proposal` does.
    """
    proposal = _decidable(proposal_id, caller, desk)
    return desk.proposals.dismiss(proposal, actor=caller.actor, reason=reason)


def _decidable(proposal_id: str, caller: Caller, desk: ProposalDesk) -> Proposal:
    proposal = (desk.proposals if caller.operates else desk.seen).get(proposal_id)
    if not (caller.operates or caller.may_change(desk.books.get(proposal.book_id))):
        raise ForbiddenError(f"proposal {proposal_id!r} is not yours to decide")
    return proposal
