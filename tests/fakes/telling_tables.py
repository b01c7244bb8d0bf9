"""The tables that tell people, in memory: alerts with their life, the outbox, channels, deliveries."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from uuid import uuid4

from shared.domain.alerts import Alert, AlertState, Severity
from shared.domain.notifications import Channel, DeliveryState, family
from shared.domain.signals import StoredSignal
from shared.domain.traders import Trader

GATHER_MS = 5_000


@dataclass(slots=True, kw_only=True)
class AlertRow:
    """A row of `alerts`."""

    alert: Alert
    first_at_ms: int
    opened_at_ms: int
    last_at_ms: int
    alert_id: str = field(default_factory=lambda: str(uuid4()))
    state: AlertState = AlertState.OPEN
    seen: int = 1
    reopened: int = 0
    resolved_at_ms: int | None = None
    is_quiet: bool = False
    told: Severity | None = None
    acknowledged_by: str | None = None
    acknowledged_at_ms: int | None = None


@dataclass(slots=True, kw_only=True)
class OutboxRow:
    """A row of `outbox`."""

    kind: str
    severity: Severity
    person_id: str | None
    to_desk: bool
    subject: str
    data: dict[str, object]
    created_at_ms: int
    due_at_ms: int
    title: str = ""
    body: str = ""
    correlation_id: str = ""
    outbox_id: str = field(default_factory=lambda: str(uuid4()))
    is_routed: bool = False


@dataclass(slots=True)
class ChannelRow:
    """A row of `notification_channels`."""

    channel: Channel
    target: str
    secret: str | None


@dataclass(slots=True, kw_only=True)
class DeliveryRow:
    """A row of `notification_deliveries`."""

    outbox_id: str
    channel_id: str
    created_at_ms: int
    next_at_ms: int
    delivery_id: str = field(default_factory=lambda: str(uuid4()))
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    holder: str | None = None
    lease_until_ms: int = 0
    last_error: str | None = None
    digest_id: str | None = None
    sent_at_ms: int | None = None


@dataclass(slots=True)
class TellingTables:
    """What is wrong, what people are to be told, and where."""

    alerts: list[AlertRow] = field(default_factory=list)
    outbox: dict[str, OutboxRow] = field(default_factory=dict)
    channels: dict[str, ChannelRow] = field(default_factory=dict)
    deliveries: dict[tuple[str, str], DeliveryRow] = field(default_factory=dict)  # by outbox row and channel

    def tell(self, row: OutboxRow) -> str:
        """Put a row into the outbox."""
        self.outbox[row.outbox_id] = row
        return row.outbox_id

    def tell_signals(self, stored: Iterable[StoredSignal], traders: Mapping[str, Trader], *, now_ms: int) -> None:
        """Tell owners of their traders' signals, one row for a person and a boundary."""

        def place(each: StoredSignal) -> tuple[str, str, str, int]:
            signal = each.signal
            return traders[signal.trader_id].owner_id or "", each.venue, signal.timeframe.value, signal.close_time

        for (owner, venue, timeframe, close_time), together in groupby(sorted(stored, key=place), key=place):
            group = [*together]
            if not owner or not self._wants_signals(owner):
                continue
            told = [
                {
                    "signal_id": each.signal_id, "trader": traders[each.signal.trader_id].name,
                    "symbol": each.signal.symbol, "side": each.signal.side.value, "price": str(each.signal.price),
                }
                for each in sorted(group, key=lambda e: (traders[e.signal.trader_id].name, e.signal.symbol))
            ]  # fmt: skip
            subject = f"signals:{owner}:{venue}:{timeframe}:{close_time}"
            same = (row for row in self.outbox.values() if row.subject == subject and not row.is_routed)
            row = next(same, None)
            if row is None:
                data: dict[str, object] = {"venue": venue, "timeframe": timeframe, "close_time": close_time}
                row = OutboxRow(
                    kind="signal", severity=Severity.INFO, person_id=owner, to_desk=False, subject=subject,
                    data=data | {"signals": 0, "first": []}, created_at_ms=now_ms, due_at_ms=now_ms + GATHER_MS,
                    correlation_id=min(each.correlation_id for each in group),
                )  # fmt: skip
                self.tell(row)
            first = row.data["first"]
            assert isinstance(first, list)
            row.data = row.data | {"signals": int(str(row.data["signals"])) + len(told), "first": [*first, *told][:20]}

    def _wants_signals(self, owner: str) -> bool:
        channels = (row.channel for row in self.channels.values())
        return any(
            each.owner_id == owner and each.enabled and each.min_severity is Severity.INFO
            and (not each.kinds or family("signal") in each.kinds)
            for each in channels
        )  # fmt: skip
