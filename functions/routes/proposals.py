"""/api/v1/proposals: what sources agree on, for a person to approve or dismiss."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Path, Query

from functions.routes.callers import FORBIDDEN, CallerOf, ViewerOf
from functions.routes.common import CONFLICT, NOT_FOUND, PROBLEMS, DepsOf, read_cursor, write_cursor
from functions.routes.proposal_schemas import ProposalOut, ProposalPage, VerdictBody
from functions.routes.schemas import EXAMPLE_ID
from functions.routes.trade_schemas import BookId
from shared.domain.proposals import ProposalState
from shared.runtime.auth import bearer
from shared.runtime.problems import answers
from shared.signal_ports import ProposalStore
from shared.usecases.proposals import ProposalDesk, approve_proposal, dismiss_proposal

router = APIRouter(prefix="/api/v1/proposals", tags=["proposals"], responses=PROBLEMS)
_ROW: Final = "[A-Za-z0-9_-]{1,64}"
_LOCKED: Final = answers(423, "The desk or the book does not enter positions now.")
Id = Annotated[BookId, Path(description="The proposal's id.", examples=[EXAMPLE_ID])]


def own_proposals(
    viewer: ViewerOf, deps: DepsOf, authorization: Annotated[str | None, Header(include_in_schema=False)] = None
) -> ProposalStore:
    """Return the proposals the caller may see."""
    return deps.proposals if viewer.user_id is None else deps.proposals_of(bearer(authorization))


ProposalsOf = Annotated[ProposalStore, Depends(own_proposals)]


def deciding_desk(seen: ProposalsOf, deps: DepsOf) -> ProposalDesk:
    """Return what deciding takes."""
    return ProposalDesk(
        seen=seen,
        proposals=deps.proposals,
        books=deps.books,
        intents_queue=deps.intents_queue,
        clock=deps.clock,
    )


DeskOf = Annotated[ProposalDesk, Depends(deciding_desk)]


@router.get("")
def list_proposals(
    seen: ProposalsOf,
    *,
    state: Annotated[ProposalState | None, Query(description="Only in this state.")] = None,
    book_id: Annotated[BookId | None, Query(description="Only of this book.")] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="At most this many.")] = 100,
    cursor: Annotated[str | None, Query(max_length=800, description="The `next` of the page before.")] = None,
) -> ProposalPage:
    """List the proposals of your books and the desk's, newest first."""
    before = read_cursor(cursor, _ROW) if cursor else None
    found = seen.list(limit=limit + 1, before=before, state=state, book_id=book_id)
    last = found[limit - 1] if len(found) > limit else None
    return ProposalPage(
        items=[ProposalOut.of(proposal) for proposal in found[:limit]],
        next=write_cursor(last.created_at_ms, last.proposal_id) if last else None,
    )


@router.get("/{proposal_id}", responses=NOT_FOUND)
def read(proposal_id: Id, seen: ProposalsOf) -> ProposalOut:
    """Return a proposal with the votes it was made of, and what became of it."""
    return ProposalOut.of(seen.get(proposal_id))


@router.post("/{proposal_id}/approve", responses=NOT_FOUND | FORBIDDEN | CONFLICT | _LOCKED)
def approve(proposal_id: Id, caller: CallerOf, desk: DeskOf, body: VerdictBody | None = None) -> ProposalOut:
    """Approve a proposal: its intent is raised once and decided within moments, as every other.

    One approved before is answered as it was. Its book's owner may, and operators.
    """
    reason = "" if body is None else body.reason
    return ProposalOut.of(approve_proposal(proposal_id, reason=reason, caller=caller, desk=desk))


@router.post("/{proposal_id}/dismiss", responses=NOT_FOUND | FORBIDDEN | CONFLICT)
def dismiss(proposal_id: Id, caller: CallerOf, desk: DeskOf, body: VerdictBody | None = None) -> ProposalOut:
    """Dismiss a proposal; one dismissed before is answered as it was. Its book's owner may, and operators."""
    reason = "" if body is None else body.reason
    return ProposalOut.of(dismiss_proposal(proposal_id, reason=reason, caller=caller, desk=desk))
