"""Channels in Supabase."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from postgrest import SyncPostgrestClient

from shared.adapters.supabase.client import PAGE, call, once, repeatable, rows
from shared.adapters.supabase.times import to_ms
from shared.domain.alerts import Severity
from shared.domain.errors import ConflictError, NotFoundError
from shared.domain.notifications import Channel, ChannelKind, QuietHours

_COLUMNS: Final = (
    "channel_id,owner_id,name,kind,shown,min_severity,kinds,quiet_from,quiet_to,time_zone,digest_ms,enabled,failures,"
    "failing_since,last_error,last_sent_at,version"
)


@dataclass(frozen=True, slots=True)
class SupabaseChannelStore:
    """Channels as rows of `notification_channels`; their addresses and secrets are written here, and never read."""

    client: SyncPostgrestClient

    def list(self, owner_id: str | None) -> Sequence[Channel]:
        """Return a person's channels, or the desk's, by name."""
        query = self.client.from_("notification_channels").select(_COLUMNS).order("name").order("channel_id")
        query = query.is_("owner_id", "null") if owner_id is None else query.eq("owner_id", owner_id)
        return [_channel(row) for row in rows(repeatable(query.limit(PAGE)))]

    def get(self, channel_id: str) -> Channel:
        """Return one; raise `NotFoundError`."""
        query = self.client.from_("notification_channels").select(_COLUMNS).eq("channel_id", channel_id)
        return _first(rows(repeatable(query)), channel_id)

    def create(self, channel: Channel, *, target: str, secret: str | None) -> Channel:
        """Store a new one with its address, and the secret that signs what a webhook is sent."""
        own = {"channel_id": channel.channel_id, "owner_id": channel.owner_id, "kind": channel.kind.value}
        row = own | _values(channel) | {"target": target, "secret": secret}
        once(self.client.from_("notification_channels").insert(row))
        return self.get(channel.channel_id)

    def update(self, channel: Channel, *, version: int, target: str | None, secret: str | None) -> Channel:
        """Replace what may change of one; None keeps the address, or the secret."""
        row = _values(channel) | {"version": version + 1}
        row |= {} if target is None else {"target": target}
        row |= {} if secret is None else {"secret": secret}
        query = self.client.from_("notification_channels").update(row)
        changed = rows(once(query.eq("channel_id", channel.channel_id).eq("version", version)))
        stored = self.get(channel.channel_id)
        if not changed:
            raise ConflictError(f"the channel is at version {stored.version}, not {version}")
        return stored

    def delete(self, channel_id: str) -> None:
        """Remove one with its delivery log."""
        if not rows(once(self.client.from_("notification_channels").delete().eq("channel_id", channel_id))):
            raise NotFoundError(f"no channel {channel_id!r}")

    def test(self, channel_id: str) -> str:
        """Have a channel be sent a message that says so; return the outbox row."""
        outbox_id = call(self.client, "test_channel", {"p_channel_id": channel_id})
        if outbox_id is None:
            raise NotFoundError(f"no channel {channel_id!r}")
        return str(outbox_id)


def _values(channel: Channel) -> dict[str, Any]:
    """Return the columns of what may change."""
    return {
        "name": channel.name,
        "shown": channel.shown,
        "min_severity": channel.min_severity.value,
        "kinds": [*channel.kinds],
        "quiet_from": channel.quiet and channel.quiet.from_minute,
        "quiet_to": channel.quiet and channel.quiet.to_minute,
        "time_zone": channel.time_zone,
        "digest_ms": channel.digest_ms,
        "enabled": channel.enabled,
    }


def _first(found: Sequence[dict[str, Any]], channel_id: str) -> Channel:
    if not found:
        raise NotFoundError(f"no channel {channel_id!r}")
    return _channel(found[0])


def _channel(row: dict[str, Any]) -> Channel:
    begin, end = row["quiet_from"], row["quiet_to"]
    return Channel(
        channel_id=row["channel_id"],
        owner_id=row["owner_id"],
        name=row["name"],
        kind=ChannelKind(row["kind"]),
        shown=row["shown"],
        min_severity=Severity(row["min_severity"]),
        kinds=tuple(row["kinds"]),
        quiet=None if begin is None else QuietHours(from_minute=begin, to_minute=end),
        time_zone=row["time_zone"],
        digest_ms=row["digest_ms"],
        enabled=row["enabled"],
        failures=row["failures"],
        failing_since_ms=row["failing_since"] and to_ms(row["failing_since"]),
        last_error=row["last_error"],
        last_sent_at_ms=row["last_sent_at"] and to_ms(row["last_sent_at"]),
        version=row["version"],
    )
