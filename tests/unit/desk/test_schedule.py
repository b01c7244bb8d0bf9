"""Schedules fire when EventBridge's would."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.lambda_host.schedule import is_due, scheduled_event
from shared.domain.errors import InvalidMessageError

MINUTE = 60_000


def at(text: str) -> int:
    """Return an instant in epoch ms."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)


@pytest.mark.parametrize(
    ("expression", "instant"),
    [
        ("rate(1 minute)", "2024-03-01 10:01"),
        ("rate(15 minutes)", "2024-03-01 10:15"),
        ("rate(1 hour)", "2024-03-01 11:00"),
        ("rate(1 day)", "2024-03-02 00:00"),
        ("cron(0 6 * * ? *)", "2024-03-01 06:00"),
        ("cron(*/20 * * * ? *)", "2024-03-01 06:40"),
        ("cron(30 6,18 ? * MON-FRI *)", "2024-03-01 18:30"),
        ("cron(0 0 1 JAN,MAR ? 2024)", "2024-03-01 00:00"),
        ("cron(5/30 * ? * 6 *)", "2024-03-01 23:35"),
    ],
)
def test_it_is_due_at_its_minute_and_not_before(expression: str, instant: str) -> None:
    due, when = is_due(expression), at(instant)
    assert due(when - 1, when)
    assert not due(when - MINUTE, when - 1)
    assert not due(when, when + MINUTE - 1)


def test_weekends_are_quiet_on_a_weekday_schedule() -> None:
    due = is_due("cron(30 6 ? * MON-FRI *)")
    assert not due(at("2024-03-02 00:00"), at("2024-03-03 23:59"))
    assert due(at("2024-03-03 00:00"), at("2024-03-04 06:30"))


@given(st.integers(0, 10**13), st.integers(0, 10**8))
def test_a_jump_of_the_tape_fires_once_and_misses_nothing(start: int, length: int) -> None:
    due = is_due("rate(1 minute)")
    assert due(start, start + length) == (start // MINUTE != (start + length) // MINUTE)
    assert not due(start, start)


@pytest.mark.parametrize(
    "expression",
    ["", "rate(1)", "rate(x minutes)", "every minute", "cron(* * *)", "cron(61 * * * ? *)", "cron(0 0 ? * NOD *)"],
)
def test_an_expression_nobody_knows_is_refused(expression: str) -> None:
    with pytest.raises(InvalidMessageError):
        is_due(expression)


def test_the_event_is_eventbridges() -> None:
    event = scheduled_event("trigger-executions", at("2024-03-01 10:01"), "eu-central-1")
    assert (event["source"], event["detail-type"]) == ("aws.events", "Scheduled Event")
    assert event["time"] == "2024-03-01T10:01:00Z"
    assert event["resources"][0].endswith(":rule/trigger-executions")
