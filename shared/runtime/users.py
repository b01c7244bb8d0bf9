"""Prove who is calling: people sign in with Supabase and carry its JWT."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import jwt

from shared.domain.errors import TransientError
from shared.runtime.auth import UnauthorizedError
from shared.runtime.config import Settings

AUDIENCE: Final = "authenticated"
_LEEWAY_S: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A signed-in person; `token` is what the database is asked with, so that row security applies."""

    user_id: str
    token: str = field(repr=False)


def authenticate(token: str, settings: Settings) -> User:
    """Return the person a Supabase JWT proves: signature, `exp`, `aud` and `sub` are checked.

    HS256 tokens are checked with SUPABASE_JWT_SECRET, ES256 and RS256 ones with the project's published keys; a token
    cannot choose a weaker way, since each algorithm has its own kind of key.
    """
    try:
        algorithm = jwt.get_unverified_header(token).get("alg")
        claims = _claims(token, algorithm, settings)
    except jwt.PyJWKClientConnectionError as error:
        raise TransientError("the identity provider's keys cannot be read") from error
    except jwt.PyJWTError as error:
        raise UnauthorizedError(f"token refused: {error}") from error
    return User(user_id=str(claims["sub"]), token=token)


def _claims(token: str, algorithm: Any, settings: Settings) -> dict[str, Any]:
    key: Any
    if algorithm == "HS256":
        key = settings.need("supabase_jwt_secret")
    elif algorithm in ("ES256", "RS256"):
        key = _published_keys(settings.need("supabase_url")).get_signing_key_from_jwt(token).key
    else:
        raise UnauthorizedError(f"token refused: algorithm {algorithm!r} is not accepted")
    return jwt.decode(
        token,
        key,
        algorithms=[algorithm],
        audience=AUDIENCE,
        leeway=_LEEWAY_S,
        options={"require": ["exp", "aud", "sub"]},
    )


@lru_cache(maxsize=4)
def _published_keys(supabase_url: str) -> jwt.PyJWKClient:
    return jwt.PyJWKClient(f"{supabase_url}/auth/v1/.well-known/jwks.json", cache_keys=True, lifespan=600, timeout=5)
