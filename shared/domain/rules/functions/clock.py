"""What time it is when a candle closes, in UTC."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from shared.domain.candles import Floats
from shared.domain.rules.definition import Arguments, Function, Made, Word
from shared.domain.rules.market import Values, View
from shared.domain.rules.nodes import ATOM, NOTHING, Number
from shared.domain.timeframe import Timeframe, parse_timeframe

Times = Floats
"""Close times in epoch milliseconds; a double holds them exactly."""
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
THURSDAY: Final = 3  # 1970-01-01, counted from Monday


@dataclass(frozen=True, slots=True, eq=False)
class Moment(Number):
    """A number read off the clock at each close."""

    read: Callable[[Times], Floats]

    def leaves(self) -> tuple[Number, ...]:
        """Return itself."""
        return (self,)

    def values(self, view: View, k: int) -> Values:
        """Return the same values on every row."""
        times = view.time - np.arange(k - 1.0, -1.0, -1.0) * view.timeframe.ms
        return Values(np.repeat(self.read(times)[:, None], view.rows, axis=1).T, whole=True)


def _moment(read: Callable[[Times], Floats]) -> Made:
    return lambda text: Moment(sys.intern(text), ATOM, NOTHING, read)


def _hours(times: Times) -> Floats:
    return (times % DAY_MS) / HOUR_MS


HOUR_UTC = Function(
    name="hour_utc",
    doc="hour of the day at the close, 0 to 23",
    formula="14 at a candle that closes from 14:00 to 14:59 UTC",
    build=lambda _: _moment(lambda times: np.floor(_hours(times))),
)
WEEKDAY = Function(
    name="weekday",
    doc="day of the week at the close, 1 is Monday and 7 is Sunday",
    formula="ISO 8601, UTC",
    build=lambda _: _moment(lambda times: (times // DAY_MS + THURSDAY) % 7 + 1.0),
)
SESSIONS: Final = {"sydney": (21, 6), "tokyo": (0, 9), "london": (7, 16), "new_york": (13, 22)}
"""Opening and closing hours in UTC, the same in summer and winter; Sydney's runs past midnight."""


def _session(a: Arguments) -> Made:
    opens, closes = SESSIONS[a.word("name")]

    def read(times: Times) -> Floats:
        hours = _hours(times)
        inside = (hours >= opens) & (hours < closes) if opens < closes else (hours >= opens) | (hours < closes)
        return inside.astype(np.float64)

    return _moment(read)


SESSION = Function(
    name="session",
    doc="whether a trading session is open at the close",
    formula="; ".join(f"{name} {opens:02}-{closes:02}" for name, (opens, closes) in SESSIONS.items()) + " UTC",
    params=(Word(name="name", choices=tuple(SESSIONS)),),
    condition=True,
    build=_session,
    example='session("london")',
)


def _minutes_to_close(a: Arguments) -> Made:
    span = parse_timeframe(a.word("timeframe")).ms
    return _moment(lambda times: (-times % span) / 60_000.0)


MINUTES_TO_CLOSE = Function(
    name="minutes_to_close",
    doc="minutes until the present candle of another timeframe closes; 0 when it closes together with this one",
    formula='"1d" closes at midnight UTC',
    params=(Word(name="timeframe", choices=tuple(map(str, Timeframe)), default="1d"),),
    build=_minutes_to_close,
)
FUNCTIONS = (HOUR_UTC, WEEKDAY, SESSION, MINUTES_TO_CLOSE)
