"""Tokens signed with a key of the project's own are checked with what it publishes, over real HTTP."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from shared.domain.errors import TransientError
from shared.runtime import users
from shared.runtime.auth import UnauthorizedError
from shared.runtime.config import Settings
from shared.runtime.users import authenticate

USER = "0b5f8f0e-46a1-4d8a-9f6b-0d9d4a3c2b1a"
SECRET = "a-synthetic-secret-of-at-least-thirty-two-bytes"


class Project:
    """A Supabase project's key endpoint, and the private keys behind it."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {}
        self.published: set[str] = set()
        self.answer: bytes | None = None
        self.status = 200
        self.asked = 0
        project = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                project.asked += 1
                body = project.answer if project.answer is not None else project.jwks()
                self.send_response(project.status if self.path == "/auth/v1/.well-known/jwks.json" else 404)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - overrides the server's
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.settings = Settings.from_env({"SUPABASE_URL": self.url, "SUPABASE_JWT_SECRET": SECRET})
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def publish(self, kid: str, algorithm: str) -> None:
        if algorithm == "ES256":
            self.keys[kid] = ec.generate_private_key(ec.SECP256R1())
        else:
            self.keys[kid] = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        self.published.add(kid)

    def jwks(self) -> bytes:
        keys = []
        for kid in sorted(self.published):
            public = self.keys[kid].public_key()
            of = (
                jwt.algorithms.ECAlgorithm
                if isinstance(public, ec.EllipticCurvePublicKey)
                else jwt.algorithms.RSAAlgorithm
            )
            algorithm = "ES256" if isinstance(public, ec.EllipticCurvePublicKey) else "RS256"
            keys.append(of.to_jwk(public, as_dict=True) | {"kid": kid, "alg": algorithm, "use": "sig"})
        return json.dumps({"keys": keys}).encode()

    def token(self, kid: str | None, algorithm: str, *, key: Any = None, **change: Any) -> str:
        claims = {
            "iss": f"{self.url}/auth/v1",
            "sub": USER,
            "aud": "authenticated",
            "role": "authenticated",
            "exp": int(time.time()) + 60,
        }
        signed_with = key if key is not None else self.keys[kid or ""]
        return jwt.encode(claims | change, signed_with, algorithm, {"kid": kid} if kid else None)

    def public_pem(self, kid: str) -> bytes:
        pem: bytes = (
            self.keys[kid]
            .public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        return pem

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def project() -> Iterator[Project]:
    project = Project()
    try:
        yield project
    finally:
        project.stop()
        users._published_keys.cache_clear()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, project: Project) -> None:
    """Keys are read again at every unknown one, as they are after 30 seconds."""
    client = jwt.PyJWKClient(f"{project.url}/auth/v1/.well-known/jwks.json", timeout=3, cooldown_duration=0)
    monkeypatch.setattr(users, "_published_keys", lambda _: client)
    monkeypatch.setattr(users._published_keys, "cache_clear", lambda: None, raising=False)


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_a_published_key_proves_a_person_and_is_read_once(project: Project, algorithm: str) -> None:
    project.publish("k1", algorithm)
    for _ in range(3):
        assert authenticate(project.token("k1", algorithm), project.settings).user_id == USER
    assert project.asked == 1


@pytest.mark.usefixtures("impatient")
def test_a_new_key_is_found_while_the_old_one_still_counts(project: Project) -> None:
    project.publish("k1", "ES256")
    old = project.token("k1", "ES256")
    authenticate(old, project.settings)
    project.publish("k2", "ES256")
    assert authenticate(project.token("k2", "ES256"), project.settings).user_id == USER
    assert authenticate(old, project.settings).user_id == USER
    assert project.asked == 2


@pytest.mark.usefixtures("impatient")
def test_a_withdrawn_key_counts_no_more_when_the_keys_are_read_again(project: Project) -> None:
    project.publish("k1", "ES256")
    old = project.token("k1", "ES256")
    authenticate(old, project.settings)
    project.publish("k2", "ES256")
    project.published.remove("k1")
    authenticate(project.token("k2", "ES256"), project.settings)
    with pytest.raises(UnauthorizedError):
        authenticate(old, project.settings)


def test_unknown_keys_do_not_have_the_published_ones_read_every_time(project: Project) -> None:
    project.publish("k1", "ES256")
    authenticate(project.token("k1", "ES256"), project.settings)
    for number in range(20):
        with pytest.raises(UnauthorizedError):
            authenticate(project.token(f"unknown-{number}", "ES256", key=project.keys["k1"]), project.settings)
    assert project.asked == 1


def test_a_public_key_is_no_shared_secret(project: Project) -> None:
    """The oldest trick: sign with the published key as if it were an HMAC secret."""
    project.publish("k1", "RS256")
    pem = project.public_pem("k1")
    head, body = (jwt.utils.base64url_encode(json.dumps(each).encode()).decode() for each in (
        {"alg": "HS256", "typ": "JWT", "kid": "k1"},
        jwt.decode(project.token("k1", "RS256"), options={"verify_signature": False}),
    ))  # fmt: skip
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(f"{head}.{body}".encode(), pem)
    forged = f"{head}.{body}.{jwt.utils.base64url_encode(signature).decode()}"
    for settings in (project.settings, project.settings.model_copy(update={"supabase_jwt_secret": None})):
        with pytest.raises(UnauthorizedError):
            authenticate(forged, settings)


def test_a_key_serves_its_own_algorithm_alone(project: Project) -> None:
    project.publish("ec", "ES256")
    project.publish("rsa", "RS256")
    for forged in (
        project.token("ec", "RS256", key=project.keys["rsa"]),
        project.token("rsa", "ES256", key=project.keys["ec"]),
        project.token(None, "ES256", key=project.keys["ec"]),
        project.token("ec", "ES256", key=ec.generate_private_key(ec.SECP256R1())),
        project.token("ec", "ES256", iss="https://evil.example/auth/v1"),
        project.token("ec", "ES256", exp=1),
        project.token("ec", "ES256", aud="elsewhere"),
    ):
        with pytest.raises(UnauthorizedError):
            authenticate(forged, project.settings)


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (500, b"{}"),
        (404, b"{}"),
        (302, b""),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b'{"keys": []}'),
        (200, b'{"keys": 1}'),
    ],
)
def test_keys_that_cannot_be_read_are_not_the_callers_fault(project: Project, status: int, answer: bytes) -> None:
    project.publish("k1", "ES256")
    project.status, project.answer = status, answer
    with pytest.raises(TransientError, match="keys cannot be read"):
        authenticate(project.token("k1", "ES256"), project.settings)


@pytest.mark.usefixtures("impatient")
def test_known_keys_serve_while_the_provider_is_away(project: Project) -> None:
    project.publish("k1", "ES256")
    authenticate(project.token("k1", "ES256"), project.settings)
    project.status = 503
    assert authenticate(project.token("k1", "ES256"), project.settings).user_id == USER
    with pytest.raises(TransientError):
        authenticate(project.token("k2", "ES256", key=project.keys["k1"]), project.settings)


def test_a_provider_that_is_not_there_is_not_the_callers_fault() -> None:
    settings = Settings.from_env({"SUPABASE_URL": "http://127.0.0.1:9"})
    key = ec.generate_private_key(ec.SECP256R1())
    token = jwt.encode({"sub": USER}, key, "ES256", {"kid": "k1"})
    with pytest.raises(TransientError):
        authenticate(token, settings)
