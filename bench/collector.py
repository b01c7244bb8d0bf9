"""Collector: kline frames a second, from the bytes of a combined stream to whole boundaries, on one core.

The frames are synthetic: 200 symbols in 6 timeframes, pushed 30 times each of which the last closes the candle, at an
instant where all six timeframes close together, which is the worst there is. `ours` is what the collector does with a
frame: decode, check, assemble, pack the boundary. The other rows do less with the same frames.
"""

import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final

from shared.adapters.venues.binance import read
from shared.domain.assembly import Assembler
from shared.domain.timeframe import Timeframe

TIMEFRAMES: Final = (Timeframe.M1, Timeframe.M5, Timeframe.M15, Timeframe.H1, Timeframe.H4, Timeframe.D1)
SYMBOLS: Final = 200
PUSHES: Final = 30
ROUNDS: Final = 5
MIDNIGHT: Final = 1_704_067_200_000


def run() -> list[dict[str, object]]:
    """Return one row per way of handling the same frames: processor time, the median of five rounds."""
    frames = _frames()
    ways: list[tuple[str, Callable[[Sequence[bytes]], int]]] = [
        ("ours: typed decode, check, assemble, boundary", _ours),
        ("ours, decode only", _ours_decoding),
        ("json.loads and dicts, floats of every frame, assemble", _dicts),
        ("json.loads only", _json),
    ]
    return [_row(name, way, frames) for name, way in ways]


def _row(name: str, way: Callable[[Sequence[bytes]], int], frames: Sequence[bytes]) -> dict[str, object]:
    seconds, closed = [], 0
    for _ in range(ROUNDS):
        began = time.process_time()
        closed = way(frames)
        seconds.append(time.process_time() - began)
    median = statistics.median(seconds)
    return {
        "handled by": name,
        "frames": len(frames),
        "closed candles": closed,
        "processor seconds": round(median, 3),
        "frames per second": round(len(frames) / median),
    }


def _ours(frames: Sequence[bytes]) -> int:
    ids = {f"S{number:03}USDT": f"S{number:03}/USDT" for number in range(SYMBOLS)}
    assembler = Assembler(TIMEFRAMES, ids.values(), since=MIDNIGHT - 1)
    for frame in frames:
        for push in read(frame):
            if (symbol := ids.get(push.venue_id)) is not None:
                assembler.add(push.timeframe, symbol, push.candle)
    (emission,) = assembler.take()
    return sum(len(boundary.symbols) for boundary in emission.boundaries)


def _ours_decoding(frames: Sequence[bytes]) -> int:
    return sum(len(read(frame)) for frame in frames)


def _dicts(frames: Sequence[bytes]) -> int:
    boundaries: dict[tuple[str, int], dict[str, dict[str, Any]]] = defaultdict(dict)
    for frame in frames:
        kline = json.loads(frame)["data"]["k"]
        candle = {name: float(kline[name]) for name in ("o", "h", "l", "c", "v", "q", "V")}
        candle["n"] = kline["n"]
        if kline["x"]:
            boundaries[kline["i"], kline["t"]][kline["s"]] = candle
    return sum(map(len, boundaries.values()))


def _json(frames: Sequence[bytes]) -> int:
    return sum(json.loads(frame)["data"]["k"]["x"] for frame in frames)


def _frames() -> list[bytes]:
    return [
        _frame(symbol, timeframe, push)
        for push in range(PUSHES)
        for timeframe in TIMEFRAMES
        for symbol in range(SYMBOLS)
    ]


def _frame(symbol: int, timeframe: Timeframe, push: int) -> bytes:
    name, opened, last = f"S{symbol:03}USDT", MIDNIGHT - timeframe.ms, 100.0 + symbol + push / 100
    kline = {
        "t": opened,
        "T": MIDNIGHT - 1,
        "s": name,
        "i": str(timeframe),
        "f": 1_000_000 + push,
        "L": 1_000_900 + push,
        "o": f"{100.0 + symbol:.8f}",
        "c": f"{last:.8f}",
        "h": f"{last + 0.5:.8f}",
        "l": f"{99.5 + symbol:.8f}",
        "v": f"{12.345678 * (push + 1):.8f}",
        "n": 30 * (push + 1),
        "x": push == PUSHES - 1,
        "q": f"{1234.5678 * (push + 1):.8f}",
        "V": f"{6.1 * (push + 1):.8f}",
        "Q": f"{610.5 * (push + 1):.8f}",
        "B": "0",
    }
    event = {"e": "kline", "E": MIDNIGHT - 2_000 * (PUSHES - push - 1) + 12, "s": name, "k": kline}
    return json.dumps({"stream": f"{name.lower()}@kline_{timeframe}", "data": event}, separators=(",", ":")).encode()
