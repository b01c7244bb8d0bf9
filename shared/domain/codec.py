"""The candle-log codec: one closed boundary of every symbol as one small text entry.

Venues print decimals, so a cell is kept as a whole number and a power of ten, `value = mantissa / 10**scale`, which is
exact: both are exact in a double, and IEEE division rounds to the very double the decimal string parses to. Open, high
and close are kept as their distance above the low. Each column's mantissas are cut to the bytes they need; what is left
is close to noise, so deflating it would cost the reader more than it saves, and only the scales are deflated. Entries
are base64, since Upstash's REST interface carries JSON. A cell that is no such decimal is kept as a raw double on the
side; a missing cell stays missing.

Entry: `v` version, `t` open time (epoch ms), `s` symbols (deflated, one a line), `d` data. Body of `d`, little-endian:
one width in bytes per column · uint16 length of the marks · marks, deflated: 5 × symbols scales (prices share one),
1 × symbols filled flags · symbols mantissas of each column · (uint32 cell, float64 value) of each raw cell.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from pybase64 import b64decode, b64encode

from shared.domain.candles import CLOSE, COLUMNS, LOW, Boundary, CandleFrame, Floats, empty_frame
from shared.domain.errors import InvalidMessageError
from shared.domain.timeframe import Timeframe

VERSION: Final = "1"
MAX_SCALE: Final = 22  # 10**22 is the largest power of ten a double holds exactly
MISSING: Final = 254
RAW: Final = 255

_WIDTH = len(COLUMNS)
_PRICES = CLOSE + 1
_SCALE_ROWS = (0, 0, 0, 0, 1, 2, 3, 4)
_POWERS = np.concatenate([10.0 ** np.arange(MAX_SCALE + 1), np.ones(RAW - MAX_SCALE)])
_POWERS[MISSING] = np.nan
_WHOLE_POWERS = 10 ** np.arange(16, dtype=np.int64)
_HEAD = _WIDTH + 2
_SPAN = 32
_RAW_CELL = np.dtype([("cell", "<u4"), ("value", "<f8")])


def encode(boundary: Boundary) -> dict[str, str]:
    """Write a boundary as a log entry; raise `InvalidMessageError` for an infinite value or a low above a price."""
    values = boundary.values
    if np.isinf(values).any() or (values[LOW] > values[:_PRICES]).any():
        raise InvalidMessageError("candles", f"expected finite values and low <= prices at {boundary.open_time}")
    mantissas, scales = _to_decimals(values)
    scale_rows = scales[CLOSE:]
    mantissas[[0, 1, CLOSE]] -= mantissas[LOW]
    widths = [(top.bit_length() + 7) // 8 for top in mantissas.max(axis=1, initial=0).tolist()]
    octets = mantissas.astype("<i8").view(np.uint8).reshape(_WIDTH, -1, 8)
    marks = zlib.compress(scale_rows.tobytes() + boundary.filled.astype(np.uint8).tobytes())
    raw = np.flatnonzero(scales == RAW)
    cells = np.zeros(len(raw), dtype=_RAW_CELL)
    cells["cell"], cells["value"] = raw, values.ravel()[raw]
    body = b"".join(
        [
            bytes(widths),
            len(marks).to_bytes(2, "little"),
            marks,
            *(column[:, :width].tobytes() for column, width in zip(octets, widths, strict=True)),
            cells.tobytes(),
        ]
    )
    return {
        "v": VERSION,
        "t": str(boundary.open_time),
        "s": _pack_symbols(boundary.symbols),
        "d": b64encode(body).decode("ascii"),
    }


def decode(timeframe: Timeframe, entry: Mapping[str, str]) -> Boundary:
    """Read one log entry; raise `InvalidMessageError` for another version or a damaged entry."""
    frame = decode_frame(timeframe, [entry])
    return Boundary(
        timeframe=timeframe,
        open_time=int(frame.open_times[0]),
        symbols=frame.symbols,
        values=frame.values[:, :, 0],
        filled=frame.filled[:, 0],
    )


def decode_frame(
    timeframe: Timeframe, entries: Sequence[Mapping[str, str]], *, base: CandleFrame | None = None, bars: int = 1_000
) -> CandleFrame:
    """Merge log entries, in log order, into the newest `bars` bars of `base`; a later entry overrides cell by cell."""
    if not entries:
        return (base or empty_frame(timeframe)).tail(bars)
    open_times = _read_open_times(timeframe, entries)
    frame = _grid(timeframe, base, open_times, _union(base, entries), bars)
    for start, stop in _runs([entry["s"] for entry in entries]):
        symbols = _unpack_symbols(entries[start]["s"])
        values, filled = _read_values(len(symbols), [entry["d"] for entry in entries[start:stop]])
        _write(frame, symbols, open_times[start:stop], values, filled)
    return frame


def _to_decimals(values: Floats) -> tuple[np.ndarray, np.ndarray]:
    """Return mantissas (int64) and scales (uint8) of every cell; prices of a symbol share the finest scale."""
    mantissas = np.zeros(values.shape, dtype=np.int64)
    scales = np.full(values.shape, RAW, dtype=np.uint8)
    todo = ~np.isnan(values)
    scales[~todo] = MISSING
    with np.errstate(over="ignore", invalid="ignore"):
        for scale in range(MAX_SCALE + 1):
            if not todo.any():
                break
            scaled = np.rint(values * _POWERS[scale])
            exact = todo & (np.abs(scaled) < 2**53) & (scaled / _POWERS[scale] == values)
            mantissas[exact], scales[exact] = scaled[exact].astype(np.int64), scale
            todo &= ~exact
    return _share_price_scale(mantissas, scales)


def _share_price_scale(mantissas: np.ndarray, scales: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    prices, finest = mantissas[:_PRICES], scales[:_PRICES].max(axis=0)
    shift = finest.astype(np.int64) - scales[:_PRICES]
    fits = (finest <= MAX_SCALE) & (shift.max(axis=0) < len(_WHOLE_POWERS))
    scaled = prices * _WHOLE_POWERS[np.where(fits, shift, 0)]
    fits &= (prices.astype(np.float64) * 10.0 ** np.where(fits, shift, 0) < 2**53).all(axis=0)
    mantissas[:_PRICES] = np.where(fits, scaled, 0)
    scales[:_PRICES] = np.where(fits, finest, np.where((scales[:_PRICES] == MISSING).any(axis=0), MISSING, RAW))
    return mantissas, scales


def _read_open_times(timeframe: Timeframe, entries: Sequence[Mapping[str, str]]) -> np.ndarray:
    for entry in entries:
        if entry.get("v") != VERSION:
            raise InvalidMessageError("v", f"expected candle-log version {VERSION}, got {entry.get('v')!r}")
    times = np.array([int(entry["t"]) for entry in entries], dtype=np.int64)
    if (times % timeframe.ms).any():
        raise InvalidMessageError("t", f"expected open times of {timeframe}, got {times[times % timeframe.ms > 0][0]}")
    return times


def _read_values(symbols: int, data: Sequence[str]) -> tuple[Floats, np.ndarray]:
    """Decode entries of one symbol list to values (columns × symbols × entries) and filled (symbols × entries)."""
    octets = np.zeros((len(data), _WIDTH, symbols, 8), dtype=np.uint8)
    scales = np.empty((len(data), len(set(_SCALE_ROWS)), symbols), dtype=np.uint8)
    filled = np.empty((len(data), symbols), dtype=np.bool_)
    raw_cells: list[tuple[int, np.ndarray]] = []
    for row, text in enumerate(data):
        body = np.frombuffer(_from_base64(text), dtype=np.uint8)
        widths, at = body[:_WIDTH].tolist(), _HEAD + int.from_bytes(body[_WIDTH:_HEAD].tobytes(), "little")
        marks = np.frombuffer(_inflate(body[_HEAD:at].tobytes()), dtype=np.uint8)
        end = at + sum(widths) * symbols
        if len(widths) < _WIDTH or max(widths) > 8 or len(marks) != 6 * symbols or len(body) < end:
            raise InvalidMessageError("d", f"damaged entry: {len(body)} bytes for {symbols} symbols")
        scales[row], filled[row] = marks[: 5 * symbols].reshape(5, symbols), marks[5 * symbols :]
        for column, width in enumerate(widths):
            octets[row, column, :, :width] = body[at : at + width * symbols].reshape(symbols, width)
            at += width * symbols
        if at < len(body):
            raw_cells.append((row, _read_raw_cells(body[at:])))
    mantissas = octets.view("<i8")[..., 0]
    mantissas[:, [0, 1, CLOSE]] += mantissas[:, [LOW]]
    powers = _POWERS[scales.transpose(1, 2, 0)]
    values = np.empty((_WIDTH, symbols, len(data)))
    for column, scale_row in enumerate(_SCALE_ROWS):
        np.divide(mantissas[:, column].T, powers[scale_row], out=values[column])
    for row, cells in raw_cells:
        values.reshape(_WIDTH * symbols, -1)[cells["cell"], row] = cells["value"]
    return values, filled.T


def _grid(
    timeframe: Timeframe, base: CandleFrame | None, times: np.ndarray, symbols: tuple[str, ...], bars: int
) -> CandleFrame:
    """Return a fresh frame that ends at the newest bar known and holds what `base` had."""
    known = times if base is None or not base.bars else np.append(times, base.open_times[[0, -1]])
    last = int(known.max())
    first = max(int(known.min()), last - (bars - 1) * timeframe.ms)
    grid = np.arange(first, last + 1, timeframe.ms, dtype=np.int64)
    frame = CandleFrame(
        timeframe=timeframe,
        symbols=symbols,
        open_times=grid,
        values=np.full((_WIDTH, len(symbols), len(grid)), np.nan),
        filled=np.zeros((len(symbols), len(grid)), dtype=np.bool_),
    )
    if base is not None and base.bars:
        _write(frame, base.symbols, base.open_times, base.values, base.filled)
    return frame


def _write(frame: CandleFrame, symbols: tuple[str, ...], times: np.ndarray, values: Floats, filled: np.ndarray) -> None:
    """Put cells into a frame in order, skipping what is older than the frame and never erasing with a missing cell."""
    bars = (times - frame.open_times[0]) // frame.timeframe.ms
    keep = np.flatnonzero(bars >= 0)
    if symbols == frame.symbols and len(keep) and np.array_equal(np.diff(bars[keep]), np.ones(len(keep) - 1)):
        target = slice(int(bars[keep[0]]), int(bars[keep[-1]]) + 1)
        _overlay(frame.values[:, :, target], frame.filled[:, target], values[:, :, keep], filled[:, keep])
        return
    index = {symbol: row for row, symbol in enumerate(frame.symbols)}
    rows = [index[symbol] for symbol in symbols]
    for entry in keep.tolist():
        cells, flags = frame.values[:, rows, bars[entry]], frame.filled[rows, bars[entry]]
        _overlay(cells, flags, values[:, :, entry], filled[:, entry])
        frame.values[:, rows, bars[entry]], frame.filled[rows, bars[entry]] = cells, flags


def _overlay(cells: Floats, flags: np.ndarray, values: Floats, filled: np.ndarray) -> None:
    present = ~np.isnan(values[CLOSE])
    if present.all():
        cells[...], flags[...] = values, filled
    else:
        np.copyto(cells, values, where=present)
        np.copyto(flags, filled, where=present)


def _union(base: CandleFrame | None, entries: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    lists = {entry["s"] for entry in entries}
    symbols = [_unpack_symbols(text) for text in lists] + ([base.symbols] if base is not None and base.bars else [])
    if all(other == symbols[0] for other in symbols):
        return symbols[0]
    return tuple(sorted({symbol for known in symbols for symbol in known}))


def _runs(keys: Sequence[str]) -> Iterable[tuple[int, int]]:
    """Yield the spans of equal neighbours, cut so that what one span decodes to stays in the processor's cache."""
    start = 0
    for stop in range(1, len(keys) + 1):
        if stop == len(keys) or keys[stop] != keys[start] or stop - start == _SPAN:
            yield start, stop
            start = stop


def _read_raw_cells(body: np.ndarray) -> np.ndarray:
    if len(body) % _RAW_CELL.itemsize:
        raise InvalidMessageError("d", f"damaged entry: {len(body)} bytes after the last column")
    return np.frombuffer(body.tobytes(), dtype=_RAW_CELL)


def _from_base64(text: str) -> bytes:
    try:
        return b64decode(text)
    except ValueError as error:
        raise InvalidMessageError("entry", f"damaged: {error}") from error


def _inflate(body: bytes) -> bytes:
    try:
        return zlib.decompress(body)
    except zlib.error as error:
        raise InvalidMessageError("entry", f"damaged: {error}") from error


@lru_cache(maxsize=64)
def _pack_symbols(symbols: tuple[str, ...]) -> str:
    return b64encode(zlib.compress("\n".join(symbols).encode(), 9)).decode("ascii")


@lru_cache(maxsize=64)
def _unpack_symbols(text: str) -> tuple[str, ...]:
    body = _inflate(_from_base64(text)).decode()
    return tuple(body.split("\n")) if body else ()
