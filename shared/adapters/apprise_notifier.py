"""Messages over Apprise: Telegram, Discord, Slack, e-mail and the rest, each by the address people gave.

Apprise says only whether a message was delivered, and the rest in its log, where addresses with their secrets are too:
the log is listened to for the status, and goes nowhere.
"""

import logging
import re
import threading
from contextlib import nullcontext
from typing import Final

from apprise import Apprise, AppriseAsset
from apprise.common import NotifyFormat, NotifyType, OverflowMode

from shared.adapters.public_only import public_only, was_refused
from shared.adapters.signed_webhook import fault_of
from shared.domain.alerts import Severity
from shared.domain.notification_texts import Parcel
from shared.domain.notifications import Fault, FaultKind

_TYPES: Final = {
    Severity.INFO: NotifyType.INFO,
    Severity.WARNING: NotifyType.WARNING,
    Severity.CRITICAL: NotifyType.FAILURE,
}
_STATUS: Final = re.compile(r"error=(\d{3})\b")
_heard = threading.local()


class _Listener(logging.Handler):
    """Keeps what Apprise says in the thread that sends, and passes nothing on."""

    def emit(self, record: logging.LogRecord) -> None:
        texts: list[str] | None = getattr(_heard, "texts", None)
        if texts is not None:
            texts.append(record.getMessage())


_log: Final = logging.getLogger("apprise")
_log.handlers = [_Listener()]
_log.propagate = False
_log.setLevel(logging.WARNING)


def notify(parcel: Parcel, *, may_be_private: bool) -> Fault | None:
    """Send a message to one address and return why it was not delivered."""
    asset = AppriseAsset(
        app_id="nightdesk",
        app_desc="nightdesk",
        async_mode=False,
        http_redirects=False,
        secure_logging=True,
        pgp_autogen=False,
        pem_autogen=False,
        allow_templates=False,
        storage_mode="memory",
    )
    service = Apprise.instantiate(parcel.target, asset=asset, suppress_exceptions=True)
    if service is None:
        return Fault(kind=FaultKind.BAD_TARGET, reason="Apprise does not understand the address")
    service.redirects = False  # an address may ask for them
    service.overflow_mode = OverflowMode.SPLIT
    _heard.texts = []
    guard = nullcontext() if may_be_private else public_only()
    with guard:
        delivered = service.notify(
            title=parcel.text.title,
            body=parcel.text.body,
            notify_type=_TYPES[parcel.text.severity],
            body_format=NotifyFormat.TEXT,
        )
    said, _heard.texts = _heard.texts, None
    if delivered:
        return None
    if not may_be_private and was_refused():
        return Fault(kind=FaultKind.BAD_TARGET, reason="the host is not of the public net")
    return _fault(said)


def _fault(said: list[str]) -> Fault:
    statuses = [int(status) for text in said for status in _STATUS.findall(text)]
    fault = fault_of(statuses[-1], {}) if statuses else None
    return fault or Fault(kind=FaultKind.UNREACHABLE, reason="it cannot be reached, or refuses to sign in")
