"""The ledger of a drill: every entry of the log in order, every announcement, and the log as it is read in the end.

All of it is held against the tape. Entries are taken as they are written, so a log that was wrong for a minute is
found; a log that forgets too much shows only when it is read as functions read it.
"""

import json
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Self

import numpy as np

from desk.simulator.tape import Tape
from shared.domain.candles import CLOSE, Boundary, CandleFrame
from shared.domain.codec import decode
from shared.domain.timeframe import Timeframe

LATE: Final = "c"  # the field of an entry that is not of the stream's spine
GRACE_MS: Final = (250.0, 1_500.0)


class _Cell(NamedTuple):
    timeframe: Timeframe
    open_time: int
    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How tape time passes: at `real_ms` (epoch ms) it was `tape_ms`, and `speed` milliseconds pass in a real one."""

    tape_ms: int
    real_ms: int
    speed: float

    @classmethod
    def of(cls, clock_file: Path) -> Self:
        """Read what a tape clock follows."""
        return cls(**json.loads(clock_file.read_text()))

    def real(self, tape_ms: int) -> float:
        """Return when the tape reaches an instant (real epoch ms)."""
        return self.real_ms + (tape_ms - self.tape_ms) / self.speed

    def grace_ms(self, shortest: Timeframe) -> float:
        """Return the collector's grace in real time: half of the shortest candle, within bounds (ADR 0024)."""
        return min(max(shortest.ms / 2 / self.speed, GRACE_MS[0]), GRACE_MS[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a log compares with its tape.

    `missing` candles are not in the log at the end, or not as the tape has them; `invented` ones were written at any
    time although the tape has none there or another; `short` ones are not, or not as the tape has them, among the
    newest bars that a function reads of the log, as many as it must still show; `out_of_order` entries of the spine do
    not follow the one before; `premature` announcements came before their entry. `repeated` candles were written again
    and `late` entries written off the spine, both harmless; `unannounced` boundaries are left to the sweep. `blind_s`
    is the longest stretch of real time in which a candle was overdue: closed, past the grace, and not in the log.
    `held_s` is the longest time from the close of a boundary to its first entry, whole or not.
    """

    expected: int
    missing: int
    invented: int
    short: int
    out_of_order: int
    premature: int
    repeated: int
    late: int
    unannounced: int
    boundaries: int
    blind_s: float
    held_s: float

    @property
    def breaches(self) -> dict[str, int]:
        """Return what may not be, in words, and how often it was: any of it fails a drill."""
        return {
            "candles missing": self.missing,
            "candles invented": self.invented,
            "candles that the log shows no more": self.short,
            "entries out of order": self.out_of_order,
            "announcements before their entry": self.premature,
        }

    @property
    def is_exact(self) -> bool:
        """Tell whether the log equals the tape."""
        return not any(self.breaches.values())


class Ledger:
    """What was written, told and read of the timeframes of a tape; `depth` candles of its history are expected too.

    `kept` is how many entries a stream of the log keeps.
    """

    def __init__(self, tape: Tape, timeframes: Iterable[Timeframe], *, depth: int, kept: int) -> None:
        self._tape = tape
        self._timeframes = tuple(timeframes)
        self._depth = depth
        self._symbols = {listed.symbol for listed in tape.instruments}
        self._landed: dict[_Cell, int] = {}
        self._written: dict[tuple[Timeframe, int], int] = {}
        self._told: dict[tuple[Timeframe, int], int] = {}
        self._tails: dict[Timeframe, deque[bool]] = {timeframe: deque(maxlen=kept) for timeframe in self._timeframes}
        self._lost: dict[_Cell, int] = {}
        self._regained: list[tuple[float, float]] = []
        self._shown: set[_Cell] = set()
        self._newest: dict[Timeframe, int] = defaultdict(lambda: -1)
        self._invented = self._out_of_order = self._repeated = self._late = 0

    def write(self, timeframe: Timeframe, fields: Mapping[str, str], *, at_ms: int) -> None:
        """Take the next entry of a stream, written at a real time (epoch ms)."""
        boundary = decode(timeframe, fields)
        self._written.setdefault((timeframe, boundary.open_time), at_ms)
        self._tails[timeframe].append(LATE in fields)
        if LATE in fields:
            self._late += 1
        elif boundary.open_time <= self._newest[timeframe]:
            self._out_of_order += 1
        else:
            self._newest[timeframe] = boundary.open_time
        for symbol, is_right in self._compare(boundary):
            cell = _Cell(timeframe, boundary.open_time, symbol)
            if is_right and (lost_ms := self._lost.pop(cell, None)) is not None:
                self._regained.append((float(lost_ms), float(at_ms)))
            if not is_right:
                self._invented += 1
                self._landed.pop(cell, None)
            elif cell in self._landed:
                self._repeated += 1
            else:
                self._landed[cell] = at_ms

    def empty(self, *, at_ms: int) -> None:
        """Take note that the log has lost everything at a real time (epoch ms): its streams begin anew."""
        self._newest.clear()
        for tail in self._tails.values():
            tail.clear()
        self._lost = dict.fromkeys(self._landed, at_ms)

    def tell(self, timeframe: Timeframe, close_time: int, *, at_ms: int) -> None:
        """Take an announcement received at a real time (epoch ms)."""
        self._told.setdefault((timeframe, close_time - timeframe.ms), at_ms)

    def bars(self, timeframe: Timeframe) -> int:
        """Return how many of its newest bars a log must still show: one for each entry it keeps that is of the spine.

        Others push bars out, and where they rewrote all there is, they carry the bars: never fewer than `depth`.
        """
        return max(self._depth, sum(not is_late for is_late in self._tails[timeframe]))

    def read(self, frame: CandleFrame) -> None:
        """Take what the log shows of a timeframe in the end, instead of what it showed before."""
        timeframe = frame.timeframe
        self._shown = {cell for cell in self._shown if cell.timeframe is not timeframe}
        for bar, open_time in enumerate(frame.open_times.tolist()):
            boundary = Boundary(
                timeframe=timeframe,
                open_time=open_time,
                symbols=frame.symbols,
                values=frame.values[:, :, bar],
                filled=frame.filled[:, bar],
            )
            right = (symbol for symbol, is_right in self._compare(boundary) if is_right)
            self._shown.update(_Cell(timeframe, open_time, symbol) for symbol in right)

    def is_whole(self, until: int) -> bool:
        """Tell whether the log has every candle that closes up to an instant."""
        return all(cell in self._landed for cell in self._expected(until))

    def verdict(self, until: int, *, pace: Pace, now_ms: int) -> Verdict:
        """Judge what closes up to an instant; what has not landed by `now_ms` (real) counts as blind until then."""
        expected = list(self._expected(until))
        live = {
            (cell.timeframe, cell.open_time) for cell in expected if cell.open_time + cell.timeframe.ms > pace.tape_ms
        }
        return Verdict(
            expected=len(expected),
            missing=sum(cell not in self._landed for cell in expected),
            invented=self._invented,
            short=sum(
                cell not in self._shown for timeframe in self._timeframes for cell in self._due(timeframe, until)
            ),
            out_of_order=self._out_of_order,
            premature=sum(at_ms < self._written.get(key, now_ms + 1) for key, at_ms in self._told.items()),
            repeated=self._repeated,
            late=self._late,
            unannounced=len(live - self._told.keys()),
            boundaries=len(live),
            blind_s=round(longest((*self._overdue(expected, pace, now_ms), *self._regained)) / 1_000, 3),
            held_s=round(max((self._held_ms(*key, pace, now_ms) for key in live), default=0.0) / 1_000, 3),
        )

    def _compare(self, boundary: Boundary) -> Iterable[tuple[str, bool]]:
        """Yield the symbols that have a candle in an entry, and whether the tape has the same."""
        known = [symbol for symbol in boundary.symbols if symbol in self._symbols]
        timeframe, close_time = boundary.timeframe, boundary.close_time
        frame = self._tape.frame(timeframe, since=close_time - 1, until=close_time, symbols=known)
        row_of = {symbol: row for row, symbol in enumerate(known if frame.bars else ())}
        for at, symbol in enumerate(boundary.symbols):
            values = boundary.values[:, at]
            if np.isnan(values[CLOSE]):
                continue
            row = row_of.get(symbol)
            yield (
                symbol,
                row is not None
                and np.array_equal(values, frame.values[:, row, 0], equal_nan=True)
                and bool(boundary.filled[at] == frame.filled[row, 0]),
            )

    def _expected(self, until: int) -> Iterable[_Cell]:
        for timeframe in self._timeframes:
            yield from self._cells(timeframe, since=self._tape.live_from - self._depth * timeframe.ms, until=until)

    def _cells(self, timeframe: Timeframe, *, since: int, until: int) -> Iterable[_Cell]:
        """Yield the cells of the tape that open at an instant or later and close up to another."""
        frame = self._tape.frame(timeframe, since=max(since, self._tape.start), until=until)
        has = ~np.isnan(frame.column("close"))
        for bar, open_time in enumerate(frame.open_times.tolist()):
            for row in np.flatnonzero(has[:, bar]).tolist():
                yield _Cell(timeframe, open_time, frame.symbols[row])

    def _due(self, timeframe: Timeframe, until: int) -> Iterable[_Cell]:
        """Yield the cells of the newest bars that a log must still show and that close up to an instant."""
        oldest_ms = self._newest[timeframe] - (self.bars(timeframe) - 1) * timeframe.ms
        return self._cells(timeframe, since=oldest_ms, until=until)

    def _held_ms(self, timeframe: Timeframe, open_time: int, pace: Pace, now_ms: int) -> float:
        return self._written.get((timeframe, open_time), now_ms) - pace.real(open_time + timeframe.ms)

    def _overdue(self, expected: Iterable[_Cell], pace: Pace, now_ms: int) -> Iterable[tuple[float, float]]:
        grace_ms = pace.grace_ms(min(self._timeframes, key=lambda timeframe: timeframe.ms))
        for cell in expected:
            close_time = cell.open_time + cell.timeframe.ms
            due = pace.real(close_time) + grace_ms
            landed = self._landed.get(cell, now_ms)
            if close_time > pace.tape_ms and landed > due:
                yield due, float(landed)


def longest(stretches: Iterable[tuple[float, float]]) -> float:
    """Return the length of the longest stretch that overlapping (start, end) stretches make together, 0 for none."""
    best, start, end = 0.0, 0.0, float("-inf")
    for first, last in sorted(stretches):
        if first > end:
            start = first
        end = max(end, last)
        best = max(best, end - start)
    return best
