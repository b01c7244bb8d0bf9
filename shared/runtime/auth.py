"""Prove that a machine is calling: by an HMAC signature over the body, or by the service secret."""

import hmac

from shared.domain.errors import NightdeskError
from shared.domain.signing import SIGNATURE_HEADER, verify
from shared.runtime.config import Settings


class UnauthorizedError(NightdeskError):
    """Refuse a caller who has not proved who they are."""


def bearer(authorization: str | None) -> str:
    """Return the token of an `Authorization: Bearer …` header; raise `UnauthorizedError` when there is none."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthorizedError("Authorization: expected 'Bearer <token>'")
    return token.strip()


def require_machine(headers: dict[str, str], body: str, settings: Settings, *, now_ms: int) -> None:
    """Raise unless a machine proved itself: a signature over the body, or the service secret as bearer token.

    Header names are lower-case. `now_ms` is the wall clock, not the tape's.
    """
    if SIGNATURE_HEADER in headers:
        verify(settings.need("trigger_secret"), headers=headers, body=body, now_ms=now_ms)
        return
    if not is_service_secret(bearer(headers.get("authorization")), settings.need("service_secret")):
        raise UnauthorizedError("Authorization: wrong service secret")


def is_service_secret(token: str, secret: str) -> bool:
    """Tell whether a token is the service secret, in a time that says nothing about it."""
    return hmac.compare_digest(token.encode(), secret.encode())
