"""What Redis costs: commands and bytes in a calendar month, and what the month will come to at this rate."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self

STEADY_MS: Final = 3_600_000
"""For how long one must have counted before a month is foretold: a first backfill says nothing of a rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Commands sent, and bytes of requests and answers together."""

    commands: int = 0
    bytes: int = 0

    def __add__(self, other: Self) -> "Usage":
        """Return both together."""
        return Usage(commands=self.commands + other.commands, bytes=self.bytes + other.bytes)

    def times(self, factor: float) -> "Usage":
        """Return as much at a multiple of the time, rounded."""
        return Usage(commands=round(self.commands * factor), bytes=round(self.bytes * factor))


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthUsage:
    """What was used in a UTC calendar month (`2026-11`) since counting began in it, at `since_ms` in epoch ms."""

    month: str
    since_ms: int
    used: Usage

    def projected(self, now_ms: int) -> Usage | None:
        """Return what the month comes to if it goes on like this; None before an hour has been counted."""
        since_ms = max(self.since_ms, month_start(self.month))
        if now_ms - since_ms < STEADY_MS:
            return None
        return self.used.times((month_end(self.month) - since_ms) / (now_ms - since_ms))


def month_of(time_ms: int) -> str:
    """Return the UTC calendar month of a time, such as `2026-11`."""
    return f"{datetime.fromtimestamp(time_ms / 1_000, UTC):%Y-%m}"


def month_start(month: str) -> int:
    """Return a month's first instant in epoch ms."""
    return int(_first(month).timestamp()) * 1_000


def month_end(month: str) -> int:
    """Return the first instant of the month after in epoch ms."""
    first = _first(month)
    after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return int(after.timestamp()) * 1_000


def _first(month: str) -> datetime:
    return datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
