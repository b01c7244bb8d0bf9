"""Candle files: CSV or CSV.gz of one symbol, read strictly, so that a bad line is named and never half believed.

Columns are converted whole, which is quick; only when something is wrong are the rows read one by one, to say where.
"""

import csv
import gzip
import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

import numpy as np

from shared.domain.candles import (
    CLOSE,
    COLUMNS,
    HIGH,
    LOW,
    OPEN,
    VOLUME,
    Bools,
    Candle,
    CandleFrame,
    Floats,
    Times,
)
from shared.domain.errors import InvalidMessageError
from shared.domain.resample import resample
from shared.domain.timeframe import Timeframe

TIME_COLUMNS: Final = ("open_time", "timestamp", "date")
PRICES: Final = COLUMNS[:4]
REQUIRED: Final = COLUMNS[:5]

MAX_LINE: Final = 10_000
MAX_GAP: Final = 100_000  # candles; a wider hole is a wrong date, and filling it would eat the memory


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Table:
    """The rows of a file by open time; `values` is (columns, rows) and `lines` where each row stood."""

    name: str
    times: Times
    values: Floats
    lines: Times

    def where(self, row: int) -> str:
        return f"{self.name} line {self.lines[row]}"


def read_candles(path: Path, timeframe: Timeframe) -> list[Candle]:
    """Read one symbol's candles, oldest first and without holes.

    The header names a time column (`open_time`, `timestamp` or `date`: the *open* time, epoch ms or ISO-8601 UTC),
    open, high, low, close, volume and optionally quote_volume, trades, taker_buy_volume (NaN where unknown); other
    columns are ignored. Rows come in any order, identical ones may repeat. A row missing inside the range becomes a
    flagged no-trade candle; rows of a shorter timeframe are resampled. Raises `InvalidMessageError` that names file,
    line and column.
    """
    frame = read_frame(path, timeframe, symbol=path.name)
    rows = zip(frame.open_times.tolist(), *frame.values[:, 0].tolist(), frame.filled[0].tolist(), strict=True)
    return [Candle(*row) for row in rows]


def read_frame(path: Path, timeframe: Timeframe, *, symbol: str) -> CandleFrame:
    """Read what `read_candles` reads, as the frame of one symbol."""
    table = _without_repeats(_read_table(path))
    step = _step_of(table, timeframe)
    frame = _without_holes(table, step, symbol)
    if step is timeframe:
        return frame
    longer = resample(frame, timeframe)
    if not longer.bars:
        raise InvalidMessageError(path.name, f"expected at least one whole {timeframe} candle of {step} rows")
    return longer


def _read_table(path: Path) -> _Table:
    rows, lines = [], []
    with _lines_of(path) as text:
        reader = csv.reader(text)
        header = [name.strip().lower() for name in next(reader, [])]
        time_at, columns = _read_header(path, header)
        for cells in reader:
            if len(cells) == len(header):
                rows.append(cells)
                lines.append(reader.line_num)
            elif cells:
                raise InvalidMessageError(
                    f"{path.name} line {reader.line_num}",
                    f"expected {len(header)} columns as in the header, got {len(cells)}",
                )
    if not rows:
        raise InvalidMessageError(path.name, "expected at least one candle below the header")
    try:
        times, values = _convert(rows, time_at, columns)
    except ValueError:
        times, values = _convert_one_by_one(
            path, rows, lines, time_name=header[time_at], time_at=time_at, columns=columns
        )
    order = np.argsort(times, kind="stable")
    return _Table(name=path.name, times=times[order], values=values[:, order], lines=np.array(lines)[order])


@contextmanager
def _lines_of(path: Path) -> Iterator[Iterator[str]]:
    """Open a file as lines of bounded length, and tell what is wrong with it when it is no text."""
    try:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8-sig", newline="") as text:
            yield _bounded(path, text)
    except UnicodeDecodeError as error:
        raise InvalidMessageError(path.name, f"expected UTF-8 text, byte {error.start} is not") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InvalidMessageError(path.name, f"expected a whole gzip file: {error}") from error
    except csv.Error as error:
        raise InvalidMessageError(path.name, f"expected CSV: {error}") from error
    except OSError as error:
        raise InvalidMessageError(str(path), f"cannot be read: {error.strerror or error}") from error


def _bounded(path: Path, text: IO[str]) -> Iterator[str]:
    line = 0
    while got := text.readline(MAX_LINE + 1):
        line += 1
        if len(got) > MAX_LINE:
            raise InvalidMessageError(f"{path.name} line {line}", f"expected at most {MAX_LINE} characters")
        yield got


def _read_header(path: Path, names: Sequence[str]) -> tuple[int, list[int | None]]:
    """Return where the time stands and where each candle column does, None for an optional one that is absent."""
    if not names:
        raise InvalidMessageError(path.name, "expected a header line and candles, got an empty file")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InvalidMessageError(f"{path.name} line 1", f"expected each column once, got {', '.join(repeated)} twice")
    missing = [name for name in REQUIRED if name not in names]
    found = [name for name in TIME_COLUMNS if name in names]
    if missing or not found:
        wanted = ", ".join(missing if found else [" or ".join(TIME_COLUMNS), *missing])
        raise InvalidMessageError(f"{path.name} line 1", f"missing column {wanted}; got {', '.join(names)[:200]}")
    return names.index(found[0]), [names.index(name) if name in names else None for name in COLUMNS]


def _convert(rows: Sequence[Sequence[str]], time_at: int, columns: Sequence[int | None]) -> tuple[Times, Floats]:
    """Read whole columns; raise `ValueError`, without saying where, if any cell is wrong or blank."""
    cells = list(zip(*rows, strict=True))
    times = np.array(list(map(_read_time, cells[time_at])), dtype=np.int64)
    values = np.full((len(COLUMNS), len(rows)), np.nan)
    for column, at in enumerate(columns):
        if at is not None:
            values[column] = list(map(float, cells[at]))
    known = [at for at in columns if at is not None]
    # Python reads 1_000 as a number; a venue never writes it.
    if not _are_possible(values).all() or any("_" in "".join(cells[at]) for at in known):
        raise ValueError
    return times, values


def _are_possible(values: Floats) -> Bools:
    """Tell of each bar whether it is one: prices above 0 between low and high, the rest finite, at least 0."""
    low, high = values[LOW], values[HIGH]
    between = (values[[OPEN, CLOSE]] >= low) & (values[[OPEN, CLOSE]] <= high)
    extras = values[VOLUME + 1 :]
    sums = np.isnan(extras) | ((extras >= 0) & (extras < np.inf))
    possible = (low > 0) & (high < np.inf) & (values[VOLUME] >= 0) & (values[VOLUME] < np.inf)
    return np.asarray(possible & between.all(axis=0) & sums.all(axis=0))


def _convert_one_by_one(
    path: Path,
    rows: Sequence[Sequence[str]],
    lines: Sequence[int],
    *,
    time_name: str,
    time_at: int,
    columns: Sequence[int | None],
) -> tuple[Times, Floats]:
    """Read row by row and raise for the first cell that is wrong; a blank optional cell is only unknown."""
    times, values = [], []
    for line, cells in zip(lines, rows, strict=True):
        where = f"{path.name} line {line}"
        try:
            times.append(_read_time(cells[time_at]))
        except ValueError as error:
            raise InvalidMessageError(f"{where}, column {time_name}", str(error)) from error
        bar = [
            math.nan if at is None else _read_number(where, name, cells[at])
            for name, at in zip(COLUMNS, columns, strict=True)
        ]
        _check_range(where, bar)
        values.append(bar)
    return np.array(times, dtype=np.int64), np.array(values).T


def _read_time(text: str) -> int:
    """Read an instant as epoch ms, or raise `ValueError` that says what was expected."""
    text = text.strip()
    if text.isdecimal() and text.isascii():
        if len(text) != 13:
            raise ValueError(f"expected epoch milliseconds (13 digits), got {text[:40]}")
        return int(text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"expected epoch ms or ISO-8601 UTC, got {text[:40]!r}") from None
    if time.utcoffset():
        raise ValueError(f"expected UTC, got {text[:40]!r}")
    return round(time.replace(tzinfo=UTC).timestamp() * 1_000)


def _read_number(where: str, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan if name not in REQUIRED and not text.strip() else math.inf
    is_unknown = math.isnan(value) and name not in REQUIRED
    if "_" in text or not (value < math.inf or is_unknown):
        raise InvalidMessageError(f"{where}, column {name}", f"expected a finite number, got {text[:40]!r}")
    if value < 0 or (value == 0 and name in PRICES):
        bound = "above 0" if name in PRICES else "of at least 0"
        raise InvalidMessageError(f"{where}, column {name}", f"expected a number {bound}, got {text[:40]!r}")
    return value


def _check_range(where: str, bar: Sequence[float]) -> None:
    first, high, low, close = bar[: CLOSE + 1]
    if low > min(first, high, close):
        raise InvalidMessageError(
            f"{where}, column low", f"expected low <= open, high, close, got {low} with {first}, {high}, {close}"
        )
    if high < max(first, close):
        raise InvalidMessageError(
            f"{where}, column high", f"expected high >= open, close, got {high}, {first}, {close}"
        )


def _without_repeats(table: _Table) -> _Table:
    again = np.flatnonzero(np.diff(table.times) == 0) + 1
    same = (table.values[:, again] == table.values[:, again - 1]) | np.isnan(
        table.values[:, again] + table.values[:, again - 1]
    )
    for row, columns in zip(again.tolist(), same.T, strict=True):
        if not columns.all():
            column = int(np.argmin(columns))
            raise InvalidMessageError(
                f"{table.where(row)}, column {COLUMNS[column]}",
                f"expected {table.values[column, row - 1]} as on line {table.lines[row - 1]}, which has the same open "
                f"time, got {table.values[column, row]}",
            )
    keep = np.ones(len(table.times), dtype=np.bool_)
    keep[again] = False
    return _Table(name=table.name, times=table.times[keep], values=table.values[:, keep], lines=table.lines[keep])


def _step_of(table: _Table, timeframe: Timeframe) -> Timeframe:
    """Return the timeframe the rows are of: the longest on whose grid all of them lie."""
    apart = int(np.gcd.reduce(table.times))
    on_grid = [step for step in Timeframe if apart % step.ms == 0]
    if timeframe in on_grid:
        longest = max(on_grid, key=lambda step: step.ms)
        if longest is not timeframe and len(table.times) > 1:
            raise InvalidMessageError(table.name, f"expected candles of {timeframe} or shorter, got {longest} candles")
        return timeframe
    shorter = [step for step in on_grid if timeframe.ms % step.ms == 0]
    if shorter and np.sum(np.diff(table.times) == shorter[-1].ms) * 2 >= len(table.times) - 1:
        return shorter[-1]
    # One stray row puts all on a finer grid: then that row is wrong, not the file.
    grid = timeframe if on_grid else Timeframe.M1
    stray = int(np.argmax(table.times % grid.ms != 0))
    raise InvalidMessageError(
        table.where(stray), f"expected an open time on the {timeframe} grid, got {table.times[stray]}"
    )


def _without_holes(table: _Table, step: Timeframe, symbol: str) -> CandleFrame:
    bars = (table.times - table.times[0]) // step.ms
    if len(bars) > 1 and np.diff(bars).max() > MAX_GAP:
        row = int(np.argmax(np.diff(bars))) + 1
        raise InvalidMessageError(table.where(row), f"expected at most {MAX_GAP} missing {step} candles before it")
    count = int(bars[-1]) + 1
    source = np.repeat(np.arange(len(bars)), np.diff(np.append(bars, count)))
    filled = np.ones(count, dtype=np.bool_)
    filled[bars] = False
    values = table.values[:, source]
    values[:VOLUME, filled] = values[CLOSE, filled]
    values[VOLUME:, filled] = 0.0
    return CandleFrame(
        timeframe=step,
        symbols=(symbol,),
        open_times=np.arange(count, dtype=np.int64) * step.ms + table.times[0],
        values=values[:, np.newaxis, :],
        filled=filled[np.newaxis, :],
    )
