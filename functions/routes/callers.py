"""Who calls a route of trading: a person, or the machine that has the service secret and sees all of the desk."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header

from functions.routes.common import DepsOf
from functions.routes.schemas import Problem
from shared.book_ports import BookStore
from shared.domain.errors import ForbiddenError
from shared.runtime.auth import bearer, is_service_secret
from shared.runtime.users import authenticate
from shared.trading_reads import TradingReads
from shared.usecases.books import Caller

FORBIDDEN: dict[int | str, dict[str, Any]] = {
    403: {"model": Problem, "description": "It is not yours to change; nothing was stored."}
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Somebody with what they may see; `user_id` is None for the machine."""

    user_id: str | None
    books: BookStore
    reads: TradingReads


def current_viewer(
    deps: DepsOf, authorization: Annotated[str | None, Header(include_in_schema=False)] = None
) -> Viewer:
    """Return the caller the request's token proves; deny everybody else."""
    token = bearer(authorization)
    if is_service_secret(token, deps.settings):
        return Viewer(user_id=None, books=deps.books, reads=deps.reads)
    user = authenticate(token, deps.settings)
    return Viewer(user_id=user.user_id, books=deps.books_of(user.token), reads=deps.reads_of(user.token))


ViewerOf = Annotated[Viewer, Depends(current_viewer)]


def current_caller(viewer: ViewerOf, deps: DepsOf) -> Caller:
    """Return the caller with their role, for what changes something."""
    operates = viewer.user_id is None or deps.profiles.role(viewer.user_id).operates
    return Caller(user_id=viewer.user_id, operates=operates)


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
