"""Notify against a desk in memory whose channels fail, whose processes are killed, and whose bursts are large."""

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from pydantic import BaseModel

from shared.domain.alerts import COOL_DOWN_MS, Alert, Severity
from shared.domain.errors import TransientError
from shared.domain.notifications import Channel, ChannelKind, DeliveryState, Fault, FaultKind, QuietHours
from shared.messages import CronTick
from shared.notification_messages import DirectNotification, NotificationDue, NotifyRequest, NotifyResult
from shared.usecases.alerts import AnnouncedAlerts
from shared.usecases.notify import LEASE_MS, NotifyDesk, notify
from tests.contract.stores import a_signal, a_trader
from tests.fakes.alerts import MemoryAlertStore
from tests.fakes.clock import ManualClock
from tests.fakes.outbox import MemoryChannelStore, MemoryDeliveries, MemoryNotifier, MemoryOutbox
from tests.fakes.queue import MemoryQueue
from tests.fakes.stores import MemoryDatabase, MemorySignalStore, MemoryTraderStore

NOW = 1_700_000_040_000
TICK = CronTick(trigger="cron")
DOWN = Fault(kind=FaultKind.UNREACHABLE, reason="it answers 503")


@dataclass
class Telling:
    """What telling people takes, in memory."""

    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    notifier: MemoryNotifier = field(default_factory=MemoryNotifier)

    def __post_init__(self) -> None:
        self.database = MemoryDatabase(clock=self.clock)
        self.kept = MemoryAlertStore(self.database)
        self.alerts = AnnouncedAlerts(store=self.kept, queue=self.queue)
        self.outbox = MemoryOutbox(self.database)
        self.deliveries = MemoryDeliveries(self.database)
        self.channels = MemoryChannelStore(self.database)
        self.desk = NotifyDesk(
            outbox=self.outbox, deliveries=self.deliveries, alerts=self.kept, notifier=self.notifier,
            clock=self.clock, wall_clock=self.clock, alert_urls=("json://ops/1", "json://ops/2"),
        )  # fmt: skip

    def channel(self, target: str = "json://desk", owner_id: str | None = None, **changes: Any) -> Channel:
        if owner_id is not None:
            self.database.people.enrol(owner_id)
        channel = Channel(
            channel_id=str(uuid4()), owner_id=owner_id, name=target, kind=ChannelKind.APPRISE, shown="json://…",
            **changes,
        )  # fmt: skip
        return self.channels.create(channel, target=target, secret=None)

    def wrong(self, *keys: str, severity: Severity = Severity.WARNING) -> None:
        wrong = [Alert(dedupe_key=key, kind="venue", severity=severity, sentence=f"{key} is down") for key in keys]
        self.alerts.settle(["venue:"], wrong, at_ms=self.clock.now_ms())

    def run(self, event: BaseModel = TICK) -> NotifyResult:
        return notify(event, desk=self.desk)  # type: ignore[arg-type]

    def woken(self) -> list[NotifyResult]:
        """Let notify have the messages that wait for it."""
        bodies, self.queue.bodies = self.queue.bodies, []
        return [self.run(NotifyRequest.validate_json(body)) for body in bodies]

    def said(self, target: str = "json://desk") -> list[str]:
        """Return the titles a target has got."""
        return [parcel.text.title for parcel in self.notifier.parcels if parcel.target == target]

    def states(self) -> list[DeliveryState]:
        return [row.state for row in self.database.telling.deliveries.values()]


@pytest.fixture
def telling() -> Telling:
    return Telling()


def test_an_alert_and_its_end_are_told_once_however_often_the_message_comes(telling: Telling) -> None:
    telling.channel()
    telling.wrong("venue:binance")
    (message,) = telling.queue.bodies
    assert telling.woken()[0].sent == 1
    telling.wrong("venue:binance")
    assert telling.queue.bodies == []  # known: nobody is told again
    for _ in range(3):
        assert telling.run(NotificationDue.model_validate_json(message)) == NotifyResult()
    telling.clock.advance(60_000)
    telling.wrong()
    telling.woken()
    assert telling.said() == ["WARNING: venue", "Resolved: venue"]


def test_a_message_that_was_lost_is_found_by_the_sweep(telling: Telling) -> None:
    telling.channel()
    telling.queue.broken = True
    telling.wrong("venue:binance")
    assert telling.run().sent == 1


def test_what_flaps_is_told_once_and_what_stays_back_is_told_again(telling: Telling) -> None:
    telling.channel()
    for _ in range(5):
        telling.wrong("venue:binance")
        telling.clock.advance(30_000)
        telling.wrong()
        telling.clock.advance(30_000)
    telling.run()
    assert telling.said() == ["WARNING: venue", "Resolved: venue"]
    (row,) = telling.database.telling.alerts
    assert row.reopened == 4
    telling.wrong("venue:binance")
    telling.clock.advance(COOL_DOWN_MS)
    telling.wrong("venue:binance")  # not over after all
    telling.run()
    assert telling.said()[2:] == ["WARNING: venue"]


def test_a_flap_that_is_worse_is_told(telling: Telling) -> None:
    telling.channel()
    telling.wrong("venue:binance")
    telling.wrong()
    telling.wrong("venue:binance", severity=Severity.CRITICAL)
    telling.wrong("venue:binance", severity=Severity.WARNING)
    telling.wrong("venue:binance", severity=Severity.CRITICAL)
    telling.run()
    kinds = [row.kind for row in telling.database.telling.outbox.values()]
    assert kinds == ["alert_opened", "alert_resolved", "alert_opened"]


def test_a_target_that_is_down_is_one_alert_and_gets_its_message_after_recovery(telling: Telling) -> None:
    down = telling.channel("json://down")
    telling.channel("json://up")
    telling.notifier.faults["json://down"] = DOWN
    telling.wrong("venue:binance")
    for _ in range(20):
        telling.run()
        telling.clock.advance(60_000)
    assert telling.said("json://up") == ["WARNING: venue", "WARNING: channel"]
    (alert,) = [row for row in telling.database.telling.alerts if row.alert.kind == "channel"]
    assert (alert.alert.dedupe_key, alert.alert.severity) == (f"channel:{down.channel_id}", Severity.WARNING)
    assert "it answers 503" in alert.alert.sentence
    assert telling.channels.get(down.channel_id).failures in range(5, 8)  # tries, in 20 minutes
    del telling.notifier.faults["json://down"]
    telling.clock.advance(3_600_000)
    telling.run()
    assert telling.said("json://down") == ["WARNING: venue"]
    assert telling.said("json://up")[2:] == ["Resolved: channel"]
    assert telling.channels.get(down.channel_id).failures == 0


def test_a_persons_channel_is_their_alert_and_not_the_desks(telling: Telling) -> None:
    telling.channel("json://desk")
    telling.channel("json://hers/1", "ann")
    telling.channel("json://hers/2", "ann")
    telling.notifier.faults["json://hers/1"] = DOWN
    telling.channels.test(next(iter(telling.channels.list("ann"))).channel_id)
    for _ in range(10):
        telling.run()
        telling.clock.advance(60_000)
    assert telling.said("json://hers/2") == ["WARNING: channel"]
    assert telling.said("json://desk") == []


def test_a_wrong_address_is_given_up_and_the_log_says_why(telling: Telling) -> None:
    telling.channel("json://wrong")
    telling.notifier.faults["json://wrong"] = Fault(kind=FaultKind.BAD_TARGET, reason="it answers 404")
    telling.wrong("venue:binance")
    for _ in range(10):
        telling.run()
        telling.clock.advance(120_000)
    logged = [each for each in telling.deliveries.list(None, limit=9) if each.kind == "alert_opened"]
    assert [(each.state, each.attempts, each.last_error) for each in logged] == [
        (DeliveryState.FAILED, 3, "bad_target: it answers 404")
    ]


def test_one_that_is_throttled_waits_as_long_as_it_is_asked_to(telling: Telling) -> None:
    telling.channel("json://busy")
    busy = Fault(kind=FaultKind.THROTTLED, reason="it answers 429", retry_after_ms=7_200_000)
    telling.notifier.faults["json://busy"] = busy
    telling.wrong("venue:binance")
    assert telling.run().retried == 1
    del telling.notifier.faults["json://busy"]
    telling.clock.advance(7_199_000)
    assert telling.run().sent == 0
    telling.clock.advance(1_000)
    assert telling.run().sent == 1


def test_a_process_killed_between_sending_and_noting_sends_again(telling: Telling) -> None:
    """At least once: what was sent and not noted is sent again when the lease is over, and then noted."""
    telling.channel()
    telling.wrong("venue:binance")

    class KilledError(Exception):
        pass

    class Killing(MemoryNotifier):
        def send(self, parcels: Any) -> Any:
            MemoryNotifier.send(self, parcels)
            raise KilledError

    alive = telling.desk.notifier
    killing = Killing(parcels=telling.notifier.parcels)
    object.__setattr__(telling.desk, "notifier", killing)
    with pytest.raises(KilledError):
        telling.run()
    object.__setattr__(telling.desk, "notifier", alive)
    assert telling.run().sent == 0  # another has it, for all anybody knows
    telling.clock.advance(LEASE_MS)
    assert telling.run().sent == 1
    assert telling.said() == ["WARNING: venue"] * 2
    telling.clock.advance(LEASE_MS)
    assert telling.run() == NotifyResult()


def test_a_second_notify_sends_nothing_of_what_the_first_has(telling: Telling) -> None:
    telling.channel("json://one")
    telling.channel("json://two")
    telling.wrong("venue:binance")

    class Overlapping(MemoryNotifier):
        def send(self, parcels: Any) -> Any:
            object.__setattr__(telling.desk, "notifier", telling.notifier)
            assert telling.run() == NotifyResult()
            return telling.notifier.send(parcels)

    object.__setattr__(telling.desk, "notifier", Overlapping())
    assert telling.run().sent == 2
    assert telling.said("json://one") == telling.said("json://two") == ["WARNING: venue"]


def test_a_burst_of_fifty_is_one_message(telling: Telling) -> None:
    telling.channel()
    telling.wrong(*(f"venue:{n}" for n in range(50)))
    assert len(telling.queue.bodies) == 1
    (result,) = telling.woken()
    assert (result.messages, result.sent) == (1, 50)
    assert telling.said() == ["WARNING: 50 messages: 50 alerts"]
    telling.wrong()
    assert telling.run().messages == 1


def test_a_trickle_is_gathered_once_it_is_too_much(telling: Telling) -> None:
    telling.channel(digest_ms=60_000)
    for n in range(12):
        telling.wrong(*(f"venue:{k}" for k in range(n + 1)))
        telling.run()
        telling.clock.advance(5_000)
    telling.run()
    titles = telling.said()
    assert titles[:3] == ["WARNING: venue"] * 3
    assert titles[3:] == ["WARNING: 9 messages: 9 alerts"]


def test_quiet_hours_hold_what_can_wait_and_a_critical_breaks_through(telling: Telling) -> None:
    minute = NOW // 60_000 % 1_440
    telling.channel(quiet=QuietHours(from_minute=minute - 10, to_minute=minute + 50))
    telling.wrong("venue:binance")
    telling.wrong("venue:binance", "venue:kraken", severity=Severity.WARNING)
    assert telling.run().held == 2
    telling.wrong("venue:binance", "venue:kraken", "venue:okx", severity=Severity.WARNING)
    telling.alerts.settle(
        ["desk:"],
        [Alert(dedupe_key="desk:1", kind="database", severity=Severity.CRITICAL, sentence="down")],
        at_ms=NOW,
    )
    telling.run()
    assert telling.said() == ["CRITICAL: database"]
    telling.clock.advance(50 * 60_000)
    telling.run()
    assert telling.said()[1:] == ["WARNING: venue"] * 3


def signals_of(telling: Telling, people: int, each: int) -> None:
    traders, signals = MemoryTraderStore(telling.database), MemorySignalStore(telling.database)
    owners = [f"person-{n}" for n in range(people)]
    telling.database.people.enrol(*owners)
    made = [a_trader(owner) for owner in owners for _ in range(each)]
    for trader in made:
        traders.create(trader)
    half = len(made) // 2
    for shard in (made[:half], made[half:]):
        signals.record("binance", "correlated", [a_signal(trader.trader_id) for trader in shard])


def test_ten_thousand_signals_at_a_boundary_are_one_message_a_person(telling: Telling) -> None:
    for n in range(200):
        telling.channel(f"json://person-{n}", f"person-{n}")
    signals_of(telling, people=200, each=50)
    assert telling.run() == NotifyResult()  # the other shards have five seconds
    telling.clock.advance(6_000)
    calls = telling.deliveries.calls + telling.outbox.calls
    result = telling.run()
    assert (result.routed, result.messages, result.sent) == (200, 200, 200)
    assert [title.split(" at ")[0] for title in telling.said("json://person-7")] == ["50 signals"]
    told = {item.correlation_id for parcel in telling.notifier.parcels for item in parcel.items}
    assert told == {"correlated"}  # what the boundary began with comes as far as the person
    # Two to route, seven claims of 32 channels with what became of them, and a claim that finds nothing.
    assert telling.deliveries.calls + telling.outbox.calls - calls == 2 + 7 * 2 + 1


def test_signals_of_people_without_a_channel_make_no_row(telling: Telling) -> None:
    telling.channel("json://desk")
    telling.channel("json://person-0", "person-0", kinds=("alert",))
    signals_of(telling, people=2, each=2)
    assert telling.database.telling.outbox == {}


DIRECT = DirectNotification(title="T", body="B", severity=Severity.CRITICAL, dedupe_key="dependency:database")


def test_a_message_with_its_own_text_goes_to_those_who_run_the_desk(telling: Telling) -> None:
    telling.notifier.faults["json://ops/1"] = DOWN
    result = telling.run(NotifyRequest.validate_python(json.loads(DIRECT.model_dump_json())))
    assert (result.direct, list(result.errors)) == (1, ["ALERT_URLS[0]"])
    assert telling.said("json://ops/2") == ["T"]
    assert telling.deliveries.calls == 0  # the database is down
    telling.notifier.faults["json://ops/2"] = DOWN
    with pytest.raises(TransientError, match="nobody was reached"):
        telling.run(DIRECT)


def test_nobody_to_tell_directly_is_no_reason_to_try_again(telling: Telling, caplog: pytest.LogCaptureFixture) -> None:
    object.__setattr__(telling.desk, "alert_urls", ())
    assert telling.run(DIRECT).direct == 0
    assert "ALERT_URLS is empty" in caplog.text
