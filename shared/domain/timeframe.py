"""Timeframes: the lengths of candles, all aligned to the UTC epoch.

A candle covers the half-open span `[open_time, close_time)`; its close instant is a *boundary*.
"""

from enum import StrEnum

from shared.domain.errors import InvalidMessageError

MINUTE_MS = 60_000


class Timeframe(StrEnum):
    """The length of a candle, spelled as venues and traders spell it."""

    M1 = "1m"
    M3 = "3m"
    M5 = "5m"
    M15 = "15m"
    M30 = "30m"
    H1 = "1h"
    H2 = "2h"
    H4 = "4h"
    H6 = "6h"
    H12 = "12h"
    D1 = "1d"

    @property
    def ms(self) -> int:
        """Return the length in milliseconds."""
        return _LENGTH_MS[self]

    def open_time(self, time_ms: int) -> int:
        """Return the open time of the candle that contains an instant (epoch ms)."""
        return time_ms - time_ms % self.ms

    def close_time(self, time_ms: int) -> int:
        """Return the close time of the candle that contains an instant (epoch ms)."""
        return self.open_time(time_ms) + self.ms

    def last_close(self, now_ms: int) -> int:
        """Return the newest boundary at or before an instant (epoch ms)."""
        return self.open_time(now_ms)

    def is_boundary(self, time_ms: int) -> bool:
        """Tell whether a candle of this timeframe closes at an instant (epoch ms)."""
        return time_ms % self.ms == 0


_LENGTH_MS = {
    timeframe: int(timeframe[:-1]) * {"m": MINUTE_MS, "h": 60 * MINUTE_MS, "d": 1_440 * MINUTE_MS}[timeframe[-1]]
    for timeframe in Timeframe
}


def parse_timeframe(text: str, *, field: str = "timeframe") -> Timeframe:
    """Read a timeframe, or raise `InvalidMessageError` that names the field and the choices."""
    try:
        return Timeframe(text)
    except ValueError:
        raise InvalidMessageError(
            field, f"unknown timeframe {text!r}, expected one of {', '.join(Timeframe)}"
        ) from None


def closing_at(close_time: int, timeframes: tuple[Timeframe, ...]) -> tuple[Timeframe, ...]:
    """Return those timeframes whose candle closes at a boundary (epoch ms), longest first."""
    return tuple(sorted((tf for tf in timeframes if tf.is_boundary(close_time)), key=lambda tf: -tf.ms))
