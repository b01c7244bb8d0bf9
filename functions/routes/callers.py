"""Who calls a route of trading: a person, or the machine that has the service secret and sees all of the desk."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends

from functions.routes.common import DepsOf, VisitOf
from shared.book_ports import BookStore
from shared.domain.errors import ForbiddenError
from shared.runtime.door import person
from shared.runtime.problems import answers
from shared.trading_reads import TradingReads
from shared.usecases.books import Caller

FORBIDDEN = answers(403, "It is not yours to change; nothing was stored.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Somebody with what they may see; `user_id` is None for the machine."""

    user_id: str | None
    books: BookStore
    reads: TradingReads


def current_viewer(deps: DepsOf, visit: VisitOf) -> Viewer:
    """Return the caller the door has let in, with what they may see."""
    if visit.is_machine:
        return Viewer(user_id=None, books=deps.books, reads=deps.reads)
    user = person(visit)
    return Viewer(user_id=user.user_id, books=deps.books_of(user.token), reads=deps.reads_of(user.token))


ViewerOf = Annotated[Viewer, Depends(current_viewer)]


def current_caller(visit: VisitOf, deps: DepsOf) -> Caller:
    """Return the caller with their role, for what changes something."""
    if visit.is_machine:
        return Caller(user_id=None, operates=True)
    user_id = person(visit).user_id
    role = visit.role or deps.profiles.role(user_id)
    return Caller(user_id=user_id, operates=role.operates)


CallerOf = Annotated[Caller, Depends(current_caller)]


def require_operator(caller: CallerOf) -> Caller:
    """Return a caller who minds the desk; raise `ForbiddenError` for everybody else."""
    if not caller.operates:
        raise ForbiddenError("only operators may do this")
    return caller


OperatorOf = Annotated[Caller, Depends(require_operator)]


def person_of(viewer: Viewer) -> str:
    """Return the person who calls; raise `ForbiddenError` for the machine, which owns nothing."""
    if viewer.user_id is None:
        raise ForbiddenError("only a person trades their books: send a person's token")
    return viewer.user_id
