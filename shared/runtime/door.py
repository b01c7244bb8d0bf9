"""Who comes in: every request is held to its address' limit, then proves who sends it, then to that person's limit.

What a route may then do with somebody's objects is decided where the objects are. See docs/adr/0098.
"""

from typing import Final

from shared.domain.errors import ForbiddenError
from shared.runtime.auth import UnauthorizedError, bearer, is_service_secret
from shared.runtime.limits import ANONYMOUS_PER_MINUTE, address_key
from shared.runtime.visits import User, Visit
from shared.runtime.wiring import Deps

PUBLIC: Final = frozenset({"/health", "/api/openapi.json", "/api/docs"})
"""What needs no token: health, and the description of the API, which is as public as its source."""


def admit(visit: Visit, deps: Deps) -> None:
    """Let a request in and fill in who sends it.

    Raise `LimitedError`, `UnauthorizedError`, `ForbiddenError` for a viewer who asks for a change, `TransientError`.
    The holder of the service secret is not limited: halting the desk must not wait.
    """
    settings, header = deps.settings, visit.authorization
    scheme, _, token = (header or "").partition(" ")
    visit.is_machine = scheme.lower() == "bearer" and is_service_secret(token.strip(), settings)
    if visit.is_machine:
        return
    by_address = settings.address_requests_per_minute if header else ANONYMOUS_PER_MINUTE
    kind = "" if header else "anonymous:"
    visit.quota = deps.limits.take(f"{kind}{address_key(visit.address)}", per_minute=by_address)
    if visit.path in PUBLIC:
        return
    from shared.runtime.users import authenticate  # noqa: PLC0415 - the cryptography of tokens; health does without

    visit.user = authenticate(bearer(header), settings)
    user_id = visit.user.user_id
    visit.quota = deps.limits.take_person(user_id)
    if visit.changes:
        visit.role = deps.profiles.role(user_id)
        if not visit.role.writes:
            raise ForbiddenError("viewers read only")


def person(visit: Visit) -> User:
    """Return the person who sends a request; raise `UnauthorizedError` for a machine."""
    if visit.user is None:
        raise UnauthorizedError("token refused: expected a signed-in person's")
    return visit.user
