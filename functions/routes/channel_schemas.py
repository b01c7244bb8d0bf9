"""What the API reads and answers about channels and what they were sent."""

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from functions.routes.intent_schemas import shown
from functions.routes.schemas import EXAMPLE_ID, EXAMPLE_TIME, Schema
from shared.domain.alerts import Severity
from shared.domain.notifications import (
    KINDS,
    Channel,
    ChannelKind,
    DeliveryState,
    LoggedDelivery,
    QuietHours,
)

ChannelId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
ChannelName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
Target = Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
ClockTime = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
TimeZone = Annotated[str, StringConstraints(pattern=r"^(UTC|[A-Za-z_]+(/[A-Za-z0-9_+-]+)+)$", max_length=64)]
Kind = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,64}$")]
DigestMs = Annotated[int, Field(ge=0, le=3_600_000)]
_TARGET = (
    "Where messages go: for `apprise` an address of Apprise, such as tgram://token/chat, for `webhook` one that begins"
    " with https://. It has secrets in it and is never shown again."
)


class QuietBody(Schema):
    """Hours in which only what is critical is told, by the clocks of the channel's time zone."""

    begin: ClockTime = Field(description="From when.", examples=["22:00"])
    end: ClockTime = Field(description="Until when; may be on the next day.", examples=["07:00"])

    @property
    def hours(self) -> QuietHours:
        """Return them as minutes of the day."""
        return QuietHours(from_minute=_minute(self.begin), to_minute=_minute(self.end))


class ChannelBody(Schema):
    """A new channel."""

    name: ChannelName = Field(description="What you call it.", examples=["Phone"])
    kind: ChannelKind = Field(ChannelKind.APPRISE, description="How it is reached.", examples=["apprise"])
    target: Target = Field(description=_TARGET, examples=["https://example.com/hooks/nightdesk"])
    desk: bool = Field(False, description="Whether it is the desk's; for operators.", examples=[False])
    min_severity: Severity = Field(Severity.INFO, description="Only this severe or more.", examples=["warning"])
    kinds: list[Kind] = Field(
        default_factory=list, max_length=20, description=f"Only these of {', '.join(KINDS)}; none is all.",
        examples=[["alert"]],
    )  # fmt: skip
    quiet: QuietBody | None = Field(None, description="When to be quiet.", examples=[None])
    time_zone: TimeZone = Field("UTC", description="Whose clocks quiet hours follow.", examples=["Europe/Berlin"])
    digest_ms: DigestMs = Field(
        60_000, description="More than three messages within this time go as one that lists them; 0 never.",
        examples=[60_000],
    )  # fmt: skip
    enabled: bool = Field(True, description="Whether it is told anything.", examples=[True])

    def channel(self, channel_id: str, owner_id: str | None) -> Channel:
        """Return the channel that is asked for."""
        return Channel(
            channel_id=channel_id,
            owner_id=owner_id,
            name=self.name,
            kind=self.kind,
            shown="…",
            min_severity=self.min_severity,
            kinds=tuple(self.kinds),
            quiet=self.quiet.hours if self.quiet else None,
            time_zone=self.time_zone,
            digest_ms=self.digest_ms,
            enabled=self.enabled,
        )


class ChannelPatch(Schema):
    """What to change of a channel; what is left out stays as it is."""

    version: int | None = Field(None, ge=1, description="Refuse unless it is the stored one.", examples=[1])
    name: ChannelName | None = Field(None, description="What you call it.", examples=["Tablet"])
    target: Target | None = Field(None, description=_TARGET, examples=["https://example.com/hooks/other"])
    new_secret: bool = Field(False, description="Make a new secret of a webhook, and tell it.", examples=[False])
    min_severity: Severity | None = Field(None, description="Only this severe or more.", examples=["critical"])
    kinds: list[Kind] | None = Field(None, max_length=20, description="Only these; none is all.", examples=[[]])
    quiet: QuietBody | None = Field(None, description="When to be quiet; null is never.", examples=[None])
    time_zone: TimeZone | None = Field(None, description="Whose clocks quiet hours follow.", examples=["UTC"])
    digest_ms: DigestMs | None = Field(None, description="What counts as a burst.", examples=[60_000])
    enabled: bool | None = Field(None, description="Whether it is told anything.", examples=[False])

    def changed(self, stored: Channel) -> Channel:
        """Return the channel as it is asked for."""
        simple = ("name", "min_severity", "time_zone", "digest_ms", "enabled")
        values: dict[str, Any] = {name: value for name in simple if (value := getattr(self, name)) is not None}
        if self.kinds is not None:
            values["kinds"] = tuple(self.kinds)
        if "quiet" in self.model_fields_set:
            values["quiet"] = self.quiet.hours if self.quiet else None
        return replace(stored, **values)


class ChannelOut(Schema):
    """A channel, without its address and its secret."""

    channel_id: str = Field(description="Its id.", examples=[EXAMPLE_ID])
    owner_id: str | None = Field(description="Whose it is; null is the desk's.", examples=[EXAMPLE_ID])
    name: str = Field(description="What it is called.", examples=["Phone"])
    kind: ChannelKind = Field(description="How it is reached.", examples=["webhook"])
    shown: str = Field(description="Its address without what is secret.", examples=["https://example.com/…"])
    min_severity: Severity = Field(description="Only this severe or more.", examples=["info"])
    kinds: list[str] = Field(description="Only these; none is all.", examples=[[]])
    quiet: QuietBody | None = Field(description="When it is quiet.", examples=[None])
    time_zone: str = Field(description="Whose clocks quiet hours follow.", examples=["UTC"])
    digest_ms: int = Field(description="What counts as a burst.", examples=[60_000])
    enabled: bool = Field(description="Whether it is told anything.", examples=[True])
    failures: int = Field(description="How often in a row it was not reached.", examples=[0])
    failing_since_ms: int | None = Field(description="Since when (epoch ms).", examples=[None])
    last_error: str | None = Field(description="Why it was not reached.", examples=[None])
    last_sent_at_ms: int | None = Field(description="When it last was (epoch ms).", examples=[EXAMPLE_TIME])
    version: int = Field(description="Counts its changes.", examples=[1])

    @classmethod
    def of(cls, channel: Channel) -> "ChannelOut":
        """Describe a channel."""
        quiet = channel.quiet and QuietBody(
            begin=_clock(channel.quiet.from_minute), end=_clock(channel.quiet.to_minute)
        )
        return cls(**(shown(cls, channel) | {"quiet": quiet, "kinds": [*channel.kinds]}))


class ChannelKeptOut(Schema):
    """A channel as it is stored."""

    channel: ChannelOut = Field(description="The channel.")
    secret: str | None = Field(
        description="What signs the requests to a webhook; told this once, null where there is none or it is known.",
        examples=[None],
    )


class ChannelPage(Schema):
    """Channels, by name."""

    items: list[ChannelOut] = Field(description="The channels.")


class TriedOut(Schema):
    """A test that is on its way; the delivery log tells what became of it."""

    outbox_id: str = Field(description="What it is in the outbox.", examples=[EXAMPLE_ID])


class DeliveryOut(Schema):
    """One thing a channel was told, or is to be."""

    delivery_id: str = Field(description="Its id.", examples=[EXAMPLE_ID])
    channel_id: str = Field(description="To which channel.", examples=[EXAMPLE_ID])
    channel: str = Field(description="What that is called.", examples=["Phone"])
    state: DeliveryState = Field(description="Where it is.", examples=["sent"])
    attempts: int = Field(description="How often it was tried.", examples=[1])
    last_error: str | None = Field(description="Why it was not delivered the last time.", examples=[None])
    digest_id: str | None = Field(description="What went as one message has the same.", examples=[None])
    kind: str = Field(description="What it tells.", examples=["alert_opened"])
    severity: Severity = Field(description="Its severity: how soon somebody should look.", examples=["warning"])
    subject: str = Field(description="What it is about.", examples=["alert:venue:binance"])
    created_at_ms: int = Field(description="Since when it waits (epoch ms).", examples=[EXAMPLE_TIME])
    sent_at_ms: int | None = Field(description="When it was sent (epoch ms).", examples=[EXAMPLE_TIME])
    next_at_ms: int | None = Field(description="When it is tried (again; epoch ms).", examples=[None])

    @classmethod
    def of(cls, delivery: LoggedDelivery) -> "DeliveryOut":
        """Describe a delivery."""
        return cls.model_construct(**shown(cls, delivery))


class DeliveryPage(Schema):
    """The delivery log, newest first."""

    items: list[DeliveryOut] = Field(description="The deliveries.")
    next: str | None = Field(description="The `cursor` of the page after; null on the last.", examples=[None])


def _minute(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
