"""What people read: one thing that happened, or many at once, in plain sentences."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from shared.domain.alerts import Severity
from shared.domain.notifications import ChannelKind, ClaimedChannel, Due

LISTED: Final = 20
"""How many of a digest, or of a boundary's signals, are named."""
_LINE: Final = 300

# What somebody is to do about an alert, by its kind; one that knows better says so in details["todo"].
_TODO: Final[Mapping[str, str]] = {
    "reconciliation": "Look at it with `desk reconcile`; adopt what was paid in or out with `desk account adopt`.",
    "protection": "Look at the position with `desk positions`, and place a stop at the venue by hand if it stays so.",
    "channel": "Look at it with `desk channels log`, mend its address, and try it with `desk channels test`.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A message as people read it."""

    title: str
    body: str
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One of the things a message tells of, for programs; `outbox_id` is the same however often it is sent.

    `correlation_id` is that of what it came of.
    """

    outbox_id: str
    text: Text
    kind: str
    data: Mapping[str, object]
    correlation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A message with the address it goes to."""

    kind: ChannelKind
    target: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)
    text: Text
    items: tuple[Item, ...] = ()


def parcel_of(channel: ClaimedChannel, message: Sequence[Due]) -> Parcel:
    """Return one message to a channel, with the text of what it tells."""
    items = tuple(
        Item(
            outbox_id=due.outbox_id, text=_one(due), kind=due.kind, data=due.data, correlation_id=due.correlation_id
        )
        for due in message
    )  # fmt: skip
    return Parcel(kind=channel.kind, target=channel.target, secret=channel.secret, text=text_of(message), items=items)


def text_of(message: Sequence[Due]) -> Text:
    """Return the text of one delivery, or of the many that go as one message."""
    return _one(message[0]) if len(message) == 1 else _digest(message)


def _one(due: Due) -> Text:
    if due.title or due.body:
        return Text(title=due.title or due.kind, body=due.body or due.title, severity=due.severity)
    return _TEXTS.get(due.kind, _other)(due)


def _digest(message: Sequence[Due]) -> Text:
    worst = max((due.severity for due in message), key=lambda severity: severity.rank)
    counts = Counter(_NOUNS.get(due.kind, due.kind) for due in message)
    said = ", ".join(f"{count} {noun}" for noun, count in counts.items())
    in_order = sorted(message, key=lambda due: -due.severity.rank)
    lines = [f"- {_line(due)}" for due in in_order[:LISTED]]
    if more := len(message) - LISTED:
        lines += [f"and {more} more"] if more > 0 else []
    body = "\n".join([*lines, "", "All of it: `desk alerts` and `desk channels log`."])
    return Text(title=f"{_tag(worst)}{len(message)} messages: {said}", body=body, severity=worst)


def _line(due: Due) -> str:
    text = _one(due)
    said = f"{text.title}: {text.body.splitlines()[0]}" if text.body else text.title
    return said if len(said) <= _LINE else f"{said[: _LINE - 1]}…"


def _alert_opened(due: Due) -> Text:
    return _alert(due, "", "Since")


def _alert_risen(due: Due) -> Text:
    return _alert(due, "worse now: ", "Since")


def _alert(due: Due, prefix: str, since: str) -> Text:
    data = due.data
    details = data.get("details")
    todo = details.get("todo") if isinstance(details, Mapping) else None
    lines = [_sentence(data), f"{since} {clock(data.get('first_at_ms'))}{_again(data)}."]
    lines.append(str(todo or _TODO.get(str(data.get("kind")), "Look at it with `desk alerts`.")))
    lines.append(f"Say that you look after it: `desk alerts ack {str(data.get('alert_id'))[:8]}`.")
    return Text(title=f"{_tag(due.severity)}{prefix}{_name(data)}", body="\n".join(lines), severity=due.severity)


def _alert_resolved(due: Due) -> Text:
    data = due.data
    since, until = clock(data.get("first_at_ms")), clock(data.get("resolved_at_ms"))
    body = f"No longer so: {_sentence(data)}\nIt was so from {since} to {until}. Nothing is to be done."
    return Text(title=f"Resolved: {_name(data)}", body=body, severity=due.severity)


def _signal(due: Due) -> Text:
    data = due.data
    signals = [each for each in _list(data.get("first")) if isinstance(each, Mapping)]
    count = _count(data.get("signals"), len(signals))
    where = f"{data.get('timeframe')} close of {clock(data.get('close_time'))} at {data.get('venue')}"
    lines = [
        f"{each.get('trader')}: {each.get('side')} {each.get('symbol')} at {each.get('price')}" for each in signals
    ]
    if count > len(signals):
        lines.append(f"and {count - len(signals)} more")
    if count == 1 and signals:
        title = f"Signal: {signals[0].get('side')} {signals[0].get('symbol')}"
        lines.append(f"The whole story: GET /api/v1/signals/{signals[0].get('signal_id')}")
    else:
        title = f"{count} signals at {where}"
        lines.append("All of them: GET /api/v1/signals")
    return Text(title=title, body="\n".join([f"Your traders fired at the {where}.", *lines]), severity=due.severity)


def _proposal(due: Due) -> Text:
    data = due.data
    what = f"{data.get('direction')} {data.get('instrument')}"
    lines = [
        f"signal-agent proposes {what} for {data.get('notional')} in {data.get('mode')} book {data.get('book_id')}.",
        _sentence(data),
    ]
    if data.get("asks"):
        short = str(data.get("proposal_id"))[:8]
        lines.append(f"It expires at {clock(data.get('expires_at_ms'))}.")
        lines.append(f"Approve it: `desk proposals approve {short}`, or not: `desk proposals dismiss {short}`.")
    else:
        lines.append("The agent approves it by itself. Nothing is to be done.")
    return Text(title=f"Proposal: {what}", body="\n".join(lines), severity=due.severity)


def _test(due: Due) -> Text:
    name = due.data.get("name")
    body = f"This is how messages of nightdesk reach the channel {name}. Somebody asked for it; nothing is to be done."
    return Text(title="A test of your channel", body=body, severity=due.severity)


def _other(due: Due) -> Text:
    words = due.kind.replace("_", " ")
    said = due.data.get("sentence")
    return Text(title=f"{_tag(due.severity)}{words}", body=str(said or f"{words}."), severity=due.severity)


def clock(time_ms: object) -> str:
    """Write epoch ms as people read them, in UTC."""
    if not isinstance(time_ms, int):
        return "an unknown time"
    return datetime.fromtimestamp(time_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _tag(severity: Severity) -> str:
    return "" if severity is Severity.INFO else f"{severity.value.upper()}: "


def _name(data: Mapping[str, object]) -> str:
    return str(data.get("kind", "")).replace("_", " ")


def _sentence(data: Mapping[str, object]) -> str:
    said = str(data.get("sentence", "")).strip()
    return said if said.endswith((".", "!", "?")) else f"{said}."


def _again(data: Mapping[str, object]) -> str:
    back = data.get("reopened")
    return f", and back again since {clock(data.get('opened_at_ms'))}" if back else ""


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else ()


def _count(value: object, least: int) -> int:
    return max(value, least) if isinstance(value, int) else least


_NOUNS: Final = {
    "alert_opened": "alerts",
    "alert_risen": "worse alerts",
    "alert_resolved": "alerts resolved",
    "signal": "boundaries with signals",
    "proposal": "proposals",
    "test": "tests",
}
_TEXTS: Final = {
    "alert_opened": _alert_opened,
    "alert_risen": _alert_risen,
    "alert_resolved": _alert_resolved,
    "signal": _signal,
    "proposal": _proposal,
    "test": _test,
}
