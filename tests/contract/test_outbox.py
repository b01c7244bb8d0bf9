"""What every outbox, its deliveries and channels keep, in memory and in Supabase."""

from uuid import uuid4

import pytest

from shared.domain.alerts import Alert, Severity
from shared.domain.errors import ConflictError, InvalidMessageError, NotFoundError
from shared.domain.notifications import (
    Channel,
    ChannelKind,
    DeliveryState,
    Outcome,
    QuietHours,
    Routed,
    route,
)
from tests.contract.stores import CLOSE, Stores, a_signal, a_trader

LEASE_MS = 60_000


def a_channel(owner_id: str | None = None, **changes: object) -> Channel:
    values: dict[str, object] = {
        "channel_id": str(uuid4()), "owner_id": owner_id, "name": "Phone", "kind": ChannelKind.APPRISE,
        "shown": "json://example.com/…",
    }  # fmt: skip
    return Channel(**(values | changes))  # type: ignore[arg-type]


def create(stores: Stores, channel: Channel) -> Channel:
    secret = "a-secret-of-some-length" if channel.kind is ChannelKind.WEBHOOK else None
    return stores.channels().create(channel, target="json://example.com/token", secret=secret)


def open_alert(stores: Stores, key: str = "venue:binance", severity: Severity = Severity.WARNING) -> None:
    alert = Alert(dedupe_key=key, kind="venue", severity=severity, sentence="it is down", details={"n": 1})
    stores.alerts().settle([key], [alert], at_ms=CLOSE)


def route_all(stores: Stores) -> list[Routed]:
    routes = route(stores.outbox().unrouted(limit=100))
    stores.outbox().route(routes)
    return routes


def test_channels_are_kept_and_changed_by_version(stores: Stores) -> None:
    channels, me = stores.channels(), str(uuid4())
    stores.enrol(me)
    mine = a_channel(
        me, quiet=QuietHours(from_minute=1_320, to_minute=420), time_zone="Europe/Berlin", kinds=("alert",)
    )
    assert create(stores, mine) == mine
    webhook = create(stores, a_channel(me, name="Hook", kind=ChannelKind.WEBHOOK, shown="https://example.com/…"))
    create(stores, a_channel(None, name="Ops"))
    assert [each.name for each in channels.list(me)] == ["Hook", "Phone"]
    assert [each.name for each in channels.list(None)] == ["Ops"]
    renamed = a_channel(me, channel_id=mine.channel_id, name="Tablet", quiet=None, min_severity=Severity.CRITICAL)
    stored = channels.update(renamed, version=1, target=None, secret=None)
    assert (stored.name, stored.quiet, stored.min_severity, stored.version) == ("Tablet", None, Severity.CRITICAL, 2)
    with pytest.raises(ConflictError):
        channels.update(renamed, version=1, target=None, secret=None)
    channels.delete(webhook.channel_id)
    for ask in (channels.get, channels.delete, channels.test):
        with pytest.raises(NotFoundError):
            ask(webhook.channel_id)
    with pytest.raises(InvalidMessageError):
        create(stores, a_channel(me, time_zone="Middle/Earth"))


def test_what_waits_is_routed_once_claimed_by_one_and_settled(stores: Stores) -> None:
    desk = create(stores, a_channel())
    somebody = str(uuid4())
    stores.enrol(somebody)
    create(stores, a_channel(somebody))
    open_alert(stores)
    routes = route_all(stores)
    assert [each.channels for each in routes] == [(desk.channel_id,)]
    assert stores.outbox().route(routes) == 0
    assert stores.outbox().unrouted(limit=9).rows == ()

    deliveries, holder = stores.deliveries(), str(uuid4())
    claimed = deliveries.claim(holder, lease_ms=LEASE_MS, channels=9, rows=9)
    (channel,) = claimed.channels
    (due,) = channel.deliveries
    assert (channel.target, channel.sent_ms, channel.utc_offset_ms) == ("json://example.com/token", (), 0)
    assert (due.kind, due.severity, due.attempts, due.data["sentence"]) == (
        "alert_opened", Severity.WARNING, 0, "it is down"
    )  # fmt: skip
    assert "token" not in repr(channel)
    assert deliveries.claim(str(uuid4()), lease_ms=LEASE_MS, channels=9, rows=9).channels == ()
    assert len(deliveries.claim(holder, lease_ms=LEASE_MS, channels=9, rows=9).channels) == 1  # its answer was lost

    stranger = deliveries.settle(str(uuid4()), [_outcome(due.delivery_id, DeliveryState.FAILED)], channels={})
    assert (stranger, deliveries.list(None, limit=9)[0].state) == ([], DeliveryState.SENDING)
    again = claimed.now_ms - 1
    retried = _outcome(due.delivery_id, DeliveryState.PENDING, error="it is down", next_at_ms=again)
    (health,) = deliveries.settle(holder, [retried], channels={desk.channel_id: "it is down"})
    assert (health.failures, health.before, health.last_error) == (1, 0, "it is down")
    assert stores.channels().get(desk.channel_id).failing_since_ms == health.failing_since_ms is not None

    holder = str(uuid4())
    (channel,) = deliveries.claim(holder, lease_ms=LEASE_MS, channels=9, rows=9).channels
    assert channel.deliveries[0].attempts == 1
    sent = _outcome(due.delivery_id, DeliveryState.SENT, at_ms=claimed.now_ms)
    (health,) = deliveries.settle(holder, [sent], channels={desk.channel_id: None})
    assert (health.failures, health.before) == (0, 1)
    (logged,) = deliveries.list(None, limit=9, channel_id=desk.channel_id)
    assert (logged.state, logged.attempts, logged.sent_at_ms) == (DeliveryState.SENT, 2, claimed.now_ms)
    assert deliveries.list(None, limit=9, before=(logged.created_at_ms, logged.delivery_id)) == []
    assert deliveries.list(str(uuid4()), limit=9) == []


def test_a_lease_that_ends_gives_the_delivery_to_another(stores: Stores) -> None:
    create(stores, a_channel())
    open_alert(stores)
    route_all(stores)
    deliveries, killed, other = stores.deliveries(), str(uuid4()), str(uuid4())
    (first,) = deliveries.claim(killed, lease_ms=0, channels=9, rows=9).channels
    (second,) = deliveries.claim(other, lease_ms=LEASE_MS, channels=9, rows=9).channels
    (one,) = first.deliveries
    assert second.deliveries == (one,)
    deliveries.settle(killed, [_outcome(one.delivery_id, DeliveryState.FAILED)], channels={})
    deliveries.settle(other, [_outcome(one.delivery_id, DeliveryState.SENT, at_ms=CLOSE)], channels={})
    assert deliveries.list(None, limit=9)[0].state is DeliveryState.SENT


def test_what_was_sent_lately_is_counted_by_message(stores: Stores) -> None:
    create(stores, a_channel(digest_ms=3_600_000))
    for number in range(3):
        open_alert(stores, f"venue:{number}")
    route_all(stores)
    deliveries, holder, digest = stores.deliveries(), str(uuid4()), str(uuid4())
    claimed = deliveries.claim(holder, lease_ms=LEASE_MS, channels=9, rows=9)
    one, two, three = claimed.channels[0].deliveries
    at = {"at_ms": claimed.now_ms}
    outcomes = [_outcome(each.delivery_id, DeliveryState.SENT, digest_id=digest, **at) for each in (one, two)]
    deliveries.settle(holder, [*outcomes, _outcome(three.delivery_id, DeliveryState.SENT, **at)], channels={})
    open_alert(stores, "venue:4")
    route_all(stores)
    (channel,) = deliveries.claim(holder, lease_ms=LEASE_MS, channels=9, rows=9).channels
    assert channel.sent_ms == (claimed.now_ms, claimed.now_ms)


def test_a_channel_that_is_switched_off_gets_nothing_of_what_waited(stores: Stores) -> None:
    channel = create(stores, a_channel())
    open_alert(stores)
    route_all(stores)
    off = a_channel(channel_id=channel.channel_id, enabled=False)
    stores.channels().update(off, version=1, target=None, secret=None)
    assert stores.deliveries().claim(str(uuid4()), lease_ms=LEASE_MS, channels=9, rows=9).channels == ()
    (logged,) = stores.deliveries().list(None, limit=9)
    assert (logged.state, logged.last_error) == (DeliveryState.MUTED, "the channel was switched off")


def test_a_test_is_for_one_channel_alone(stores: Stores) -> None:
    me = str(uuid4())
    stores.enrol(me)
    one, _ = (create(stores, a_channel(me, name=name, min_severity=Severity.CRITICAL)) for name in ("one", "two"))
    outbox_id = stores.channels().test(one.channel_id)
    assert route_all(stores) == [Routed(outbox_id=outbox_id, channels=(one.channel_id,))]
    (channel,) = stores.deliveries().claim(str(uuid4()), lease_ms=LEASE_MS, channels=9, rows=9).channels
    assert channel.deliveries[0].data == {"channel_id": one.channel_id, "name": "one"}


def _outcome(delivery_id: str, state: DeliveryState, **values: object) -> Outcome:
    return Outcome(delivery_id=delivery_id, state=state, attempted=True, **values)  # type: ignore[arg-type]


def test_signals_wait_to_be_gathered_and_only_for_who_wants_them(stores: Stores) -> None:
    me, deaf = str(uuid4()), str(uuid4())
    stores.enrol(me, deaf)
    create(stores, a_channel(me))
    create(stores, a_channel(deaf, kinds=("alert",)))
    traders = [a_trader(me), a_trader(deaf), a_trader(None)]
    for trader in traders:
        stores.traders().create(trader)
    stores.signals().record("binance", "correlated", [a_signal(trader.trader_id) for trader in traders])
    assert stores.outbox().unrouted(limit=9).rows == ()  # the other shards have five seconds
