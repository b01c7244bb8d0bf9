"""The messages of the queue `notifications`, and what notify answers."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, StringConstraints, Tag, TypeAdapter

from shared.domain.alerts import Severity
from shared.messages import READ_LATE, CorrelationId, CronTick, Message, Uuid, new_id


class NotificationDue(Message):
    """Something waits in the outbox; whoever is woken by it sends everything that waits."""

    schema_version: Literal[1] = 1
    event_id: CorrelationId = Field(default_factory=new_id)
    outbox_id: Uuid
    correlation_id: CorrelationId = Field(default_factory=new_id)


class SignalsStored(Message):
    """Signals were stored, whose owners may want to be told."""

    schema_version: Literal[1] = 1
    event_id: CorrelationId = Field(default_factory=new_id)
    signals: int = Field(ge=1)
    correlation_id: CorrelationId


class DirectNotification(Message):
    """A message that carries its own text, for when the outbox cannot be read; it goes to ALERT_URLS."""

    schema_version: Literal[1] = 1
    event_id: CorrelationId = Field(default_factory=new_id)
    title: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    body: Annotated[str, StringConstraints(min_length=1, max_length=8_000)]
    severity: Severity
    dedupe_key: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    correlation_id: CorrelationId = Field(default_factory=new_id)


class NotifyResult(Message):
    """What was done: rows routed, messages sent, deliveries that they made, held back, tried in vain, given up.

    `left` says that more waits than one run has time for; `direct` how many of ALERT_URLS took a direct message;
    `errors` what could not be done.
    """

    routed: int = 0
    messages: int = 0
    sent: int = 0
    held: int = 0
    retried: int = 0
    failed: int = 0
    left: bool = False
    direct: int | None = None
    errors: dict[str, str] = Field(default_factory=dict)


def _kind(payload: object) -> str:
    keys = payload if isinstance(payload, dict) else {}
    return next((kind for key, kind in _KINDS.items() if key in keys), "outbox")


_KINDS = {"trigger": "cron", "dedupe_key": "direct", "signals": "signals"}

NotifyRequest: TypeAdapter[CronTick | NotificationDue | SignalsStored | DirectNotification] = TypeAdapter(
    Annotated[
        Annotated[CronTick, Tag("cron")]
        | Annotated[DirectNotification, Tag("direct")]
        | Annotated[SignalsStored, Tag("signals")]
        | Annotated[NotificationDue, Tag("outbox")],
        Discriminator(_kind),
    ],
    config=READ_LATE,
)
