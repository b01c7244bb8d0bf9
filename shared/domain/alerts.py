"""Alerts: what is wrong now, each thing once however often it is found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    """How soon somebody should look."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing that is wrong; `dedupe_key` is what makes two findings the same one, `book_id` whose it is."""

    dedupe_key: str
    kind: str
    severity: Severity
    sentence: str
    book_id: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)
