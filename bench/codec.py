"""The candle-log codec: 200 symbols a boundary, 500 boundaries read cold, one read warm."""

import base64
import json
import time
import zlib
from collections.abc import Callable

import numpy as np

from shared.domain.candles import CLOSE, COLUMNS, HIGH, LOW, Boundary
from shared.domain.codec import decode_frame, encode
from shared.domain.timeframe import Timeframe

SYMBOLS, ENTRIES, ROUNDS = 200, 500, 9

Call = Callable[[], object]


def run() -> list[dict[str, object]]:
    """Return a row per way of keeping the same candles: size, time to write one, time to read them all."""
    boundaries = _synthetic_boundaries()
    entries = [encode(boundary) for boundary in boundaries]
    head = decode_frame(Timeframe.M1, entries[:-1])
    plain = [json.dumps(boundary.values.tolist()) for boundary in boundaries]
    doubles = [base64.b64encode(zlib.compress(boundary.values.tobytes(), 1)) for boundary in boundaries]
    first = boundaries[0].values
    return [
        _row(
            "candle log",
            size=_size(["".join(entry.values()) for entry in entries]),
            write=lambda: encode(boundaries[0]),
            read=lambda: decode_frame(Timeframe.M1, entries),
        ),
        _row("candle log, one new entry", read=lambda: decode_frame(Timeframe.M1, entries[-1:], base=head)),
        _row(
            "deflated doubles",
            size=_size(doubles),
            write=lambda: base64.b64encode(zlib.compress(first.tobytes(), 1)),
            read=lambda: _read_doubles(doubles),
        ),
        _row(
            "JSON",
            size=_size(plain),
            write=lambda: json.dumps(first.tolist()),
            read=lambda: np.array([json.loads(text) for text in plain]),
        ),
    ]


def _row(name: str, *, read: Call, write: Call | None = None, size: float | None = None) -> dict[str, object]:
    best, median = _time(read)
    return {
        "kept as": name,
        "KB an entry": size,
        "write one, ms": _time(write)[1] if write else None,
        "read 500, ms (median)": median,
        "read 500, ms (best)": best,
    }


def _read_doubles(entries: list[bytes]) -> np.ndarray:
    """Decode the baseline to the same shape as a frame."""
    body = b"".join(zlib.decompress(base64.b64decode(entry)) for entry in entries)
    return np.ascontiguousarray(np.frombuffer(body).reshape(len(entries), len(COLUMNS), SYMBOLS).transpose(1, 2, 0))


def _time(call: Call) -> tuple[float, float]:
    """Return the best and the median of some rounds, in milliseconds."""
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        call()
        took.append((time.perf_counter() - began) * 1_000)
    return round(min(took), 3), round(sorted(took)[ROUNDS // 2], 3)


def _size(entries: list[str] | list[bytes]) -> float:
    return round(sum(map(len, entries)) / len(entries) / 1_000, 2)


def _synthetic_boundaries() -> list[Boundary]:
    """Make synthetic candles with the decimals of a venue: four to eight digits of price, three decimals of volume."""
    rng = np.random.default_rng(7)
    prices = np.exp(rng.normal(2, 3, SYMBOLS))
    decimals = np.clip(4 - np.floor(np.log10(prices)), 0, 8).astype(int)
    symbols = tuple(f"S{row:03d}/USDT" for row in range(SYMBOLS))
    made = []
    for bar in range(ENTRIES):
        ticks = prices * np.exp(rng.normal(0, 0.001, (4, SYMBOLS)))
        values = np.empty((len(COLUMNS), SYMBOLS))
        values[:4] = [[round(float(p), int(d)) for p, d in zip(row, decimals, strict=True)] for row in ticks]
        values[HIGH], values[LOW] = values[: CLOSE + 1].max(axis=0), values[: CLOSE + 1].min(axis=0)
        volume = np.round(np.exp(rng.normal(5, 3, SYMBOLS)), 3)
        values[4], values[5] = volume, np.round(volume * prices, 4)
        values[6], values[7] = rng.integers(1, 5_000, SYMBOLS), np.round(volume / 2, 3)
        made.append(
            Boundary(
                timeframe=Timeframe.M1,
                open_time=Timeframe.M1.ms * (bar + 1),
                symbols=symbols,
                values=values,
                filled=np.zeros(SYMBOLS, dtype=np.bool_),
            )
        )
    return made
