"""HMAC signatures for machines: the collector signs what it announces, functions verify it.

A signature covers the time of signing and the exact body: HMAC-SHA256 over `{timestamp_ms}.{body}`, as Stripe does.
"""

import hashlib
import hmac
from typing import Final

from shared.domain.errors import NightdeskError

TIMESTAMP_HEADER: Final = "x-nightdesk-timestamp"
SIGNATURE_HEADER: Final = "x-nightdesk-signature"
MAX_AGE_MS: Final = 300_000


class SignatureError(NightdeskError):
    """Refuse a message whose signature is absent, wrong or stale."""


def sign(secret: str, *, timestamp_ms: int, body: str) -> dict[str, str]:
    """Return the headers that prove a body was sent by a holder of the secret at a time (epoch ms, wall clock)."""
    return {TIMESTAMP_HEADER: str(timestamp_ms), SIGNATURE_HEADER: _signature(secret, timestamp_ms, body)}


def verify(secret: str, *, headers: dict[str, str], body: str, now_ms: int) -> None:
    """Raise `SignatureError` unless the headers (lower-case names) prove the body, signed at most five minutes ago."""
    stamp, signature = headers.get(TIMESTAMP_HEADER, ""), headers.get(SIGNATURE_HEADER, "")
    if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 15 or not signature:
        raise SignatureError(f"expected headers {TIMESTAMP_HEADER} (epoch ms) and {SIGNATURE_HEADER}")
    if not secret or not hmac.compare_digest(signature.encode(), _signature(secret, int(stamp), body).encode()):
        raise SignatureError(f"{SIGNATURE_HEADER}: wrong signature")
    if abs(now_ms - int(stamp)) > MAX_AGE_MS:
        raise SignatureError(f"{TIMESTAMP_HEADER}: stale, signed {now_ms - int(stamp)} ms ago, at most {MAX_AGE_MS}")


def _signature(secret: str, timestamp_ms: int, body: str) -> str:
    digest = hmac.new(secret.encode(), f"{timestamp_ms}.{body}".encode(), hashlib.sha256).hexdigest()
    return f"v1={digest}"
