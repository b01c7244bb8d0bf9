"""A person is who a verified token says, and nobody else."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from shared.runtime.auth import UnauthorizedError, bearer
from shared.runtime.config import Settings
from shared.runtime.users import authenticate

SECRET = "a-synthetic-secret-of-at-least-sixty-four-bytes-for-every-algorithm"
SETTINGS = Settings.from_env({"SUPABASE_JWT_SECRET": SECRET, "SUPABASE_URL": "http://127.0.0.1:9"})
USER = "0b5f8f0e-46a1-4d8a-9f6b-0d9d4a3c2b1a"


def token(key: str = SECRET, algorithm: str = "HS256", headers: dict[str, Any] | None = None, **change: Any) -> str:
    claims = {
        "iss": "http://127.0.0.1:9/auth/v1",
        "sub": USER,
        "aud": "authenticated",
        "exp": int(time.time()) + 60,
        "role": "authenticated",
    } | change
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, key, algorithm, headers)


def test_a_good_token_proves_a_person() -> None:
    assert authenticate(token(), SETTINGS).user_id == USER


def test_a_project_with_a_domain_of_its_own_names_its_issuer() -> None:
    settings = SETTINGS.model_copy(update={"supabase_jwt_issuer": "https://auth.example/auth/v1"})
    assert authenticate(token(iss="https://auth.example/auth/v1"), settings).user_id == USER
    with pytest.raises(UnauthorizedError, match="issuer"):
        authenticate(token(), settings)


def test_a_user_never_prints_the_token() -> None:
    user = authenticate(token(), SETTINGS)
    assert user.token not in repr(user)


def part(value: str) -> str:
    return base64.urlsafe_b64encode(value.encode()).decode().rstrip("=")


FORGED: dict[str, Callable[[], str]] = {
    "wrong key": lambda: token(key="another-" + SECRET),
    "expired": lambda: token(exp=int(time.time()) - 60),
    "not yet valid": lambda: token(nbf=int(time.time()) + 60),
    "made in the future": lambda: token(iat=int(time.time()) + 60),
    "other audience": lambda: token(aud="somebody-else"),
    "other issuer": lambda: token(iss="https://evil.example/auth/v1"),
    "issuer of the same beginning": lambda: token(iss="http://127.0.0.1:9/auth/v1/more"),
    "other role": lambda: token(role="service_role"),
    "anonymous role": lambda: token(role="anon"),
    "no role": lambda: token(role=None),
    "no sub": lambda: token(sub=None),
    "sub that is no id": lambda: token(sub="' or 1=1 --"),
    "no exp": lambda: token(exp=None),
    "exp that is no time": lambda: token(exp="tomorrow"),
    "no aud": lambda: token(aud=None),
    "no iss": lambda: token(iss=None),
    "alg none": lambda: token(key="", algorithm="none"),
    "alg None, unsigned": lambda: f"{part(json.dumps({'alg': 'None'}))}.{token().split('.')[1]}.",
    "signature cut off": lambda: token().rpartition(".")[0] + ".",
    "another HMAC": lambda: token(algorithm="HS512"),
    "claims exchanged": lambda: ".".join(
        [token().split(".")[0], token(sub=USER.replace("0", "1")).split(".")[1], token().split(".")[2]]
    ),
    "oversized": lambda: token(padding="x" * 9_000),
    "a header that never ends": lambda: f"{part('[' * 5_000)}.{part('{}')}.x",
    "a list as algorithm": lambda: f"{part(json.dumps({'alg': ['HS256']}))}.{part('{}')}.x",
    "a critical extension": lambda: token(headers={"crit": ["exp"]}),
    "no token": lambda: "not.a.token",
    "empty": lambda: "",
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_expired_or_foreign_token_is_refused(what: str) -> None:
    with pytest.raises(UnauthorizedError):
        authenticate(FORGED[what](), SETTINGS)


def test_a_project_without_a_shared_secret_takes_no_token_made_with_one() -> None:
    with pytest.raises(UnauthorizedError, match="HS256"):
        authenticate(token(), Settings.from_env({"SUPABASE_URL": "http://127.0.0.1:9"}))


@pytest.mark.parametrize("header", [None, "", "Basic abc", "Bearer", "Bearer  "])
def test_a_request_without_a_bearer_token_is_refused(header: str | None) -> None:
    with pytest.raises(UnauthorizedError, match="Bearer"):
        bearer(header)
