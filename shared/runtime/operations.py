"""What tells people of what is wrong, as lazily as the rest: alerts, the outbox, channels, and what notify is given."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from shared.runtime.foundation import Foundation, sqs

if TYPE_CHECKING:
    from shared.alert_ports import Addresses, AlertStore, ChannelStore, Deliveries, Notifier, Outbox
    from shared.ports import Queue
    from shared.usecases.notify import NotifyDesk


class Operations(Foundation):
    """The part of what is outside the process that tells people."""

    @cached_property
    def notifications(self) -> Queue:
        """The queue that wakes notify."""
        return sqs(self.settings.need("notifications_queue_url"))

    @cached_property
    def kept_alerts(self) -> AlertStore:
        """What is wrong, as a store that wakes nobody."""
        from shared.adapters.supabase.alerts import SupabaseAlertStore

        return SupabaseAlertStore(self.database)

    @cached_property
    def alerts(self) -> AlertStore:
        """What is wrong; people are told at once."""
        from shared.usecases.alerts import AnnouncedAlerts

        return AnnouncedAlerts(store=self.kept_alerts, queue=self.notifications)

    @cached_property
    def outbox(self) -> Outbox:
        """What people are to be told."""
        from shared.adapters.supabase.outbox import SupabaseOutbox

        return SupabaseOutbox(self.database)

    @cached_property
    def deliveries(self) -> Deliveries:
        """What is sent to channels."""
        from shared.adapters.supabase.outbox import SupabaseDeliveries

        return SupabaseDeliveries(self.database)

    @cached_property
    def channels(self) -> ChannelStore:
        """Everybody's channels."""
        from shared.adapters.supabase.channels import SupabaseChannelStore

        return SupabaseChannelStore(self.database)

    @cached_property
    def addresses(self) -> Addresses:
        """What hosts stand for."""
        from shared.adapters.public_only import Addresses as Resolver

        return Resolver()

    @cached_property
    def notifier(self) -> Notifier:
        """What brings messages to people."""
        from shared.adapters.notifier import ChannelNotifier

        return ChannelNotifier(clock=self.wall_clock, may_be_private=self.settings.allow_private_webhooks)

    @cached_property
    def notify_desk(self) -> NotifyDesk:
        """What telling people takes."""
        from shared.usecases.notify import NotifyDesk

        return NotifyDesk(
            outbox=self.outbox,
            deliveries=self.deliveries,
            alerts=self.kept_alerts,
            notifier=self.notifier,
            clock=self.clock,
            wall_clock=self.wall_clock,
            alert_urls=tuple(url.get_secret_value() for url in self.settings.alert_urls),
        )

    def alerts_of(self, token: str) -> AlertStore:
        """Return the alerts a signed-in person may see, decided by row security."""
        from shared.adapters.supabase.alerts import SupabaseAlertStore

        return SupabaseAlertStore(self.database_as(token))
