"""A webhook of somebody's own: JSON over HTTP, signed as the desk's machines sign, at an address of the public net."""

import atexit
import json
import logging
from collections.abc import Mapping
from contextlib import nullcontext
from functools import cache
from typing import Any, Final

import httpx

from shared.adapters.public_only import public_only, was_refused
from shared.domain.notification_texts import Parcel
from shared.domain.notifications import Fault, FaultKind
from shared.domain.signing import sign
from shared.ports import Clock

_TIMEOUT: Final = httpx.Timeout(8.0, connect=4.0)
_LATER: Final = frozenset({408, 425, *range(500, 600)})

logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs addresses, and people's have secrets in them


def post(parcel: Parcel, *, clock: Clock, may_be_private: bool) -> Fault | None:
    """Send a message to a webhook and return why it was not taken; redirects are not followed.

    `clock` is the wall clock, which signatures are made with.
    """
    body = json.dumps(payload_of(parcel))
    headers = {"content-type": "application/json", "user-agent": "nightdesk"}
    headers |= sign(parcel.secret or "", timestamp_ms=clock.now_ms(), body=body)
    guard = nullcontext() if may_be_private else public_only()
    try:
        # Nothing is read but the status: how long an answer is, and how slow, is not the receiver's to decide.
        with (
            guard,
            _session().stream("POST", parcel.target, content=body.encode(), headers=headers) as answer,
        ):
            return fault_of(answer.status_code, answer.headers)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError):
        return Fault(kind=FaultKind.BAD_TARGET, reason="the address cannot be used")
    except httpx.TransportError as error:
        if not may_be_private and was_refused():
            return Fault(kind=FaultKind.BAD_TARGET, reason="the host is not of the public net")
        return Fault(kind=FaultKind.UNREACHABLE, reason=f"it does not answer: {type(error).__name__}")


@cache
def _session() -> httpx.Client:
    """Return the process's session, which keeps no connection: each is made anew, and looked at when it is."""
    limits = httpx.Limits(max_keepalive_connections=0)
    session = httpx.Client(timeout=_TIMEOUT, limits=limits, trust_env=False, follow_redirects=False)
    atexit.register(session.close)
    return session


def payload_of(parcel: Parcel) -> dict[str, Any]:
    """Return what a webhook is sent: the text for people, and every item for programs."""
    return {
        "schema_version": 1,
        "title": parcel.text.title,
        "body": parcel.text.body,
        "severity": parcel.text.severity.value,
        "items": [
            {
                "outbox_id": item.outbox_id,
                "correlation_id": item.correlation_id,
                "kind": item.kind,
                "severity": item.text.severity.value,
                "title": item.text.title,
                "body": item.text.body,
                "data": item.data,
            }
            for item in parcel.items
        ],
    }


def fault_of(status: int, headers: Mapping[str, str]) -> Fault | None:
    """Return what an HTTP status says of a message: None for one that was taken."""
    if 200 <= status < 300:
        return None
    reason = f"it answers {status}"
    if status == 429:
        delay = headers.get("retry-after", "")
        wait_ms = min(int(delay), 86_400) * 1_000 if delay.isascii() and delay.isdecimal() else None
        return Fault(kind=FaultKind.THROTTLED, reason=reason, retry_after_ms=wait_ms)
    return Fault(kind=FaultKind.UNREACHABLE if status in _LATER else FaultKind.BAD_TARGET, reason=reason)
