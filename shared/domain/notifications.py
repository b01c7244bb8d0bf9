"""Who is told what, when, and how often it is tried: routing, quiet hours, digests of bursts, back-off.

Nothing here knows what a time zone is: whoever asks brings how much later than UTC a channel's clocks are.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from shared.domain.alerts import Severity

BURST: Final = 3
"""So many messages of a channel's `digest_ms` go one by one; more go as one that lists them."""
GIVE_UP_MS: Final = 24 * 3_600_000
BAD_TARGET_ATTEMPTS: Final = 3
FIRST_DELAY_MS: Final = 30_000
LONGEST_DELAY_MS: Final = 3_600_000
FAILING: Final = 3
"""After so many failures in a row a channel is an alert."""
FAILING_CHANNEL: Final = "channel:"
"""What begins the key of that alert."""
TEST: Final = "test"
KINDS: Final = ("alert", "signal", "proposal")
"""What a channel may be for; without any it is for everything."""
_MINUTE_MS: Final = 60_000
_DAY_MS: Final = 86_400_000


class ChannelKind(StrEnum):
    """How a channel is reached: by Apprise, or by a signed request to a webhook of one's own."""

    APPRISE = "apprise"
    WEBHOOK = "webhook"


class DeliveryState(StrEnum):
    """Where a delivery is: waiting (also for another try), being sent, and how it ended."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    MUTED = "muted"


class FaultKind(StrEnum):
    """Why a message was not delivered: it never will be as things are, nobody answers, or it was too much at once."""

    BAD_TARGET = "bad_target"
    UNREACHABLE = "unreachable"
    THROTTLED = "throttled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why one message was not delivered, in words that have no secrets in them."""

    kind: FaultKind
    reason: str
    retry_after_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """Minutes of the local day from which and until which only what is critical is told; may cross midnight."""

    from_minute: int
    to_minute: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Where somebody, or the desk (`owner_id` None), is told; `shown` is its address without what is secret."""

    channel_id: str
    owner_id: str | None
    name: str
    kind: ChannelKind
    shown: str
    min_severity: Severity = Severity.INFO
    kinds: tuple[str, ...] = ()
    quiet: QuietHours | None = None
    time_zone: str = "UTC"
    digest_ms: int = 60_000
    enabled: bool = True
    failures: int = 0
    failing_since_ms: int | None = None
    last_error: str | None = None
    last_sent_at_ms: int | None = None
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An outbox row that has no deliveries yet; `channel_id` is the channel it is about, if any."""

    outbox_id: str
    kind: str
    severity: Severity
    person_id: str | None
    to_desk: bool
    channel_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """What a channel wants to hear."""

    channel_id: str
    owner_id: str | None
    min_severity: Severity
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unrouted:
    """What waits to be routed, and the channels it may be for."""

    rows: tuple[Waiting, ...]
    channels: tuple[Listener, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """The channels an outbox row goes to; none is an answer too."""

    outbox_id: str
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One delivery that is to be made now; its text is made of `data` where it has none."""

    delivery_id: str
    attempts: int
    created_at_ms: int
    outbox_id: str
    kind: str
    severity: Severity
    title: str
    body: str
    data: Mapping[str, object]
    correlation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedChannel:
    """A channel with what is due for it, and when it was last sent something; times are epoch ms."""

    channel_id: str
    owner_id: str | None
    name: str
    kind: ChannelKind
    target: str = field(repr=False)
    secret: str | None = field(repr=False)
    quiet: QuietHours | None
    digest_ms: int
    utc_offset_ms: int
    utc_offset_tomorrow_ms: int
    sent_ms: tuple[int, ...]
    deliveries: tuple[Due, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What was taken to be sent, as of the store's clock."""

    now_ms: int
    channels: tuple[ClaimedChannel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A delivery that waits until an instant."""

    delivery_id: str
    until_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What goes to a channel now, message by message, and what waits."""

    messages: tuple[tuple[Due, ...], ...] = ()
    held: tuple[Held, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a delivery that was taken; `attempted` is False for what was only held back."""

    delivery_id: str
    state: DeliveryState
    attempted: bool
    error: str | None = None
    digest_id: str | None = None
    next_at_ms: int | None = None
    at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelHealth:
    """How a channel is after it was sent to: failures in a row, now and before."""

    channel_id: str
    owner_id: str | None
    name: str
    failures: int
    before: int
    last_error: str | None
    failing_since_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedDelivery:
    """A line of the delivery log."""

    delivery_id: str
    channel_id: str
    channel: str
    state: DeliveryState
    attempts: int
    last_error: str | None
    digest_id: str | None
    kind: str
    severity: Severity
    subject: str
    created_at_ms: int
    sent_at_ms: int | None
    next_at_ms: int | None


def family(kind: str) -> str:
    """Return what channels call the kind of an outbox row."""
    return "alert" if kind.startswith("alert_") else kind


def route(unrouted: Unrouted) -> list[Routed]:
    """Return where every row goes: to its person's channels and, where the desk is told, to the desk's."""
    listeners: dict[str | None, list[Listener]] = defaultdict(list)
    for channel in unrouted.channels:
        listeners[channel.owner_id].append(channel)
    routes = []
    for row in unrouted.rows:
        among = listeners[None] if row.to_desk else []
        if row.person_id is not None:
            among = [*among, *listeners[row.person_id]]
        heard = tuple(channel.channel_id for channel in among if wants(channel, row))
        routes.append(Routed(outbox_id=row.outbox_id, channels=heard))
    return routes


def wants(channel: Listener, row: Waiting) -> bool:
    """Tell whether a channel is to be told of a row; of its own failures it cannot be."""
    about_it = row.channel_id == channel.channel_id
    if row.kind == TEST:
        return about_it
    if about_it or row.severity.rank < channel.min_severity.rank:
        return False
    return not channel.kinds or family(row.kind) in channel.kinds


def quiet_until(
    quiet: QuietHours | None, *, now_ms: int, utc_offset_ms: int, utc_offset_tomorrow_ms: int
) -> int | None:
    """Return when quiet hours end that are on now (epoch ms), None when they are not.

    Clocks that change before then end them at the earlier of both readings; it is asked again at that instant.
    """
    if quiet is None:
        return None
    local = (now_ms + utc_offset_ms) % _DAY_MS
    midnight = now_ms + utc_offset_ms - local
    begin, end = quiet.from_minute * _MINUTE_MS, quiet.to_minute * _MINUTE_MS
    inside = begin <= local < end if begin < end else local >= begin or local < end
    if not inside:
        return None
    ends = midnight + (end if local < end else end + _DAY_MS)
    later = max(utc_offset_ms, utc_offset_tomorrow_ms)
    return max(ends - later, now_ms + _MINUTE_MS)


def plan(channel: ClaimedChannel, *, now_ms: int) -> Plan:
    """Return what of that which is due goes now.

    In quiet hours only what is critical does. More than `BURST` messages within the channel's `digest_ms` become one
    that lists them, sent when the earlier ones are that old; what is critical does not wait for that.
    """
    loud = [due for due in channel.deliveries if _is_loud(due)]
    soft = [due for due in channel.deliveries if not _is_loud(due)]
    until = quiet_until(
        channel.quiet,
        now_ms=now_ms,
        utc_offset_ms=channel.utc_offset_ms,
        utc_offset_tomorrow_ms=channel.utc_offset_tomorrow_ms,
    )
    recent = [sent for sent in channel.sent_ms if sent > now_ms - channel.digest_ms]
    if until is None and len(recent) >= BURST:
        until = min(recent) + channel.digest_ms
    if until is not None:
        held = tuple(Held(delivery_id=due.delivery_id, until_ms=until) for due in soft)
        return Plan(messages=_grouped(loud, 0, channel.digest_ms), held=held)
    return Plan(messages=_grouped([*loud, *soft], len(recent), channel.digest_ms))


def retry_at(
    attempts: int, fault: Fault, *, created_at_ms: int, now_ms: int, jitter: float, give_up_ms: int = GIVE_UP_MS
) -> int | None:
    """Return when to try again after so many attempts, None to give up.

    Delays double from 30 s to an hour, and are halved at most by `jitter` (0 to 1), so that channels of one host do not
    knock together. A target that is wrong is tried three times, everything else for a day. A delay the other side asks
    for is kept.
    """
    if fault.kind is FaultKind.BAD_TARGET and attempts >= BAD_TARGET_ATTEMPTS:
        return None
    longest = min(FIRST_DELAY_MS << min(attempts - 1, 20), LONGEST_DELAY_MS)
    delay = round(longest * (1 - jitter / 2))
    at = now_ms + max(delay, fault.retry_after_ms or 0)
    return at if at <= created_at_ms + give_up_ms else None


def outcomes_of(message: Sequence[Due], fault: Fault | None, *, now_ms: int, digest_id: str) -> list[Outcome]:
    """Return what becomes of the deliveries that went, or did not go, as one message; it is tried again as one."""
    first = message[0]
    of_digest = digest_id if len(message) > 1 else None
    if fault is None:
        return [
            Outcome(
                delivery_id=due.delivery_id, state=DeliveryState.SENT, attempted=True, digest_id=of_digest, at_ms=now_ms
            )
            for due in message
        ]
    attempts = max(due.attempts for due in message) + 1
    said = f"{fault.kind}: {fault.reason}"
    outcomes = []
    for due in message:
        at = retry_at(
            attempts,
            fault,
            created_at_ms=due.created_at_ms,
            now_ms=now_ms,
            jitter=_jitter(first.delivery_id, attempts),
        )
        state = DeliveryState.FAILED if at is None else DeliveryState.PENDING
        outcomes.append(Outcome(delivery_id=due.delivery_id, state=state, attempted=True, error=said, next_at_ms=at))
    return outcomes


def _is_loud(due: Due) -> bool:
    """Tell whether a message is heard in quiet hours; the end of something critical can wait."""
    return due.kind == TEST or (due.severity is Severity.CRITICAL and due.kind != "alert_resolved")


def _grouped(deliveries: Sequence[Due], recent: int, digest_ms: int) -> tuple[tuple[Due, ...], ...]:
    if digest_ms and len(deliveries) > 1 and recent + len(deliveries) > BURST:
        return (tuple(deliveries),)
    return tuple((due,) for due in deliveries)


def _jitter(delivery_id: str, attempts: int) -> float:
    """Return a number from 0 to 1 that is another for every delivery and attempt, and the same whoever asks."""
    return (int(delivery_id.replace("-", "")[:8], 16) * 2_654_435_761 * attempts % 2**32) / 2**32
