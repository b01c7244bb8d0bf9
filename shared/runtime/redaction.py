"""Take secrets out of what is logged and answered: the last line of defence behind code that does not say them.

What is known to be secret is what this process was given as such; what looks like a token or a password in an address
is taken out besides.
"""

import json
import os
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

HIDDEN: Final = "[redacted]"
MIN_CHARS: Final = 8
"""What is shorter is found in ordinary words; no key is."""

_SECRET_NAME: Final = re.compile(r"(_KEY|_KEY_ID|_SECRET|_TOKEN|_PASSWORD|_URLS)(_PREVIOUS)?$")
_LOOKS_SECRET: Final = (
    re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),  # a JWT
    re.compile(r"(?<=://)[^\s/@\"'\\]*:[^\s/@\"'\\]+(?=@)"),  # name and password in an address
    re.compile(r"(?i)(?<=bearer )[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL),
)


_learned: Final[dict[str, str]] = {}


def redact(text: str) -> str:
    """Return a text without the secrets of this process, and without what looks like one."""
    return _hide(text, _own_secrets())


def redacted_json(line: Mapping[str, Any]) -> str:
    """Return a log line as JSON, without secrets."""
    return redact(json.dumps(line, default=str, separators=(",", ":"), ensure_ascii=False))


def secrets_of(env: Mapping[str, str]) -> tuple[str, ...]:
    """Return what an environment says that is secret, in every form it may be written in, the longest first."""
    said = {value for name, value in env.items() if _SECRET_NAME.search(name)}
    said |= {part.strip() for value in said if "://" in value for part in value.split(",")}
    for value in env.values():
        if "://" in value:
            said |= {password for part in value.split(",") if (password := _password(part))}
    forms = {form for value in said for form in (value, unquote(value), quote(value, safe=""), json.dumps(value)[1:-1])}
    return tuple(sorted((form for form in forms if len(form) >= MIN_CHARS), key=len, reverse=True))


def _hide(text: str, known: tuple[str, ...]) -> str:
    for secret in known:
        text = text.replace(secret, HIDDEN)
    for pattern in _LOOKS_SECRET:
        text = pattern.sub(HIDDEN, text)
    return text


def learn(values: Mapping[str, str]) -> None:
    """Hide from now on what was read elsewhere than in the environment: variables and their values."""
    _learned.update(values)
    _own_secrets.cache_clear()


@cache
def _own_secrets() -> tuple[str, ...]:
    return secrets_of({**os.environ, **_learned})


def _password(address: str) -> str | None:
    try:
        return urlsplit(address).password
    except ValueError:
        return None
