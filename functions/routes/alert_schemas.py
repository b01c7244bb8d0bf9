"""What the API answers about alerts."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, StringConstraints

from functions.routes.schemas import EXAMPLE_ID, EXAMPLE_TIME, Schema
from shared.domain.alerts import AlertState, Severity, StoredAlert

AlertId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


class AlertOut(Schema):
    """One thing that is, or was, wrong; times are the market's."""

    alert_id: str = Field(description="Its id.", examples=[EXAMPLE_ID])
    dedupe_key: str = Field(description="What makes two findings the same one: the cause.", examples=["venue:binance"])
    kind: str = Field(description="What kind of thing.", examples=["venue"])
    severity: Severity = Field(description="Its severity: how soon somebody should look.", examples=["warning"])
    sentence: str = Field(description="What is wrong.", examples=["binance has not answered for five minutes"])
    book_id: str | None = Field(description="Whose book it is about.", examples=[None])
    details: Mapping[str, object] = Field(description="Its numbers.", examples=[{}])
    state: AlertState = Field(description="Where it is in its life.", examples=["open"])
    seen: int = Field(description="How often it was found.", examples=[3])
    reopened: int = Field(description="How often it came back soon after its end.", examples=[0])
    first_at_ms: int = Field(description="When it was first found (epoch ms).", examples=[EXAMPLE_TIME])
    opened_at_ms: int = Field(description="When it opened last (epoch ms).", examples=[EXAMPLE_TIME])
    last_at_ms: int = Field(description="When it was found last (epoch ms).", examples=[EXAMPLE_TIME])
    resolved_at_ms: int | None = Field(description="When it was no longer so (epoch ms).", examples=[None])
    acknowledged_by: str | None = Field(description="Who looks after it.", examples=[None])
    acknowledged_at_ms: int | None = Field(description="Since when (epoch ms).", examples=[None])

    @classmethod
    def of(cls, stored: StoredAlert) -> "AlertOut":
        """Describe an alert."""
        alert = stored.alert
        return cls(
            alert_id=stored.alert_id,
            dedupe_key=alert.dedupe_key,
            kind=alert.kind,
            severity=alert.severity,
            sentence=alert.sentence,
            book_id=alert.book_id,
            details=alert.details,
            state=stored.state,
            seen=stored.seen,
            reopened=stored.reopened,
            first_at_ms=stored.first_at_ms,
            opened_at_ms=stored.opened_at_ms,
            last_at_ms=stored.last_at_ms,
            resolved_at_ms=stored.resolved_at_ms,
            acknowledged_by=stored.acknowledged_by,
            acknowledged_at_ms=stored.acknowledged_at_ms,
        )


class AlertPage(Schema):
    """Alerts, those found last first."""

    items: list[AlertOut] = Field(description="The alerts.")
    next: str | None = Field(description="The `cursor` of the page after; null on the last.", examples=[None])
