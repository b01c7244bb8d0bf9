"""Who is told what, when, and how often it is tried."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.alerts import Severity
from shared.domain.notification_texts import LISTED, text_of
from shared.domain.notifications import (
    BURST,
    FIRST_DELAY_MS,
    GIVE_UP_MS,
    LONGEST_DELAY_MS,
    ChannelKind,
    ClaimedChannel,
    DeliveryState,
    Due,
    Fault,
    FaultKind,
    Listener,
    QuietHours,
    Unrouted,
    Waiting,
    outcomes_of,
    plan,
    quiet_until,
    retry_at,
    route,
    wants,
)
from tests.fakes.outbox import utc_offset_ms

NOW = 1_700_000_040_000
DAY_MS = 86_400_000
NIGHT = QuietHours(from_minute=22 * 60, to_minute=7 * 60)
PROPOSAL: dict[str, object] = {
    "proposal_id": "1234abcd-0000", "book_id": "b", "mode": "paper", "instrument": "BTC/USDT", "direction": "long",
    "notional": "100", "sentence": "long: 3 of 3 agree", "expires_at_ms": NOW, "asks": True,
}  # fmt: skip
severities = st.sampled_from(Severity)
kinds = st.sampled_from(["alert_opened", "alert_risen", "alert_resolved", "signal", "proposal", "test"])


def a_due(severity: Severity = Severity.INFO, kind: str = "alert_opened", **changes: Any) -> Due:
    values: dict[str, Any] = {
        "delivery_id": str(uuid4()), "attempts": 0, "created_at_ms": NOW, "outbox_id": str(uuid4()), "kind": kind,
        "severity": severity, "title": "", "body": "", "data": {"kind": "venue", "sentence": "it is down"},
        "correlation_id": "",
    }  # fmt: skip
    return Due(**(values | changes))


def a_channel(*deliveries: Due, **changes: Any) -> ClaimedChannel:
    values: dict[str, Any] = {
        "channel_id": "c", "owner_id": None, "name": "n", "kind": ChannelKind.APPRISE, "target": "json://x",
        "secret": None, "quiet": None, "digest_ms": 60_000, "utc_offset_ms": 0, "utc_offset_tomorrow_ms": 0,
        "sent_ms": (), "deliveries": deliveries,
    }  # fmt: skip
    return ClaimedChannel(**(values | changes))


def a_row(kind: str, severity: Severity, person: str | None = None, channel_id: str | None = None) -> Waiting:
    return Waiting(
        outbox_id="o", kind=kind, severity=severity, person_id=person, to_desk=person is None, channel_id=channel_id
    )


def a_listener(least: Severity = Severity.INFO, kinds: tuple[str, ...] = (), owner: str | None = None) -> Listener:
    return Listener(channel_id="c", owner_id=owner, min_severity=least, kinds=kinds)


@given(kinds, severities, severities, st.lists(st.sampled_from(["alert", "signal", "proposal"]), unique=True))
def test_a_channel_hears_what_it_asked_for_and_no_more(
    kind: str, severity: Severity, least: Severity, wanted: list[str]
) -> None:
    heard = wants(a_listener(least, tuple(wanted)), a_row(kind, severity))
    family = kind.partition("_")[0]
    assert heard == (kind != "test" and severity.rank >= least.rank and (not wanted or family in wanted))


def test_a_test_goes_to_its_channel_and_a_failure_to_the_others() -> None:
    assert wants(a_listener(Severity.CRITICAL), a_row("test", Severity.INFO, channel_id="c"))
    assert not wants(a_listener(), a_row("test", Severity.INFO, channel_id="d"))
    assert not wants(a_listener(), a_row("alert_opened", Severity.CRITICAL, channel_id="c"))
    assert wants(a_listener(), a_row("alert_opened", Severity.CRITICAL, channel_id="d"))


@given(
    st.lists(st.tuples(st.sampled_from([None, "ann", "bob"]), st.booleans()), max_size=8),
    st.lists(st.sampled_from([None, "ann", "bob", "eve"]), max_size=8),
)
def test_a_row_reaches_its_person_and_the_desk_and_nobody_else(
    rows: list[tuple[str | None, bool]], owners: list[str | None]
) -> None:
    waiting = tuple(
        Waiting(
            outbox_id=str(n), kind="alert_opened", severity=Severity.INFO, person_id=person, to_desk=desk or not person
        )
        for n, (person, desk) in enumerate(rows)
    )
    channels = tuple(
        Listener(channel_id=str(n), owner_id=owner, min_severity=Severity.INFO, kinds=())
        for n, owner in enumerate(owners)
    )
    routes = route(Unrouted(rows=waiting, channels=channels))
    assert [each.outbox_id for each in routes] == [row.outbox_id for row in waiting]
    for row, each in zip(waiting, routes, strict=True):
        expected = {
            c.channel_id
            for c in channels
            if (c.owner_id is None and row.to_desk) or (c.owner_id is not None and c.owner_id == row.person_id)
        }
        assert set(each.channels) == expected
        assert len(each.channels) == len(expected)


def is_quiet(quiet: QuietHours, zone: str, at_ms: int) -> bool:
    """Tell the same from the wall clock, as a person would."""
    local = datetime.fromtimestamp(at_ms / 1_000, UTC).astimezone(ZoneInfo(zone))
    minute = local.hour * 60 + local.minute
    begin, end = quiet.from_minute, quiet.to_minute
    return begin <= minute < end if begin < end else minute >= begin or minute < end


def asked(quiet: QuietHours, zone: str, at_ms: int) -> int | None:
    return quiet_until(
        quiet,
        now_ms=at_ms,
        utc_offset_ms=utc_offset_ms(zone, at_ms),
        utc_offset_tomorrow_ms=utc_offset_ms(zone, at_ms + DAY_MS),
    )


@given(
    st.integers(0, 1_439),
    st.integers(0, 1_439),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]),
    st.integers(1_600_000_000, 1_900_000_000),
)
def test_quiet_hours_are_those_of_the_wall_clock_and_come_to_an_end(begin: int, end: int, zone: str, at_s: int) -> None:
    if begin == end:
        return
    quiet, now_ms = QuietHours(from_minute=begin, to_minute=end), at_s * 1_000
    assert (asked(quiet, zone, now_ms) is not None) == is_quiet(quiet, zone, now_ms)
    for _ in range(90):  # asked again at the end it was told, as notify does; clocks may have changed meanwhile
        until = asked(quiet, zone, now_ms)
        if until is None:
            break
        assert now_ms < until <= now_ms + 26 * 3_600_000
        assert all(is_quiet(quiet, zone, at) for at in range(now_ms, until - 60_000, 300_000)) or _changes(zone, now_ms)
        now_ms = until
    assert not is_quiet(quiet, zone, now_ms)


def _changes(zone: str, at_ms: int) -> bool:
    return utc_offset_ms(zone, at_ms) != utc_offset_ms(zone, at_ms + DAY_MS)


def test_a_night_ends_in_the_morning_also_when_clocks_change() -> None:
    before = datetime(2026, 3, 28, 23, 0, tzinfo=ZoneInfo("Europe/Berlin"))
    until = asked(NIGHT, "Europe/Berlin", int(before.timestamp() * 1_000))
    assert until == int(datetime(2026, 3, 29, 7, 0, tzinfo=ZoneInfo("Europe/Berlin")).timestamp() * 1_000)


def test_what_is_critical_breaks_through_and_the_rest_waits() -> None:
    night_ms = int(datetime(2026, 1, 5, 23, 0, tzinfo=UTC).timestamp() * 1_000)
    loud, soft, over = a_due(Severity.CRITICAL), a_due(Severity.WARNING), a_due(Severity.CRITICAL, "alert_resolved")
    tried = a_due(kind="test")
    made = plan(a_channel(loud, soft, over, tried, quiet=NIGHT), now_ms=night_ms)
    assert made.messages == ((loud,), (tried,))
    assert {held.delivery_id for held in made.held} == {soft.delivery_id, over.delivery_id}
    assert {held.until_ms for held in made.held} == {night_ms + 8 * 3_600_000}


@given(
    st.lists(st.tuples(severities, kinds), max_size=12),
    st.lists(st.integers(0, 90_000), max_size=6),
    st.integers(0, 60_000),
    st.booleans(),
)
def test_everything_that_is_due_goes_once_or_waits(
    due: list[tuple[Severity, str]], ages: list[int], digest_ms: int, quiet: bool
) -> None:
    deliveries = [a_due(severity, kind) for severity, kind in due]
    made = plan(
        a_channel(
            *deliveries,
            sent_ms=tuple(NOW - age for age in ages),
            digest_ms=digest_ms,
            quiet=QuietHours(from_minute=0, to_minute=1_439) if quiet else None,
        ),
        now_ms=NOW,
    )
    sent = [each.delivery_id for message in made.messages for each in message]
    held = [each.delivery_id for each in made.held]
    assert sorted(sent + held) == sorted(each.delivery_id for each in deliveries)
    assert all(each.until_ms > NOW for each in made.held)
    if digest_ms:
        assert len(made.messages) <= BURST
    by_id = {each.delivery_id: each for each in deliveries}
    for delivery_id in held:
        waits = by_id[delivery_id]
        assert waits.kind != "test"
        assert waits.severity is not Severity.CRITICAL or waits.kind == "alert_resolved"


def test_a_burst_is_one_message_and_what_follows_it_too() -> None:
    burst = [a_due(Severity.WARNING) for _ in range(50)]
    (message,) = plan(a_channel(*burst), now_ms=NOW).messages
    assert list(message) == burst
    few = [a_due() for _ in range(3)]
    assert len(plan(a_channel(*few), now_ms=NOW).messages) == 3
    sent = (NOW - 1_000, NOW - 2_000, NOW - 3_000)
    late = plan(a_channel(a_due(), sent_ms=sent), now_ms=NOW)
    assert (late.messages, [held.until_ms for held in late.held]) == ((), [NOW - 3_000 + 60_000])


@given(
    st.integers(1, 60),
    st.sampled_from(FaultKind),
    st.floats(0, 1),
    st.integers(0, 2 * DAY_MS),
    st.none() | st.integers(0, DAY_MS),
)
def test_tries_come_later_and_later_until_a_day_is_over(
    attempts: int, kind: FaultKind, jitter: float, age_ms: int, asked_ms: int | None
) -> None:
    fault = Fault(kind=kind, reason="r", retry_after_ms=asked_ms)
    at = retry_at(attempts, fault, created_at_ms=NOW - age_ms, now_ms=NOW, jitter=jitter)
    if at is None:
        assert kind is FaultKind.BAD_TARGET or age_ms + max(LONGEST_DELAY_MS, asked_ms or 0) >= GIVE_UP_MS
        return
    assert at - NOW >= max(FIRST_DELAY_MS // 2, asked_ms or 0)
    assert at - NOW <= max(LONGEST_DELAY_MS, asked_ms or 0)
    assert at <= NOW - age_ms + GIVE_UP_MS


def test_a_day_of_tries_is_not_a_storm() -> None:
    now_ms, tries = NOW, 0
    fault = Fault(kind=FaultKind.UNREACHABLE, reason="r")
    due = a_due()
    while True:
        (outcome,) = outcomes_of(
            [a_due(delivery_id=due.delivery_id, attempts=tries)], fault, now_ms=now_ms, digest_id="d"
        )
        tries += 1
        if outcome.state is DeliveryState.FAILED:
            break
        assert outcome.next_at_ms is not None
        now_ms = outcome.next_at_ms
    assert 24 <= tries <= 60
    assert timedelta(hours=22) < timedelta(milliseconds=now_ms - NOW) <= timedelta(hours=24)


def test_a_wrong_target_is_tried_three_times() -> None:
    fault = Fault(kind=FaultKind.BAD_TARGET, reason="it answers 404")
    states = [outcomes_of([a_due(attempts=n)], fault, now_ms=NOW, digest_id="d")[0].state for n in range(3)]
    assert states == [DeliveryState.PENDING, DeliveryState.PENDING, DeliveryState.FAILED]


ALERT = {
    "alert_id": "7b1f6a52-0f7e-5b38-9d5c-1d2f3a4b5c6d", "kind": "venue", "sentence": "binance does not answer",
    "first_at_ms": NOW, "opened_at_ms": NOW, "reopened": 0, "resolved_at_ms": NOW + 60_000, "details": {},
}  # fmt: skip


@pytest.mark.parametrize(
    ("due", "title", "said"),
    [
        (
            a_due(Severity.CRITICAL, data=ALERT),
            "CRITICAL: venue",
            ["binance does not answer.", "Since 2023-11-14 22:14:00 UTC", "desk alerts ack 7b1f6a52"],
        ),
        (
            a_due(Severity.WARNING, "alert_risen", data=ALERT | {"details": {"todo": "Call them."}}),
            "WARNING: worse now: venue",
            ["Call them."],
        ),
        (
            a_due(Severity.WARNING, "alert_resolved", data=ALERT),
            "Resolved: venue",
            ["No longer so: binance does not answer.", "to 2023-11-14 22:15:00 UTC", "Nothing is to be done"],
        ),
        (
            a_due(kind="signal", data={
                "venue": "binance", "timeframe": "1m", "close_time": NOW, "signals": 30,
                "first": [{"signal_id": "s", "trader": "Dip", "symbol": "BTC/USDT", "side": "long", "price": "1"}],
            }),
            "30 signals at 1m close of 2023-11-14 22:14:00 UTC at binance",
            ["Dip: long BTC/USDT at 1", "and 29 more"],
        ),
        (
            a_due(kind="proposal", data=PROPOSAL),
            "Proposal: long BTC/USDT",
            ["long BTC/USDT for 100", "3 of 3 agree", "expires at 2023-11-14 22:14:00 UTC",
             "desk proposals approve 1234abcd", "desk proposals dismiss 1234abcd"],
        ),
        (
            a_due(kind="proposal", data=PROPOSAL | {"asks": False}),
            "Proposal: long BTC/USDT",
            ["3 of 3 agree", "approves it by itself", "Nothing is to be done"],
        ),
        (a_due(kind="test", data={"name": "Phone"}), "A test of your channel", ["the channel Phone"]),
        (a_due(kind="strange_thing", data={}), "strange thing", ["strange thing."]),
        (a_due(title="T", body="B"), "T", ["B"]),
    ],
    ids=["opened", "risen", "resolved", "signals", "proposal", "approved", "test", "unknown", "its own"],
)  # fmt: skip
def test_texts_say_what_happened_since_when_and_what_to_do(due: Due, title: str, said: list[str]) -> None:
    text = text_of([due])
    assert text.title == title
    for words in said:
        assert words in text.body


@given(st.lists(st.tuples(severities, kinds), min_size=2, max_size=60))
def test_a_digest_lists_the_most_severe_first_and_counts_the_rest(due: list[tuple[Severity, str]]) -> None:
    message = [a_due(severity, kind) for severity, kind in due]
    text = text_of(message)
    assert text.severity.rank == max(severity.rank for severity, _ in due)
    assert f"{len(due)} messages: " in text.title
    assert sum(line.startswith("- ") for line in text.body.splitlines()) == min(len(due), LISTED)
    assert (f"and {len(due) - LISTED} more" in text.body) == (len(due) > LISTED)
