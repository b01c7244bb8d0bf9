"""Whether the variables of a deployment are there and look like what they are; values are never shown."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import jwt
import yaml

from desk.doctor import Finding, State
from desk.local.process import PROJECT
from shared.domain.errors import FatalError
from shared.runtime.config import TRADED_VENUES, Settings

SERVERLESS: Final = PROJECT / "serverless.yml"
LEAST_SECRET: Final = 16
_REQUIRED: Final = re.compile(r"(?:\$\{env:|^ssm:\$\{self:custom\.parameters\}/)(\w+)(?:\}|$)")
_LOCAL: Final = re.compile(r"https?://(127\.0\.0\.1|localhost)(:\d+)?(/|$)")
_SECRETS: Final = ("_KEY", "_SECRET", "_TOKEN", "_PASSWORD", "_URLS", "DATABASE_URL", "UPSTASH_REDIS_URL")


def required_variables(path: Path = SERVERLESS) -> dict[str, frozenset[str]]:
    """Return what whoever deploys must set, by function: variables serverless.yml gives no default for."""
    raw: dict[str, Any] = yaml.safe_load(path.read_text())
    shared = _named(raw["provider"].get("environment"))
    return {name: shared | _named(body.get("environment")) for name, body in raw["functions"].items()}


def secret_values(env: Mapping[str, str]) -> frozenset[str]:
    """Return every value that must not be shown."""
    return frozenset(value for name, value in env.items() if name.endswith(_SECRETS) and len(value) >= 6)


def check_settings(env: Mapping[str, str], path: Path = SERVERLESS) -> Iterator[Finding]:
    """Yield what is missing of each function, and what does not look like what it should be."""
    known = {name: value for name, value in env.items() if value}
    missing = {function: sorted(names - set(known)) for function, names in required_variables(path).items()}
    for function, names in missing.items():
        if names:
            advice = "set them in the environment of whoever deploys; .env.example explains each"
            yield Finding("variables", State.FAIL, f"{function} lacks {', '.join(names)}", advice)
    if not any(missing.values()):
        yield Finding("variables", State.OK, f"each of {len(missing)} functions has what it needs")
    try:
        Settings.from_env(known)
    except FatalError as error:
        yield Finding("variables", State.FAIL, str(error), "mend the variables named")
        return
    wrong = [*_keys(known), *_secrets(known), *_addresses(known), *_venues(known)]
    yield from wrong or [Finding("keys", State.OK, "look like what they are for")]


def _named(environment: Mapping[str, Any] | None) -> frozenset[str]:
    values = (environment or {}).values()
    return frozenset(name for value in values if isinstance(value, str) for name in _REQUIRED.findall(value))


def _keys(env: Mapping[str, str]) -> Iterator[Finding]:
    """Tell a person's key from the desk's own: exchanged, the one can nothing and the other shows everything."""
    for name, prefix, role in (
        ("SUPABASE_KEY", "sb_publishable_", "anon"),
        ("SUPABASE_SERVICE_ROLE_KEY", "sb_secret_", "service_role"),
    ):
        value = env.get(name)
        if value is None or value.startswith(prefix) or _role_of(value) == role:
            continue
        found = f"{name} is not the project's key of {role}: expected {prefix}… or its JWT"
        yield Finding("keys", State.FAIL, found, "copy it from Supabase, Project Settings, API Keys")


def _role_of(token: str) -> str | None:
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return None
    return str(claims.get("role"))


def _secrets(env: Mapping[str, str]) -> Iterator[Finding]:
    advice = "make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
    for name in ("TRIGGER_SECRET", "SERVICE_SECRET", "SUPABASE_JWT_SECRET"):
        value = env.get(name)
        if value is not None and len(value) < LEAST_SECRET:
            yield Finding("keys", State.FAIL, f"{name} is shorter than {LEAST_SECRET} characters", advice)
    if env.get("TRIGGER_SECRET") and env.get("TRIGGER_SECRET") == env.get("SERVICE_SECRET"):
        yield Finding("keys", State.FAIL, "TRIGGER_SECRET and SERVICE_SECRET are the same", advice)


def _addresses(env: Mapping[str, str]) -> Iterator[Finding]:
    for name in ("SUPABASE_URL", "UPSTASH_REDIS_REST_URL"):
        value = env.get(name, "")
        if value.startswith("http://") and not _LOCAL.match(value):
            yield Finding("keys", State.FAIL, f"{name} is not encrypted: expected https://…", "use the https address")
    tcp = env.get("UPSTASH_REDIS_URL", "")
    if tcp and not tcp.startswith(("rediss://", "redis://127.0.0.1", "redis://localhost")):
        advice = "use the rediss:// address; it carries a password"
        yield Finding("keys", State.FAIL, "UPSTASH_REDIS_URL is not encrypted: expected rediss://…", advice)


def _venues(env: Mapping[str, str]) -> Iterator[Finding]:
    pairs = {venue: (f"{venue}_API_KEY".upper(), f"{venue}_API_SECRET".upper()) for venue in TRADED_VENUES}
    for venue, names in pairs.items():
        there = [name for name in names if env.get(name)]
        if len(there) == 1:
            lacking = next(name for name in names if name not in there)
            yield Finding(
                "keys", State.FAIL, f"{venue}: {there[0]} is set and {lacking} is not", "set both, or neither"
            )
    if env.get("AGENT_MODE") == "live" and not any(env.get(key) for key, _ in pairs.values()):
        yield Finding("keys", State.WARN, "AGENT_MODE is live and no venue has keys", "set the keys, or trade on paper")
