"""What every route shares: the desk's parts, the person calling, cursors."""

import base64
import binascii
import math
import re
from typing import Annotated

from fastapi import Depends, Request

from shared.domain.errors import InvalidMessageError
from shared.ports import OutcomeStore, SignalStore, TraderStore
from shared.runtime.door import person
from shared.runtime.problems import answers
from shared.runtime.visits import User, Visit
from shared.runtime.wiring import Deps, process_deps

TOO_MANY = answers(429, "Too many requests in the last minute; `Retry-After` says when there are more.")
PROBLEMS = {
    **answers(400, "A field is wrong; nothing was stored."),
    **answers(401, "No valid token."),
    **answers(413, "The body is too large."),
    **TOO_MANY,
    **answers(503, "A store does not answer; try again."),
}
NOT_FOUND = answers(404, "It does not exist, or is not yours to see.")
CONFLICT = answers(409, "Somebody changed it meanwhile.")
PAUSED = answers(409, "The agent that would do it is paused, by whom and why.")

DepsOf = Annotated[Deps, Depends(process_deps)]


def current_visit(request: Request) -> Visit:
    """Return what the door knows of the request it let in."""
    visit: Visit = request.state.visit
    return visit


VisitOf = Annotated[Visit, Depends(current_visit)]


def current_user(visit: VisitOf) -> User:
    """Return the person whose token the door has checked; deny machines."""
    return person(visit)


UserOf = Annotated[User, Depends(current_user)]


def own_traders(deps: DepsOf, user: UserOf) -> TraderStore:
    """Return the traders this person may see."""
    return deps.traders_of(user.token)


def own_signals(deps: DepsOf, user: UserOf) -> SignalStore:
    """Return the signals this person may see."""
    return deps.signals_of(user.token)


def own_outcomes(deps: DepsOf, user: UserOf) -> OutcomeStore:
    """Return what became of the signals this person may see."""
    return deps.outcomes_of(user.token)


TradersOf = Annotated[TraderStore, Depends(own_traders)]
SignalsOf = Annotated[SignalStore, Depends(own_signals)]
OutcomesOf = Annotated[OutcomeStore, Depends(own_outcomes)]


def known(value: float) -> float | None:
    """Return a number as JSON has it: null for NaN, the unknown."""
    return None if math.isnan(value) else value


def write_cursor(time_ms: int, row_id: str) -> str:
    """Pack the place of a row into an opaque text."""
    return base64.urlsafe_b64encode(f"{time_ms}.{row_id}".encode()).decode().rstrip("=")


def read_cursor(text: str, row_id: str = "[0-9a-f-]{36}") -> tuple[int, str]:
    """Unpack a cursor to a row whose id matches; raise `InvalidMessageError` for one this API did not make."""
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (ValueError, binascii.Error):
        packed = ""
    found = re.fullmatch(rf"([0-9]{{1,15}})\.({row_id})", packed)
    if found is None:
        raise InvalidMessageError("cursor", "expected the `next` of an earlier page")
    return int(found[1]), found[2]
