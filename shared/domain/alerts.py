"""Alerts: what is wrong now, each thing once however often it is found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

COOL_DOWN_MS: Final = 600_000
"""How long after its end an alert is still the same one, which nobody is told of again."""


class Severity(StrEnum):
    """How soon somebody should look."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Return its place among the others; the most severe is the highest."""
        return [*Severity].index(self)


class AlertState(StrEnum):
    """Where an alert is in its life; what is resolved opens again when it is wrong again within the cool-down."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing that is wrong; `dedupe_key` names the cause, which makes two findings the same one.

    `book_id` is whose it is, `person_id` too where it is of no book; neither is the desk's.
    """

    dedupe_key: str
    kind: str
    severity: Severity
    sentence: str
    book_id: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)
    person_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What settling alerts has changed: how many are open, the keys of those people were told of, and whose end.

    `resolved` has all that ended. `told` are the outbox rows made, which wait to be sent.
    """

    open: int
    opened: tuple[str, ...] = ()
    raised: tuple[str, ...] = ()
    resolved: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAlert:
    """An alert as it is kept; times are the market's (epoch ms), `seen` counts how often it was found.

    `first_at_ms` is when it was first found, `opened_at_ms` when it opened last, `reopened` how often it came back.
    """

    alert_id: str
    alert: Alert
    state: AlertState
    seen: int
    reopened: int
    first_at_ms: int
    opened_at_ms: int
    last_at_ms: int
    resolved_at_ms: int | None = None
    acknowledged_by: str | None = None
    acknowledged_at_ms: int | None = None
