"""Wake a function by the clock, as EventBridge does: `rate(…)` and `cron(…)` expressions in UTC."""

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from desk.lambda_host.pool import FunctionPool
from desk.lambda_host.spec import ACCOUNT
from shared.domain.errors import InvalidMessageError
from shared.domain.timeframe import MINUTE_MS
from shared.ports import Clock

_RATE: Final = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_CRON: Final = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")
_UNIT_MS: Final = {"minute": MINUTE_MS, "hour": 60 * MINUTE_MS, "day": 1_440 * MINUTE_MS}
_MONTHS: Final = {name: i for i, name in enumerate("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split(), start=1)}  # noqa: SIM905
_DAYS: Final = {name: i for i, name in enumerate("SUN MON TUE WED THU FRI SAT".split(), start=1)}  # noqa: SIM905
_LOOK_BACK: Final = 1_440  # minutes: a tape may jump, but one firing is all it gets
_POLL_S: Final = 0.05
_AT_MOST_EVERY_S: Final = 5.0

IsDue = Callable[[int, int], bool]


def is_due(expression: str) -> IsDue:
    """Return a test whether a schedule fires after one instant and at or before another (epoch ms).

    Rates are aligned to the epoch. Raise `InvalidMessageError` for an expression EventBridge does not know.
    """
    if rate := _RATE.fullmatch(expression):
        period = int(rate[1]) * _UNIT_MS[rate[2]]
        return lambda after, until: until // period > after // period
    if cron := _CRON.fullmatch(expression):
        matches = _cron(cron.groups())
        return lambda after, until: any(
            matches(datetime.fromtimestamp(minute * 60, UTC))
            for minute in range(max(after // MINUTE_MS, until // MINUTE_MS - _LOOK_BACK) + 1, until // MINUTE_MS + 1)
        )
    raise InvalidMessageError("schedule", f"expected rate(…) or cron(…), got {expression!r}")


def _cron(fields: Sequence[str]) -> Callable[[datetime], bool]:
    minute, hour, day, month, weekday, year = fields
    minutes, hours = _field(minute, 0, 59), _field(hour, 0, 23)
    days, months = _field(day, 1, 31), _field(month, 1, 12, _MONTHS)
    weekdays, years = _field(weekday, 1, 7, _DAYS), _field(year, 1970, 2199)
    return lambda at: (
        at.minute in minutes
        and at.hour in hours
        and at.day in days
        and at.month in months
        and at.isoweekday() % 7 + 1 in weekdays
        and at.year in years
    )


def _field(text: str, low: int, high: int, names: dict[str, int] | None = None) -> frozenset[int]:
    """Read one field of a cron expression: `*` or `?`, values, ranges, steps, lists of them."""
    found: set[int] = set()
    for part in text.upper().split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        try:
            start = low if first in "*?" else int((names or {}).get(first, first))
            stop = int((names or {}).get(last, last)) if last else (high if step or first in "*?" else start)
            found.update(range(start, stop + 1, int(step or 1)))
        except ValueError as error:
            raise InvalidMessageError("cron", f"cannot read {part!r}") from error
    if not found or min(found) < low or max(found) > high:
        raise InvalidMessageError("cron", f"expected {low} to {high}, got {text!r}")
    return frozenset(found)


@dataclass(slots=True, kw_only=True)
class ScheduleSource:
    """One schedule of one function, following the desk's clock: on a fast tape it fires often, but not too often."""

    expression: str
    region: str
    clock: Clock
    pool: FunctionPool

    async def run(self) -> None:
        """Fire until cancelled."""
        due = is_due(self.expression)
        last, quiet_until = self.clock.now_ms(), 0.0
        while True:
            await asyncio.sleep(_POLL_S)
            now = self.clock.now_ms()
            last = min(last, now)  # a tape can be rewound
            if time.monotonic() >= quiet_until and due(last, now):
                last, quiet_until = now, time.monotonic() + _AT_MOST_EVERY_S
                await self.pool.invoke(scheduled_event(self.pool.spec.name, now, self.region))


def scheduled_event(function: str, now_ms: int, region: str) -> dict[str, Any]:
    """Return the event EventBridge sends."""
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": datetime.fromtimestamp(now_ms // 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": [f"arn:aws:events:{region}:{ACCOUNT}:rule/{function}"],
        "detail": {},
    }
