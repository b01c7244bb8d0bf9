"""Keep what is wrong while there is no database to store it in, and tell the operators without one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared.domain.alerts import Alert, Severity
from shared.domain.errors import TransientError
from shared.domain.settling import DATABASE, DEPENDENCY, Settlement
from shared.notification_messages import DirectNotification

if TYPE_CHECKING:
    from shared.monitor_ports import KeptAlert, PendingAlerts
    from shared.ports import Queue


def keep_and_tell(
    settled: Settlement,
    *,
    at_ms: int,
    reason: str,
    correlation_id: str,
    pending: PendingAlerts,
    notices: Queue,
    notes: list[str],
) -> None:
    """Keep every alert, and tell what nobody has been told yet in one message; raise `TransientError` when it cannot be
    kept.

    A message that could not be sent is sent by the next run, and added to the `notes` of this one.
    """
    pending.keep(_with_database(settled.alerts, reason), at_ms=at_ms)
    untold = [each for each in pending.kept() if not each.is_told]
    if not untold:
        return
    try:
        notices.send([_notice(untold, correlation_id).model_dump_json()])
    except TransientError as error:
        notes.append(f"the operators could not be told: {error}")
        return
    pending.told(untold)


def _with_database(alerts: Sequence[Alert], reason: str) -> list[Alert]:
    """Return the alerts with the one that says why they are kept."""
    key = f"{DEPENDENCY}{DATABASE}"
    if any(each.dedupe_key == key for each in alerts):
        return [*alerts]
    said = f"The database does not answer: {reason}"[:2_000]
    return [*alerts, Alert(dedupe_key=key, kind="dependency", severity=Severity.CRITICAL, sentence=said)]


def _notice(kept: Sequence[KeptAlert], correlation_id: str) -> DirectNotification:
    worst = max((each.alert for each in kept), key=lambda alert: [*Severity].index(alert.severity))
    return DirectNotification(
        title=worst.sentence[:300],
        body="\n".join(each.alert.sentence for each in kept)[:8_000],
        severity=worst.severity,
        dedupe_key=worst.dedupe_key,
        correlation_id=correlation_id,
    )
