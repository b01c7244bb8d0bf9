"""Assembly: closed candles go in as they arrive, whole boundaries come out in order.

All timeframes that close at one instant form a unit, so that whoever is told of the 1m boundary at 12:00 finds the 1h
candle of 12:00 in the log. An instant is emitted when every expected symbol has closed in each of its timeframes, or
when it is settled: its grace has passed, the repair has been tried, and what is still missing is recorded as gaps. A
candle that arrives or changes after its boundary was emitted becomes a correction; the same candle again is nothing.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from math import gcd
from typing import Final, NamedTuple

from shared.domain.candles import Boundary, Candle
from shared.domain.errors import InvalidMessageError, TransientError
from shared.domain.timeframe import Timeframe, closing_at

REMEMBER: Final = 30
"""How many boundaries of a timeframe stay comparable after emission."""
AHEAD_MS: Final = 3_600_000
"""How far a venue may run ahead of our clock before its candles are refused as damaged."""


class Cell(NamedTuple):
    """The place of one candle in the log."""

    timeframe: Timeframe
    open_time: int
    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Emission:
    """All boundaries of one close instant, longest timeframe first, and the cells they lack."""

    close_time: int
    boundaries: tuple[Boundary, ...]
    missing: tuple[Cell, ...]


class _Instant:
    """An instant being assembled: the candles that came and the symbols still awaited, by timeframe."""

    __slots__ = ("awaited", "candles", "is_reported", "is_settled")

    def __init__(self, timeframes: Iterable[Timeframe], symbols: frozenset[str]) -> None:
        self.candles: dict[Timeframe, dict[str, Candle]] = {timeframe: {} for timeframe in timeframes}
        self.awaited: dict[Timeframe, set[str]] = {timeframe: set(symbols) for timeframe in self.candles}
        self.is_reported = False
        self.is_settled = False

    @property
    def is_complete(self) -> bool:
        return not any(self.awaited.values())


class Assembler:
    """The candles of one venue on their way to the log; times in epoch ms of the market's clock.

    `since` is the last close instant that history covers: what closed up to then is not assembled here. `remember` is
    how many boundaries of a timeframe stay comparable after emission; a candle older than that counts only if it is
    a known gap, since history this old is the backfill's business.
    """

    def __init__(
        self,
        timeframes: Iterable[Timeframe],
        symbols: Iterable[str],
        *,
        since: int,
        remember: int = REMEMBER,
        depth: int = 1_000,
    ) -> None:
        self._timeframes = tuple(timeframes)
        self._symbols = frozenset(symbols)
        self._step = gcd(*(timeframe.ms for timeframe in self._timeframes))
        self._since = since
        self._opened = since - since % self._step
        self._depth = depth
        self._pending: dict[int, _Instant] = {}
        self._emitted: dict[Timeframe, deque[tuple[int, dict[str, Candle]]]] = {
            timeframe: deque(maxlen=remember) for timeframe in self._timeframes
        }
        self._corrections: dict[tuple[int, Timeframe], dict[str, Candle]] = {}
        self._gaps: set[Cell] = set()

    @property
    def gaps(self) -> frozenset[Cell]:
        """Return the cells that were emitted without a candle and are still without one."""
        return frozenset(self._gaps)

    @property
    def opened(self) -> int:
        """Return the newest close instant that is open or was (epoch ms)."""
        return self._opened

    @property
    def pending(self) -> int:
        """Return how many instants are open."""
        return len(self._pending)

    def expect(self, symbols: Iterable[str]) -> None:
        """Change the symbols: newcomers count from the next instant on, leavers are awaited no longer."""
        self._symbols = frozenset(symbols)
        self._gaps = {cell for cell in self._gaps if cell.symbol in self._symbols}
        for instant in self._pending.values():
            for awaited in instant.awaited.values():
                awaited.intersection_update(self._symbols)

    def advance(self, now_ms: int) -> None:
        """Open every instant up to now, so that a boundary of which nothing arrives is missed too.

        Raise `TransientError` when the clock leaps further than the log is deep: start over, that is for a backfill.
        """
        if now_ms - self._opened > self._depth * self._step:
            raise TransientError(
                f"the clock leapt from {self._opened} to {now_ms}, further than {self._depth} boundaries"
            )
        while self._opened + self._step <= now_ms:
            self._opened += self._step
            closing = closing_at(self._opened, self._timeframes)
            if closing and self._opened > self._since:
                self._pending[self._opened] = _Instant(closing, self._symbols)

    def add(self, timeframe: Timeframe, symbol: str, candle: Candle) -> bool:
        """Take a closed candle, and tell whether it was news; raise `InvalidMessageError` when it is off the grid."""
        close_time = candle.open_time + timeframe.ms
        if candle.open_time % timeframe.ms or close_time > self._opened + min(AHEAD_MS, self._depth * self._step):
            raise InvalidMessageError("open_time", f"expected a closed {timeframe} candle, got {candle.open_time}")
        if symbol not in self._symbols or timeframe not in self._emitted:
            return False
        if close_time > self._opened:  # the venue's clock is ahead of ours
            self.advance(close_time)
        instant = self._pending.get(close_time)
        if instant is None:
            return self._correct(timeframe, symbol, candle)
        if not _replaces(candle, instant.candles[timeframe].get(symbol)):
            return False
        instant.candles[timeframe][symbol] = candle
        instant.awaited[timeframe].discard(symbol)
        return True

    def overdue(self, now_ms: int, *, grace_ms: int) -> tuple[Cell, ...]:
        """Return the cells missing where the grace has passed, each instant once: repair, then `settle` them."""
        missing: list[Cell] = []
        for close_time, instant in self._pending.items():
            if close_time + grace_ms <= now_ms and not instant.is_reported and not instant.is_complete:
                instant.is_reported = True
                missing += _missing(close_time, instant)
        return tuple(missing)

    def is_lacking(self, cell: Cell) -> bool:
        """Tell whether a candle is awaited, or is a gap."""
        instant = self._pending.get(cell.open_time + cell.timeframe.ms)
        return cell in self._gaps if instant is None else cell.symbol in instant.awaited.get(cell.timeframe, ())

    def known(self, cell: Cell) -> Candle | None:
        """Return the candle of a cell, None where there is none or it is too long ago to be corrected."""
        instant = self._pending.get(cell.open_time + cell.timeframe.ms)
        cells = instant.candles.get(cell.timeframe) if instant else self._remembered(cell.timeframe, cell.open_time)
        return cells.get(cell.symbol) if cells else None

    def note_gaps(self, cells: Iterable[Cell]) -> None:
        """Remember cells that history lacks too, so that a candle for them counts."""
        self._gaps.update(cell for cell in cells if cell.symbol in self._symbols)

    def settle(self, close_times: Iterable[int]) -> None:
        """Give up waiting: these instants are emitted with what they have."""
        for close_time in close_times:
            if (instant := self._pending.get(close_time)) is not None:
                instant.is_settled = True

    def take(self) -> list[Emission]:
        """Return the instants that are complete or settled, oldest first; none overtakes an older one."""
        emissions = []
        for close_time in sorted(self._pending):
            instant = self._pending[close_time]
            if not (instant.is_complete or instant.is_settled):
                break
            emissions.append(self._emit(close_time, self._pending.pop(close_time)))
        return emissions

    def take_corrections(self) -> list[Boundary]:
        """Return what changed after emission, oldest first, as boundaries of just the cells that changed."""
        taken, self._corrections = self._corrections, {}
        return [Boundary.of(timeframe, time, cells.items()) for (time, timeframe), cells in sorted(taken.items())]

    def _emit(self, close_time: int, instant: _Instant) -> Emission:
        missing = tuple(_missing(close_time, instant))
        self._gaps.update(missing)
        self._gaps = {cell for cell in self._gaps if cell.open_time >= close_time - self._depth * cell.timeframe.ms}
        boundaries = []
        for timeframe, candles in instant.candles.items():
            self._emitted[timeframe].append((close_time - timeframe.ms, candles))
            if candles:
                boundaries.append(Boundary.of(timeframe, close_time - timeframe.ms, candles.items()))
        return Emission(close_time=close_time, boundaries=tuple(boundaries), missing=missing)

    def _correct(self, timeframe: Timeframe, symbol: str, candle: Candle) -> bool:
        cell = Cell(timeframe, candle.open_time, symbol)
        known = self._remembered(timeframe, candle.open_time)
        if known is None and cell not in self._gaps:
            return False
        if known is not None:
            if not _replaces(candle, known.get(symbol)):
                return False
            known[symbol] = candle
        self._gaps.discard(cell)
        self._corrections.setdefault((candle.open_time, timeframe), {})[symbol] = candle
        return True

    def _remembered(self, timeframe: Timeframe, open_time: int) -> dict[str, Candle] | None:
        return next((cells for time, cells in self._emitted[timeframe] if time == open_time), None)


def _missing(close_time: int, instant: _Instant) -> Iterable[Cell]:
    for timeframe, awaited in instant.awaited.items():
        for symbol in sorted(awaited):
            yield Cell(timeframe, close_time - timeframe.ms, symbol)


def _replaces(candle: Candle, known: Candle | None) -> bool:
    """Tell whether a candle is news: not the same again, and not a fill-in for a candle that was traded."""
    if known is None:
        return True
    if candle.filled and not known.filled:
        return False
    return candle != known and any(a != b and (a == a or b == b) for a, b in zip(candle, known, strict=True))  # noqa: PLR0124 NaN
