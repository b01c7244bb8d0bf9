"""Prove that a machine is calling: by an HMAC signature over the body, or by the service secret.

While a secret is rotated the one before it is accepted too, so that callers and functions need not change at once.
"""

from __future__ import annotations

import hmac
from contextlib import suppress
from typing import TYPE_CHECKING

from shared.domain.errors import NightdeskError
from shared.domain.signing import SIGNATURE_HEADER, SignatureError, verify

if TYPE_CHECKING:
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
        _verify(settings, headers=headers, body=body, now_ms=now_ms)
        return
    settings.need("service_secret")
    if not is_service_secret(bearer(headers.get("authorization")), settings):
        raise UnauthorizedError("Authorization: wrong service secret")


def is_service_secret(token: str, settings: Settings) -> bool:
    """Tell whether a token is the service secret, in a time that says nothing about it; False where there is none."""
    secrets = (settings.service_secret, settings.service_secret_previous)
    accepted = [secret.get_secret_value().encode() for secret in secrets if secret is not None]
    return any(hmac.compare_digest(token.encode(), secret) for secret in accepted)


def _verify(settings: Settings, *, headers: dict[str, str], body: str, now_ms: int) -> None:
    if settings.trigger_secret_previous is not None:
        with suppress(SignatureError):  # then the present secret says what is wrong
            previous = settings.trigger_secret_previous.get_secret_value()
            verify(previous, headers=headers, body=body, now_ms=now_ms)
            return
    verify(settings.need("trigger_secret"), headers=headers, body=body, now_ms=now_ms)
