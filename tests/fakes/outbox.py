"""The outbox, deliveries and channels in memory; they pass the same contract suite as the Supabase adapters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shared.domain.alerts import Severity
from shared.domain.errors import ConflictError, InvalidMessageError, NotFoundError
from shared.domain.notification_texts import Parcel
from shared.domain.notifications import (
    Channel,
    ChannelHealth,
    Claimed,
    ClaimedChannel,
    DeliveryState,
    Due,
    Fault,
    Listener,
    LoggedDelivery,
    Outcome,
    Routed,
    Unrouted,
    Waiting,
)
from tests.fakes.stores import MemoryDatabase
from tests.fakes.telling_tables import ChannelRow, DeliveryRow, OutboxRow


@dataclass(slots=True)
class MemoryOutbox:
    """The outbox of a database."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    calls: int = 0

    def unrouted(self, *, limit: int) -> Unrouted:
        """Return what has no deliveries yet, oldest first, with the channels it may be for."""
        self.calls += 1
        tables, now_ms = self.database.telling, self.database.clock.now_ms()
        due = [row for row in tables.outbox.values() if not row.is_routed and row.due_at_ms <= now_ms]
        rows = sorted(due, key=lambda row: (row.due_at_ms, row.outbox_id))[:limit]
        people, desk = {row.person_id for row in rows} - {None}, any(row.to_desk for row in rows)
        channels = [row.channel for row in tables.channels.values() if row.channel.enabled]
        heard = [each for each in channels if (desk if each.owner_id is None else each.owner_id in people)]
        return Unrouted(
            rows=tuple(_waiting(row) for row in rows),
            channels=tuple(
                Listener(
                    channel_id=each.channel_id, owner_id=each.owner_id, min_severity=each.min_severity, kinds=each.kinds
                )
                for each in heard
            ),
        )

    def route(self, routes: Sequence[Routed]) -> int:
        """Make the deliveries that were decided, once; return how many are new."""
        self.calls += 1
        tables, now_ms = self.database.telling, self.database.clock.now_ms()
        made = 0
        for each in routes:
            row = tables.outbox[each.outbox_id]
            if row.is_routed:
                continue
            row.is_routed = True
            for channel_id in each.channels:
                if channel_id in tables.channels:
                    key = (each.outbox_id, channel_id)
                    tables.deliveries[key] = DeliveryRow(
                        outbox_id=each.outbox_id, channel_id=channel_id, created_at_ms=now_ms, next_at_ms=now_ms
                    )
                    made += 1
        return made


@dataclass(slots=True)
class MemoryDeliveries:
    """The deliveries of a database."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    calls: int = 0

    def claim(self, holder: str, *, lease_ms: int, channels: int, rows: int) -> Claimed:
        """Take what is due for some channels, up to `rows` of each."""
        self.calls += 1
        tables, now_ms = self.database.telling, self.database.clock.now_ms()
        order = {outbox_id: place for place, outbox_id in enumerate(tables.outbox)}  # as they were told
        taken = []
        for channel_id in self._due_channels(holder, now_ms)[:channels]:
            due = sorted(
                (row for row in self._of(channel_id) if _is_due(row, holder, now_ms)),
                key=lambda row: order[row.outbox_id],
            )[:rows]
            for row in due:
                row.state, row.holder, row.lease_until_ms = DeliveryState.SENDING, holder, now_ms + lease_ms
            taken.append(self._claimed(tables.channels[channel_id], due, now_ms))
        return Claimed(now_ms=now_ms, channels=tuple(taken))

    def settle(
        self, holder: str, outcomes: Sequence[Outcome], *, channels: Mapping[str, str | None]
    ) -> Sequence[ChannelHealth]:
        """Store what became of what a holder took; return how the channels are."""
        self.calls += 1
        rows = {row.delivery_id: row for row in self.database.telling.deliveries.values()}
        for outcome in outcomes:
            row = rows.get(outcome.delivery_id)
            if row is None or row.state is not DeliveryState.SENDING or row.holder != holder:
                continue
            row.state, row.last_error, row.holder = outcome.state, outcome.error, None
            row.attempts += outcome.attempted
            row.digest_id = outcome.digest_id or row.digest_id
            row.next_at_ms = row.next_at_ms if outcome.next_at_ms is None else outcome.next_at_ms
            row.sent_at_ms = outcome.at_ms if outcome.state is DeliveryState.SENT else None
        return [self._health(channel_id, error) for channel_id, error in channels.items()]

    def list(
        self, owner_id: str | None, *, limit: int, channel_id: str | None = None, before: tuple[int, str] | None = None
    ) -> Sequence[LoggedDelivery]:
        """Return deliveries of a person's channels, or the desk's, newest first."""
        tables = self.database.telling
        found = [
            row
            for row in tables.deliveries.values()
            if row.channel_id in tables.channels
            and tables.channels[row.channel_id].channel.owner_id == owner_id
            and (channel_id is None or row.channel_id == channel_id)
            and (before is None or (row.created_at_ms, row.delivery_id) < before)
        ]
        return [
            self._logged(row) for row in sorted(found, key=lambda r: (r.created_at_ms, r.delivery_id))[::-1][:limit]
        ]

    def _of(self, channel_id: str) -> Sequence[DeliveryRow]:
        return [row for row in self.database.telling.deliveries.values() if row.channel_id == channel_id]

    def _due_channels(self, holder: str, now_ms: int) -> Sequence[str]:
        since: dict[str, int] = {}
        for channel_id, stored in self.database.telling.channels.items():
            rows = self._of(channel_id)
            busy = any(
                row.state is DeliveryState.SENDING and row.lease_until_ms > now_ms and row.holder != holder
                for row in rows
            )
            due = [row.next_at_ms for row in rows if _is_due(row, holder, now_ms)]
            if due and not busy and stored.channel.enabled:
                since[channel_id] = min(due)
        return sorted(since, key=lambda channel_id: (since[channel_id], channel_id))

    def _claimed(self, stored: ChannelRow, due: Sequence[DeliveryRow], now_ms: int) -> ClaimedChannel:
        channel = stored.channel
        sent = {
            row.digest_id or row.delivery_id: row.sent_at_ms
            for row in self._of(channel.channel_id)
            if row.sent_at_ms is not None and row.sent_at_ms > now_ms - channel.digest_ms
        }
        return ClaimedChannel(
            channel_id=channel.channel_id, owner_id=channel.owner_id, name=channel.name, kind=channel.kind,
            target=stored.target, secret=stored.secret, quiet=channel.quiet, digest_ms=channel.digest_ms,
            utc_offset_ms=utc_offset_ms(channel.time_zone, now_ms),
            utc_offset_tomorrow_ms=utc_offset_ms(channel.time_zone, now_ms + 86_400_000),
            sent_ms=tuple(sent.values()), deliveries=tuple(self._due(row) for row in due),
        )  # fmt: skip

    def _due(self, row: DeliveryRow) -> Due:
        told = self.database.telling.outbox[row.outbox_id]
        return Due(
            delivery_id=row.delivery_id, attempts=row.attempts, created_at_ms=row.created_at_ms,
            outbox_id=told.outbox_id, kind=told.kind, severity=told.severity, title=told.title, body=told.body,
            data=told.data, correlation_id=told.correlation_id,
        )  # fmt: skip

    def _health(self, channel_id: str, error: str | None) -> ChannelHealth:
        stored = self.database.telling.channels[channel_id]
        before, now_ms = stored.channel.failures, self.database.clock.now_ms()
        since = None if error is None else stored.channel.failing_since_ms or now_ms
        stored.channel = replace(
            stored.channel, failures=0 if error is None else before + 1, failing_since_ms=since, last_error=error,
            last_sent_at_ms=now_ms if error is None else stored.channel.last_sent_at_ms,
        )  # fmt: skip
        now = stored.channel
        return ChannelHealth(
            channel_id=channel_id, owner_id=now.owner_id, name=now.name, failures=now.failures, before=before,
            last_error=now.last_error, failing_since_ms=since,
        )  # fmt: skip

    def _logged(self, row: DeliveryRow) -> LoggedDelivery:
        tables = self.database.telling
        told = tables.outbox[row.outbox_id]
        return LoggedDelivery(
            delivery_id=row.delivery_id, channel_id=row.channel_id,
            channel=tables.channels[row.channel_id].channel.name,
            state=row.state, attempts=row.attempts, last_error=row.last_error, digest_id=row.digest_id, kind=told.kind,
            severity=told.severity, subject=told.subject, created_at_ms=row.created_at_ms, sent_at_ms=row.sent_at_ms,
            next_at_ms=row.next_at_ms if row.state is DeliveryState.PENDING else None,
        )  # fmt: skip


@dataclass(slots=True)
class MemoryChannelStore:
    """The channels of a database."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)

    def list(self, owner_id: str | None) -> Sequence[Channel]:
        """Return a person's channels, or the desk's, by name."""
        channels = [row.channel for row in self.database.telling.channels.values()]
        return sorted((c for c in channels if c.owner_id == owner_id), key=lambda c: (c.name, c.channel_id))

    def get(self, channel_id: str) -> Channel:
        """Return one; raise `NotFoundError`."""
        return self._row(channel_id).channel

    def create(self, channel: Channel, *, target: str, secret: str | None) -> Channel:
        """Store a new one with its address, and the secret that signs what a webhook is sent."""
        _check_zone(channel.time_zone)
        if channel.owner_id is not None:
            self.database.people.fit_channel(channel.owner_id, had=len(self.list(channel.owner_id)))
        self.database.telling.channels[channel.channel_id] = ChannelRow(channel, target, secret)
        return channel

    def update(self, channel: Channel, *, version: int, target: str | None, secret: str | None) -> Channel:
        """Replace what may change of one; None keeps the address, or the secret."""
        _check_zone(channel.time_zone)
        row = self._row(channel.channel_id)
        self.database.people.refuse_viewer(row.channel.owner_id)
        if row.channel.version != version:
            raise ConflictError(f"the channel is at version {row.channel.version}, not {version}")
        if row.channel.enabled and not channel.enabled:
            for delivery in self.database.telling.deliveries.values():
                waits = delivery.state in {DeliveryState.PENDING, DeliveryState.SENDING}
                if delivery.channel_id == channel.channel_id and waits:
                    delivery.state, delivery.last_error = DeliveryState.MUTED, "the channel was switched off"
        row.channel = replace(channel, version=version + 1)
        row.target, row.secret = target or row.target, secret or row.secret
        return row.channel

    def delete(self, channel_id: str) -> None:
        """Remove one with its delivery log."""
        self.database.people.refuse_viewer(self._row(channel_id).channel.owner_id)
        tables = self.database.telling
        del tables.channels[channel_id]
        tables.deliveries = {key: row for key, row in tables.deliveries.items() if key[1] != channel_id}

    def test(self, channel_id: str) -> str:
        """Have a channel be sent a message that says so; return the outbox row."""
        channel, now_ms = self.get(channel_id), self.database.clock.now_ms()
        row = OutboxRow(
            kind="test", severity=Severity.INFO, person_id=channel.owner_id, to_desk=channel.owner_id is None,
            subject=f"test:{channel_id}", data={"channel_id": channel_id, "name": channel.name},
            created_at_ms=now_ms, due_at_ms=now_ms,
        )  # fmt: skip
        return self.database.telling.tell(row)

    def _row(self, channel_id: str) -> ChannelRow:
        if channel_id not in self.database.telling.channels:
            raise NotFoundError(f"no channel {channel_id!r}")
        return self.database.telling.channels[channel_id]


@dataclass(slots=True)
class MemoryNotifier:
    """Keeps what it was to send; `faults` are what targets answer instead of taking it."""

    parcels: list[Parcel] = field(default_factory=list)
    faults: dict[str, Fault] = field(default_factory=dict)

    def send(self, parcels: Sequence[Parcel]) -> Sequence[Fault | None]:
        """Take every message whose target has no fault."""
        self.parcels += [parcel for parcel in parcels if parcel.target not in self.faults]
        return [self.faults.get(parcel.target) for parcel in parcels]


@dataclass(slots=True)
class MemoryAddresses:
    """Hosts by name, all of them public but those named."""

    private: set[str] = field(default_factory=set)

    def require_public(self, host: str, port: int | None) -> None:
        """Raise `InvalidMessageError` for a host that is private."""
        if host in self.private:
            raise InvalidMessageError("target", "expected a host with a public address")


def utc_offset_ms(zone: str, at_ms: int) -> int:
    """Return how much later than UTC the clocks of a time zone are."""
    at = datetime.fromtimestamp(at_ms / 1_000, UTC).astimezone(ZoneInfo(zone))
    return (at.utcoffset() or timedelta()) // timedelta(milliseconds=1)


def _check_zone(zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise InvalidMessageError("request", f'time zone "{zone}" not recognized') from error


def _waiting(row: OutboxRow) -> Waiting:
    details = row.data.get("details")
    about = row.data.get("channel_id") or (details.get("channel_id") if isinstance(details, Mapping) else None)
    return Waiting(
        outbox_id=row.outbox_id, kind=row.kind, severity=row.severity, person_id=row.person_id, to_desk=row.to_desk,
        channel_id=str(about) if about else None,
    )  # fmt: skip


def _is_due(row: DeliveryRow, holder: str, now_ms: int) -> bool:
    if row.state is DeliveryState.SENDING:
        return row.lease_until_ms <= now_ms or row.holder == holder
    return row.state is DeliveryState.PENDING and row.next_at_ms <= now_ms
