"""What is wrong, and who is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from shared.domain.alerts import Alert, AlertState, Settled, Severity, StoredAlert
    from shared.domain.notification_texts import Parcel
    from shared.domain.notifications import (
        Channel,
        ChannelHealth,
        Claimed,
        Fault,
        LoggedDelivery,
        Outcome,
        Routed,
        Unrouted,
    )


class AlertStore(Protocol):
    """Alerts, one open row for each thing that is wrong; those somebody may see, where it is somebody's."""

    def settle(self, prefixes: Sequence[str], alerts: Sequence[Alert], *, at_ms: int) -> Settled:
        """Say everything that is wrong now among the keys with one of the prefixes, as of `at_ms` (market time).

        What is new opens, what is known is counted, what is no longer wrong resolves. What is wrong again within the
        cool-down is the same alert, and nobody is told unless it is more severe, or stays for as long.
        """
        ...

    def list(
        self,
        *,
        limit: int,
        states: Sequence[AlertState] | None = None,
        min_severity: Severity | None = None,
        book_id: str | None = None,
        before: tuple[int, str] | None = None,
    ) -> Sequence[StoredAlert]:
        """Return alerts by (last_at_ms, alert_id) descending, those before a cursor of the same pair."""
        ...

    def get(self, alert_id: str) -> StoredAlert:
        """Return one alert; raise `NotFoundError`."""
        ...

    def acknowledge(self, alert_id: str, *, actor: str, at_ms: int) -> StoredAlert:
        """Say that somebody looks after an alert; who said so first stays.

        Raise `NotFoundError`, and `ConflictError` for one that is resolved.
        """
        ...


class Outbox(Protocol):
    """What people are to be told, and to whom it goes."""

    def unrouted(self, *, limit: int) -> Unrouted:
        """Return what has no deliveries yet, oldest first, with the channels it may be for."""
        ...

    def route(self, routes: Sequence[Routed]) -> int:
        """Make the deliveries that were decided, once; return how many are new."""
        ...


class Deliveries(Protocol):
    """What is sent to channels, and what became of it; the store's clock decides what is due."""

    def claim(self, holder: str, *, lease_ms: int, channels: int, rows: int) -> Claimed:
        """Take what is due for some channels, up to `rows` of each; no channel is another holder's at the same time."""
        ...

    def settle(
        self, holder: str, outcomes: Sequence[Outcome], *, channels: Mapping[str, str | None]
    ) -> Sequence[ChannelHealth]:
        """Store what became of what a holder took, and which channels were reached (None) or why not.

        Return how those channels are.
        """
        ...

    def list(
        self, owner_id: str | None, *, limit: int, channel_id: str | None = None, before: tuple[int, str] | None = None
    ) -> Sequence[LoggedDelivery]:
        """Return deliveries of a person's channels, or the desk's, by (created_at_ms, delivery_id) descending."""
        ...


class ChannelStore(Protocol):
    """Everybody's channels."""

    def list(self, owner_id: str | None) -> Sequence[Channel]:
        """Return a person's channels, or the desk's, by name."""
        ...

    def get(self, channel_id: str) -> Channel:
        """Return one; raise `NotFoundError`."""
        ...

    def create(self, channel: Channel, *, target: str, secret: str | None) -> Channel:
        """Store a new one with its address, and the secret that signs what a webhook is sent."""
        ...

    def update(self, channel: Channel, *, version: int, target: str | None, secret: str | None) -> Channel:
        """Replace what may change of one; None keeps the address, or the secret.

        Raise `ConflictError` when it moved.
        """
        ...

    def delete(self, channel_id: str) -> None:
        """Remove one with its delivery log."""
        ...

    def test(self, channel_id: str) -> str:
        """Have a channel be sent a message that says so; return the outbox row. Raise `NotFoundError`."""
        ...


class Notifier(Protocol):
    """What brings messages to people."""

    def send(self, parcels: Sequence[Parcel]) -> Sequence[Fault | None]:
        """Send messages side by side, each within ten seconds; return why each was not delivered, None for those that
        were."""
        ...


class Addresses(Protocol):
    """What hosts stand for."""

    def require_public(self, host: str, port: int | None) -> None:
        """Raise `InvalidMessageError` for a host that is unknown, or stands for an address people may not send to."""
        ...
