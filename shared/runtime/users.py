"""Prove who is calling: people sign in with Supabase and carry its JWT."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import jwt

from shared.domain.errors import TransientError
from shared.runtime.auth import UnauthorizedError
from shared.runtime.visits import User

if TYPE_CHECKING:
    from shared.runtime.config import Settings

AUDIENCE: Final = "authenticated"
ROLE: Final = "authenticated"
MAX_TOKEN_CHARS: Final = 8_192
"""Longer than any token Supabase makes; API Gateway takes headers of 10 KB."""

_LEEWAY_S: Final = 10
_KEYS_LIFE_S: Final = 600
"""For so long a key that was withdrawn is still believed by a warm process."""


def authenticate(token: str, settings: Settings) -> User:
    """Return the person a Supabase JWT proves: signature, `exp`, `nbf`, `aud`, `iss`, `role` and `sub` are checked.

    HS256 tokens are checked with SUPABASE_JWT_SECRET, ES256 and RS256 ones with the project's published keys; a token
    cannot choose a weaker way, since each algorithm has its own kind of key. Raise `UnauthorizedError`, or
    `TransientError` when the published keys cannot be read.
    """
    if len(token) > MAX_TOKEN_CHARS:
        raise UnauthorizedError(f"token refused: longer than {MAX_TOKEN_CHARS} characters")
    try:
        header = jwt.get_unverified_header(token)
        claims = _claims(token, header, settings)
    except (jwt.PyJWTError, RecursionError) as error:
        raise UnauthorizedError(f"token refused: {error}") from error
    if claims.get("role") != ROLE:
        raise UnauthorizedError("token refused: it is not a signed-in person's")
    return User(user_id=_person(claims["sub"]), token=token)


def issuer(settings: Settings) -> str:
    """Return who makes the project's tokens: Supabase Auth at the project's address, unless a setting names another."""
    return settings.supabase_jwt_issuer or f"{settings.need('supabase_url').rstrip('/')}/auth/v1"


def _claims(token: str, header: dict[str, Any], settings: Settings) -> dict[str, Any]:
    algorithm = header.get("alg")
    key: Any
    if algorithm == "HS256" and settings.supabase_jwt_secret is not None:
        key = settings.need("supabase_jwt_secret")
    elif algorithm in {"ES256", "RS256"}:
        key = _published_key(header.get("kid"), settings)
    else:
        raise UnauthorizedError(f"token refused: algorithm {str(algorithm)[:20]!r} is not accepted")
    return jwt.decode(
        token,
        key,
        algorithms=[algorithm],
        audience=AUDIENCE,
        issuer=issuer(settings),
        leeway=_LEEWAY_S,
        options={"require": ["exp", "aud", "iss", "sub"]},
    )


def _person(subject: str) -> str:
    try:
        return str(UUID(subject))
    except ValueError as error:
        raise UnauthorizedError("token refused: sub is not a person's id") from error


def _published_key(kid: Any, settings: Settings) -> Any:
    """Return a published key with the one algorithm it is for.

    One that is not known has the keys read again, at most every 30 seconds.
    """
    client = _published_keys(settings.need("supabase_url").rstrip("/"))
    try:
        client.get_signing_keys()
    except (jwt.PyJWTError, ValueError, OSError) as error:  # whatever is wrong with these is not the caller's fault
        raise TransientError("the identity provider's keys cannot be read") from error
    try:
        return client.get_signing_key(kid)
    except (jwt.PyJWKClientConnectionError, ValueError, OSError) as error:
        raise TransientError("the identity provider's keys cannot be read") from error


@lru_cache(maxsize=4)
def _published_keys(supabase_url: str) -> jwt.PyJWKClient:
    return jwt.PyJWKClient(f"{supabase_url}/auth/v1/.well-known/jwks.json", lifespan=_KEYS_LIFE_S, timeout=3)
