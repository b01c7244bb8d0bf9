"""Tell people what waits for them: route the outbox, send what is due, keep what became of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from shared.domain.alerts import Alert, Severity
from shared.domain.errors import TransientError
from shared.domain.notification_texts import Item, Parcel, Text, parcel_of
from shared.domain.notifications import (
    FAILING,
    FAILING_CHANNEL,
    ChannelHealth,
    ChannelKind,
    Claimed,
    DeliveryState,
    Due,
    Fault,
    Outcome,
    outcomes_of,
    plan,
    route,
)
from shared.notification_messages import DirectNotification, NotificationDue, NotifyResult, SignalsStored

if TYPE_CHECKING:
    from shared.alert_ports import AlertStore, Deliveries, Notifier, Outbox
    from shared.messages import CronTick
    from shared.ports import Clock

LEASE_MS: Final = 90_000
"""Longer than notify may run: what it was sending when it was killed is sent again, and never twice at a time."""
BUDGET_MS: Final = 15_000
"""After so long nothing more is begun: a message that takes its ten seconds still ends in time."""
ROWS: Final = 500
CHANNELS: Final = 32

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyDesk:
    """What telling people takes; `clock` is the market's, `alert_urls` where those who run the desk are told."""

    outbox: Outbox
    deliveries: Deliveries
    alerts: AlertStore
    notifier: Notifier
    clock: Clock
    wall_clock: Clock
    alert_urls: tuple[str, ...] = field(default=(), repr=False)


@dataclass(slots=True)
class _Tally:
    """What one run has done."""

    routed: int = 0
    messages: int = 0
    states: list[Outcome] = field(default_factory=list)
    left: bool = False

    def result(self) -> NotifyResult:
        tried = [outcome for outcome in self.states if outcome.attempted]
        return NotifyResult(
            routed=self.routed,
            messages=self.messages,
            sent=sum(outcome.state is DeliveryState.SENT for outcome in tried),
            held=len(self.states) - len(tried),
            retried=sum(outcome.state is DeliveryState.PENDING for outcome in tried),
            failed=sum(outcome.state is DeliveryState.FAILED for outcome in tried),
            left=self.left,
        )


def notify(event: CronTick | NotificationDue | SignalsStored | DirectNotification, *, desk: NotifyDesk) -> NotifyResult:
    """Send a message that carries its own text to those who run the desk, or everything that waits in the outbox.

    Raise `TransientError` for a message with its own text that nobody could be sent.
    """
    if isinstance(event, DirectNotification):
        return _tell_directly(event, desk)
    tally, until_ms = _Tally(), desk.wall_clock.now_ms() + BUDGET_MS
    tally.routed += route_waiting(desk.outbox)
    while True:
        holder = str(uuid4())
        claimed = desk.deliveries.claim(holder, lease_ms=LEASE_MS, channels=CHANNELS, rows=ROWS)
        if not claimed.channels:
            return tally.result()
        if _send_claimed(holder, claimed, tally, desk, until_ms=until_ms):
            tally.routed += route_waiting(desk.outbox)
        if desk.wall_clock.now_ms() >= until_ms:
            tally.left = True  # the sweep goes on with it
            return tally.result()


def route_waiting(outbox: Outbox) -> int:
    """Decide where everything goes that waits in the outbox; return how many rows that were."""
    done = 0
    while True:
        waiting = outbox.unrouted(limit=ROWS)

        routes = route(waiting)

        if routes:
            outbox.route(routes)
            done += len(routes)
        if len(routes) < ROWS:
            return done


def _send_claimed(holder: str, claimed: Claimed, tally: _Tally, desk: NotifyDesk, *, until_ms: int) -> bool:
    """Send what was taken: the first message of every channel side by side, then the second of those that took it.

    What is not begun by `until_ms` (wall clock) waits for the next run. Tell whether there is something new to be told:
    that a channel fails, or works again.
    """
    plans = [plan(channel, now_ms=claimed.now_ms) for channel in claimed.channels]
    outcomes = [
        Outcome(delivery_id=held.delivery_id, state=DeliveryState.PENDING, attempted=False, next_at_ms=held.until_ms)
        for each in plans
        for held in each.held
    ]
    reached: dict[str, str | None] = {}
    left = [(channel, [*each.messages]) for channel, each in zip(claimed.channels, plans, strict=True) if each.messages]
    while left:
        faults = desk.notifier.send([parcel_of(channel, messages[0]) for channel, messages in left])
        tally.messages += len(left)
        following = []
        for (channel, messages), fault in zip(left, faults, strict=True):
            outcomes += _outcomes(messages, fault, desk.wall_clock.now_ms())
            reached[channel.channel_id] = f"{fault.kind}: {fault.reason}" if fault else None
            if fault is None and messages[1:]:
                following.append((channel, messages[1:]))
        left = following
        if desk.wall_clock.now_ms() >= until_ms:
            outcomes += [_untried(due, until_ms) for _, messages in left for message in messages for due in message]
            break
    health = desk.deliveries.settle(holder, outcomes, channels=reached)
    tally.states += outcomes
    return _tell_health(health, desk)


def _outcomes(messages: Sequence[tuple[Due, ...]], fault: Fault | None, now_ms: int) -> list[Outcome]:
    """Return what becomes of a message, and of those behind it when it did not arrive: they wait as long, untried."""
    outcomes = outcomes_of(messages[0], fault, now_ms=now_ms, digest_id=str(uuid4()))
    if fault is None:
        return outcomes
    again = min((each.next_at_ms for each in outcomes if each.next_at_ms is not None), default=now_ms + LEASE_MS)
    return outcomes + [_untried(due, again) for message in messages[1:] for due in message]


def _untried(due: Due, again_ms: int) -> Outcome:
    return Outcome(delivery_id=due.delivery_id, state=DeliveryState.PENDING, attempted=False, next_at_ms=again_ms)


def _tell_health(health: Sequence[ChannelHealth], desk: NotifyDesk) -> bool:
    """Have every channel that keeps failing be an alert, and those that have recovered none; tell if that is news."""
    failing = [each for each in health if each.failures >= FAILING]
    looked_at = failing + [each for each in health if each.failures == 0 and each.before > 0]
    if not looked_at:
        return False
    prefixes = [f"{FAILING_CHANNEL}{each.channel_id}" for each in looked_at]
    settled = desk.alerts.settle(prefixes, [alert_of(each) for each in failing], at_ms=desk.clock.now_ms())
    return bool(settled.told)


def alert_of(health: ChannelHealth) -> Alert:
    """Return the alert that a channel is not reached; it is its owner's, or the desk's."""
    whose = "The desk's channel" if health.owner_id is None else "Your channel"
    return Alert(
        dedupe_key=f"{FAILING_CHANNEL}{health.channel_id}",
        kind="channel",
        severity=Severity.WARNING,
        sentence=f"{whose} {health.name} was not reached {health.failures} times in a row: {health.last_error}.",
        details={"channel_id": health.channel_id, "failing_since_ms": health.failing_since_ms},
        person_id=health.owner_id,
    )


def _tell_directly(event: DirectNotification, desk: NotifyDesk) -> NotifyResult:
    if not desk.alert_urls:
        logger.error("nobody can be told, ALERT_URLS is empty: %s: %s", event.title, event.body)
        return NotifyResult(direct=0)
    text = Text(title=event.title, body=event.body, severity=event.severity)
    item = Item(
        outbox_id=event.event_id,
        text=text,
        kind="direct",
        data={"dedupe_key": event.dedupe_key},
        correlation_id=event.correlation_id,
    )
    faults = desk.notifier.send(
        [Parcel(kind=ChannelKind.APPRISE, target=url, text=text, items=(item,)) for url in desk.alert_urls]
    )
    errors = {f"ALERT_URLS[{n}]": f"{fault.kind}: {fault.reason}" for n, fault in enumerate(faults) if fault}
    if len(errors) == len(faults):
        raise TransientError(f"nobody was reached: {'; '.join(f'{k} {v}' for k, v in errors.items())}")
    return NotifyResult(direct=len(faults) - len(errors), errors=errors)
