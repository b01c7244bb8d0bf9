"""The outbox and its deliveries in Supabase."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from postgrest import SyncPostgrestClient

from shared.adapters.row_type import RowType
from shared.adapters.supabase.client import call
from shared.domain.notifications import (
    ChannelHealth,
    Claimed,
    ClaimedChannel,
    LoggedDelivery,
    Outcome,
    QuietHours,
    Routed,
    Unrouted,
)

_UNROUTED: Final = RowType(Unrouted)
_CHANNEL: Final = RowType(ClaimedChannel)
_HEALTH: Final = RowType(list[ChannelHealth])
_LOG: Final = RowType(list[LoggedDelivery])
_OUTCOMES: Final = RowType(list[Outcome])


@dataclass(frozen=True, slots=True)
class SupabaseOutbox:
    """What people are to be told, as rows of `outbox`."""

    client: SyncPostgrestClient

    def unrouted(self, *, limit: int) -> Unrouted:
        """Return what has no deliveries yet, oldest first, with the channels it may be for."""
        return _UNROUTED.read(call(self.client, "unrouted_outbox", {"p_limit": limit}))

    def route(self, routes: Sequence[Routed]) -> int:
        """Make the deliveries that were decided, once; return how many are new."""
        return int(call(self.client, "route_outbox", {"p_routes": [asdict(route) for route in routes]}))


@dataclass(frozen=True, slots=True)
class SupabaseDeliveries:
    """What is sent to channels, as rows of `notification_deliveries`; the database's clock decides what is due."""

    client: SyncPostgrestClient

    def claim(self, holder: str, *, lease_ms: int, channels: int, rows: int) -> Claimed:
        """Take what is due for some channels, up to `rows` of each."""
        asked = {"p_holder": holder, "p_lease_ms": lease_ms, "p_channels": channels, "p_rows": rows}
        taken = call(self.client, "claim_deliveries", asked)
        return Claimed(now_ms=taken["now_ms"], channels=tuple(_claimed(row) for row in taken["channels"]))

    def settle(
        self, holder: str, outcomes: Sequence[Outcome], *, channels: Mapping[str, str | None]
    ) -> Sequence[ChannelHealth]:
        """Store what became of what a holder took; return how the channels are."""
        said = {
            "p_holder": holder,
            "p_results": _OUTCOMES.write([*outcomes]),
            "p_channels": [{"channel_id": channel_id, "error": error} for channel_id, error in channels.items()],
        }
        return _HEALTH.read(call(self.client, "settle_deliveries", said)["channels"])

    def list(
        self, owner_id: str | None, *, limit: int, channel_id: str | None = None, before: tuple[int, str] | None = None
    ) -> Sequence[LoggedDelivery]:
        """Return deliveries of a person's channels, or the desk's, newest first."""
        asked = {
            "p_owner_id": owner_id,
            "p_channel_id": channel_id,
            "p_limit": limit,
            "p_before_ms": before and before[0],
            "p_before_id": before and before[1],
        }
        return _LOG.read(call(self.client, "list_deliveries", asked))


def _claimed(row: dict[str, Any]) -> ClaimedChannel:
    begin, end = row.pop("quiet_from"), row.pop("quiet_to")
    quiet = None if begin is None else QuietHours(from_minute=begin, to_minute=end)
    return _CHANNEL.read(row | {"quiet": quiet})
