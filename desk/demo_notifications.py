"""What the demo's person is told: a channel to a receiver on this machine, and what came of it."""

import time
from collections import Counter
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from postgrest import CountMethod, SyncPostgrestClient

from desk.local.desk import LocalDesk
from desk.local.receiver import LocalReceiver
from shared.adapters.supabase.channels import SupabaseChannelStore
from shared.domain.notifications import Channel, ChannelKind, DeliveryState
from shared.domain.targets import read_target

DIGEST_MS: Final = 5_000
"""Real time: on a fast tape a minute holds more boundaries than anybody wants to wait for."""
_SETTLE_S: Final = 45.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifications:
    """Deliveries that arrived, in how many messages, and those that did not."""

    sent: int
    messages: int
    failed: int


class DemoNotifications:
    """A channel of the demo's person, seen from outside."""

    def __init__(self, desk: LocalDesk, database: SyncPostgrestClient, receiver: LocalReceiver, *, person: str) -> None:
        self._desk, self._database, self._receiver = desk, database, receiver
        channels = SupabaseChannelStore(database)
        channel = Channel(
            channel_id=str(uuid4()),
            owner_id=person,
            name="This machine",
            kind=ChannelKind.APPRISE,
            shown=read_target(ChannelKind.APPRISE, receiver.target, may_be_private=True).shown,
            digest_ms=DIGEST_MS,
        )
        channels.create(channel, target=receiver.target, secret=None)
        channels.test(channel.channel_id)

    def settle(self) -> None:
        """Have everything sent that waits; give up after a while, and let the figures say so."""
        deadline = time.monotonic() + _SETTLE_S
        while time.monotonic() < deadline:
            self._desk.host.invoke("notify", {"trigger": "cron"})
            if not self._unrouted() and not self._states() & {DeliveryState.PENDING, DeliveryState.SENDING}:
                return
            time.sleep(1.0)

    def figures(self) -> Notifications:
        """Count what arrived; what waits still is not delivered either."""
        counts = Counter({state: self._count(state) for state in DeliveryState})
        sent = counts.pop(DeliveryState.SENT)
        return Notifications(sent=sent, messages=self._receiver.messages, failed=counts.total() + self._unrouted())

    def _states(self) -> set[DeliveryState]:
        return {state for state in DeliveryState if self._count(state)}

    def _count(self, state: DeliveryState) -> int:
        query = self._database.from_("notification_deliveries").select(
            "delivery_id", count=CountMethod.exact, head=True
        )
        return int(query.eq("state", state.value).execute().count or 0)

    def _unrouted(self) -> int:
        query = self._database.from_("outbox").select("outbox_id", count=CountMethod.exact, head=True)
        return int(query.is_("routed_at", "null").is_("muted", "null").execute().count or 0)
