"""A person is who a verified token says, and nobody else."""

import time
from typing import Any

import jwt
import pytest

from shared.runtime.auth import UnauthorizedError, bearer
from shared.runtime.config import Settings
from shared.runtime.users import authenticate

SECRET = "a-synthetic-secret-of-at-least-sixty-four-bytes-for-every-algorithm"
SETTINGS = Settings.from_env({"SUPABASE_JWT_SECRET": SECRET, "SUPABASE_URL": "http://127.0.0.1:9"})
USER = "0b5f8f0e-46a1-4d8a-9f6b-0d9d4a3c2b1a"


def token(key: str = SECRET, algorithm: str = "HS256", **change: Any) -> str:
    claims = {"sub": USER, "aud": "authenticated", "exp": int(time.time()) + 60, "role": "authenticated"} | change
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, key, algorithm)


def test_a_good_token_proves_a_person() -> None:
    assert authenticate(token(), SETTINGS).user_id == USER


def test_a_user_never_prints_the_token() -> None:
    user = authenticate(token(), SETTINGS)
    assert user.token not in repr(user)


@pytest.mark.parametrize(
    "forged",
    [
        token(key="another-" + SECRET),
        token(exp=int(time.time()) - 60),
        token(aud="somebody-else"),
        token(sub=None),
        token(exp=None),
        token(aud=None),
        jwt.encode({"sub": USER, "aud": "authenticated", "exp": int(time.time()) + 60}, "", "none"),
        token(algorithm="HS512"),
        "not.a.token",
        "",
    ],
)
def test_a_forged_expired_or_foreign_token_is_refused(forged: str) -> None:
    with pytest.raises(UnauthorizedError):
        authenticate(forged, SETTINGS)


@pytest.mark.parametrize("header", [None, "", "Basic abc", "Bearer", "Bearer  "])
def test_a_request_without_a_bearer_token_is_refused(header: str | None) -> None:
    with pytest.raises(UnauthorizedError, match="Bearer"):
        bearer(header)
