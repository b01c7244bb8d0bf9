"""/api/v1/books: open books, see how they stand, set their limits, freeze them."""

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Path, Query
from pydantic import Field

from functions.routes.book_schemas import (
    AccountHaltOut,
    BookBody,
    BookOut,
    BookPage,
    BookPatch,
    EquityOut,
    EquityPointOut,
    StateBody,
    StateOut,
)
from functions.routes.callers import FORBIDDEN, CallerOf, ViewerOf
from functions.routes.common import CONFLICT, NOT_FOUND, PROBLEMS, DepsOf
from functions.routes.risk import told_status
from functions.routes.risk_schemas import BookStatusOut
from functions.routes.schemas import EXAMPLE_ID, EpochMs, Schema
from functions.routes.trade_schemas import BookId
from shared.domain.trading.states import Scope
from shared.usecases.books import change_book, changeable, create_book, stateable
from shared.usecases.halting import set_part_state

router = APIRouter(prefix="/api/v1/books", tags=["books"], responses=PROBLEMS)
Id = Annotated[BookId, Path(description="The book's id.", examples=[EXAMPLE_ID])]


class BookNowOut(Schema):
    """A book, and how it stands now."""

    book: BookOut = Field(description="The book as stored.")
    status: BookStatusOut = Field(description="What it is worth and has at stake, with its positions.")


@router.get("")
def list_books(viewer: ViewerOf) -> BookPage:
    """List the books you may see, by name: yours and the desk's."""
    return BookPage(items=[BookOut.of(book) for book in viewer.books.list()])


@router.post("", status_code=201, responses=FORBIDDEN | CONFLICT)
def create(body: BookBody, deps: DepsOf, caller: CallerOf) -> BookOut:
    """Open a book of your own; what it may trade begins as `active`."""
    book = create_book(
        body.book(str(uuid4()), caller.user_id),
        caller=caller,
        books=deps.books,
        venues=deps.venues,
        desk_mode=deps.settings.agent_mode,
    )
    return BookOut.of(book)


@router.get("/{book_id}", responses=NOT_FOUND)
def read(book_id: Id, viewer: ViewerOf, deps: DepsOf) -> BookNowOut:
    """Return a book with its equity, positions, the day's drawdown and how far it is from its limits."""
    status = told_status(book_id, viewer, deps.market, deps.settings.risk_tier, deps.caps())
    return BookNowOut(book=BookOut.of(viewer.books.get(book_id)), status=status)


@router.patch("/{book_id}", responses=NOT_FOUND | FORBIDDEN | CONFLICT)
def change(book_id: Id, body: BookPatch, viewer: ViewerOf, deps: DepsOf, caller: CallerOf) -> BookOut:
    """Change name, venues, limits, breakers or mode of one of your books; every decision after it is held to them."""
    stored = changeable(book_id, caller=caller, seen=viewer.books, books=deps.books)
    book = change_book(
        body.changed(stored),
        version=body.version or stored.version,
        caller=caller,
        books=deps.books,
        venues=deps.venues,
        desk_mode=deps.settings.agent_mode,
    )
    return BookOut.of(book)


@router.put("/{book_id}/state", responses=NOT_FOUND | FORBIDDEN)
def set_state(book_id: Id, body: StateBody, viewer: ViewerOf, deps: DepsOf, caller: CallerOf) -> StateOut:
    """Freeze one of your books, have it leave positions only, or let it trade again; resting orders are cancelled.

    Operators may do so with anybody's, and what they have made stricter is not its owner's to loosen.
    """
    states = deps.desk_states
    book = stateable(book_id, body.state, caller=caller, seen=viewer.books, books=deps.books, states=states)
    halt = set_part_state(
        Scope.BOOK,
        [book.book_id],
        body.state,
        actor=caller.actor,
        reason=body.reason,
        switch=deps.switch,
        floor=deps.floor,
    )
    return StateOut(
        state=halt.state, accounts=[AccountHaltOut.of(each) for each in halt.accounts], took_ms=halt.took_ms
    )


@router.get("/{book_id}/equity", responses=NOT_FOUND)
def equity(
    book_id: Id,
    viewer: ViewerOf,
    *,
    since: Annotated[EpochMs, Query(description="Points from here on (epoch ms).")] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000, description="The newest so many.")] = 1_440,
) -> EquityOut:
    """Return what a book was worth, minute by minute while it could change; in between it was worth the same."""
    book = viewer.books.get(book_id)
    points = viewer.reads.equity(book_id, since_ms=since, limit=limit)
    return EquityOut(book_id=book_id, quote=book.quote, points=[EquityPointOut.of(point) for point in points])
