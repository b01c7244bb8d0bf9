"""Tell people what waits for them (SQS: notifications), and what no message led to (EventBridge)."""

from shared.messages import CronTick
from shared.notification_messages import (
    DirectNotification,
    NotificationDue,
    NotifyRequest,
    NotifyResult,
    SignalsStored,
)
from shared.runtime.entrypoint import entrypoint
from shared.runtime.wiring import Deps
from shared.usecases.notify import notify


@entrypoint(NotifyRequest, service="notify")
def handler(event: CronTick | NotificationDue | SignalsStored | DirectNotification, deps: Deps) -> NotifyResult:
    """Send what is due to every channel that wants it, and keep what became of it."""
    return notify(event, desk=deps.notify_desk)
