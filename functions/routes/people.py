"""/api/v1/me and /api/v1/people: what one may do oneself; who there is, their roles and tiers, for admins."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query

from functions.routes.callers import FORBIDDEN, CallerOf, ViewerOf, person_of
from functions.routes.common import CONFLICT, NOT_FOUND, PROBLEMS, DepsOf
from functions.routes.people_schemas import MeOut, PersonOut, PersonPage, PersonPatch
from functions.routes.schemas import EXAMPLE_ID
from shared.domain.errors import ForbiddenError, InvalidMessageError
from shared.domain.people import PersonRole
from shared.usecases.books import Caller

router = APIRouter(tags=["people"], responses=PROBLEMS | FORBIDDEN)
PersonId = Annotated[UUID, Path(description="The person's id.", examples=[EXAMPLE_ID])]


def require_admin(caller: CallerOf, deps: DepsOf) -> Caller:
    """Return a caller who minds the people, or the machine; raise `ForbiddenError` for everybody else."""
    if caller.user_id is not None and deps.profiles.role(caller.user_id) is not PersonRole.ADMIN:
        raise ForbiddenError("only admins may do this")
    return caller


AdminOf = Annotated[Caller, Depends(require_admin)]


@router.get("/api/v1/me")
def me(viewer: ViewerOf, deps: DepsOf) -> MeOut:
    """Tell you your role and tier, what the tier has, and what of it you use."""
    user_id = person_of(viewer)
    return MeOut.of(user_id, deps.profiles.standing(user_id))


@router.get("/api/v1/people")
def list_people(
    _: AdminOf,
    deps: DepsOf,
    *,
    after: Annotated[UUID | None, Query(description="People after this id.", examples=[EXAMPLE_ID])] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="So many at most.")] = 100,
) -> PersonPage:
    """List everybody with an account, by id; for admins."""
    found = deps.profiles.list(limit=limit + 1, after=None if after is None else str(after))
    more = len(found) > limit
    return PersonPage(
        items=[PersonOut.of(person) for person in found[:limit]], next=found[limit - 1].user_id if more else None
    )


@router.patch("/api/v1/people/{user_id}", responses=NOT_FOUND | CONFLICT)
def change_person(user_id: PersonId, body: PersonPatch, caller: AdminOf, deps: DepsOf) -> PersonOut:
    """Give somebody a role, a tier or both; for admins. The last admin stays one.

    What of theirs is more than a new tier has stays stored, and is not worked on.
    """
    if body.role is None and body.tier is None:
        raise InvalidMessageError("role", "expected a role, a tier or both")
    return PersonOut.of(deps.profiles.change(str(user_id), actor=caller.actor, role=body.role, tier=body.tier))
